//! The built binary as processes: `sim`, `run` and the verbs, over real sockets on loopback.
//!
//! Nothing here knows how the daemon is made. What is waited for is a condition with a generous
//! deadline; no figure depends on how fast the machine is.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossguard::clock::Clock;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::live::SCENE;

/// Longest wait for anything that must happen: far beyond every bound that is asserted elsewhere.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// A position in the opening scene, so that every plane is needed.
pub(crate) const HELD: &str = "pos BTCUSDT crossed 20x +0.1 @ 60000\n";

/// Orders as a bot would send them.
pub(crate) const SMALL: &str =
    r#"{"symbol":"BTCUSDT","side":"BUY","type":"MARKET","quantity":"0.01"}"#;
pub(crate) const GREEDY: &str =
    r#"{"symbol":"BTCUSDT","side":"BUY","type":"MARKET","quantity":"1.5"}"#;
pub(crate) const EXIT: &str =
    r#"{"symbol":"BTCUSDT","side":"SELL","type":"MARKET","quantity":"0.1","reduceOnly":true}"#;

/// Asks until there is something; what is missing is said when patience ends.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let clock = Clock::machine();
    let begun = clock.now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(missing) => {
                let passed = clock.now().since_ms(begun).unsigned_abs();
                assert!(
                    u128::from(passed) < PATIENCE.as_millis(),
                    "waited in vain until {what}: {missing}"
                );
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossguard"));
    alone(&mut command);
    command
}

/// Nothing of the tester's own set-up reaches the process.
pub(crate) fn alone(command: &mut Command) {
    for name in [
        "CROSSGUARD_SOCKET",
        "NOTIFY_SOCKET",
        "CREDENTIALS_DIRECTORY",
        "STATE_DIRECTORY",
    ] {
        command.env_remove(name);
    }
    command
        .env("XDG_RUNTIME_DIR", "/nonexistent")
        .env("XDG_STATE_HOME", "/nonexistent")
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .stdin(Stdio::null());
}

/// A process that does not outlive its test.
pub(crate) struct Process {
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Process {
    /// Starts it; what it complains about is kept. A caller that wants its standard output takes it.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let spawned = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = spawned.unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (stderr, kept) = (child.stderr.take().unwrap(), said.clone());
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                kept.lock().unwrap().push_str(&format!("{line}\n"));
            }
        });
        Self { child, said }
    }

    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// What it prints, to be read by whoever takes it.
    pub(crate) fn printed(&mut self) -> ChildStdout {
        self.child.stdout.take().unwrap()
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        until("the process ends", || {
            match self.child.try_wait().unwrap() {
                Some(status) => Ok(status),
                None => Err(self.said()),
            }
        })
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub(crate) fn kill_9(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A kill ends a stopped process too.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// An answer as it came.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }
}

/// One request on a connection of its own; every way in which no whole answer comes is an error.
pub(crate) fn ask(
    mut stream: impl Read + io::Write,
    method: &str,
    path: &str,
    body: &str,
) -> io::Result<Answer> {
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let cut = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let text = String::from_utf8(bytes).map_err(|_| cut())?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(cut)?;
    let head = head.to_ascii_lowercase();
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    if length.and_then(|length| length.parse().ok()) != Some(body.len()) {
        return Err(cut());
    }
    Ok(Answer {
        status: status.ok_or_else(cut)?,
        body: body.to_owned(),
    })
}

/// `crossguard sim`.
pub(crate) struct Exchange {
    pub(crate) process: Process,
    pub(crate) announced: Value,
    folder: TempDir,
}

impl Exchange {
    pub(crate) fn start(scene: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("scene"), scene).unwrap();
        let (process, announced) = Self::launch(folder.path(), "127.0.0.1:0");
        Self {
            process,
            announced,
            folder,
        }
    }

    /// Starts it anew where it listened before.
    pub(crate) fn start_again(&mut self) {
        assert!(!self.process.is_running());
        let address = self.address().to_string();
        let (process, announced) = Self::launch(self.folder.path(), &address);
        assert_eq!(announced, self.announced, "address and key are the same");
        self.process = process;
    }

    fn launch(folder: &Path, listen: &str) -> (Process, Value) {
        let mut command = binary();
        command.args(["sim", "--listen", listen, "--scenario"]);
        let mut process = Process::spawn({
            command.arg(folder.join("scene"));
            command
        });
        let mut line = String::new();
        let out = process.child.stdout.take().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        let announced = serde_json::from_str(&line);
        let announced = announced.unwrap_or_else(|_| panic!("{line}{}", process.said()));
        (process, announced)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        let rest = self.announced["rest"].as_str().unwrap();
        rest.strip_prefix("http://").unwrap().parse().unwrap()
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        let stream = TcpStream::connect(self.address())
            .unwrap_or_else(|error| panic!("{error}: {}", self.process.said()));
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        ask(stream, method, path, body).unwrap()
    }

    /// Something happens at the exchange.
    pub(crate) fn say(&self, line: &str) {
        let answer = self.ask("POST", "/sim/command", line);
        assert_eq!(answer.status, 200, "{line}: {}", answer.body);
    }

    pub(crate) fn truth(&self) -> Value {
        self.ask("GET", "/sim/truth", "").json()
    }
}

/// A daemon's folder: configuration, keys, sockets, state.
pub(crate) struct Guard {
    pub(crate) folder: TempDir,
    pub(crate) process: Option<Process>,
}

impl Guard {
    /// A configuration for the exchange that was announced, by way of another address if there is
    /// one, and with more of it at the end.
    pub(crate) fn configured(announced: &Value, by_way_of: Option<SocketAddr>, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let guard = Self {
            folder,
            process: None,
        };
        let url = |name: &str| announced[name].as_str().unwrap().to_owned();
        let [rest, stream, ws_api] = match by_way_of {
            None => ["rest", "stream", "wsApi"].map(url),
            Some(at) => [
                format!("http://{at}"),
                format!("ws://{at}"),
                format!("ws://{at}/ws-fapi/v1"),
            ],
        };
        guard.write_key("api_key", announced["apiKey"].as_str().unwrap());
        guard.write_key("secret", announced["secret"].as_str().unwrap());
        let root = guard.folder.path().display();
        let text = format!(
            "[exchange]\nenvironment = \"custom\"\nrest_url = \"{rest}\"\nstream_url = \"{stream}\"\n\
             ws_api_url = \"{ws_api}\"\n\
             [key]\napi_key_file = \"{root}/api_key\"\nsecret_file = \"{root}/secret\"\n\
             [socket]\npath = \"{root}/run/crossguard.sock\"\n[state]\ndir = \"{root}/state\"\n{more}"
        );
        fs::write(guard.config(), text).unwrap();
        guard
    }

    /// A daemon for this exchange, in step with it.
    pub(crate) fn ready_for(exchange: &Exchange) -> Self {
        let mut guard = Self::configured(&exchange.announced, None, "");
        guard.start();
        guard.until_ready();
        guard
    }

    pub(crate) fn write_key(&self, name: &str, value: &str) {
        let path = self.folder.path().join(name);
        fs::write(&path, format!("{value}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("crossguard.toml")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("run/crossguard.sock")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The command that is this daemon.
    pub(crate) fn command(&self) -> Command {
        let mut command = binary();
        command.arg("run").arg("--config").arg(self.config());
        command
    }

    /// Starts it and waits until it answers.
    pub(crate) fn start(&mut self) {
        let command = self.command();
        self.start_as(command);
    }

    pub(crate) fn start_as(&mut self, command: Command) {
        self.process = Some(Process::spawn(command));
        self.until_answering();
    }

    pub(crate) fn until_answering(&mut self) {
        until("the daemon answers", || {
            let process = self.process.as_mut().unwrap();
            assert!(process.is_running(), "it ended: {}", process.said());
            let said = self
                .ask("GET", "/healthz", "")
                .map_err(|error| error.to_string())?;
            (said.status == 200).then_some(()).ok_or(said.body)
        });
    }

    pub(crate) fn process(&mut self) -> &mut Process {
        self.process.as_mut().unwrap()
    }

    pub(crate) fn ask(&self, method: &str, path: &str, body: &str) -> io::Result<Answer> {
        let stream = UnixStream::connect(self.socket())?;
        stream.set_read_timeout(Some(PATIENCE))?;
        ask(stream, method, path, body)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "").unwrap()
    }

    /// The verdict on an order; nothing is promised.
    pub(crate) fn check(&self, order: &str) -> Value {
        let body = format!("{{\"order\":{order},\"dryRun\":true}}");
        let answer = self.ask("POST", "/v1/check", &body).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// The verdict on an order that is about to be sent.
    pub(crate) fn check_to_send(&self, order: &str) -> Value {
        let body = format!("{{\"order\":{order}}}");
        let answer = self.ask("POST", "/v1/check", &body).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// A verb against this daemon.
    pub(crate) fn verb(&self, words: &str) -> Output {
        let mut command = binary();
        command.args(words.split_whitespace());
        command.arg("--socket").arg(self.socket()).output().unwrap()
    }

    /// The names of the planes that are not fresh, as `/readyz` has them.
    pub(crate) fn stale(&self) -> Vec<String> {
        let answer = self.get("/readyz");
        let told = answer.json();
        let planes = told["planes"].as_array().unwrap().iter();
        let names: Vec<String> = planes
            .map(|name| name.as_str().unwrap().to_owned())
            .collect();
        assert_eq!(answer.status == 200, names.is_empty(), "{answer:?}");
        names
    }

    #[track_caller]
    pub(crate) fn until_ready(&self) {
        until("every plane is fresh", || {
            let stale = self.stale();
            stale.is_empty().then_some(()).ok_or_else(|| {
                let said = self.process.as_ref().map(Process::said);
                format!("{stale:?} {}", said.unwrap_or_default())
            })
        });
    }

    #[track_caller]
    pub(crate) fn until_stale(&self, plane: &str) {
        until(&format!("{plane} is stale"), || {
            let stale = self.stale();
            let found = stale.iter().any(|name| name == plane);
            found.then_some(()).ok_or_else(|| format!("{stale:?}"))
        });
    }

    /// While the guard cannot know: `status` says so, what adds risk is rejected by name, and an
    /// exit passes with a warning.
    #[track_caller]
    pub(crate) fn assert_blind(&self, planes: &[&str]) {
        let status = self.get("/v1/status").json();
        assert_eq!(status["ready"], false, "{status}");
        let attention = status["attention"].to_string();
        for plane in planes {
            assert_eq!(
                status["inputs"]["planes"][plane]["fresh"], false,
                "{plane}: {status}"
            );
            assert!(attention.contains(plane), "{plane}: {attention}");
        }
        let small = self.check(SMALL);
        assert_eq!(small["decision"], "reject", "{small}");
        assert_eq!(small["findings"][0]["code"], "NOT_READY", "{small}");
        assert_eq!(self.check(EXIT)["decision"], "warn");
        let words = self.verb("check BTCUSDT buy 0.01");
        assert_eq!(words.status.code(), Some(20));
        let exit = self.verb("check BTCUSDT sell 0.1 --reduce-only");
        assert_eq!(exit.status.code(), Some(0));
        let page = self.verb("status");
        assert_eq!(page.status.code(), Some(0));
        assert!(out(&page).contains("NOT READY"), "{}", out(&page));
    }

    /// In step: what is small passes, an exit too, and `status` says so.
    #[track_caller]
    pub(crate) fn assert_in_step(&self) {
        until("in step with the exchange", || {
            let status = self.get("/v1/status").json();
            let small = self.check(SMALL);
            let fine = status["ready"] == true && small["decision"] == "allow";
            fine.then_some(())
                .ok_or_else(|| format!("{small} {status}"))
        });
        assert_ne!(self.check(EXIT)["decision"], "reject");
        assert_eq!(self.check(GREEDY)["decision"], "reject");
    }
}

/// The account of most tests.
pub(crate) fn scene() -> String {
    format!("{SCENE}{HELD}")
}

pub(crate) fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn complaint(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
