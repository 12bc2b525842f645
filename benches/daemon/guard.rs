//! The guard as the daemon puts it together: spine and sockets on one thread, a real journal, and
//! an account of ten crossed positions.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use crossguard::api::events::{Door, Hub};
use crossguard::api::read_order;
use crossguard::api::record::{Entry, Filter, Page, Peer, Pending, ReadError, Recorder};
use crossguard::api::server::{CheckObserver, Parts, serve};
use crossguard::api::socket::{BoundSocket, CHECK_MODE};
use crossguard::clock::Clock;
use crossguard::daemon::core::PolicyInForce;
use crossguard::daemon::{Ends, Exchange, GuardHandle, memory, spine};
use crossguard::exchange::Demand;
use crossguard::guard::policy::Policy;
use crossguard::journal::{self, Journal, Kind, Record};
use crossguard::telemetry::Metrics;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// A running guard without an exchange of its own.
pub(crate) struct Guard {
    pub(crate) folder: TempDir,
    pub(crate) handle: GuardHandle,
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) demand: watch::Receiver<Demand>,
    pub(crate) clock: Clock,
    shutdown: CancellationToken,
    thread: Option<JoinHandle<()>>,
    journal: Option<journal::Thread>,
}

impl Guard {
    pub(crate) fn start() -> Self {
        memory::keep_freed_memory();
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::machine();
        let (journal, journal_thread) =
            Journal::open(&folder.path().join("state"), journal::Options::default()).unwrap();
        let shutdown = CancellationToken::new();
        let (ready, started) = std::sync::mpsc::channel();
        let path = folder.path().join("crossguard.sock");
        let (stop, of_thread) = (shutdown.clone(), clock.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_all().build().unwrap();
            runtime.block_on(async {
                let hub = Hub::new(of_thread.now().wall_ms);
                let in_force = PolicyInForce {
                    policy: Policy::default(),
                    fingerprint: format!("sha256:{}", "0".repeat(64)),
                };
                let door = Box::new(Door::new(hub.clone()));
                let (spine, ends) = spine(in_force, 7, false, of_thread.clone(), door);
                let socket = BoundSocket::open(&path, CHECK_MODE).unwrap();
                let parts = parts(ends.handle.clone(), journal, hub, of_thread);
                ready.send(ends).unwrap();
                let serving = serve(socket, None, None, parts, stop.clone());
                let running = tokio::spawn(spine.run(stop.clone()));
                let (_, ended) = tokio::join!(serving, running);
                ended.unwrap();
            });
        });
        let Ends {
            handle,
            exchange,
            demand,
            beat,
        } = started.recv().unwrap();
        // As in the daemon, on another thread than the spine's.
        let beating = beat.keep(shutdown.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread();
            { runtime }.enable_all().build().unwrap().block_on(beating);
        });
        Self {
            folder,
            handle,
            exchange,
            demand,
            clock,
            shutdown,
            thread: Some(thread),
            journal: Some(journal_thread),
        }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("crossguard.sock")
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.shutdown.cancel();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
        if let Some(journal) = self.journal.take() {
            drop(journal.stop());
        }
    }
}

fn parts(handle: GuardHandle, journal: Journal, hub: Hub, clock: Clock) -> Parts {
    Parts {
        handle,
        reader: read_order,
        recorder: Arc::new(Records(journal)),
        reload: Arc::new(|_peer| Box::pin(std::future::ready(Err(Vec::new())))),
        metrics: Arc::new(String::new),
        observe_check: observer(),
        alerts: Arc::new(crossguard::api::alerts::NoAlerts),
        hub,
        clock,
    }
}

/// As in the daemon.
fn observer() -> CheckObserver {
    let metrics = Metrics::new();
    Arc::new(move |micros, decision, codes| {
        let codes: Vec<&'static str> = codes.iter().map(|code| code.name()).collect();
        metrics.observe_check(micros, decision.name(), &codes);
    })
}

/// Decisions go where the daemon puts them.
struct Records(Journal);

impl Recorder for Records {
    fn record(&self, entry: Entry) -> Pending<Result<(), String>> {
        let written = self.0.append(Record {
            id: entry.id,
            time_ms: entry.time_ms,
            kind: Kind::Decision,
            decision: entry.decision.name().to_owned(),
            why: entry.why,
            symbol: Some(entry.symbol),
            client: entry.client,
            peer_uid: Some(entry.peer.uid),
            peer_gid: Some(entry.peer.gid),
            peer_pid: entry.peer.pid,
            dry_run: entry.dry_run,
            corrects: None,
            document: entry.document,
        });
        Box::pin(async move { written.await.map_err(|error| error.to_string()) })
    }

    fn note(&self, _: i64, _: String, _: Peer) {}

    fn decisions(&self, _: Filter) -> Pending<Result<Page, ReadError>> {
        Box::pin(std::future::ready(Ok(Page::default())))
    }

    fn get(&self, _: String) -> Pending<Result<Option<Vec<u8>>, ReadError>> {
        Box::pin(std::future::ready(Ok(None)))
    }
}
