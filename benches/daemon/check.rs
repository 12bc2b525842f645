//! The round trip of `POST /v1/check` against a raw echo of as many bytes.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use crossguard::exchange::Sink as _;
use serde_json::Value;

use crate::Row;
use crate::account;
use crate::guard::Guard;
use crate::race::{Course, Lane, OneCpu, race, timed};

pub(crate) const HELD: usize = 10;

pub(crate) fn rows() -> Vec<Row> {
    let hot = Course {
        name: "check, one CPU",
        rounds: 21,
        calls: 600,
        gap: Duration::ZERO,
    };
    let idle = Course {
        name: "check after 5 ms of idle",
        rounds: 9,
        calls: 100,
        gap: Duration::from_millis(5),
    };
    let mut rows = {
        let _pinned = OneCpu::take();
        run(&hot, true)
    };
    rows.extend(run(&idle, false));
    rows
}

fn run(course: &Course<'_>, has_targets: bool) -> Vec<Row> {
    let guard = Guard::start();
    for event in account::opening(guard.clock.now(), HELD, HELD) {
        guard.exchange.event(event).unwrap();
    }
    refresh(&guard);
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.build().unwrap();
    let mut brief = Client::new(&guard, r#","dryRun":true,"brief":true"#);
    let mut full = Client::new(&guard, r#","dryRun":true"#);
    let mut recorded = Client::new(&guard, r#","brief":true"#);
    until_allowed(&mut brief);
    recorded.exchange();
    let promised = recorded.answer()["decisionId"].as_str().unwrap().to_owned();
    { &runtime }
        .block_on(guard.handle.release(promised))
        .unwrap();
    let mut echo = Echo::new(guard.folder.path(), brief.request.len(), brief.reply.len());
    full.exchange();
    let mut long_echo = Echo::new(guard.folder.path(), full.request.len(), full.reply.len());
    let target = |most: f64| Some(most).filter(|_| has_targets);
    let handle = &guard.handle;
    let mut late = 0_usize;
    let mut lanes = [
        Lane {
            name: "raw echo of a brief answer",
            target: None,
            once: Box::new(|| timed(|| echo.exchange())),
        },
        Lane {
            name: "raw echo of a full answer",
            target: None,
            once: Box::new(|| timed(|| long_echo.exchange())),
        },
        Lane {
            name: "brief dry run",
            target: target(2.5),
            once: Box::new(|| timed(|| brief.exchange())),
        },
        Lane {
            name: "brief, recorded",
            target: target(5.0),
            once: Box::new(|| {
                let took = timed(|| recorded.exchange());
                // Not part of the question: the room it was promised is given back.
                let answer = recorded.answer();
                late += usize::from(answer["recorded"] != true);
                let id = answer["decisionId"].as_str().unwrap().to_owned();
                runtime.block_on(handle.release(id)).unwrap();
                took
            }),
        },
        Lane {
            name: "full dry run",
            target: None,
            once: Box::new(|| timed(|| full.exchange())),
        },
    ];
    let mut rows = race(course, &mut lanes, || refresh(&guard));
    drop(lanes);
    rows.push(Row {
        what: format!("{}: not recorded within 20 ms", course.name),
        target: None,
        result: late as f64,
        unit: "",
        more: format!("of {}", (course.rounds + 1) * course.calls),
    });
    rows
}

/// Reads everything anew, as the exchange client does every few seconds.
pub(crate) fn refresh(guard: &Guard) {
    let at = guard.clock.now();
    for event in account::reads(at, HELD, HELD) {
        guard.exchange.event(event).unwrap();
    }
    for index in 0..HELD {
        guard.exchange.mark(account::mark(index, 100, at.wall_ms));
    }
}

pub(crate) fn until_allowed(client: &mut Client) {
    for _ in 0..1_000 {
        client.exchange();
        if client.answer()["decision"] == "allow" {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("never allowed: {:#}", client.answer());
}

/// One blocking client on a connection that is kept.
pub(crate) struct Client {
    stream: UnixStream,
    request: Vec<u8>,
    reply: Vec<u8>,
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) fn new(guard: &Guard, more: &str) -> Self {
        let body = format!(
            "{{\"order\":{{\"symbol\":\"SYM0USDT\",\"side\":\"BUY\",\"type\":\"LIMIT\",\
             \"timeInForce\":\"GTC\",\"price\":\"60010.1\",\"quantity\":\"0.001\",\
             \"newClientOrderId\":\"bench-0001\"}}{more}}}"
        );
        let request = format!(
            "POST /v1/check HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        Self {
            stream: UnixStream::connect(guard.socket()).unwrap(),
            request: request.into_bytes(),
            reply: Vec::new(),
            buffer: vec![0; 64 * 1_024],
        }
    }

    pub(crate) fn exchange(&mut self) {
        self.stream.write_all(&self.request).unwrap();
        let mut filled = 0;
        loop {
            let read = self.stream.read(&mut self.buffer[filled..]).unwrap();
            assert!(read > 0, "the connection ended");
            filled += read;
            if is_whole(&self.buffer[..filled], self.reply.len()) {
                break;
            }
        }
        self.reply.clear();
        self.reply.extend_from_slice(&self.buffer[..filled]);
    }

    fn answer(&self) -> Value {
        let body = body_start(&self.reply).unwrap();
        serde_json::from_slice(&self.reply[body..]).unwrap()
    }
}

fn body_start(reply: &[u8]) -> Option<usize> {
    let end = reply.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some(end + 4)
}

/// As long as the answer before is enough; else the head is read.
fn is_whole(reply: &[u8], usual: usize) -> bool {
    if reply.len() == usual && reply.ends_with(b"}") {
        return true;
    }
    let Some(body) = body_start(reply) else {
        return false;
    };
    let head = std::str::from_utf8(&reply[..body]).unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.unwrap().trim().parse().unwrap();
    reply.len() == body + length
}

/// As many bytes there and back, and nothing else.
struct Echo {
    stream: UnixStream,
    request: Vec<u8>,
    reply: Vec<u8>,
}

impl Echo {
    fn new(folder: &Path, request: usize, reply: usize) -> Self {
        let path = folder.join(format!("echo-{reply}.sock"));
        let listener = UnixListener::bind(&path).unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut question, answer) = (vec![0; request], vec![b'x'; reply]);
            while stream.read_exact(&mut question).is_ok() && stream.write_all(&answer).is_ok() {}
        });
        Self {
            stream: UnixStream::connect(path).unwrap(),
            request: vec![b'x'; request],
            reply: vec![0; reply],
        }
    }

    fn exchange(&mut self) {
        self.stream.write_all(&self.request).unwrap();
        self.stream.read_exact(&mut self.reply).unwrap();
    }
}
