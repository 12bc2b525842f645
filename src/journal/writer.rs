//! The disk thread: one transaction for everything that waits, then an acknowledgement for each.
//!
//! Owns: the only connection that writes records, what is tried again, when the intake is emptied.
//! Must not know: checkpoints (the caretaker's), queries, how rows are appended (the tail's), how
//! records lie in the intake.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};
use tokio::sync::oneshot;

use super::directory::Lock;
use super::error::JournalError;
use super::pending::Pending;
use super::queue::{Exit, Found};
use super::record::Record;
use super::tail::Tail;
use super::{Options, Shared, retention, schema};

/// Most records in one transaction: bounds how long the first of them waits for the last.
const BATCH_RECORDS_MAX: usize = 1_000;
/// Most records that failed and are tried again; beyond it the oldest is given up and counted.
const BACKLOG_RECORDS_MAX: usize = 1_000;
/// How long the thread sleeps when nothing arrives, before it looks after old records.
const TICK: Duration = Duration::from_millis(250);
/// How long records that nobody waits for are gathered, so that one commit serves many of them.
const GATHER: Duration = Duration::from_millis(5);
/// Most of them in one commit.
const UNHURRIED_BITE: usize = 64;
/// How long nothing must arrive before what lies in the intake goes into the database.
const SETTLE: Duration = Duration::from_millis(5);
/// How often a stalled thread looks whether the stall is over.
const STALL_POLL: Duration = Duration::from_millis(1);
/// The `max_page_count` that SQLite itself starts with.
const PAGES_MAX: u32 = 4_294_967_294;

/// Where the outcome of one append goes.
pub(super) type Reply = oneshot::Sender<Result<(), JournalError>>;

/// What the thread is asked to do, and whom to tell.
#[derive(Debug)]
pub(super) enum Command {
    /// Write a record.
    Append(Box<Record>, Reply),
    /// Records wait for which nobody waits: write them soon, together.
    Gather,
    /// Remember a value under a key.
    PutNote(String, String, Reply),
    /// Drop what is older or more than the limits allow, all of it, at once.
    Prune(Reply),
    /// Bring what lies in the intake into the database: somebody wants to read.
    Settle(SyncSender<Result<(), JournalError>>),
}

/// The connection that writes, with what is remembered of the journal's end.
pub(super) struct Pen {
    connection: Connection,
    /// `None` after a failure: read anew before the next row.
    tail: Option<Tail>,
}

impl Pen {
    pub(super) const fn new(connection: Connection) -> Self {
        Self {
            connection,
            tail: None,
        }
    }

    /// Works at the journal's end. What is remembered of it survives success and duplicates, which
    /// leave it as it was.
    fn at_end<T>(
        &mut self,
        work: impl FnOnce(&mut Tail, &mut Connection) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut tail = match self.tail.take() {
            Some(tail) => tail,
            None => Tail::read(&self.connection)?,
        };
        let outcome = work(&mut tail, &mut self.connection);
        if matches!(outcome, Ok(_) | Err(Failure::Duplicate(_))) {
            self.tail = Some(tail);
        }
        outcome
    }
}

/// Everything the disk thread owns.
pub(super) struct Writer {
    pub(super) dir: PathBuf,
    pub(super) options: Options,
    pub(super) shared: Arc<Shared>,
    pub(super) commands: Exit,
    /// Tells the caretaker that there is something to make durable.
    pub(super) dirty: SyncSender<()>,
    /// `None` after a failure that may lie in the connection itself: the next try opens anew.
    pub(super) pen: Option<Pen>,
    /// Acknowledged, and not in the database yet.
    pub(super) pending: Pending,
    /// Written down, but not acknowledged as such: tried again until it succeeds.
    pub(super) backlog: VecDeque<Record>,
    /// After `commands`, so that nothing is gathered any more when the rest is given up.
    pub(super) _unwritten: Unwritten,
    /// Released when the thread ends, whatever ends it.
    pub(super) _lock: Lock,
}

/// Tells whoever asked that gathered records will not be written once the thread has ended.
pub(super) struct Unwritten(pub(super) Arc<Shared>);

impl Drop for Unwritten {
    fn drop(&mut self) {
        drop(self.0.take_unhurried(usize::MAX));
    }
}

impl Writer {
    /// Works until nobody can ask any more or the thread is told to stop.
    pub(super) fn run(mut self) {
        let mut retention_due_ms = 0;
        loop {
            let patience = if self.pending.is_empty() {
                TICK
            } else {
                SETTLE
            };
            let found = if self.shared.has_unhurried() {
                Found::Command(Command::Gather)
            } else {
                self.commands.take_within(patience)
            };
            self.wait_out_stall();
            match found {
                Found::Command(Command::Gather) => self.gather(),
                Found::Command(first) => {
                    self.serve(first);
                    self.write_unhurried();
                }
                Found::Nothing => {
                    // What the disk refuses is tried again.
                    let _ = self.settle();
                    self.retry_backlog();
                }
                Found::End => break,
            }
            if self.pending.is_due() {
                let _ = self.settle();
            }
            let now_ms = self.options.clock.now().boot_ms();
            if now_ms >= retention_due_ms {
                let more = self.prune_a_little();
                retention_due_ms = now_ms.saturating_add(if more { 100 } else { 60_000 });
            }
            if self.shared.stop.load(Ordering::Acquire) {
                while let Some(command) = self.commands.take() {
                    self.serve(command);
                }
                break;
            }
        }
        while self.shared.has_unhurried() {
            self.write_unhurried();
        }
        // What the disk refuses now is settled after the next start.
        let _ = self.settle();
        self.retry_backlog();
    }

    /// Waits a moment for more of what nobody waits for, and no longer than until somebody does
    /// wait for a record.
    fn gather(&mut self) {
        let next = self.commands.take_within(GATHER);
        self.wait_out_stall();
        if let Found::Command(command) = next {
            self.serve(command);
        }
        self.write_unhurried();
    }

    /// In bites, so that a record that somebody does wait for never waits for all of them. What comes
    /// meanwhile is gathered first: a commit for each of a few would cost the machine far more.
    fn write_unhurried(&mut self) {
        let mut left = self.shared.unhurried().len();
        while left > 0 {
            let bite = self.shared.take_unhurried(UNHURRIED_BITE.min(left));
            if bite.is_empty() {
                return;
            }
            left = left.saturating_sub(bite.len());
            for (record, _) in &bite {
                self.shared.leave_queue(record.size_bytes());
            }
            self.write_through(bite);
            while let Some(command) = self.commands.take() {
                self.serve(command);
            }
        }
    }

    /// The test hook of [`Options::stall`]: a disk that hangs.
    fn wait_out_stall(&self) {
        let stalled = || {
            self.options
                .stall
                .as_ref()
                .is_some_and(|stall| stall.load(Ordering::Acquire))
        };
        while stalled() && !self.shared.stop.load(Ordering::Acquire) {
            std::thread::sleep(STALL_POLL);
        }
    }

    /// Takes everything that waits, writes it in one transaction, answers everybody.
    fn serve(&mut self, first: Command) {
        let mut records = Vec::new();
        let mut notes = Vec::new();
        let mut prunes = Vec::new();
        let mut readers = Vec::new();
        let mut next = Some(first);
        while let Some(command) = next {
            match command {
                Command::Append(record, reply) => {
                    self.shared.leave_queue(record.size_bytes());
                    records.push((*record, reply));
                }
                Command::PutNote(key, value, reply) => notes.push((key, value, reply)),
                Command::Prune(reply) => prunes.push(reply),
                Command::Settle(reply) => readers.push(reply),
                // Whoever is here looks after those when this is done.
                Command::Gather => {}
            }
            next = if records.len().saturating_add(notes.len()) < BATCH_RECORDS_MAX {
                self.commands.take()
            } else {
                None
            };
        }
        self.write_records(records);
        self.write_notes(notes);
        for reply in prunes {
            let outcome = self.prune_all();
            let _ = reply.send(outcome);
        }
        for reply in readers {
            let outcome = self.settle();
            // Whoever asked may have given up waiting.
            let _ = reply.try_send(outcome);
        }
    }

    /// Writes records that somebody waits for: into the intake, else into the database.
    fn write_records(&mut self, records: Vec<(Record, Reply)>) {
        if records.is_empty() {
            return;
        }
        let started = self.options.clock.now().boot_us;
        if !self.take_in(&records) {
            self.write_through(records);
            return;
        }
        self.shared.pending.store(true, Ordering::Release);
        self.note_success(records.len(), started);
        for (record, reply) in records {
            let _ = reply.send(Ok(()));
            self.pending.keep(record);
        }
    }

    /// Only while the database takes what lies there, and nothing older waits.
    fn take_in(&mut self, records: &[(Record, Reply)]) -> bool {
        let hindered = !self.backlog.is_empty() || !self.pending.settles() || self.is_disk_full();
        let tail = self.pen.as_ref().and_then(|pen| pen.tail.as_ref());
        match tail {
            Some(tail) if !hindered => {
                let batch: Vec<&Record> = records.iter().map(|(record, _)| record).collect();
                self.pending.write(tail, &batch)
            }
            _ => false,
        }
    }

    /// The test hook of [`Options::page_count_max`].
    fn is_disk_full(&self) -> bool {
        let limit = self.options.page_count_max.as_ref();
        limit.is_some_and(|pages| pages.load(Ordering::Acquire) != 0)
    }

    /// Brings what lies in the intake into the database.
    pub(super) fn settle(&mut self) -> Result<(), JournalError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let batch: Vec<&Record> = self.pending.records().iter().collect();
        let outcome = with_pen(&self.dir, &self.options, &mut self.pen, |pen| {
            pen.at_end(|tail, connection| tail.append(connection, &batch))
        });
        match &outcome {
            Ok(()) => self.settled(),
            Err(_) => self.pending.refused(),
        }
        outcome
    }

    fn settled(&mut self) {
        self.pending.clear();
        self.shared.pending.store(false, Ordering::Release);
        // Full means that the caretaker knows already.
        let _ = self.dirty.try_send(());
    }

    /// Writes records into the database, behind everything that waits for it.
    fn write_through(&mut self, records: Vec<(Record, Reply)>) {
        let started = self.options.clock.now().boot_us;
        let batch: Vec<&Record> = self
            .pending
            .records()
            .iter()
            .chain(&self.backlog)
            .chain(records.iter().map(|(record, _)| record))
            .collect();
        let outcome = with_pen(&self.dir, &self.options, &mut self.pen, |pen| {
            pen.at_end(|tail, connection| tail.append(connection, &batch))
        });
        match outcome {
            Ok(()) => {
                let written = self.backlog.len().saturating_add(records.len());
                self.backlog.clear();
                self.settled();
                for (_, reply) in records {
                    let _ = reply.send(Ok(()));
                }
                self.note_success(written, started);
            }
            // Two with one id in the batch: written one by one, so that only the second fails.
            Err(JournalError::Duplicate(_)) => self.write_one_by_one(records, started),
            Err(error) => {
                self.pending.refused();
                self.keep_for_later(records, &error);
            }
        }
    }

    fn write_one_by_one(&mut self, records: Vec<(Record, Reply)>, started: i64) {
        // In vain on a disk that fails: then so does every one of them.
        let _ = self.settle();
        self.retry_backlog();
        for (record, reply) in records {
            let outcome = with_pen(&self.dir, &self.options, &mut self.pen, |pen| {
                pen.at_end(|tail, connection| tail.append(connection, &[&record]))
            });
            match outcome {
                Ok(()) => {
                    self.note_success(1, started);
                    let _ = reply.send(Ok(()));
                }
                Err(error @ JournalError::Duplicate(_)) => {
                    self.shared.failed.fetch_add(1, Ordering::Relaxed);
                    let _ = reply.send(Err(error));
                }
                Err(error) => self.keep_for_later(vec![(record, reply)], &error),
            }
        }
    }

    /// Everybody is told at once; the records themselves are tried again.
    fn keep_for_later(&mut self, records: Vec<(Record, Reply)>, error: &JournalError) {
        let failed = u64::try_from(records.len()).unwrap_or(u64::MAX);
        self.shared.failed.fetch_add(failed, Ordering::Relaxed);
        for (record, reply) in records {
            self.backlog.push_back(record);
            let _ = reply.send(Err(error.clone()));
        }
        self.bound_backlog();
    }

    fn bound_backlog(&mut self) {
        let mut bytes: usize = self.backlog.iter().map(Record::size_bytes).sum();
        while self.backlog.len() > BACKLOG_RECORDS_MAX || bytes > super::QUEUE_BYTES_MAX {
            let Some(lost) = self.backlog.pop_front() else {
                break;
            };
            bytes = bytes.saturating_sub(lost.size_bytes());
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes what failed before. A record that is in the journal after all is dropped.
    fn retry_backlog(&mut self) {
        while !self.backlog.is_empty() {
            let started = self.options.clock.now().boot_us;
            let batch: Vec<&Record> = self.backlog.iter().collect();
            let outcome = with_pen(&self.dir, &self.options, &mut self.pen, |pen| {
                pen.at_end(|tail, connection| tail.append(connection, &batch))
            });
            match outcome {
                Ok(()) => {
                    let written = batch.len();
                    self.backlog.clear();
                    self.note_success(written, started);
                }
                Err(JournalError::Duplicate(id)) => {
                    let place = self.backlog.iter().rposition(|record| record.id == id);
                    if let Some(place) = place {
                        self.backlog.remove(place);
                    }
                }
                Err(_) => return,
            }
        }
    }

    fn note_success(&self, written: usize, started_us: i64) {
        let written = u64::try_from(written).unwrap_or(u64::MAX);
        self.shared.written.fetch_add(written, Ordering::Relaxed);
        let took = self.options.clock.now().boot_us.saturating_sub(started_us);
        self.shared
            .commit_micros
            .store(u64::try_from(took).unwrap_or(0), Ordering::Relaxed);
        // Full means that the caretaker knows already.
        let _ = self.dirty.try_send(());
    }

    fn write_notes(&mut self, notes: Vec<(String, String, Reply)>) {
        if notes.is_empty() {
            return;
        }
        let outcome = with_pen(&self.dir, &self.options, &mut self.pen, |pen| {
            write_notes(&mut pen.connection, &notes)
        });
        for (_, _, reply) in notes {
            let _ = reply.send(outcome.clone());
        }
    }

    /// One bite of what the limits say must go; true when there is more.
    fn prune_a_little(&mut self) -> bool {
        let now_ms = self.options.clock.now().wall_ms;
        let options = &self.options;
        with_pen(&self.dir, options, &mut self.pen, |pen| {
            retention::bite(&mut pen.connection, options, now_ms)
        })
        .unwrap_or(false)
    }

    fn prune_all(&mut self) -> Result<(), JournalError> {
        let now_ms = self.options.clock.now().wall_ms;
        let options = &self.options;
        with_pen(&self.dir, options, &mut self.pen, |pen| {
            while retention::bite(&mut pen.connection, options, now_ms)? {}
            Ok(())
        })
    }
}

/// Runs `work` on the connection, opening it when there is none. After a failure that is not the
/// disk being full, somebody else's lock or a duplicate, the connection is given up.
fn with_pen<T>(
    dir: &std::path::Path,
    options: &Options,
    slot: &mut Option<Pen>,
    work: impl FnOnce(&mut Pen) -> Result<T, Failure>,
) -> Result<T, JournalError> {
    let mut pen = match slot.take() {
        Some(pen) => pen,
        None => Pen::new(schema::open_to_write(dir)?),
    };
    if let Some(pages_max) = &options.page_count_max {
        let pages = match pages_max.load(Ordering::Acquire) {
            0 => PAGES_MAX,
            pages => pages,
        };
        pen.connection
            .pragma_update(None, "max_page_count", pages)?;
    }
    match work(&mut pen) {
        Ok(value) => {
            *slot = Some(pen);
            Ok(value)
        }
        Err(failure) => {
            if !failure.connection_is_suspect() {
                *slot = Some(pen);
            }
            Err(failure.into())
        }
    }
}

/// Why a piece of work on the connection failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// This id is in the journal already.
    Duplicate(String),
    /// The library said so.
    Sqlite(rusqlite::Error),
}

impl Failure {
    fn connection_is_suspect(&self) -> bool {
        match self {
            Self::Duplicate(_) => false,
            Self::Sqlite(error) => !matches!(
                error.sqlite_error_code(),
                Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
            ),
        }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<Failure> for JournalError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Duplicate(id) => Self::Duplicate(id),
            Failure::Sqlite(error) => error.into(),
        }
    }
}

/// Notes are what the guard itself must remember, so they survive a power cut: their commit waits
/// for the disk (synchronous=FULL).
fn write_notes(
    connection: &mut Connection,
    notes: &[(String, String, Reply)],
) -> Result<(), Failure> {
    connection.pragma_update(None, "synchronous", "FULL")?;
    let outcome = put_notes(connection, notes);
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    outcome
}

fn put_notes(
    connection: &mut Connection,
    notes: &[(String, String, Reply)],
) -> Result<(), Failure> {
    let transaction = connection.transaction()?;
    for (key, value, _) in notes {
        transaction
            .prepare_cached(
                "INSERT INTO note (key, value) VALUES (?1, ?2) \
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            )?
            .execute((key, value))?;
    }
    transaction.commit()?;
    Ok(())
}
