//! What all tasks of the room share.
//!
//! Owns: the shared handles, and the signals between tasks (the user stream opened, tables
//! changed, the machine woke).
//! Must not know: what any task does.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use rustls::ClientConfig;
use tokio::sync::{Mutex, watch};
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::board::Board;
use super::cadence::Cadence;
use super::connect::{ConnectError, Dial, Socket, connect};
use super::endpoints::{Endpoints, Environment, under};
use super::outlet::Outlet;
use super::rest::{Parts, Rest, RestError, Security};
use super::{Demand, Options, StreamKind};
use crate::clock::{Clock, Now};
use crate::mirror::event::LossCause;

/// So many failed tasks within [`FAILURES_MS`] end the client.
const FAILURES_MAX: usize = 5;

/// How long a failed task is held against the rest, in milliseconds.
const FAILURES_MS: i64 = 60_000;

/// Counters that tasks raise for each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Signals {
    /// The user stream was opened so often.
    pub opened: u64,
    /// The exchange announced changed brackets.
    pub brackets: u64,
    /// The exchange announced a changed contract.
    pub rules: u64,
    /// The machine woke from sleep.
    pub woken: u64,
    /// The account's modes were read: what positions mean is known.
    pub modes_known: bool,
}

/// The shared handles.
pub(super) struct Context {
    pub clock: Clock,
    pub cadence: Cadence,
    pub rest: Rest,
    pub outlet: Arc<Outlet>,
    pub demand: Board<Demand>,
    pub signals: Board<Signals>,
    /// Where the demand comes from.
    wishes: watch::Receiver<Demand>,
    pub seed: u64,
    endpoints: Endpoints,
    tls: Arc<ClientConfig>,
    dial: Option<Arc<dyn Dial>>,
    market_epoch: AtomicU64,
    /// When tasks failed lately.
    failures: std::sync::Mutex<VecDeque<Now>>,
    /// Cancelled when they fail so often that only a new start can help.
    pub broken: CancellationToken,
    /// At most one connect per gap and kind, the first at once.
    user_gap: Mutex<Interval>,
    market_gap: Mutex<Interval>,
}

impl Context {
    pub(super) fn new(
        options: &Options,
        dial: Option<Arc<dyn Dial>>,
        cadence: Cadence,
        outlet: Arc<Outlet>,
        demand: watch::Receiver<Demand>,
    ) -> Result<Self, SetupError> {
        let endpoints =
            Environment::endpoints(&options.environment).map_err(|error| SetupError {
                cause: LossCause::Connect,
                detail: error.to_string(),
            })?;
        let certificate = |detail| SetupError {
            cause: LossCause::Certificate,
            detail,
        };
        let tls = super::tls::client_config(options.extra_roots.as_deref()).map_err(certificate)?;
        let wanted = demand.borrow().clone();
        let parts = Parts {
            endpoints: endpoints.clone(),
            credentials: options.credentials.clone(),
            without_key: options.without_key.clone(),
            clock: options.clock.clone(),
            outlet: outlet.clone(),
            dial: dial.clone(),
            state_dir: options.state_dir.clone(),
        };
        Ok(Self {
            rest: Rest::new(parts, &tls, &cadence).map_err(certificate)?,
            clock: options.clock.clone(),
            cadence,
            outlet,
            demand: Board::new(wanted),
            signals: Board::new(Signals::default()),
            wishes: demand,
            seed: options.seed,
            endpoints,
            tls,
            dial,
            market_epoch: AtomicU64::new(0),
            failures: std::sync::Mutex::default(),
            broken: CancellationToken::new(),
            user_gap: Mutex::new(paced(cadence.connect_gap)),
            market_gap: Mutex::new(paced(cadence.connect_gap)),
        })
    }

    /// Connects a stream under the given path, not sooner than the gap allows.
    pub(super) async fn connect(
        &self,
        stream: StreamKind,
        path: &str,
    ) -> Result<Socket, ConnectError> {
        let gap = match stream {
            StreamKind::User => &self.user_gap,
            StreamKind::Market => &self.market_gap,
        };
        gap.lock().await.tick().await;
        let address = under(&self.endpoints.stream, path);
        connect(&address, &self.tls, self.dial.as_deref(), &self.cadence).await
    }

    pub(super) fn next_market_epoch(&self) -> u64 {
        self.market_epoch
            .fetch_add(1, Ordering::Relaxed)
            .saturating_add(1)
    }

    /// The market stream's latest life number.
    pub(super) fn market_epoch(&self) -> u64 {
        self.market_epoch.load(Ordering::Relaxed)
    }

    /// Counts a failed task: [`FAILURES_MAX`] within [`FAILURES_MS`] are no accident.
    pub(super) fn count_failure(&self) {
        let now = self.clock.now();
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.push_back(now);
        failures.retain(|failure| now.since_ms(*failure) < FAILURES_MS);
        if failures.len() >= FAILURES_MAX {
            self.broken.cancel();
        }
    }

    /// The pauses between connects of one stream, the same for the same seed.
    pub(super) fn stream_backoff(&self, salt: u64) -> Backoff {
        let Cadence {
            backoff_min,
            backoff_stream_max,
            ..
        } = self.cadence;
        Backoff::new(
            backoff_min,
            backoff_stream_max,
            self.seed.wrapping_add(salt),
        )
    }

    /// The pauses between failed reads of one kind, the same for the same seed.
    pub(super) fn read_backoff(&self, salt: u64) -> Backoff {
        let Cadence {
            backoff_min,
            backoff_read_max,
            ..
        } = self.cadence;
        Backoff::new(backoff_min, backoff_read_max, self.seed.wrapping_add(salt))
    }

    /// How long to wait after a failed call.
    pub(super) fn pause_after(&self, error: &RestError, backoff: &mut Backoff) -> Duration {
        let pause = backoff.next();
        match error {
            RestError::Paused(until) => self.rest.pause_left(*until).max(pause),
            error if error.key_refusal(Security::Signed).is_some() => self.cadence.key_retry,
            _ => pause.max(self.cadence.retry),
        }
    }

    /// When the next planned change of a connection is due, spread so that not all of them
    /// change at once.
    pub(super) fn rotation_in(&self, salt: u64) -> Duration {
        let spread = u64::try_from(self.cadence.rotation_spread.as_millis()).unwrap_or(0);
        let offset = self
            .seed
            .wrapping_add(salt)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            >> 16;
        let offset = offset.checked_rem(spread).unwrap_or(0);
        self.cadence
            .rotation
            .saturating_sub(Duration::from_millis(offset))
    }

    /// Hands every demand on to all who follow it.
    pub(super) async fn watch_demand(&self) {
        let mut wishes = self.wishes.clone();
        loop {
            let wanted = wishes.borrow_and_update().clone();
            self.demand.modify(|demand| *demand = wanted);
            if wishes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Looks whether the machine slept: tokio's timers stood still meanwhile, so whoever waits on
    /// one would wait on.
    pub(super) async fn watch_sleep(&self) {
        let mut slept_ms = self.clock.now().slept_ms();
        loop {
            tokio::time::sleep(self.cadence.wake_check).await;
            let now_ms = self.clock.now().slept_ms();
            if now_ms.saturating_sub(slept_ms) > 1_000 {
                self.signals.modify(|signals| {
                    signals.woken = signals.woken.wrapping_add(1);
                });
            }
            slept_ms = now_ms;
        }
    }

    /// Keeps the offset of the exchange's clock.
    pub(super) async fn watch_clock(&self) {
        let mut backoff = self.read_backoff(1);
        let mut signals = self.signals.follow();
        loop {
            let woken = signals.look(|signals| signals.woken);
            let pause = match self.rest.measure_clock_since(self.clock.now()).await {
                Ok(()) => {
                    backoff.reset();
                    self.cadence.clock
                }
                Err(error) => self.pause_after(&error, &mut backoff),
            };
            tokio::select! {
                biased;
                () = tokio::time::sleep(pause) => {}
                () = signals.until(|signals| signals.woken != woken) => {}
            }
        }
    }
}

pub(super) fn paced(period: Duration) -> Interval {
    let mut interval = interval(period.max(Duration::from_millis(1)));
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// Why nothing can be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SetupError {
    pub cause: LossCause,
    pub detail: String,
}
