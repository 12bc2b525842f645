//! The disk thread: one transaction for everything that waits, then an acknowledgement for each.
//!
//! Owns: the only connection that writes records, the hash chain's end, what is tried again.
//! Must not know: checkpoints (the caretaker's), queries.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OptionalExtension, params};
use tokio::sync::oneshot;

use super::directory::Lock;
use super::error::JournalError;
use super::record::{Hash, Record, Row};
use super::retention;
use super::{Options, Shared, schema};

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
    /// Look whether it is time to stop.
    Wake,
}

/// The end of the hash chain.
#[derive(Debug, Clone, Copy)]
struct End {
    sequence: i64,
    hash: Hash,
}

/// Everything the disk thread owns.
pub(super) struct Writer {
    pub(super) dir: PathBuf,
    pub(super) options: Options,
    pub(super) shared: Arc<Shared>,
    pub(super) commands: Receiver<Command>,
    /// Tells the caretaker that there is something to make durable.
    pub(super) dirty: SyncSender<()>,
    /// `None` after a failure that may lie in the connection itself: the next try opens anew.
    pub(super) connection: Option<Connection>,
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
            let first = self.commands.recv_timeout(TICK);
            self.wait_out_stall();
            match first {
                Ok(Command::Gather) => self.gather(),
                Ok(first) => {
                    self.serve(first);
                    self.write_unhurried();
                }
                Err(RecvTimeoutError::Timeout) => self.retry_backlog(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let now_ms = self.options.clock.now().boot_ms();
            if now_ms >= retention_due_ms {
                let more = self.prune_a_little();
                retention_due_ms = now_ms.saturating_add(if more { 100 } else { 60_000 });
            }
            if self.shared.stop.load(Ordering::Acquire) {
                while let Ok(command) = self.commands.try_recv() {
                    self.serve(command);
                }
                break;
            }
        }
        self.write_unhurried();
        self.retry_backlog();
    }

    /// Waits a moment for more of what nobody waits for, and no longer than until somebody does
    /// wait for a record.
    fn gather(&mut self) {
        let next = self.commands.recv_timeout(GATHER);
        self.wait_out_stall();
        if let Ok(command) = next {
            self.serve(command);
        }
        self.write_unhurried();
    }

    /// In bites, so that a record that somebody does wait for never waits for all of them.
    fn write_unhurried(&mut self) {
        loop {
            let bite = self.shared.take_unhurried(UNHURRIED_BITE);
            if bite.is_empty() {
                return;
            }
            for (record, _) in &bite {
                self.shared.leave_queue(record.size_bytes());
            }
            self.write_records(bite);
            while let Ok(command) = self.commands.try_recv() {
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
        let mut next = Some(first);
        while let Some(command) = next {
            match command {
                Command::Append(record, reply) => {
                    self.shared.leave_queue(record.size_bytes());
                    records.push((*record, reply));
                }
                Command::PutNote(key, value, reply) => notes.push((key, value, reply)),
                Command::Prune(reply) => prunes.push(reply),
                // Whoever is here looks after those when this is done.
                Command::Gather | Command::Wake => {}
            }
            next = if records.len().saturating_add(notes.len()) < BATCH_RECORDS_MAX {
                self.commands.try_recv().ok()
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
    }

    fn write_records(&mut self, records: Vec<(Record, Reply)>) {
        if records.is_empty() {
            return;
        }
        let started = self.options.clock.now().boot_us;
        let batch: Vec<&Record> = self
            .backlog
            .iter()
            .chain(records.iter().map(|(record, _)| record))
            .collect();
        let outcome = with_connection(
            &self.dir,
            &self.options,
            &mut self.connection,
            |connection| write_batch(connection, &batch),
        );
        match outcome {
            Ok(()) => {
                let written = batch.len();
                self.backlog.clear();
                self.note_success(written, started);
                for (_, reply) in records {
                    let _ = reply.send(Ok(()));
                }
            }
            // Two with one id in the batch: written one by one, so that only the second fails.
            Err(JournalError::Duplicate(_)) => self.write_one_by_one(records, started),
            Err(error) => self.keep_for_later(records, &error),
        }
    }

    fn write_one_by_one(&mut self, records: Vec<(Record, Reply)>, started: i64) {
        self.retry_backlog();
        for (record, reply) in records {
            let outcome = with_connection(
                &self.dir,
                &self.options,
                &mut self.connection,
                |connection| write_batch(connection, &[&record]),
            );
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
            let outcome = with_connection(
                &self.dir,
                &self.options,
                &mut self.connection,
                |connection| write_batch(connection, &batch),
            );
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
        let outcome = with_connection(
            &self.dir,
            &self.options,
            &mut self.connection,
            |connection| write_notes(connection, &notes),
        );
        for (_, _, reply) in notes {
            let _ = reply.send(outcome.clone());
        }
    }

    /// One bite of what the limits say must go; true when there is more.
    fn prune_a_little(&mut self) -> bool {
        let now_ms = self.options.clock.now().wall_ms;
        let options = &self.options;
        with_connection(&self.dir, options, &mut self.connection, |connection| {
            retention::bite(connection, options, now_ms)
        })
        .unwrap_or(false)
    }

    fn prune_all(&mut self) -> Result<(), JournalError> {
        let now_ms = self.options.clock.now().wall_ms;
        let options = &self.options;
        with_connection(&self.dir, options, &mut self.connection, |connection| {
            while retention::bite(connection, options, now_ms)? {}
            Ok(())
        })
    }
}

/// Runs `work` on the connection, opening it when there is none. After a failure that is not the
/// disk being full, somebody else's lock or a duplicate, the connection is given up.
fn with_connection<T>(
    dir: &std::path::Path,
    options: &Options,
    slot: &mut Option<Connection>,
    work: impl FnOnce(&mut Connection) -> Result<T, Failure>,
) -> Result<T, JournalError> {
    let mut connection = match slot.take() {
        Some(connection) => connection,
        None => schema::open_to_write(dir)?,
    };
    if let Some(pages_max) = &options.page_count_max {
        let pages = match pages_max.load(Ordering::Acquire) {
            0 => PAGES_MAX,
            pages => pages,
        };
        connection.pragma_update(None, "max_page_count", pages)?;
    }
    match work(&mut connection) {
        Ok(value) => {
            *slot = Some(connection);
            Ok(value)
        }
        Err(failure) => {
            if !failure.connection_is_suspect() {
                *slot = Some(connection);
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

/// All of them or none. The transaction rolls back by itself when it is dropped uncommitted.
fn write_batch(connection: &mut Connection, batch: &[&Record]) -> Result<(), Failure> {
    let transaction = connection.transaction()?;
    let mut end = read_end(&transaction)?;
    for record in batch {
        let row = Row {
            sequence: end.sequence.saturating_add(1),
            record: (*record).clone(),
            previous: end.hash,
            hash: record.hash(&end.hash),
        };
        if is_present(&transaction, &record.id)? {
            return Err(Failure::Duplicate(record.id.clone()));
        }
        insert(&transaction, &row)?;
        end = End {
            sequence: row.sequence,
            hash: row.hash,
        };
    }
    transaction
        .prepare_cached("UPDATE chain SET last_sequence = ?1, last_hash = ?2")?
        .execute(params![end.sequence, end.hash])?;
    transaction.commit()?;
    Ok(())
}

fn read_end(connection: &Connection) -> rusqlite::Result<End> {
    connection
        .prepare_cached("SELECT last_sequence, last_hash FROM chain")?
        .query_row((), |row| {
            Ok(End {
                sequence: row.get(0)?,
                hash: row.get(1)?,
            })
        })
}

fn is_present(connection: &Connection, id: &str) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM record WHERE id = ?1")?
        .query_row((id,), |_| Ok(()))
        .optional()
        .map(|found| found.is_some())
}

/// Writes one row as it is.
pub(super) fn insert(connection: &Connection, row: &Row) -> rusqlite::Result<()> {
    let record = &row.record;
    connection
        .prepare_cached(
            "INSERT INTO record (sequence, id, time_ms, kind, decision, why, symbol, client, \
             peer_uid, peer_gid, peer_pid, dry_run, previous, hash, document) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        )?
        .execute(params![
            row.sequence,
            record.id,
            record.time_ms,
            record.kind.name(),
            record.decision,
            record.why,
            record.symbol,
            record.client,
            record.peer_uid,
            record.peer_gid,
            record.peer_pid,
            record.dry_run,
            row.previous,
            row.hash,
            record.document,
        ])?;
    Ok(())
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
