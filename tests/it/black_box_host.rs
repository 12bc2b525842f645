//! What a machine does to the built daemon: signals, a full disk, a state directory that cannot be
//! written, a second daemon, a subscriber that does not read, a process that stood still.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crossguard::clock::Clock;
use crossguard::journal::{Filter, Kind, Reader, Verification};
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use serde_json::Value;

use crate::black_box::{
    EXIT, Exchange, GREEDY, Guard, PATIENCE, Process, SMALL, alone, ask, complaint, scene, until,
};

/// A subscriber of `/v1/events` that has been heard.
fn subscribe(guard: &Guard) -> UnixStream {
    let mut stream = UnixStream::connect(guard.socket()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
        .write_all(b"GET /v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .unwrap();
    let mut heard = Vec::new();
    while !heard.ends_with(b": crossguard\n\n\r\n") {
        let mut byte = [0];
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "{heard:?}");
        heard.push(byte[0]);
    }
    stream
}

#[test]
fn sigterm_ends_every_stream_and_the_process_within_five_seconds() {
    let exchange = Exchange::start(&scene());
    let mut guard = Guard::ready_for(&exchange);
    let mut reader = subscribe(&guard);
    let stalled = subscribe(&guard);
    let idle = UnixStream::connect(guard.socket()).unwrap();
    let mut half = UnixStream::connect(guard.socket()).unwrap();
    half.write_all(b"POST /v1/check HTTP/1.1\r\nhost: localhost\r\ncontent-le")
        .unwrap();
    let decided = guard.check_to_send(GREEDY);
    let clock = Clock::machine();
    let begun = clock.now();
    guard.process().signal(Signal::TERM);
    let status = guard.process().ended();
    let took_ms = clock.now().since_ms(begun);
    println!("ended after {took_ms} ms");
    assert_eq!(status.code(), Some(0), "{}", guard.process().said());
    // Five seconds are the promise, twice that on a machine that has other things to do.
    assert!(took_ms < 10_000, "{took_ms} ms");
    let mut rest = String::new();
    reader.read_to_string(&mut rest).unwrap();
    assert!(
        rest.ends_with("\r\n0\r\n\r\n"),
        "the stream has an end: {rest:?}"
    );
    drop((stalled, idle, half));
    assert!(!guard.socket().exists(), "an orderly end leaves no socket");
    let reader = Reader::open(&guard.state()).unwrap();
    let id = decided["decisionId"].as_str().unwrap();
    assert!(reader.get(id).unwrap().is_some());
    assert!(matches!(
        reader.verify().unwrap(),
        Verification::Whole { .. }
    ));
}

#[test]
fn l15_sighup_reloads_the_policy_or_keeps_the_old_one_and_says_why() {
    let exchange = Exchange::start(&scene());
    let mut guard = Guard::ready_for(&exchange);
    let good = fs::read_to_string(guard.config()).unwrap();
    let policy = |guard: &Guard| guard.get("/v1/policy").json();
    let before = policy(&guard);
    assert_eq!(guard.check(SMALL)["decision"], "allow");

    let strict =
        format!("{good}[policy]\norder_notional = {{ warn = \"off\", reject = \"500\" }}\n");
    fs::write(guard.config(), &strict).unwrap();
    guard.process().signal(Signal::HUP);
    let after = until("the policy is another", || {
        let now = policy(&guard);
        (now != before)
            .then_some(now.clone())
            .ok_or_else(|| now.to_string())
    });
    // 0.01 of 60,000 is 600.
    let refused = guard.check(SMALL);
    assert_eq!(
        refused["findings"][0]["code"], "ORDER_NOTIONAL",
        "{refused}"
    );

    // Each of them is a mistake; nothing laxer comes into force, and the log names the place.
    let line = strict.lines().count() + 1;
    for wrong in ["order_notinal = \"9\"\n", "horizon = \"many\"\n", "[[[\n"] {
        let said = guard.process().said().len();
        fs::write(guard.config(), format!("{strict}{wrong}")).unwrap();
        guard.process().signal(Signal::HUP);
        let told = until("the mistake is told", || {
            let said = guard.process().said()[said..].to_owned();
            said.contains("policy not reloaded")
                .then_some(said.clone())
                .ok_or(said)
        });
        assert!(told.contains(&format!(":{line}:")), "{wrong}: {told}");
        assert_eq!(policy(&guard), after, "{wrong}");
    }
    fs::remove_file(guard.config()).unwrap();
    let said = guard.process().said().len();
    guard.process().signal(Signal::HUP);
    until("the missing file is told", || {
        let said = guard.process().said()[said..].to_owned();
        said.contains("policy not reloaded")
            .then_some(())
            .ok_or(said)
    });
    assert_eq!(policy(&guard), after);

    // Looser again: that is said aloud.
    let said = guard.process().said().len();
    fs::write(guard.config(), &good).unwrap();
    guard.process().signal(Signal::HUP);
    until("the loosening is told", || {
        let said = guard.process().said()[said..].to_owned();
        let told = said.contains("loosen") && said.contains("order_notional");
        told.then_some(()).ok_or(said)
    });
    assert_eq!(policy(&guard), before);
    assert_eq!(guard.check(SMALL)["decision"], "allow");
    // And written down, with who did it.
    let notes = Reader::open(&guard.state()).unwrap();
    let notes = notes.list(Kind::Note, &Filter::default()).unwrap().rows;
    let told = notes.iter().find(|row| row.why.contains("policy loosened"));
    assert!(
        told.is_some_and(|row| row.why.contains("order_notional")),
        "{notes:?}"
    );
}

#[test]
fn l06_two_daemons_started_at_once_leave_exactly_one() {
    let exchange = Exchange::start(&scene());
    for round in 0..6 {
        let mut guard = Guard::configured(&exchange.announced, None, "");
        // Of the second pair each has a socket of its own: the state directory alone decides.
        let other = guard.folder.path().join("run2/crossguard.sock");
        let mut second = guard.command();
        if round % 2 == 1 {
            second
                .arg("--set")
                .arg(format!("socket.path={}", other.display()));
        }
        let mut both = [Process::spawn(guard.command()), Process::spawn(second)];
        let loser = until("one of them ends", || {
            let ended = both.iter_mut().position(|process| !process.is_running());
            ended.ok_or_else(|| "both run".to_owned())
        });
        assert_eq!(both[loser].ended().code(), Some(1));
        let elsewhere = loser == 0 && round % 2 == 1;
        let [first, second] = both;
        let (winner, loser) = if loser == 0 {
            (second, first)
        } else {
            (first, second)
        };
        let pid = winner.pid().as_raw_nonzero().to_string();
        until("the loser has said why", || {
            let said = loser.said();
            (said.contains(&pid) || said.contains("another daemon"))
                .then_some(())
                .ok_or(said)
        });
        guard.process = Some(winner);
        if elsewhere {
            until("the winner answers", || {
                let stream = UnixStream::connect(&other).map_err(|error| error.to_string())?;
                let answer = ask(stream, "GET", "/healthz", "").map_err(|e| e.to_string())?;
                (answer.status == 200).then_some(()).ok_or(answer.body)
            });
        } else {
            guard.until_answering();
        }
        assert!(guard.process().is_running());
    }
}

#[test]
fn l10_a_stalled_subscriber_is_told_what_it_missed_and_slows_nobody() {
    let exchange = Exchange::start(&scene());
    let guard = Guard::ready_for(&exchange);
    let mut stalled = subscribe(&guard);
    let mut reading = subscribe(&guard);
    let heard = std::thread::spawn(move || {
        let mut lines = BufReader::new(&mut reading).lines();
        let of_verdicts = lines.by_ref().map_while(Result::ok);
        of_verdicts
            .filter(|line| line == "event: verdict")
            .take(3_000)
            .count()
    });
    let mut keep_alive = UnixStream::connect(guard.socket()).unwrap();
    keep_alive.set_read_timeout(Some(PATIENCE)).unwrap();
    let body = format!("{{\"order\":{SMALL},\"dryRun\":true,\"brief\":true}}");
    for _ in 0..3_000 {
        let answer = crate::api_rig::exchange(&mut keep_alive, "POST", "/v1/check", &body);
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["decision"], "allow");
    }
    assert_eq!(
        heard.join().unwrap(),
        3_000,
        "whoever reads hears everything"
    );
    // What it left unread was bounded: it is told how much is missing and goes on.
    let mut lines = BufReader::new(&mut stalled).lines().map_while(Result::ok);
    let lagged = lines.by_ref().find(|line| line == "event: lagged");
    assert!(lagged.is_some());
    let missed = lines.next().unwrap();
    assert!(missed.starts_with("data: {\"missed\":"), "{missed}");
    assert!(lines.any(|line| line == "event: verdict"));
}

/// Waits on the exchange's own clock, which goes on while the daemon stands still.
fn exchange_passes(exchange: &Exchange, ms: i64) {
    let now = |exchange: &Exchange| exchange.truth()["timeMs"].as_i64().unwrap();
    let begun = now(exchange);
    until("the exchange's time passes", || {
        let passed = now(exchange) - begun;
        (passed >= ms)
            .then_some(())
            .ok_or_else(|| format!("{passed} ms"))
    });
}

#[test]
fn l08_a_daemon_that_stood_still_does_not_take_its_backlog_for_the_present() {
    let exchange = Exchange::start(&format!("{}walk ETHUSDT 0.0005\n", scene()));
    let mut guard = Guard::ready_for(&exchange);
    // 0.5 more on 10,000 is within the limits as long as the market stands where it stood.
    let order = r#"{"symbol":"BTCUSDT","side":"BUY","type":"MARKET","quantity":"0.05"}"#;
    assert_eq!(guard.check(order)["decision"], "allow");
    for seconds in [7, 12] {
        guard.process().signal(Signal::STOP);
        // From here on the order is too much: what was lost since leaves a tenth of the wallet.
        exchange.say("transfer USDT -9000");
        exchange.say("mark BTCUSDT 58000");
        exchange_passes(&exchange, seconds * 1_000);
        // Asked while it stands still: the first thing it finds when it wakes.
        let mut early = UnixStream::connect(guard.socket()).unwrap();
        early.set_read_timeout(Some(PATIENCE)).unwrap();
        let body = format!("{{\"order\":{order},\"dryRun\":true}}");
        let request = format!(
            "POST /v1/check HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        early.write_all(request.as_bytes()).unwrap();
        guard.process().signal(Signal::CONT);
        let first = crate::api_rig::read_answer(&mut early).json();
        assert_eq!(first["decision"], "reject", "{first}");
        // And whatever is asked until it is in step.
        until("in step, and the order is too much", || {
            let answer = guard.check(order);
            assert_eq!(answer["decision"], "reject", "{answer}");
            assert_ne!(guard.check(EXIT)["decision"], "reject");
            let knows = answer["findings"][0]["code"] != "NOT_READY";
            knows.then_some(()).ok_or_else(|| answer.to_string())
        });
        exchange.say("transfer USDT 9000");
        exchange.say("mark BTCUSDT 60000");
        until("everything is as it was", || {
            let answer = guard.check(order);
            (answer["decision"] == "allow")
                .then_some(())
                .ok_or_else(|| answer.to_string())
        });
    }
}

/// The daemon can write nothing, and says so for each order; then it can again.
fn assert_full_then_free(guard: &mut Guard, fill: impl FnOnce(&Guard), free: impl FnOnce(&Guard)) {
    guard.until_ready();
    let before = guard.check_to_send(SMALL);
    assert_eq!(
        (&before["decision"], &before["recorded"]),
        (&"allow".into(), &true.into())
    );
    fill(guard);
    let refused = until("a decision cannot be written down", || {
        let answer = guard.check_to_send(SMALL);
        let refused = answer["recorded"] == false;
        refused
            .then_some(answer.clone())
            .ok_or_else(|| answer.to_string())
    });
    assert_eq!(refused["decision"], "reject", "{refused}");
    let codes = refused["findings"].as_array().unwrap().iter();
    let codes: Vec<&Value> = codes.map(|finding| &finding["code"]).collect();
    assert!(
        codes.contains(&&Value::from("AUDIT_UNAVAILABLE")),
        "{codes:?}"
    );
    for _ in 0..5 {
        let exit = guard.check_to_send(EXIT);
        assert_ne!(exit["decision"], "reject", "{exit}");
        assert_eq!(exit["recorded"], false, "{exit}");
        assert_eq!(guard.check_to_send(SMALL)["decision"], "reject");
    }
    assert_eq!(guard.get("/healthz").status, 200);
    until("the figures of the journal show it", || {
        let metrics = guard.get("/metrics").body;
        let mut lines = metrics.lines();
        let failed = lines.find(|line| line.starts_with("crossguard_journal_failed_total "));
        let shown = failed.is_some_and(|line| !line.ends_with(" 0"));
        shown.then_some(()).ok_or(metrics)
    });
    free(guard);
    until("decisions are written down again", || {
        let answer = guard.check_to_send(SMALL);
        let fine = answer["decision"] == "allow" && answer["recorded"] == true;
        fine.then_some(()).ok_or_else(|| answer.to_string())
    });
    // What had been refused meanwhile is in the chain too.
    let id = refused["decisionId"].as_str().unwrap();
    assert_eq!(guard.get(&format!("/v1/decisions/{id}")).status, 200);
    let chain = Reader::open(&guard.state());
    if let Ok(reader) = chain {
        assert!(matches!(
            reader.verify().unwrap(),
            Verification::Whole { .. }
        ));
    }
}

/// A limit on the size of files stands in for a disk that takes no more: writes fail, now and then
/// after a part of them.
#[test]
fn l03_a_disk_that_takes_no_more_stops_risk_and_no_exit() {
    let exchange = Exchange::start(&scene());
    let mut guard = Guard::configured(&exchange.announced, None, "");
    // The system ends a process that goes beyond the limit, unless it ignores the signal.
    let mut command = Command::new("sh");
    alone(&mut command);
    command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]);
    command.arg(env!("CARGO_BIN_EXE_crossguard"));
    command.arg("run").arg("--config").arg(guard.config());
    guard.start_as(command);
    let pid = guard.process().pid();
    let limit = move |bytes: Option<u64>| {
        let limit = Rlimit {
            current: bytes,
            maximum: None,
        };
        prlimit(Some(pid), Resource::Fsize, limit).unwrap();
    };
    assert_full_then_free(&mut guard, |_| limit(Some(20_000)), |_| limit(None));
}

/// A shell in a mount namespace of its own, in which the state directory is what `mount` makes it.
struct Cell {
    /// What was started within and is ended with it.
    daemon: Option<Pid>,
    shell: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Cell {
    /// `None` where the system does not permit it.
    fn new() -> Option<Self> {
        let root = rustix::process::geteuid().is_root();
        let flags = if root { "-m" } else { "-rm" };
        let tried = Command::new("unshare")
            .args([flags, "mount", "-t", "tmpfs", "none", "/mnt"])
            .stderr(Stdio::null())
            .status();
        if !tried.is_ok_and(|status| status.success()) {
            println!("mounts are not permitted here: nothing is tested");
            return None;
        }
        let mut command = Command::new("unshare");
        command.args([flags, "sh"]);
        alone(&mut command);
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut shell = spawned.unwrap();
        let input = shell.stdin.take().unwrap();
        let output = BufReader::new(shell.stdout.take().unwrap());
        Some(Self {
            daemon: None,
            shell,
            input,
            output,
        })
    }

    /// Runs a line and gives the last line it printed.
    fn run(&mut self, line: &str) -> String {
        writeln!(self.input, "{line}\necho; echo done $?").unwrap();
        let mut last = String::new();
        loop {
            let mut line = String::new();
            assert!(
                self.output.read_line(&mut line).unwrap() > 0,
                "the shell ended"
            );
            if let Some(code) = line.strip_prefix("done ") {
                assert_eq!(code.trim(), "0", "{last}");
                return last;
            }
            if !line.trim().is_empty() {
                last = line.trim().to_owned();
            }
        }
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        if let Some(daemon) = self.daemon {
            let _ended = rustix::process::kill_process(daemon, Signal::KILL);
        }
        drop(self.shell.kill());
        drop(self.shell.wait());
    }
}

#[test]
fn l03_a_full_disk_stops_risk_and_no_exit() {
    let Some(mut cell) = Cell::new() else { return };
    let exchange = Exchange::start(&scene());
    let mut guard = Guard::configured(&exchange.announced, None, "");
    let (state, binary) = (guard.state(), env!("CARGO_BIN_EXE_crossguard"));
    let (state, config) = (state.display(), guard.config());
    cell.run(&format!(
        "mkdir -m 700 {state} && mount -t tmpfs -o size=2m,mode=700 none {state}"
    ));
    let said = guard.folder.path().join("said");
    let pid = cell.run(&format!(
        "{binary} run --config {} >/dev/null 2>{} & echo $!",
        config.display(),
        said.display()
    ));
    let pid = Pid::from_raw(pid.parse().unwrap()).unwrap();
    cell.daemon = Some(pid);
    until("the daemon answers", || {
        let answer = guard.ask("GET", "/healthz", "");
        answer
            .map(|_| ())
            .map_err(|_| fs::read_to_string(&said).unwrap_or_default())
    });
    let cell = std::cell::RefCell::new(cell);
    let ballast = format!("{state}/ballast");
    assert_full_then_free(
        &mut guard,
        |_| {
            let fill = format!("dd if=/dev/zero of={ballast} bs=4k 2>/dev/null; true");
            cell.borrow_mut().run(&fill);
        },
        |_| {
            cell.borrow_mut().run(&format!("rm {ballast}"));
        },
    );
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    let code = cell.borrow_mut().run("wait $! ; echo $?");
    assert_eq!(code, "0");
    cell.borrow_mut().daemon = None;
}

#[test]
fn l16_a_state_directory_that_cannot_be_written_is_refused_with_its_name() {
    let exchange = Exchange::start(&scene());
    let guard = Guard::configured(&exchange.announced, None, "");
    let state = guard.state();
    fs::create_dir(&state).unwrap();
    let output = if rustix::process::geteuid().is_root() {
        // Permission bits do not bind root; a mount that only reads does.
        let Some(mut cell) = Cell::new() else { return };
        let (path, said) = (state.display(), guard.folder.path().join("said"));
        cell.run(&format!(
            "mount --bind {path} {path} && mount -o remount,ro,bind {path}"
        ));
        let run = format!(
            "{} run --config {} 2>{}; echo $?",
            env!("CARGO_BIN_EXE_crossguard"),
            guard.config().display(),
            said.display()
        );
        assert_eq!(cell.run(&run), "1");
        fs::read_to_string(said).unwrap()
    } else {
        fs::set_permissions(&state, fs::Permissions::from_mode(0o500)).unwrap();
        let output = guard.command().output().unwrap();
        fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(output.status.code(), Some(1));
        complaint(&output)
    };
    assert!(output.contains(&state.display().to_string()), "{output}");
    assert!(output.contains("cannot be written"), "{output}");
    assert!(!guard.socket().exists());
}

/// The daemon may take its time, but an exit that is asked for is answered while it does.
#[test]
fn a_slow_start_answers_at_once_and_rejects() {
    let exchange = Exchange::start(&scene());
    exchange.say("rest-delay /fapi/ 700ms");
    let mut guard = Guard::configured(&exchange.announced, None, "");
    guard.start();
    guard.assert_blind(&["account", "orders"]);
    exchange.say("rest-ok /fapi/");
    guard.until_ready();
    guard.assert_in_step();
}
