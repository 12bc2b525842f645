//! What is kept of decisions, as the doors see it.
//!
//! Owns: what a door hands over and asks back.
//! Must not know: files, tables, hashes. Whoever puts the daemon together gives a [`Recorder`].

use std::future::Future;
use std::pin::Pin;

use crate::guard::verdict::Decision;

/// Who is on the other end of a connection, as the kernel knows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Peer {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Process; `None` where the kernel does not tell.
    pub pid: Option<u32>,
}

/// A decision on its way into the records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Unique name.
    pub id: String,
    /// When it was made, in milliseconds since 1970.
    pub time_ms: i64,
    /// The verdict.
    pub decision: Decision,
    /// The one sentence.
    pub why: String,
    /// The symbol it is about.
    pub symbol: String,
    /// Who asked, by the name they gave.
    pub client: Option<String>,
    /// Who asked, as the kernel knows them.
    pub peer: Peer,
    /// No room was promised.
    pub dry_run: bool,
    /// What was handed over under this name before was not written in time, and this was answered
    /// instead.
    pub corrects_earlier: bool,
    /// The answer, byte for byte; behind a line end what a brief one did not tell.
    pub document: Vec<u8>,
}

/// Which decisions are asked for; newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Not before this time.
    pub since_ms: Option<i64>,
    /// Not after this time.
    pub until_ms: Option<i64>,
    /// Of this symbol.
    pub symbol: Option<String>,
    /// With this verdict.
    pub decision: Option<Decision>,
    /// Asked by this client.
    pub client: Option<String>,
    /// Most lines.
    pub limit: usize,
    /// Where the page before ended.
    pub cursor: Option<String>,
}

/// One decision in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Unique name.
    pub id: String,
    /// When it was made, in milliseconds since 1970.
    pub time_ms: i64,
    /// `allow`, `warn` or `reject`.
    pub decision: String,
    /// The one sentence.
    pub why: String,
    /// The symbol it is about.
    pub symbol: Option<String>,
    /// Who asked, by the name they gave.
    pub client: Option<String>,
    /// No room was promised.
    pub dry_run: bool,
    /// User id of the asking process.
    pub uid: Option<u32>,
    /// Process id of the asking process.
    pub pid: Option<u32>,
}

/// A page of decisions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The lines, newest first.
    pub lines: Vec<Line>,
    /// Where the next page begins; `None` when there is none.
    pub next: Option<String>,
}

/// Why a page is not given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The cursor is none of ours.
    #[error("the cursor is not one of ours")]
    Cursor,
    /// The records cannot be read.
    #[error("{0}")]
    Unavailable(String),
}

/// A future that a recorder hands out.
pub type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Where decisions are kept. Called on the check path: no call may block. The entry is handed over
/// by the call itself; the future only waits for the acknowledgement, and dropping it withdraws
/// nothing.
pub trait Recorder: Send + Sync {
    /// Hands a decision over; ready when it is durable, or with what went wrong. An entry that
    /// corrects an earlier one stands for it from then on, in lists and by its name.
    fn record(&self, entry: Entry) -> Pending<Result<(), String>>;

    /// Writes down what somebody did to the guard itself.
    fn note(&self, time_ms: i64, text: String, peer: Peer);

    /// A page of decisions.
    fn decisions(&self, filter: Filter) -> Pending<Result<Page, ReadError>>;

    /// The whole answer as it was given; `None` when there is no such decision.
    fn get(&self, id: String) -> Pending<Result<Option<Vec<u8>>, ReadError>>;
}
