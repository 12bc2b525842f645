//! The built daemon under a service manager: what it tells, when, and what it is given.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::black_box::{Exchange, Guard, PATIENCE, Process, alone, ask, binary, scene, until};

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

/// The daemon as a manager starts it that passes this socket as the second of two descriptors.
fn command_with_socket(guard: &Guard, listener: &UnixListener, name: &str, pid: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    let script = format!(
        "exec 3<&0 4<&0 0</dev/null; export LISTEN_PID={pid} LISTEN_FDS=2 \
         LISTEN_FDNAMES=other:{name}; exec \"$0\" \"$@\""
    );
    command.arg("-c").arg(script);
    command.arg(binary().get_program());
    command.args(["run", "--config"]).arg(guard.config());
    alone(&mut command);
    let passed = OwnedFd::from(listener.try_clone().unwrap());
    command.stdin(Stdio::from(passed));
    command
}

#[test]
fn a_socket_that_the_manager_passes_is_served_and_left_alone() {
    let exchange = Exchange::start(&scene());
    for name in ["crossguard.sock", "admin.sock"] {
        let mut guard = Guard::configured(&exchange.announced, None, "");
        let path = guard.socket().with_file_name(name);
        fs::create_dir(path.parent().unwrap()).unwrap();
        let listener = UnixListener::bind(&path).unwrap();
        let file = || fs::symlink_metadata(&path).map(|file| (file.ino(), file.mode()));
        let before = file().unwrap();
        // Meant for another process: not taken, and nobody else's socket is replaced.
        let command = command_with_socket(&guard, &listener, name, "1");
        let mut refused = Process::spawn(command);
        assert_eq!(refused.ended().code(), Some(1));
        assert_eq!(file().unwrap(), before);

        let command = command_with_socket(&guard, &listener, name, "$$");
        guard.start_as(command);
        let stream = UnixStream::connect(&path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_eq!(ask(stream, "GET", "/healthz", "").unwrap().status, 200);
        // Only the administrator's socket may reload.
        let stream = UnixStream::connect(&path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let reload = ask(stream, "POST", "/v1/policy/reload", "").unwrap();
        let expected = if name == "admin.sock" { 200 } else { 403 };
        assert_eq!(reload.status, expected, "{reload:?}");

        guard.process().signal(Signal::TERM);
        assert_eq!(guard.process().ended().code(), Some(0));
        assert_eq!(file().unwrap(), before);
        // The one that the daemon bound itself is gone as ever.
        let left = fs::read_dir(path.parent().unwrap()).unwrap();
        let sockets = left.filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_string_lossy().ends_with(".sock")
        });
        assert_eq!(sockets.count(), 1);
    }
}
