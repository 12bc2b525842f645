//! The server on the local sockets.
//!
//! Owns: what the doors are given ([`Parts`]), the table of routes, and running until shutdown.
//! Must not know: how anything is decided, kept or measured. It runs on the caller's
//! current-thread runtime beside the spine: no call here blocks, locks for long or logs.

mod alerts;
mod check;
mod connection;
mod intake;
mod line;
mod patience;
mod reply;
mod route;
mod routes;
mod watch;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Reader;
use super::events::Hub;
use super::protocol::policy::ReloadAnswer;
use super::record::{Peer, Recorder};
use super::socket::BoundSocket;
use crate::api::alerts::AlertDesk;
use crate::clock::Clock;
use crate::daemon::GuardHandle;
use crate::guard::verdict::{Code, Decision};
use patience::Patience;
use watch::Connections;

pub use route::{Route, Scope};

/// Largest body of a request, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// Largest head of a request, in bytes.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Most header fields of a request.
pub const HEADERS_MAX: usize = 64;

/// Most connections at once, over all sockets.
pub const CONNECTIONS_MAX: usize = 256;

/// Most connections of one user at once.
pub const CONNECTIONS_PER_USER_MAX: usize = 64;

/// How long a request may take to arrive once it began.
pub const READ_DEADLINE: Duration = Duration::from_secs(5);

/// How long a connection may say nothing.
pub const IDLE_DEADLINE: Duration = Duration::from_secs(60);

/// How long the answer to an order waits for its record.
pub const RECORD_DEADLINE: Duration = Duration::from_millis(20);

/// How long shutdown waits for requests that are being answered.
pub const DRAIN_DEADLINE: Duration = Duration::from_secs(2);

/// Reads the policy anew: what changed, or every mistake.
pub type Reload = Arc<
    dyn Fn(Peer) -> Pin<Box<dyn Future<Output = Result<ReloadAnswer, Vec<String>>> + Send>>
        + Send
        + Sync,
>;

/// The metrics as OpenMetrics text.
pub type MetricsSource = Arc<dyn Fn() -> String + Send + Sync>;

/// Told of every check: what it took in microseconds, its verdict, and the codes of its findings,
/// the deciding one first.
pub type CheckObserver = Arc<dyn Fn(u64, Decision, &[Code]) + Send + Sync>;

/// What the doors are given.
#[derive(Clone)]
pub struct Parts {
    /// The way to the spine.
    pub handle: GuardHandle,
    /// Reads an order's parameters.
    pub reader: Reader,
    /// Where decisions are kept.
    pub recorder: Arc<dyn Recorder>,
    /// Reads the policy anew.
    pub reload: Reload,
    /// The metrics.
    pub metrics: MetricsSource,
    /// Counts checks.
    pub observe_check: CheckObserver,
    /// Whoever manages alerts.
    pub alerts: Arc<dyn AlertDesk>,
    /// The ring of recent events.
    pub hub: Hub,
    /// The clock.
    pub clock: Clock,
}

pub(super) struct Server {
    parts: Parts,
    connections: Connections,
    patience: Patience,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

/// Ends whoever is overdue, once a second, for ever.
async fn sweep(server: &Server) {
    loop {
        server.parts.hub.second().await;
        server.connections.sweep();
    }
}

/// Serves both sockets, and the metrics on TCP if a listener is given, until shutdown; then at
/// most [`DRAIN_DEADLINE`] longer.
pub async fn serve(
    check: BoundSocket,
    admin: Option<BoundSocket>,
    metrics: Option<TcpListener>,
    parts: Parts,
    shutdown: CancellationToken,
) {
    let server = Arc::new(Server {
        parts,
        connections: Connections::default(),
        patience: Patience::default(),
        tasks: TaskTracker::new(),
        shutdown: shutdown.clone(),
    });
    let accepting = async {
        tokio::join!(
            connection::accept_unix(&server, &check, Scope::Check),
            async {
                if let Some(admin) = &admin {
                    connection::accept_unix(&server, admin, Scope::Admin).await;
                }
            },
            async {
                if let Some(metrics) = &metrics {
                    connection::accept_tcp(&server, metrics).await;
                }
            },
            sweep(&server),
        );
    };
    let serving = async {
        tokio::select! {
            () = accepting => {}
            () = shutdown.cancelled() => {}
        }
        server.tasks.close();
        let drained = tokio::time::timeout(DRAIN_DEADLINE, server.tasks.wait()).await;
        if drained.is_err() {
            server.connections.end_all();
        }
    };
    tokio::select! {
        () = serving => {}
        () = server.patience.keep() => {}
    }
}
