//! The program itself on the simulated exchange: what it takes from the machine while nobody asks,
//! and how soon it answers.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::Row;
use crate::account::name;
use crate::race::at;

const PROGRAM: &str = env!("CARGO_BIN_EXE_crossguard");
const SYMBOLS: usize = 20;
const STARTS: usize = 15;
const WINDOW: Duration = Duration::from_secs(20);
/// What the kernel counts CPU time in.
const TICKS_PER_SECOND: f64 = 100.0;

pub(crate) fn rows() -> Vec<Row> {
    let house = House::new();
    let mut first: Vec<f64> = Vec::new();
    let mut fresh: Vec<f64> = Vec::new();
    for _ in 0..STARTS {
        let daemon = house.daemon();
        first.push(daemon.until(|_| true));
        fresh.push(daemon.until(|answer| answer["decision"] == "allow"));
    }
    first.sort_by(f64::total_cmp);
    fresh.sort_by(f64::total_cmp);
    let starts = |sorted: &[f64]| {
        let (low, high) = (at(sorted, 25), at(sorted, 75));
        format!("{low:.1}-{high:.1} over {STARTS} starts")
    };
    let row = |what: &str, target, result, unit, more| Row {
        what: what.to_owned(),
        target: Some(target),
        result,
        unit,
        more,
    };
    let (share, resident) = house.daemon().at_rest();
    vec![
        row(
            "spawn to first answer",
            100.0,
            at(&first, 50),
            " ms",
            starts(&first),
        ),
        row(
            "spawn to first fresh verdict",
            100.0,
            at(&fresh, 50),
            " ms",
            starts(&fresh),
        ),
        row(
            "idle, 20 symbols at 1 s: CPU",
            0.5,
            share,
            " %",
            "of one core over 20 s".to_owned(),
        ),
        row(
            "idle: resident memory",
            24.0,
            resident,
            " MiB",
            String::new(),
        ),
    ]
}

/// The simulated exchange and where a daemon lives.
struct House {
    folder: TempDir,
    exchange: Child,
    announcement: Value,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let scenario = folder.path().join("scene");
        fs::write(&scenario, scene()).unwrap();
        let mut exchange = Command::new(PROGRAM)
            .arg("sim")
            .arg("--scenario")
            .arg(&scenario)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let output = exchange.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        let announcement: Value = serde_json::from_str(&line).unwrap();
        for (file, field) in [("api_key", "apiKey"), ("secret", "secret")] {
            let path = folder.path().join(file);
            fs::write(&path, announcement[field].as_str().unwrap()).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        Self {
            folder,
            exchange,
            announcement,
        }
    }

    fn daemon(&self) -> Daemon {
        let home = self.folder.path();
        let of_exchange = |field: &str| self.announcement[field].as_str().unwrap().to_owned();
        let in_home = |name: &str| home.join(name).display().to_string();
        let settings = [
            ("exchange.environment", "custom".to_owned()),
            ("exchange.rest_url", of_exchange("rest")),
            ("exchange.stream_url", of_exchange("stream")),
            ("exchange.ws_api_url", of_exchange("wsApi")),
            ("key.api_key_file", in_home("api_key")),
            ("key.secret_file", in_home("secret")),
            ("socket.path", in_home("run/crossguard.sock")),
            ("state.dir", in_home("state")),
        ];
        let mut command = Command::new(PROGRAM);
        command.arg("run").stderr(Stdio::null());
        for (key, value) in settings {
            command.arg("--set").arg(format!("{key}={value}"));
        }
        let started = Instant::now();
        Daemon {
            process: command.spawn().unwrap(),
            started,
            socket: home.join("run/crossguard.sock"),
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        drop(self.exchange.kill());
        drop(self.exchange.wait());
    }
}

fn scene() -> String {
    let mut scene = String::from("wallet USDT 14000\n");
    for index in 0..SYMBOLS {
        let symbol = name(index);
        scene.push_str(&format!(
            "symbol {symbol} tick 0.1 step 0.001 min-notional 5\n\
             brackets {symbol} 0 50000 0.004 125x | 50000 600000 0.005 100x\n\
             pos {symbol} crossed 10x +0.01 @ 60012.5\n\
             mark {symbol} 60000\n\
             walk {symbol} 0.00001\n"
        ));
    }
    scene
}

struct Daemon {
    process: Child,
    started: Instant,
    socket: PathBuf,
}

impl Daemon {
    /// Milliseconds from the start until the answer to a check is as wanted.
    fn until(&self, wanted: impl Fn(&Value) -> bool) -> f64 {
        loop {
            let answer = ask(&self.socket);
            let passed = self.started.elapsed();
            if answer.as_ref().is_some_and(&wanted) {
                return passed.as_secs_f64() * 1_000.0;
            }
            assert!(passed < Duration::from_secs(30), "{answer:?}");
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// Share of a core in per cent and resident memory in MiB, once everything is in step.
    fn at_rest(&self) -> (f64, f64) {
        self.until(|answer| answer["decision"] == "allow");
        std::thread::sleep(Duration::from_secs(3));
        let before = self.cpu_seconds();
        let began = Instant::now();
        std::thread::sleep(WINDOW);
        let share = (self.cpu_seconds() - before) / began.elapsed().as_secs_f64() * 100.0;
        (share, self.resident_mib())
    }

    fn cpu_seconds(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap();
        // The name in parentheses may hold spaces; user and system time are 12th and 13th after it.
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let ticks = fields.split_whitespace().skip(11).take(2);
        let ticks: f64 = ticks.map(|ticks| ticks.parse::<f64>().unwrap()).sum();
        ticks / TICKS_PER_SECOND
    }

    fn resident_mib(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kib: f64 = line
            .and_then(|line| line.split_whitespace().nth(1))
            .unwrap()
            .parse()
            .unwrap();
        kib / 1_024.0
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Ok(id) = i32::try_from(self.process.id())
            && let Some(id) = rustix::process::Pid::from_raw(id)
        {
            let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        }
        drop(self.process.wait());
    }
}

/// One dry-run check on a connection of its own; `None` while nobody answers.
fn ask(socket: &Path) -> Option<Value> {
    let mut stream = UnixStream::connect(socket).ok()?;
    let body = format!(
        "{{\"order\":{{\"symbol\":\"{}\",\"side\":\"BUY\",\"type\":\"MARKET\",\
         \"quantity\":\"0.001\"}},\"dryRun\":true,\"brief\":true}}",
        name(0)
    );
    let request = format!(
        "POST /v1/check HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply).ok()?;
    let (_, body) = reply.split_once("\r\n\r\n")?;
    serde_json::from_str(body).ok()
}
