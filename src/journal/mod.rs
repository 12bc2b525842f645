//! Decisions and alerts on disk.
//!
//! Owns: the state directory, the journal file in it, the thread that writes and the connection
//! that reads.
//! Must not know: what a document says, who decides, how an answer leaves.
//!
//! [`Journal::append`] never blocks and never waits for the disk. The returned [`Ack`] resolves
//! once the record is written: after that a kill -9 cannot lose it. A disk that is full or hangs
//! shows in the acknowledgements alone; the thread keeps trying and recovers by itself.
#![deny(clippy::unwrap_used)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod alerts;
mod caretaker;
mod directory;
mod error;
mod intake;
mod pending;
mod queue;
mod reader;
mod record;
mod retention;
mod schema;
mod tail;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::VecDeque;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

pub use alerts::{AlertStore, AlertThread, Keep, Kept, KeptBefore};
pub use error::JournalError;
pub use reader::{Filter, PAGE_ROWS_MAX, Page, Reader, Verification};
pub use record::{GENESIS, Hash, Kind, Record, Row, Summary};

use crate::clock::Clock;
use pending::Pending;
use queue::Entrance;
use tail::Tail;
use writer::{Command, Pen, Unwritten, Writer};

/// Largest record, in bytes. A full answer takes 1.6 KB for a position and 0.2 KB for each in a scenario
/// that is not survived: of the 600 contracts there are and a dozen scenarios less than half of it.
pub const RECORD_BYTES_MAX: usize = 8 << 20;
/// Most bytes that wait for the disk.
pub const QUEUE_BYTES_MAX: usize = 32 << 20;
/// Most records that wait for the disk.
pub const QUEUE_RECORDS_MAX: usize = 4_096;
/// Longest key of a note, in bytes.
pub const NOTE_KEY_BYTES_MAX: usize = 128;
/// What the log file keeps after it has been folded back, in bytes.
const WAL_BYTES_KEPT: i64 = 16 << 20;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// How the journal behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the time comes from, for retention and for measuring commits.
    pub clock: Clock,
    /// Records older than this go, in milliseconds. Default 90 days.
    pub age_ms_max: i64,
    /// When the records in use take more than this, the oldest go, in bytes. Default 1 GiB.
    pub size_bytes_max: u64,
    /// Most records that wait for the disk; default and ceiling [`QUEUE_RECORDS_MAX`].
    pub queue_records_max: usize,
    /// For tests of the 20 ms rule: while true, the disk thread hangs before it writes, as a dead
    /// disk would make it. `None` in the product.
    #[doc(hidden)]
    pub stall: Option<Arc<AtomicBool>>,
    /// For tests of a full disk: the most pages the file may have, read before every write; 0 is
    /// no limit. `None` in the product.
    #[doc(hidden)]
    pub page_count_max: Option<Arc<AtomicU32>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            clock: Clock::machine(),
            age_ms_max: 90 * DAY_MS,
            size_bytes_max: 1 << 30,
            queue_records_max: QUEUE_RECORDS_MAX,
            stall: None,
            page_count_max: None,
        }
    }
}

/// Figures of the journal since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Records written.
    pub written: u64,
    /// Acknowledgements that said no; the record may have been written later.
    pub failed: u64,
    /// Records that were given up: never written.
    pub lost: u64,
    /// Records that wait for the disk.
    pub queued: usize,
    /// What the last commit took, in microseconds.
    pub commit_micros: u64,
}

/// What the threads and the handles share.
#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    queued_records: AtomicUsize,
    queued_bytes: AtomicUsize,
    written: AtomicU64,
    failed: AtomicU64,
    lost: AtomicU64,
    commit_micros: AtomicU64,
    /// Acknowledged records lie outside of the database: whoever reads asks for them first.
    pending: AtomicBool,
    /// Dry runs on their way to the disk, in the order they came.
    unhurried: Mutex<VecDeque<Waiting>>,
}

/// A record and whom to tell.
type Waiting = (Record, writer::Reply);

impl Shared {
    fn unhurried(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.unhurried
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn has_unhurried(&self) -> bool {
        !self.unhurried().is_empty()
    }

    /// The first of them.
    fn take_unhurried(&self, most: usize) -> Vec<Waiting> {
        let mut waiting = self.unhurried();
        let most = most.min(waiting.len());
        waiting.drain(..most).collect()
    }

    /// Takes a place in the queue, unless it holds too many bytes.
    fn enter_queue(&self, bytes: usize, anyway: bool) -> bool {
        let before = self.queued_bytes.fetch_add(bytes, Ordering::AcqRel);
        if !anyway && before.saturating_add(bytes) > QUEUE_BYTES_MAX {
            self.queued_bytes.fetch_sub(bytes, Ordering::AcqRel);
            return false;
        }
        self.queued_records.fetch_add(1, Ordering::AcqRel);
        true
    }

    fn leave_queue(&self, bytes: usize) {
        self.queued_bytes.fetch_sub(bytes, Ordering::AcqRel);
        self.queued_records.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Resolves when the record is written, or with the reason why it was not.
#[derive(Debug)]
#[must_use = "a record counts as written only once this says so"]
pub struct Ack(Answer);

#[derive(Debug)]
enum Answer {
    Known(Result<(), JournalError>),
    Coming(oneshot::Receiver<Result<(), JournalError>>),
}

impl Ack {
    /// Blocks the calling thread until the answer is there. Not for async code: await it there.
    ///
    /// # Errors
    /// What kept the record from being written.
    pub fn wait(self) -> Result<(), JournalError> {
        match self.0 {
            Answer::Known(outcome) => outcome,
            Answer::Coming(coming) => coming.blocking_recv().unwrap_or(Err(JournalError::Closed)),
        }
    }
}

impl Future for Ack {
    type Output = Result<(), JournalError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Answer::Known(outcome) => Poll::Ready(outcome.clone()),
            Answer::Coming(coming) => {
                let outcome = ready!(Pin::new(coming).poll(context));
                Poll::Ready(outcome.unwrap_or(Err(JournalError::Closed)))
            }
        }
    }
}

/// The handle that appends. Clones share one queue.
#[derive(Debug, Clone)]
pub struct Journal {
    commands: Arc<Entrance>,
    shared: Arc<Shared>,
    reader: Reader,
}

/// The journal's own threads. They end at [`Thread::stop`], or when this and every [`Journal`] are
/// gone.
#[derive(Debug)]
pub struct Thread {
    commands: Arc<Entrance>,
    writer: JoinHandle<()>,
    caretaker: JoinHandle<()>,
    shared: Arc<Shared>,
}

impl Thread {
    /// True when the disk thread has ended: nothing is recorded any more.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.writer.is_finished()
    }

    /// Writes what waits, folds the log back and gives the directory free. Blocks; on a hanging
    /// disk for as long as it hangs.
    ///
    /// # Errors
    /// [`JournalError::Closed`] when one of the threads had panicked.
    pub fn stop(self) -> Result<(), JournalError> {
        self.shared.stop.store(true, Ordering::Release);
        self.commands.nudge();
        let writer = self.writer.join();
        let caretaker = self.caretaker.join();
        writer.and(caretaker).map_err(|_panic| JournalError::Closed)
    }
}

impl Journal {
    /// Takes the state directory (creating it with mode 0700), opens or migrates the journal in it
    /// and starts the disk thread.
    ///
    /// # Errors
    /// [`JournalError::Directory`] when others could tamper with the directory or it cannot be
    /// written, [`JournalError::Locked`] when another daemon runs there, [`JournalError::Newer`]
    /// and [`JournalError::Foreign`] for a file that is not ours to touch.
    pub fn open(dir: &Path, options: Options) -> Result<(Self, Thread), JournalError> {
        directory::prepare(dir)?;
        let lock = directory::lock(dir)?;
        let connection = schema::open_to_write(dir)?;
        let pending = Pending::open(dir, Tail::read(&connection)?.end())?;
        let shared = Arc::new(Shared::default());
        let capacity = options.queue_records_max.clamp(1, QUEUE_RECORDS_MAX);
        let (commands, waiting) = queue::queue(capacity);
        let commands = Arc::new(commands);
        let (dirty, told) = sync_channel(1);
        let mut writer = Writer {
            dir: dir.to_owned(),
            options,
            shared: Arc::clone(&shared),
            commands: waiting,
            dirty,
            pen: Some(Pen::new(connection)),
            pending,
            backlog: VecDeque::new(),
            _unwritten: Unwritten(Arc::clone(&shared)),
            _lock: lock,
        };
        // What a kill left behind. A disk that refuses it tells those who append.
        let _ = writer.settle();
        let home: PathBuf = dir.to_owned();
        let reader = Reader::beside(dir, Arc::downgrade(&commands), Arc::clone(&shared))?;
        let writer = start("journal", dir, move || writer.run())?;
        let caretaker = start("journal-care", dir, move || caretaker::run(&home, &told))?;
        let journal = Self {
            commands: Arc::clone(&commands),
            shared: Arc::clone(&shared),
            reader,
        };
        let thread = Thread {
            commands,
            writer,
            caretaker,
            shared,
        };
        Ok((journal, thread))
    }

    /// Hands a record to the disk thread and returns at once, whatever the disk does. A queue
    /// that is full answers at once with [`JournalError::Full`].
    pub fn append(&self, record: Record) -> Ack {
        let bytes = record.size_bytes();
        if bytes > RECORD_BYTES_MAX {
            return self.refused(JournalError::TooLarge);
        }
        // A correction follows a record that waits or was written: there are never more of them.
        let follows = record.corrects.is_some();
        if !self.shared.enter_queue(bytes, follows) {
            return self.refused(JournalError::Full);
        }
        let (reply, coming) = oneshot::channel();
        let sent = if follows {
            let command = Command::Append(Box::new(record), reply);
            self.commands.put_anyway(command)
        } else if record.dry_run {
            self.send_unhurried(record, reply)
        } else {
            self.commands.put(Command::Append(Box::new(record), reply))
        };
        match sent {
            Ok(()) => Ack(Answer::Coming(coming)),
            Err(error) => {
                self.shared.leave_queue(bytes);
                self.refused(error)
            }
        }
    }

    /// A dry run's answer does not wait for its record, so the disk thread is woken for the first
    /// of them only and writes a few milliseconds' worth at once.
    fn send_unhurried(&self, record: Record, reply: writer::Reply) -> Result<(), JournalError> {
        let mut waiting = self.shared.unhurried();
        if waiting.len() >= QUEUE_RECORDS_MAX {
            return Err(JournalError::Full);
        }
        if waiting.is_empty() {
            self.commands.put(Command::Gather)?;
        }
        waiting.push_back((record, reply));
        Ok(())
    }

    fn refused(&self, error: JournalError) -> Ack {
        self.shared.failed.fetch_add(1, Ordering::Relaxed);
        self.shared.lost.fetch_add(1, Ordering::Relaxed);
        Ack(Answer::Known(Err(error)))
    }

    fn ask(&self, question: impl FnOnce(writer::Reply) -> Command) -> Ack {
        let (reply, coming) = oneshot::channel();
        match self.commands.put(question(reply)) {
            Ok(()) => Ack(Answer::Coming(coming)),
            Err(error) => Ack(Answer::Known(Err(error))),
        }
    }

    /// Remembers a value under a key across restarts, in place of what was there. Its
    /// acknowledgement also means that a power cut cannot lose it.
    pub fn put_note(&self, key: &str, value: &str) -> Ack {
        if key.len() > NOTE_KEY_BYTES_MAX || value.len() > RECORD_BYTES_MAX {
            return Ack(Answer::Known(Err(JournalError::TooLarge)));
        }
        self.ask(|reply| Command::PutNote(key.to_owned(), value.to_owned(), reply))
    }

    /// The value that was acknowledged last under this key.
    ///
    /// # Errors
    /// [`JournalError::Storage`] when the disk fails.
    pub fn get_note(&self, key: &str) -> Result<Option<String>, JournalError> {
        self.reader.note(key)
    }

    /// Drops at once whatever the limits of age and size say must go. The disk thread does this by
    /// itself, in small bites.
    pub fn prune(&self) -> Ack {
        self.ask(Command::Prune)
    }

    /// Walks the whole hash chain and names the first record that does not fit.
    ///
    /// # Errors
    /// [`JournalError::Storage`] when the disk fails.
    pub fn verify(&self) -> Result<Verification, JournalError> {
        self.reader.verify()
    }

    /// Asks the journal from any thread.
    #[must_use]
    pub const fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Figures since the journal was opened.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let shared = &self.shared;
        Stats {
            written: shared.written.load(Ordering::Relaxed),
            failed: shared.failed.load(Ordering::Relaxed),
            lost: shared.lost.load(Ordering::Relaxed),
            queued: shared.queued_records.load(Ordering::Relaxed),
            commit_micros: shared.commit_micros.load(Ordering::Relaxed),
        }
    }
}

fn start(
    name: &str,
    dir: &Path,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, JournalError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|error| {
            JournalError::directory(dir, format!("its thread cannot be started: {error}"))
        })
}
