//! `/v1/events` from outside.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;

use crossguard::api::client::Client;
use crossguard::margin::account::Symbol;
use crossguard::margin::amount::{MarkPrice, Price};
use crossguard::mirror::event::{Event, MarkUpdate};
use serde_json::Value;

use crate::api_rig::{ACCOUNT, Daemon};

const ORDER: &str = r#"{"symbol":"BTCUSDT","side":"BUY","type":"LIMIT","timeInForce":"GTC","price":"60000","quantity":"0.01"}"#;

/// A subscriber that reads line by line.
struct Listener {
    lines: BufReader<UnixStream>,
    chunked: Vec<u8>,
}

#[derive(Debug, Clone, Default)]
struct Heard {
    id: String,
    kind: String,
    data: String,
}

impl Heard {
    fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap()
    }
}

impl Listener {
    fn new(daemon: &Daemon, after: Option<&str>) -> Self {
        let mut stream = daemon.connect();
        let resume = after.map_or_else(String::new, |id| format!("last-event-id: {id}\r\n"));
        let request = format!("GET /v1/events HTTP/1.1\r\nhost: localhost\r\n{resume}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut lines = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(lines.read_line(&mut head).unwrap() > 0);
        }
        assert!(head.contains("text/event-stream"), "{head}");
        Self {
            lines,
            chunked: Vec::new(),
        }
    }

    /// The next line of the body; chunk sizes are taken out.
    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.chunked.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.chunked.drain(..=end).collect();
                return Some(String::from_utf8(line).unwrap().trim_end().to_owned());
            }
            let mut size = String::new();
            if self.lines.read_line(&mut size).unwrap() == 0 {
                return None;
            }
            let size = usize::from_str_radix(size.trim(), 16).unwrap();
            if size == 0 {
                return None;
            }
            let mut chunk = vec![0; size + 2];
            std::io::Read::read_exact(&mut self.lines, &mut chunk).unwrap();
            self.chunked.extend_from_slice(&chunk[..size]);
        }
    }

    fn next(&mut self) -> Option<Heard> {
        let mut heard = Heard::default();
        loop {
            let line = self.line()?;
            match line.split_once(": ") {
                Some(("id", value)) => value.clone_into(&mut heard.id),
                Some(("event", value)) => value.clone_into(&mut heard.kind),
                Some(("data", value)) => value.clone_into(&mut heard.data),
                _ if line.is_empty() && !heard.kind.is_empty() => return Some(heard),
                _ => {}
            }
        }
    }

    fn next_of(&mut self, kind: &str) -> Heard {
        loop {
            let heard = self.next().expect("the stream goes on");
            if heard.kind == kind {
                return heard;
            }
        }
    }
}

fn mark(daemon: &Daemon, price: &str) {
    daemon.clock.advance_ms(1);
    daemon.tell(Event::Mark(MarkUpdate {
        symbol: Symbol::new("BTCUSDT").unwrap(),
        mark: MarkPrice::new(Price::parse(price).unwrap()),
        funding_rate: None,
        next_funding_ms: None,
        event_ms: daemon.clock.now().wall_ms,
    }));
}

#[test]
fn a_tick_reaches_the_subscriber_as_pool_figures() {
    let daemon = Daemon::with(ACCOUNT);
    let mut listener = Listener::new(&daemon, None);
    mark(&daemon, "59000");
    let event = listener.next_of("account");
    let pool = &event.json()["pools"][0];
    // 0.05 × (59,000 − 60,000) = −50.
    assert_eq!(pool["crossUnPnl"], "-50");
    assert_eq!(pool["marginBalance"], "9950");
    let asked = daemon.get("/v1/account").json();
    assert_eq!(*pool, asked["pools"][0]);
}

#[test]
fn a_verdict_is_told_and_so_is_a_lock() {
    let daemon = Daemon::with(ACCOUNT);
    let mut listener = Listener::new(&daemon, None);
    let answer = daemon.check(ORDER, r#","client":"desk""#).json();
    let verdict = listener.next_of("verdict").json();
    assert_eq!(verdict["id"], answer["decisionId"]);
    assert_eq!(verdict["decision"], "allow");
    assert_eq!(verdict["client"], "desk");
    assert_eq!(verdict["dryRun"], false);
    daemon.post("/v1/lock", r#"{"reason":"lunch"}"#);
    let state = listener.next_of("state").json();
    assert_eq!(state["state"], "locked");
    assert_eq!(state["reason"], "lunch");
}

#[test]
fn who_resumes_misses_nothing() {
    let daemon = Daemon::with(ACCOUNT);
    let mut listener = Listener::new(&daemon, None);
    daemon.check(ORDER, r#","dryRun":true"#);
    let first = listener.next_of("verdict");
    drop(listener);
    let meanwhile = daemon.check(ORDER, r#","dryRun":true"#).json();
    let mut again = Listener::new(&daemon, Some(&first.id));
    let second = again.next_of("verdict");
    assert_eq!(second.json()["id"], meanwhile["decisionId"]);
    assert!(second.id.parse::<u64>().unwrap() > first.id.parse::<u64>().unwrap());
}

#[test]
fn a_slow_reader_is_told_and_slows_nobody() {
    let daemon = Daemon::with(ACCOUNT);
    // This one reads its head and then nothing, until the socket's buffers are full.
    let mut slow = Listener::new(&daemon, None);
    let mut stream = daemon.connect();
    let body = format!("{{\"order\":{ORDER},\"dryRun\":true,\"brief\":true}}");
    for _ in 0..6_000 {
        let answer = crate::api_rig::exchange(&mut stream, "POST", "/v1/check", &body);
        assert_eq!(answer.status, 200);
    }
    let lagged = slow.next_of("lagged").json();
    assert!(lagged["missed"].as_u64().unwrap() > 0, "{lagged}");
    assert_eq!(slow.next().unwrap().kind, "verdict", "and goes on");
}

#[test]
fn streams_end_at_shutdown() {
    let mut daemon = Daemon::with(ACCOUNT);
    let mut listener = Listener::new(&daemon, None);
    daemon.stop();
    while listener.next().is_some() {}
    assert!(!daemon.socket().exists(), "the socket goes with the daemon");
    assert!(!daemon.admin().exists());
}

#[test]
fn our_own_client_reads_them_too() {
    let daemon = Daemon::with(ACCOUNT);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let client = Client::connect(&[daemon.socket()]).unwrap();
        let mut events = client.events(None).await.unwrap();
        daemon.check(ORDER, r#","dryRun":true"#);
        let event = events.next().await.unwrap().unwrap();
        assert_eq!(event.kind, "verdict");
        assert!(!event.id.is_empty());
        let data: Value = serde_json::from_str(&event.data).unwrap();
        assert_eq!(data["symbol"], "BTCUSDT");
        let refused = client.events(Some("yesterday")).await.unwrap_err();
        assert!(refused.to_string().contains("Last-Event-ID"), "{refused}");
    });
}
