//! A real server on real sockets in a folder of its own, with a real spine that was told an account
//! from scenario text, and a recorder that can be made to stall.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crossguard::api::events::{Door, Hub};
use crossguard::api::protocol::policy::ReloadAnswer;
use crossguard::api::read_order;
use crossguard::api::record::{Entry, Filter, Line, Page, Peer, Pending, ReadError, Recorder};
use crossguard::api::server::{Parts, serve};
use crossguard::api::socket::{ADMIN_MODE, BoundSocket, CHECK_MODE};
use crossguard::clock::Clock;
use crossguard::daemon::core::PolicyInForce;
use crossguard::daemon::{GuardHandle, spine};
use crossguard::exchange::Sink as _;
use crossguard::guard::policy::Policy;
use crossguard::mirror::event::Event;
use crossguard::telemetry::Metrics;
use serde_json::Value;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::rig::Rig;

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Keeps decisions in memory; can be told to stall or to fail.
#[derive(Default)]
pub(crate) struct Records {
    entries: Mutex<Vec<Entry>>,
    notes: Mutex<Vec<String>>,
    mood: AtomicU8,
}

const STALLED: u8 = 1;
const FAILING: u8 = 2;

impl Records {
    pub(crate) fn stall(&self) {
        self.mood.store(STALLED, Ordering::SeqCst);
    }

    pub(crate) fn fail(&self) {
        self.mood.store(FAILING, Ordering::SeqCst);
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.entries.lock().unwrap().clone()
    }

    pub(crate) fn notes(&self) -> Vec<String> {
        self.notes.lock().unwrap().clone()
    }
}

fn line(entry: &Entry) -> Line {
    Line {
        id: entry.id.clone(),
        time_ms: entry.time_ms,
        decision: entry.decision.name().to_owned(),
        why: entry.why.clone(),
        symbol: Some(entry.symbol.clone()),
        client: entry.client.clone(),
        dry_run: entry.dry_run,
        uid: Some(entry.peer.uid),
        pid: entry.peer.pid,
    }
}

impl Recorder for Records {
    fn record(&self, entry: Entry) -> Pending<Result<(), String>> {
        match self.mood.load(Ordering::SeqCst) {
            STALLED => {
                // A disk that hangs writes in the end.
                self.entries.lock().unwrap().push(entry);
                Box::pin(std::future::pending())
            }
            FAILING => Box::pin(std::future::ready(Err("no room".to_owned()))),
            _ => {
                self.entries.lock().unwrap().push(entry);
                Box::pin(std::future::ready(Ok(())))
            }
        }
    }

    fn note(&self, _time_ms: i64, text: String, _peer: Peer) {
        self.notes.lock().unwrap().push(text);
    }

    fn decisions(&self, filter: Filter) -> Pending<Result<Page, ReadError>> {
        if filter.cursor.is_some() {
            return Box::pin(std::future::ready(Err(ReadError::Cursor)));
        }
        let entries = self.entries.lock().unwrap();
        let wanted = |entry: &&Entry| {
            filter.symbol.as_ref().is_none_or(|s| *s == entry.symbol)
                && filter.decision.is_none_or(|d| d == entry.decision)
        };
        let found = entries.iter().rev().filter(wanted).take(filter.limit);
        let page = Page {
            lines: found.map(line).collect(),
            next: None,
        };
        Box::pin(std::future::ready(Ok(page)))
    }

    fn get(&self, id: String) -> Pending<Result<Option<Vec<u8>>, ReadError>> {
        let entries = self.entries.lock().unwrap();
        let found = entries.iter().find(|entry| entry.id == id);
        let document = found.map(|entry| entry.document.clone());
        Box::pin(std::future::ready(Ok(document)))
    }
}

/// A running daemon without an exchange.
pub(crate) struct Daemon {
    pub(crate) folder: TempDir,
    pub(crate) records: Arc<Records>,
    pub(crate) clock: Clock,
    exchange: Arc<crossguard::daemon::Exchange>,
    shutdown: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

/// An answer as it came.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    pub(crate) fn error(&self) -> (u16, String, Option<String>) {
        let json = self.json();
        let error = &json["error"];
        let field = error["field"].as_str().map(str::to_owned);
        (
            self.status,
            error["code"].as_str().unwrap().to_owned(),
            field,
        )
    }
}

/// The account most tests ask about: 10,000 USDT, 0.05 BTC long at 60,000 crossed at 20x.
pub(crate) const ACCOUNT: &str = "
symbol BTCUSDT tick 0.1 step 0.001 min-notional 5
brackets BTCUSDT 0 50000 0.004 125x | 50000 250000 0.005 100x | 250000 3000000 0.01 50x
symbol ETHUSDT tick 0.01 step 0.001 min-notional 5
brackets ETHUSDT 0 50000 0.005 100x | 50000 500000 0.01 50x
wallet USDT 10000
pos BTCUSDT crossed 20x +0.05 @ 60000
mark BTCUSDT 60000
";

impl Daemon {
    /// A daemon that knows this account and is ready.
    pub(crate) fn with(account: &str) -> Self {
        let daemon = Self::told(account);
        daemon.until("GET", "/readyz", |answer| answer.status == 200);
        daemon
    }

    /// A daemon that knows this account, of which something keeps it from being ready.
    pub(crate) fn unready_with(account: &str) -> Self {
        let daemon = Self::told(account);
        daemon.until("GET", "/v1/positions", |answer| {
            let profit = &answer.json()["positions"][0]["unrealizedProfit"];
            profit.is_string()
        });
        daemon
    }

    fn told(account: &str) -> Self {
        let (rig, _) = Rig::from_text(account);
        let daemon = Self::start(rig.clock.clone());
        for event in rig.told {
            daemon.tell(event);
        }
        daemon
    }

    /// A daemon that knows nothing.
    pub(crate) fn start(clock: Clock) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let records = Arc::new(Records::default());
        let shutdown = CancellationToken::new();
        let (ready, started) = std::sync::mpsc::channel();
        let thread = std::thread::spawn({
            let (records, shutdown, clock) = (records.clone(), shutdown.clone(), clock.clone());
            let path = folder.path().join("crossguard.sock");
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap();
                runtime.block_on(async {
                    let hub = Hub::new(clock.now().wall_ms);
                    let in_force = PolicyInForce {
                        policy: Policy::default(),
                        fingerprint: "sha256:0000".to_owned(),
                    };
                    let door = Box::new(Door::new(hub.clone()));
                    let (spine, ends) = spine(in_force, 7, false, clock.clone(), door);
                    let check = BoundSocket::open(&path, CHECK_MODE).unwrap();
                    let admin =
                        BoundSocket::open(&path.with_file_name("admin.sock"), ADMIN_MODE).unwrap();
                    ready.send(ends.exchange).unwrap();
                    let parts = parts(ends.handle, records, hub, clock);
                    tokio::join!(
                        spine.run(shutdown.clone()),
                        ends.beat.keep(shutdown.clone()),
                        serve(check, Some(admin), None, parts, shutdown.clone()),
                    );
                });
            }
        });
        let exchange = started.recv_timeout(PATIENCE).unwrap();
        Self {
            folder,
            records,
            clock,
            exchange,
            shutdown,
            thread: Some(thread),
        }
    }

    pub(crate) fn tell(&self, event: Event) {
        match event {
            Event::Mark(mark) => {
                // Marks go by a way of their own and must not overtake what came before.
                self.settle();
                self.exchange.mark(mark);
            }
            event => self.exchange.event(event).unwrap(),
        }
    }

    /// Everything told so far has been taken: events are taken before questions are answered.
    fn settle(&self) {
        self.get("/healthz");
        self.get("/v1/policy");
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("crossguard.sock")
    }

    pub(crate) fn admin(&self) -> PathBuf {
        self.folder.path().join("admin.sock")
    }

    pub(crate) fn connect(&self) -> UnixStream {
        connect(&self.socket())
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        exchange(&mut self.connect(), "GET", path, "")
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> Answer {
        exchange(&mut self.connect(), "POST", path, body)
    }

    pub(crate) fn on_admin(&self, method: &str, path: &str, body: &str) -> Answer {
        exchange(&mut connect(&self.admin()), method, path, body)
    }

    /// Asks for a verdict on an order given as JSON.
    pub(crate) fn check(&self, order: &str, more: &str) -> Answer {
        let body = format!("{{\"order\":{order}{more}}}");
        self.post("/v1/check", &body)
    }

    /// Asks until the answer is as wanted.
    pub(crate) fn until(
        &self,
        method: &str,
        path: &str,
        wanted: impl Fn(&Answer) -> bool,
    ) -> Answer {
        let begun = Clock::machine().now();
        loop {
            let answer = exchange(&mut self.connect(), method, path, "");
            if wanted(&answer) {
                return answer;
            }
            let passed = Clock::machine().now().since_ms(begun);
            assert!(
                u128::try_from(passed).unwrap() < PATIENCE.as_millis(),
                "{path} never became as wanted: {}",
                answer.text()
            );
            std::thread::yield_now();
        }
    }

    /// Ends it and waits for its end.
    pub(crate) fn stop(&mut self) {
        self.shutdown.cancel();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.shutdown.cancel();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn parts(handle: GuardHandle, records: Arc<Records>, hub: Hub, clock: Clock) -> Parts {
    let metrics = Arc::new(Metrics::new());
    let counted = Arc::clone(&metrics);
    Parts {
        handle,
        reader: read_order,
        recorder: records,
        reload: Arc::new(|_peer| {
            let answer = ReloadAnswer {
                fingerprint: "sha256:0001".to_owned(),
                changes: vec!["leverage.reject 50 -> 20".to_owned()],
                loosened: false,
            };
            Box::pin(std::future::ready(Ok(answer)))
        }),
        observe_check: Arc::new(move |micros, decision, codes| {
            let codes: Vec<&'static str> = codes.iter().map(|code| code.name()).collect();
            counted.observe_check(micros, decision.name(), &codes);
        }),
        metrics: Arc::new(move || metrics.render()),
        alerts: Arc::new(crossguard::api::alerts::NoAlerts),
        hub,
        clock,
    }
}

pub(crate) fn connect(path: &std::path::Path) -> UnixStream {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// One request on a connection that may be used again.
pub(crate) fn exchange(stream: &mut UnixStream, method: &str, path: &str, body: &str) -> Answer {
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    raw(stream, format!("{head}{body}").as_bytes())
}

/// Bytes as they are, then one answer.
pub(crate) fn raw(stream: &mut UnixStream, bytes: &[u8]) -> Answer {
    // The other side may refuse before it has read all of it.
    drop(stream.write_all(bytes));
    read_answer(stream)
}

pub(crate) fn read_answer(stream: &mut UnixStream) -> Answer {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        let read = stream.read(&mut byte).unwrap();
        assert_eq!(
            read,
            1,
            "ended within the head: {}",
            String::from_utf8_lossy(&head)
        );
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.trim().parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    Answer { status, head, body }
}
