//! A check while ten channels of alerts are dead, against the same check without any.
//!
//! Everything shares one CPU, so that whatever the channels cost shows. The dead ones refuse connections,
//! take them and say nothing, or answer with errors; each has a full queue, and more is told all the time.
//! A lap is long enough for a p99 of its own, and begins when the first attempts are over: a channel that is
//! dead is one that tries again now and then. Every round has a lap with and one without, in turn first, and
//! what is printed is the median of the rounds' ratios. A third lap, without channels as well, says how much of
//! that is noise.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use crossguard::alerts::channel::ChannelOptions;
use crossguard::alerts::send::Target;
use crossguard::alerts::{self, Address, Handle, Options, Restored, Setup, Thread, Timing};
use crossguard::clock::Clock;
use crossguard::exchange::Sink as _;
use crossguard::guard::alarm::{AlarmPolicy, Rule, Severity};
use crossguard::guard::policy::Policy;

use crate::Row;
use crate::account;
use crate::check::{Client, HELD, refresh, until_allowed};
use crate::guard::Guard;
use crate::race::{Course, Lane, OneCpu, Percentiles, at, percentiles, timed, times_of};

const ROUNDS: usize = 31;

/// A hundred of the calls of a lap are slower than its p99.
const PARTS: usize = 20;
const CALLS_OF_A_PART: usize = 500;

/// How long a lap waits until it begins: the first attempts are over, and the next ones are due within it.
const SETTLES: Duration = Duration::from_millis(900);

pub(crate) fn rows() -> Vec<Row> {
    let part = Course {
        name: "check",
        rounds: ROUNDS,
        calls: CALLS_OF_A_PART,
        gap: Duration::ZERO,
    };
    let _pinned = OneCpu::take();
    let guard = Guard::start();
    for event in account::opening(guard.clock.now(), HELD, HELD) {
        guard.exchange.event(event).unwrap();
    }
    refresh(&guard);
    let mut client = Client::new(&guard, r#","dryRun":true,"brief":true"#);
    until_allowed(&mut client);
    let mut lane = Lane {
        name: "brief dry run",
        target: None,
        once: Box::new(|| timed(|| client.exchange())),
    };
    let dead = Dead::start();
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.build().unwrap();
    let mut lap = |handle: Option<&Handle>| {
        let tell = || {
            if let Some(handle) = handle {
                runtime.block_on(handle.test()).unwrap();
            }
        };
        for _ in 0..100 {
            tell();
        }
        std::thread::sleep(SETTLES);
        refresh(&guard);
        let mut times = Vec::with_capacity(PARTS * CALLS_OF_A_PART);
        for _ in 0..PARTS {
            tell();
            times.extend(times_of(&part, &mut lane));
        }
        percentiles(times)
    };
    let mut laps: [Vec<Percentiles>; 3] = Default::default();
    for round in 0..=ROUNDS {
        // Who comes first changes from round to round.
        let mut kinds = [0, 1, 2];
        kinds.rotate_left(round % 3);
        for kind in kinds {
            let percentiles = if kind == 1 {
                let (handle, thread) = dead.channels();
                let percentiles = lap(Some(&handle));
                drop(thread.stop());
                percentiles
            } else {
                lap(None)
            };
            // The first round only warms up.
            if round > 0 {
                laps[kind].push(percentiles);
            }
        }
    }
    let row = |what: &str, kind: usize, place: usize, name: &str| {
        let ratios = laps[kind].iter().zip(&laps[0]);
        let mut ratios: Vec<f64> = ratios
            .map(|(with, without)| with[place] / without[place])
            .collect();
        ratios.sort_by(f64::total_cmp);
        let median = |laps: &[Percentiles]| {
            let mut times: Vec<f64> = laps.iter().map(|lap| lap[place] / 1_000.0).collect();
            times.sort_by(f64::total_cmp);
            at(&times, 50)
        };
        Row {
            what: format!("check, {what} / none: {name}"),
            target: None,
            result: at(&ratios, 50),
            unit: "x",
            more: format!(
                "{:.2}-{:.2}  {:.1} us, {:.1} us without",
                at(&ratios, 25),
                at(&ratios, 75),
                median(&laps[kind]),
                median(&laps[0])
            ),
        }
    };
    let mut rows = Vec::new();
    for (what, kind) in [("ten dead channels", 1), ("none", 2)] {
        rows.push(row(what, kind, 0, "p50"));
        rows.push(row(what, kind, 1, "p99"));
    }
    rows
}

/// Ports where nothing good happens.
struct Dead {
    silent: TcpListener,
    failing: u16,
}

impl Dead {
    fn start() -> Self {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let failing = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let mut request = [0; 4_096];
                let _ = stream.read(&mut request);
                let _ = stream.write_all(b"HTTP/1.1 503 x\r\ncontent-length: 0\r\n\r\n");
            }
        });
        Self { silent, failing }
    }

    /// Ten channels that never deliver.
    fn channels(&self) -> (Handle, Thread) {
        let gone = TcpListener::bind("127.0.0.1:0").unwrap();
        let refused = gone.local_addr().unwrap().port();
        drop(gone);
        let silent = self.silent.local_addr().unwrap().port();
        let tls = crossguard::exchange::tls_config().unwrap();
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(rustls::ClientConfig::clone(&tls))
            .no_proxy()
            .build()
            .unwrap();
        let channels = (0..10).map(|index: usize| {
            let port = [refused, silent, self.failing][index % 3];
            let address = Address::parse(&format!("json://127.0.0.1:{port}/{index}")).unwrap();
            let options = ChannelOptions {
                name: format!("dead-{index}"),
                severity: Severity::Info,
                matching: None,
                only_escalations: false,
                per_minute: 600,
            };
            (options, Target::new(address, Arc::default(), http.clone()))
        });
        let options = Options {
            setup: Setup {
                timing: Timing::DEFAULT,
                channels: channels.collect(),
                heartbeat: None,
            },
            restarted: AlarmPolicy::default().setting(Rule::Restarted, &Policy::default()),
            clock: Clock::machine(),
            zone: jiff::tz::TimeZone::UTC,
            restored: Restored::default(),
            keep: Box::new(|_, _| {}),
            follow: Box::new(|_| {}),
            active: Box::new(|_| {}),
            count: Arc::new(|_, _| {}),
            say: Box::new(|_| {}),
        };
        alerts::start(options).unwrap()
    }
}
