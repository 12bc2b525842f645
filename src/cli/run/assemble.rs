//! The daemon put together: threads, queues, sockets.
//!
//! Owns: which thread runs what, and how all of them end.
//! Must not know: where a plan came from (a configuration file, or the demo).

use std::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::alerts;
use super::listener::{LADDER_NOTE, Listener, Said};
use super::passed::Passed;
use super::recorder::JournalRecorder;
use super::reload::{self, Reloadable};
use crate::api;
use crate::api::events::{Door, Hub};
use crate::api::record::Recorder;
use crate::api::server::{self, CheckObserver, Parts, Reload};
use crate::api::socket::{BoundSocket, SocketError};
use crate::clock::Clock;
use crate::daemon::core::{Input, PolicyInForce};
use crate::daemon::{Beat, Ends, Spine, spine};
use crate::exchange;
use crate::guard::verdict::Ladder;
use crate::journal::{self, Journal};
use crate::telemetry::Metrics;

/// Permission bits of the socket that clients use, and of the administrator's.
const CHECK_MODE: u32 = 0o660;
const ADMIN_MODE: u32 = 0o600;

/// Lines that wait for the log.
const LOG_LINES_MAX: usize = 1_024;

/// What a daemon is made of.
pub(crate) struct Plan {
    pub(crate) exchange: exchange::Options,
    pub(crate) all_marks: bool,
    pub(crate) socket: PathBuf,
    pub(crate) admin: PathBuf,
    /// Served instead of binding those two.
    pub(crate) passed: Passed,
    pub(crate) state_dir: PathBuf,
    pub(crate) in_force: PolicyInForce,
    pub(crate) metrics_listen: Option<SocketAddr>,
    pub(crate) alerts: crate::config::Alerts,
    pub(crate) clock: Clock,
    pub(crate) seed: u64,
    /// Makes the reload, given the ways to what it changes.
    pub(crate) reload: Box<dyn FnOnce(Reloadable) -> Reload + Send>,
}

/// A running daemon.
pub(crate) struct Running {
    /// Reads the policy anew.
    pub(crate) reload: Reload,
    /// Lines for the log.
    pub(crate) said: mpsc::Receiver<Said>,
    /// Cancelled when one of the threads ends before it should.
    pub(crate) failed: CancellationToken,
    stop: CancellationToken,
    check: JoinHandle<()>,
    exchange: JoinHandle<()>,
    alerts: alerts::Running,
    journal: journal::Thread,
}

impl Running {
    /// Starts everything. When this returns, both sockets answer.
    ///
    /// # Errors
    /// What keeps the daemon from starting, in words with the remedy.
    pub(crate) fn start(plan: Plan) -> Result<Self, String> {
        let options = journal::Options {
            clock: plan.clock.clone(),
            ..journal::Options::default()
        };
        let (journal, journal_thread) =
            Journal::open(&plan.state_dir, options).map_err(|error| error.to_string())?;
        let (log, said) = mpsc::channel(LOG_LINES_MAX);
        let hub = Hub::new(plan.clock.now().wall_ms);
        let metrics = Arc::new(Metrics::new());
        let door = Door::new(hub.clone());
        let warn = log.clone();
        let surroundings = alerts::Surroundings {
            hub: &hub,
            metrics: &metrics,
            say: Box::new(move |line| drop(warn.try_send(Said::Warning(line)))),
        };
        let (alerts, complaints) = alerts::start(
            &plan.alerts,
            &plan.in_force.policy,
            &plan.state_dir,
            &plan.clock,
            surroundings,
        )?;
        for complaint in complaints {
            drop(log.try_send(Said::Warning(complaint)));
        }
        let listener = Listener::new(
            door,
            Arc::clone(&metrics),
            journal.clone(),
            log.clone(),
            alerts.handle.clone(),
        );
        let (mut spine, ends) = spine(
            plan.in_force,
            plan.seed,
            plan.all_marks,
            plan.clock.clone(),
            Box::new(listener),
        );
        spine.begin_on(Input::AlarmLevels(plan.alerts.levels.clone()));
        if let Some(rung) = rung_kept(&journal) {
            spine.begin_on(rung);
        }
        let Ends {
            handle,
            exchange: sink,
            demand,
            beat,
        } = ends;
        let recorder: Arc<dyn Recorder> = Arc::new(JournalRecorder::new(journal));
        let reload = (plan.reload)(Reloadable {
            guard: handle.clone(),
            alerts: alerts.handle.clone(),
            in_force: Arc::new(Mutex::new(plan.alerts)),
            log: log.clone(),
        });
        let reload = reload::told(reload, recorder.clone(), log, plan.clock.clone());
        let parts = Parts {
            handle,
            reader: api::read_order,
            recorder,
            reload: reload.clone(),
            observe_check: observer(Arc::clone(&metrics)),
            metrics: Arc::new(move || metrics.render()),
            alerts: Arc::new(alerts::Desk(alerts.handle.clone())),
            hub,
            clock: plan.clock,
        };
        let stop = CancellationToken::new();
        let failed = CancellationToken::new();
        let doors = Doors {
            socket: plan.socket,
            admin: plan.admin,
            passed: plan.passed,
            metrics_listen: plan.metrics_listen,
            parts,
        };
        let check = start_check_thread(spine, doors, &stop, &failed)?;
        let exchange = start_exchange_thread(plan.exchange, sink, demand, beat, &stop, &failed)?;
        Ok(Self {
            reload,
            said,
            failed,
            stop,
            check,
            exchange,
            alerts,
            journal: journal_thread,
        })
    }

    /// Ends everything in order: doors, spine, exchange client, and the journal last, so that what
    /// was decided is written. False when a thread had failed.
    pub(crate) fn stop(self) -> bool {
        self.stop.cancel();
        let check = self.check.join();
        let exchange = self.exchange.join();
        let alerts = self.alerts.stop();
        let journal = self.journal.stop();
        check.is_ok() && exchange.is_ok() && alerts && journal.is_ok()
    }
}

fn observer(metrics: Arc<Metrics>) -> CheckObserver {
    Arc::new(move |micros, decision, codes| {
        let codes: Vec<&'static str> = codes.iter().map(|code| code.name()).collect();
        metrics.observe_check(micros, decision.name(), &codes);
    })
}

/// The rung the guard stood on when it last ended: a lock outlives a restart.
fn rung_kept(journal: &Journal) -> Option<Input> {
    let kept = journal.get_note(LADDER_NOTE).ok()??;
    let (name, reason) = kept.split_once('\n')?;
    let rung = Ladder::ALL.into_iter().find(|rung| rung.name() == name)?;
    let reason = reason.to_owned();
    (rung != Ladder::Normal).then_some(Input::Ladder { rung, reason })
}

struct Doors {
    socket: PathBuf,
    admin: PathBuf,
    passed: Passed,
    metrics_listen: Option<SocketAddr>,
    parts: Parts,
}

/// The check thread: sockets and spine on one current-thread runtime.
fn start_check_thread(
    spine: Spine,
    mut doors: Doors,
    stop: &CancellationToken,
    failed: &CancellationToken,
) -> Result<JoinHandle<()>, String> {
    let (opened, waiting) = std::sync::mpsc::sync_channel(1);
    let (stop, alarm) = (stop.clone(), failed.clone().drop_guard());
    let thread = std::thread::Builder::new()
        .name("check".to_owned())
        .spawn(move || {
            let runtime = match current_thread_runtime() {
                Ok(runtime) => runtime,
                Err(error) => return drop(opened.send(Err(error))),
            };
            runtime.block_on(async move {
                let bound = match bind(&mut doors).await {
                    Ok(bound) => bound,
                    Err(error) => return drop(opened.send(Err(error))),
                };
                drop(opened.send(Ok(())));
                let (check, admin, metrics) = bound;
                let ended = CancellationToken::new();
                let serving = server::serve(check, Some(admin), metrics, doors.parts, stop.clone());
                // A task of its own: what it waits for wakes it alone, without a look at the sockets.
                let mut running = tokio::spawn(spine.run(ended.clone()));
                let outcome = tokio::select! {
                    () = serving => {
                        // The doors drained for a moment; the spine answered until they had.
                        ended.cancel();
                        (&mut running).await
                    }
                    outcome = &mut running => outcome,
                };
                if let Err(failure) = outcome
                    && let Ok(panic) = failure.try_into_panic()
                {
                    std::panic::resume_unwind(panic);
                }
                if stop.is_cancelled() {
                    alarm.disarm();
                }
            });
        });
    let thread = thread.map_err(|error| format!("cannot start a thread: {error}"))?;
    match waiting.recv() {
        Ok(Ok(())) => Ok(thread),
        Ok(Err(error)) => Err(error),
        Err(_) => Err("the check thread ended at once".to_owned()),
    }
}

type Bound = (BoundSocket, BoundSocket, Option<tokio::net::TcpListener>);

async fn bind(doors: &mut Doors) -> Result<Bound, String> {
    let words = |error: SocketError| error.to_string();
    let open = |passed: Option<UnixListener>, path: &Path, mode| match passed {
        Some(listener) => BoundSocket::passed(listener, path),
        None => BoundSocket::open(path, mode),
    };
    let check = open(doors.passed.check.take(), &doors.socket, CHECK_MODE).map_err(words)?;
    let admin = open(doors.passed.admin.take(), &doors.admin, ADMIN_MODE).map_err(words)?;
    let metrics = match doors.metrics_listen {
        None => None,
        Some(address) => {
            let listener = tokio::net::TcpListener::bind(address).await;
            Some(listener.map_err(|error| format!("metrics.listen {address}: {error}"))?)
        }
    };
    Ok((check, admin, metrics))
}

/// The exchange thread: the client, and the spine's pulse.
fn start_exchange_thread(
    options: exchange::Options,
    sink: Arc<crate::daemon::Exchange>,
    demand: tokio::sync::watch::Receiver<exchange::Demand>,
    beat: Beat,
    stop: &CancellationToken,
    failed: &CancellationToken,
) -> Result<JoinHandle<()>, String> {
    let (stop, alarm) = (stop.clone(), failed.clone().drop_guard());
    let runtime = current_thread_runtime()?;
    std::thread::Builder::new()
        .name("exchange".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                let following = exchange::run(options, sink, demand, stop.clone());
                tokio::join!(following, beat.keep(stop.clone()));
            });
            if stop.is_cancelled() {
                alarm.disarm();
            }
        })
        .map_err(|error| format!("cannot start a thread: {error}"))
}

pub(crate) fn current_thread_runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start a runtime: {error}"))
}
