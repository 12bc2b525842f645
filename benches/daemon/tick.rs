//! From a mark's frame on the wire to the line with the pool's new figures at a subscriber, against a
//! relay that only passes bytes on.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc;
use std::time::Duration;

use crossguard::clock::Clock;
use crossguard::exchange::{self, Credentials, Environment};
use crossguard::scenario::Scenario;
use crossguard::sim::{self, Sim};
use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::{Message, accept_hdr};
use tokio_util::sync::CancellationToken;

use crate::Row;
use crate::account::name;
use crate::guard::Guard;
use crate::race::{Course, Lane, OneCpu, race, timed};

const HELD: usize = 10;

pub(crate) fn rows() -> Vec<Row> {
    let hot = Course {
        name: "tick to state, one CPU",
        rounds: 21,
        calls: 600,
        gap: Duration::ZERO,
    };
    let idle = Course {
        name: "tick to state after 5 ms of idle",
        rounds: 9,
        calls: 100,
        gap: Duration::from_millis(5),
    };
    let mut rows = {
        let _pinned = OneCpu::take();
        run(&hot, Some(2.0))
    };
    rows.extend(run(&idle, None));
    rows
}

fn run(course: &Course<'_>, target: Option<f64>) -> Vec<Row> {
    let guard = Guard::start();
    let market = Market::open(&guard);
    let mut feed = Feed {
        frames: market.connection(),
        lines: subscribe(&guard),
        clock: guard.clock.clone(),
        cents: 0,
        buffer: vec![0; 64 * 1_024],
        line_bytes: 0,
        frame_bytes: 0,
    };
    for _ in 0..100 {
        feed.tick();
    }
    let sizes = Sizes {
        frame: feed.frame_bytes,
        line: feed.line_bytes,
    };
    let mut relay = Relay::new(&guard, "relay.sock", sizes, pass_on);
    let mut handover = Relay::new(&guard, "handover.sock", sizes, hand_over);
    let mut lanes = [
        Lane {
            name: "relay",
            target: None,
            once: Box::new(|| timed(|| relay.pass())),
        },
        Lane {
            name: "relay over two threads",
            target: None,
            once: Box::new(|| timed(|| handover.pass())),
        },
        Lane {
            name: "guard",
            target,
            once: Box::new(|| feed.tick()),
        },
    ];
    let rows = race(course, &mut lanes, || {});
    drop(lanes);
    market.stop.cancel();
    rows
}

/// The simulated exchange for everything that is read, and a market stream that says what it is told.
struct Market {
    stop: CancellationToken,
    subscribed: mpsc::Receiver<TcpStream>,
}

impl Market {
    fn open(guard: &Guard) -> Self {
        let (subscribed, connections) = mpsc::channel();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = format!("ws://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let subscribed = subscribed.clone();
                std::thread::spawn(move || converse(connection.unwrap(), &subscribed));
            }
        });
        let stop = CancellationToken::new();
        let (announced, announcement) = mpsc::channel();
        let of_sim = stop.clone();
        std::thread::spawn(move || {
            let options = sim::Options {
                listen: ([127, 0, 0, 1], 0).into(),
                scenario: Some(Scenario::parse(&scene()).unwrap()),
                seed: 1,
            };
            runtime().block_on(async {
                let sim = Sim::start(options).await.unwrap();
                announced.send(sim.announcement()).unwrap();
                of_sim.cancelled().await;
            });
        });
        let sim = announcement.recv().unwrap();
        let options = exchange::Options {
            environment: Environment::Custom {
                rest: sim.rest,
                stream,
                ws_api: sim.ws_api,
            },
            credentials: Some(Credentials::hmac(sim.api_key, sim.secret)),
            clock: guard.clock.clone(),
            seed: 1,
            state_dir: None,
            without_key: String::new(),
            extra_roots: None,
        };
        let (sink, demand) = (guard.exchange.clone(), guard.demand.clone());
        let of_client = stop.clone();
        std::thread::spawn(move || {
            runtime().block_on(exchange::run(options, sink, demand, of_client));
        });
        Self {
            stop,
            subscribed: connections,
        }
    }

    /// The connection on which the first symbol's marks are wanted.
    fn connection(&self) -> TcpStream {
        self.subscribed
            .recv_timeout(Duration::from_secs(20))
            .unwrap()
    }
}

fn runtime() -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Builder::new_current_thread();
    { runtime }.enable_all().build().unwrap()
}

fn scene() -> String {
    let mut scene = String::from("wallet USDT 7000\n");
    for index in 0..HELD {
        let symbol = name(index);
        scene.push_str(&format!(
            "symbol {symbol} tick 0.1 step 0.001 min-notional 5\n\
             brackets {symbol} 0 50000 0.004 125x | 50000 600000 0.005 100x\n\
             pos {symbol} crossed 10x +0.01 @ 60012.5\n\
             mark {symbol} 60000\n"
        ));
    }
    scene
}

/// One stream connection: acknowledges subscriptions, answers pings, says nothing by itself.
#[expect(
    clippy::result_large_err,
    reason = "the library's own signature for looking at the request"
)]
fn converse(stream: TcpStream, subscribed: &mpsc::Sender<TcpStream>) {
    stream.set_nodelay(true).unwrap();
    let raw = stream.try_clone().unwrap();
    let keep = |_: &Request, response: Response| Ok(response);
    let mut socket = accept_hdr(stream, keep).unwrap();
    let first = format!("{}@markPrice", name(0).as_str().to_ascii_lowercase());
    while let Ok(message) = socket.read() {
        let Message::Text(text) = message else {
            drop(socket.flush());
            continue;
        };
        let request: serde_json::Value = serde_json::from_str(&text).unwrap();
        let answer = format!("{{\"result\":null,\"id\":{}}}", request["id"]);
        socket.send(Message::text(answer)).unwrap();
        if text.contains(&first) {
            drop(subscribed.send(raw.try_clone().unwrap()));
        }
    }
}

/// A subscriber of `/v1/events` that has been heard.
fn subscribe(guard: &Guard) -> UnixStream {
    let mut lines = UnixStream::connect(guard.socket()).unwrap();
    lines
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let request = b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n";
    lines.write_all(request).unwrap();
    let mut heard = Vec::new();
    let mut buffer = [0; 4_096];
    while !heard.ends_with(END) {
        let read = lines.read(&mut buffer).unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&heard));
        heard.extend_from_slice(&buffer[..read]);
    }
    lines
}

/// The end of an event and of the chunk it travels in.
const END: &[u8] = b"\n\n\r\n";

/// The exchange's side and the subscriber's side in one hand.
struct Feed {
    frames: TcpStream,
    lines: UnixStream,
    clock: Clock,
    cents: i64,
    buffer: Vec<u8>,
    line_bytes: usize,
    frame_bytes: usize,
}

impl Feed {
    fn tick(&mut self) -> Duration {
        self.cents = (self.cents + 1) % 10_000;
        let frame = frame(self.cents, self.clock.now().wall_ms);
        self.frame_bytes = frame.len();
        // What reads of the account brought about meanwhile is no answer to this mark.
        while recv(&self.lines, &mut self.buffer[..], RecvFlags::DONTWAIT).is_ok() {}
        let mut filled = 0;
        let took = timed(|| {
            self.frames.write_all(&frame).unwrap();
            while !self.buffer[..filled].ends_with(END) {
                let read = self.lines.read(&mut self.buffer[filled..]).unwrap();
                assert!(read > 0, "the subscriber was cut off");
                filled += read;
            }
        });
        self.line_bytes = filled;
        let line = &self.buffer[..filled];
        let is_account = line.windows(14).any(|part| part == b"event: account");
        assert!(is_account, "{}", String::from_utf8_lossy(line));
        took
    }
}

/// A mark of the first symbol as the exchange frames it.
fn frame(cents: i64, event_ms: i64) -> Vec<u8> {
    let price = format!("60{:03}.{:02}345678", cents / 100, cents % 100);
    let text = format!(
        "{{\"e\":\"markPriceUpdate\",\"E\":{event_ms},\"s\":\"{}\",\"p\":\"{price}\",\
         \"ap\":\"{price}\",\"P\":\"{price}\",\"i\":\"{price}\",\"r\":\"0.00010000\",\
         \"T\":1790006400000,\"st\":1}}",
        name(0)
    );
    // A whole text frame with a length of sixteen bits.
    let mut frame = vec![0x81, 126];
    frame.extend_from_slice(&u16::try_from(text.len()).unwrap().to_be_bytes());
    frame.extend_from_slice(text.as_bytes());
    frame
}

/// How many bytes a frame and a line have.
#[derive(Clone, Copy)]
struct Sizes {
    frame: usize,
    line: usize,
}

/// Reads as many bytes and writes as many as the line has.
struct Relay {
    frames: TcpStream,
    lines: UnixStream,
    frame: Vec<u8>,
    line: Vec<u8>,
}

impl Relay {
    fn new(
        guard: &Guard,
        name: &str,
        sizes: Sizes,
        work: fn(TcpStream, UnixStream, Sizes),
    ) -> Self {
        let inward = TcpListener::bind("127.0.0.1:0").unwrap();
        let path = guard.folder.path().join(name);
        let outward = UnixListener::bind(&path).unwrap();
        let frames = TcpStream::connect(inward.local_addr().unwrap()).unwrap();
        frames.set_nodelay(true).unwrap();
        std::thread::spawn(move || {
            let (frames, _) = inward.accept().unwrap();
            let (lines, _) = outward.accept().unwrap();
            work(frames, lines, sizes);
        });
        Self {
            frames,
            lines: UnixStream::connect(path).unwrap(),
            frame: vec![b'x'; sizes.frame],
            line: vec![0; sizes.line],
        }
    }

    fn pass(&mut self) {
        self.frames.write_all(&self.frame).unwrap();
        self.lines.read_exact(&mut self.line).unwrap();
    }
}

/// One thread that waits for bytes and writes bytes.
fn pass_on(mut frames: TcpStream, mut lines: UnixStream, sizes: Sizes) {
    let (mut frame, line) = (vec![0; sizes.frame], vec![b'x'; sizes.line]);
    while frames.read_exact(&mut frame).is_ok() && lines.write_all(&line).is_ok() {}
}

/// Two runtimes on a thread each, as the daemon has them, and nothing else: what it costs at least that
/// one of them listens to the exchange and the other to subscribers.
fn hand_over(frames: TcpStream, lines: UnixStream, sizes: Sizes) {
    frames.set_nonblocking(true).unwrap();
    lines.set_nonblocking(true).unwrap();
    let bell = std::sync::Arc::new(tokio::sync::Notify::new());
    let rung = bell.clone();
    std::thread::spawn(move || {
        runtime().block_on(async {
            let mut frames = tokio::net::TcpStream::from_std(frames).unwrap();
            let mut frame = vec![0; sizes.frame];
            while frames.read_exact(&mut frame).await.is_ok() {
                bell.notify_one();
            }
        });
    });
    runtime().block_on(async {
        let mut lines = tokio::net::UnixStream::from_std(lines).unwrap();
        let line = vec![b'x'; sizes.line];
        loop {
            rung.notified().await;
            if lines.write_all(&line).await.is_err() {
                return;
            }
        }
    });
}
