//! The door to Binance: everything that goes over its wire.
//!
//! Owns: hosts, signing, REST, streams, request weight, wire types and their translation. Inward it
//! speaks only [`Event`]s; wire names end at [`translate`].
//! Must not know: the mirror's state, policy, the daemon. It sends no order, changes no setting and
//! never deletes a listen key: there is no code here that could.
//!
//! Reading order: [`run()`] starts the tasks of `tables`, `truth`, `fees`, `quotes`, `user_stream` and
//! `market_stream`; all of them talk REST through `rest` and hand over through `outlet`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::clock::{Clock, Now};
use crate::margin::account::Symbol;
use crate::mirror::event::{Event, LossCause, MarkUpdate};

mod backoff;
mod board;
pub mod cadence;
mod connect;
mod context;
pub mod credentials;
pub mod endpoints;
mod fees;
mod key_keeper;
mod market_stream;
mod outlet;
mod pulse;
mod quotes;
mod rest;
mod run;
pub mod sign;
mod socket;
mod subscribe;
mod tables;
pub mod text;
mod tls;
pub mod translate;
mod truth;
mod user_stream;
pub mod weight;
mod wire;

pub use cadence::Cadence;
pub use connect::{Bytes, Dial};
pub use credentials::Credentials;
pub use endpoints::{EndpointError, Endpoints, Environment};
pub use run::{run, run_at, run_over};
pub use sign::{ApiKey, Secret, SignError};

/// The client's trust in certificates, for whoever else sends over TLS.
///
/// # Errors
/// Words for a message when the provider refuses.
pub fn tls_config() -> Result<std::sync::Arc<rustls::ClientConfig>, String> {
    tls::client_config(None)
}

/// Where everything learned goes. Called from the tasks that read sockets: it must not block.
pub trait Sink: Send + Sync + 'static {
    /// Account, order, setting and table events: they must not be lost.
    ///
    /// # Errors
    /// [`Full`] when the queue holds no more; the caller reports a gap in its place.
    fn event(&self, event: Event) -> Result<(), Full>;

    /// Mark prices: the latest per symbol (by `event_ms`) wins, older ones may be dropped.
    fn mark(&self, mark: MarkUpdate);

    /// Counters and facts for metrics and status.
    fn note(&self, note: Note);
}

/// The sink's queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the event queue is full")]
pub struct Full;

/// Which stream is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StreamKind {
    /// Account, orders, settings.
    User,
    /// Mark prices and contract changes.
    Market,
}

/// Facts for metrics and status; they change nothing in the mirror. Texts are cleaned of secrets
/// and control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// A stream is connected.
    Connected {
        /// Which.
        stream: StreamKind,
        /// Its life number.
        epoch: u64,
    },
    /// A stream is about to be connected again.
    Reconnecting {
        /// Which.
        stream: StreamKind,
        /// Why the one before ended.
        cause: LossCause,
        /// Particulars.
        detail: String,
        /// Attempts since the last healthy connection, from 1.
        attempt: u32,
        /// Pause before it.
        wait_ms: u64,
    },
    /// A stream delivered; at most once a second.
    LastFrame {
        /// Which.
        stream: StreamKind,
        /// Its life number.
        epoch: u64,
        /// When the last frame was there.
        at: Now,
    },
    /// Request weight after an answer.
    WeightUsed {
        /// What the exchange counts for our address in this minute, other programs included.
        address: u32,
        /// What we asked for in this minute.
        ours: u32,
        /// The limit for the address.
        limit: u32,
    },
    /// No REST request goes out before this time (milliseconds since 1970, exchange time).
    RestPaused {
        /// End of the pause.
        until_ms: i64,
        /// True for a ban of the address (418), false for a spent limit (429).
        banned: bool,
    },
    /// A REST call ended.
    RestAnswered {
        /// Its path.
        path: &'static str,
        /// How long it took, waiting for request weight not included.
        micros: i64,
        /// It delivered what was asked.
        ok: bool,
    },
    /// A REST call failed.
    RestFailed {
        /// Its path.
        path: &'static str,
        /// What happened.
        detail: String,
    },
    /// A stream event of a type that is not known here; it was ignored.
    UnknownEvent {
        /// Its type.
        name: String,
    },
    /// A row of a table could not be read and was left out: its symbol is then unknown.
    RowSkipped {
        /// The table's path.
        path: &'static str,
        /// Which row and why.
        detail: String,
    },
    /// A task of ours panicked and is started again.
    TaskFailed {
        /// Which.
        task: &'static str,
    },
}

/// What the spine wants watched and read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Demand {
    /// Symbols whose mark is wanted every second.
    pub symbols: BTreeSet<Symbol>,
    /// Symbols whose last price and best bid and ask are wanted every 10 s.
    pub quoted: BTreeSet<Symbol>,
    /// The marks of all symbols are wanted (8 GB a day).
    pub all_marks: bool,
    /// Collateral rates are wanted every second: the account is in multi-assets mode.
    pub collateral: bool,
    /// Something is at stake: account and positions are read more often.
    pub exposed: bool,
    /// Counters that ask for one more read now when they rise.
    pub resync: Resync,
}

/// Counters; each asks for one more read now when it rises.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resync {
    /// Balances and positions.
    pub account: u64,
    /// Both order books.
    pub orders: u64,
    /// Account and symbol settings.
    pub config: u64,
    /// Bracket tables.
    pub brackets: u64,
    /// Trading rules.
    pub rules: u64,
    /// Last prices and best bids and asks.
    pub quotes: u64,
}

/// What [`run()`] needs.
#[derive(Debug)]
pub struct Options {
    /// One choice that fixes every host.
    pub environment: Environment,
    /// Without them only public data is read.
    pub credentials: Option<Credentials>,
    /// Why there are none, in words for a person; looked at only without credentials.
    pub without_key: String,
    /// The one clock.
    pub clock: Clock,
    /// Spreads reconnects and rotations.
    pub seed: u64,
    /// Where a ban is remembered across restarts.
    pub state_dir: Option<PathBuf>,
    /// PEM file with further root certificates.
    pub extra_roots: Option<PathBuf>,
}
