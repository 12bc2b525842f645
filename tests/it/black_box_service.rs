//! The built daemon under a service manager: what it tells, when, and what it is given.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::black_box::{Exchange, Guard, PATIENCE, Process, binary, scene, until};

/// The manager's end of the notifications.
struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
    _folder: TempDir,
}

impl Manager {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            socket,
            path,
            _folder: folder,
        }
    }

    /// The next message.
    fn heard(&self) -> String {
        let mut buffer = [0; 4_096];
        let length = self.socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    /// Every message up to and with the one that has this in it.
    fn until_heard(&self, wanted: &str) -> Vec<String> {
        let mut all = Vec::new();
        loop {
            all.push(self.heard());
            if all.last().is_some_and(|last| last.contains(wanted)) {
                return all;
            }
            assert!(all.len() < 1_000, "{wanted} never came: {all:?}");
        }
    }
}

#[test]
fn the_service_manager_hears_ready_status_and_the_watchdog() {
    let mut exchange = Exchange::start(&scene());
    let mut guard = Guard::configured(&exchange.announced, None, "");
    let manager = Manager::new();
    let mut command = guard.command();
    command
        .env("NOTIFY_SOCKET", &manager.path)
        .env("WATCHDOG_USEC", "400000");
    guard.process = Some(Process::spawn(command));
    let first = manager.until_heard("READY=1");
    assert!(first.last().unwrap().contains("STATUS="), "{first:?}");
    // Ready means answering: at once, not soon.
    assert_eq!(guard.get("/healthz").status, 200);
    manager.until_heard("STATUS=in step with the exchange");
    let fed = manager.until_heard("WATCHDOG=1").len() + manager.until_heard("WATCHDOG=1").len();
    assert!(fed >= 2);
    exchange.process.kill_9();
    let lost = manager.until_heard("STATUS=rejecting new risk; not fresh: ");
    assert!(lost.last().unwrap().contains("account: "), "{lost:?}");
    // Blind is not dead: the manager must not restart it for that.
    manager.until_heard("WATCHDOG=1");
    exchange.start_again();
    manager.until_heard("STATUS=in step with the exchange");
    guard.process().signal(Signal::TERM);
    manager.until_heard("STOPPING=1");
    assert_eq!(guard.process().ended().code(), Some(0));
}

#[test]
fn a_stop_that_comes_with_the_readiness_is_an_orderly_stop() {
    let exchange = Exchange::start(&scene());
    for signal in [
        Signal::TERM,
        Signal::INT,
        Signal::TERM,
        Signal::INT,
        Signal::TERM,
    ] {
        let mut guard = Guard::configured(&exchange.announced, None, "");
        let manager = Manager::new();
        let mut command = guard.command();
        command.env("NOTIFY_SOCKET", &manager.path);
        guard.process = Some(Process::spawn(command));
        manager.until_heard("READY=1");
        guard.process().signal(signal);
        assert_eq!(guard.process().ended().code(), Some(0));
        assert!(!guard.socket().exists());
    }
}

#[test]
fn credentials_and_state_come_from_the_service_manager() {
    let exchange = Exchange::start(&scene());
    let mut guard = Guard::configured(&exchange.announced, None, "");
    // As the shipped unit has it: no key and no state directory in the file.
    let text = fs::read_to_string(guard.config()).unwrap();
    let left = |line: &&str| {
        let gone = ["[key]", "api_key_file", "secret_file", "[state]", "dir ="];
        !gone.iter().any(|start| line.starts_with(start))
    };
    let text: Vec<&str> = text.lines().filter(left).collect();
    fs::write(guard.config(), text.join("\n")).unwrap();
    let credentials = guard.folder.path().join("credentials");
    fs::create_dir(&credentials).unwrap();
    for name in ["api_key", "secret"] {
        fs::rename(guard.folder.path().join(name), credentials.join(name)).unwrap();
    }
    fs::set_permissions(&credentials, fs::Permissions::from_mode(0o500)).unwrap();
    let state = guard.folder.path().join("given");
    let mut command = binary();
    command.arg("run").arg("--config").arg(guard.config());
    command
        .env("CREDENTIALS_DIRECTORY", &credentials)
        .env("STATE_DIRECTORY", &state);
    guard.start_as(command);
    guard.until_ready();
    guard.assert_in_step();
    assert!(state.join("journal.db").exists());
    assert_eq!(
        fs::metadata(&state).unwrap().permissions().mode() & 0o777,
        0o700
    );
    // Gone with the restart: it stays up without a key and says so.
    guard.process().kill_9();
    let mut command = guard.command();
    command.env("STATE_DIRECTORY", &state);
    guard.start_as(command);
    until("it says that there is no key", || {
        let status = guard.get("/v1/status").json();
        let missing = status["keyRefusal"]["cause"] == "missing";
        missing.then_some(()).ok_or_else(|| status.to_string())
    });
}
