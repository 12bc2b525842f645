//! A check while ten channels of alerts are dead, against the same check without any.
//!
//! Laps with and without alternate. The dead ones refuse connections, take them and say nothing, or
//! answer with errors; each has a full queue, and more is told all the time.

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
use crate::race::{Course, Lane, OneCpu, Percentiles, at, lap, timed};

const ROUNDS: usize = 21;

pub(crate) fn rows() -> Vec<Row> {
    let course = Course {
        name: "check",
        rounds: ROUNDS,
        calls: 1_500,
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
    let (mut without, mut with): (Vec<Percentiles>, Vec<Percentiles>) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        refresh(&guard);
        let quiet = lap(&course, &mut lane);
        let (handle, thread) = dead.channels();
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.build().unwrap();
        for _ in 0..100 {
            runtime.block_on(handle.test()).unwrap();
        }
        refresh(&guard);
        let loud = lap(&course, &mut lane);
        drop(thread.stop());
        // The first round only warms up.
        if round > 0 {
            without.push(quiet);
            with.push(loud);
        }
    }
    let row = |place: usize, name: &str| {
        let ratios = with.iter().zip(&without);
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
            what: format!("check, ten dead channels / none: {name}"),
            target: None,
            result: at(&ratios, 50),
            unit: "x",
            more: format!(
                "{:.2}-{:.2}  {:.1} us, {:.1} us without",
                at(&ratios, 25),
                at(&ratios, 75),
                median(&with),
                median(&without)
            ),
        }
    };
    vec![row(0, "p50"), row(1, "p99")]
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
