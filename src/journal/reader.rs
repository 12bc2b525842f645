//! Questions to the journal, on a connection of their own that can only read.
//!
//! Owns: lists with a stable cursor, single records, notes, the walk along the hash chain.
//! Must not know: who writes.
//!
//! The newest records may lie in the intake (see [`super::intake`]): in the process that writes, a
//! question waits until they are in the database.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params_from_iter};

use super::error::JournalError;
use super::queue::Entrance;
use super::record::{Hash, Kind, Record, Row, Summary};
use super::writer::Command;
use super::{Shared, schema};

/// How long a question waits until the disk thread has brought everything into the database.
const SETTLE_DEADLINE: Duration = Duration::from_secs(1);

/// Most rows of one page.
pub const PAGE_ROWS_MAX: usize = 1_000;

/// Reads the journal from any thread; clones share one connection and take turns.
#[derive(Debug, Clone)]
pub struct Reader {
    dir: PathBuf,
    connection: Arc<Mutex<Connection>>,
    writer: Option<Beside>,
}

/// The disk thread of this process.
#[derive(Debug, Clone)]
struct Beside {
    commands: Weak<Entrance>,
    shared: Arc<Shared>,
}

impl Beside {
    /// Waits until what is acknowledged can be read.
    fn settle(&self) -> Result<(), JournalError> {
        if !self.shared.pending.load(Ordering::Acquire) {
            return Ok(());
        }
        // Without a thread nothing lies outside of the database any more.
        let Some(commands) = self.commands.upgrade() else {
            return Ok(());
        };
        let (reply, outcome) = sync_channel(1);
        match commands.put_anyway(Command::Settle(reply)) {
            Err(JournalError::Closed) => return Ok(()),
            other => other?,
        }
        let late = "the newest records wait for the disk";
        outcome
            .recv_timeout(SETTLE_DEADLINE)
            .unwrap_or_else(|_| Err(JournalError::Storage(late.to_owned())))
    }
}

/// Which records are wanted. Everything that is `None` is not asked about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// At or after this wall time, in milliseconds since 1970.
    pub since_ms: Option<i64>,
    /// Before this wall time, in milliseconds since 1970.
    pub until_ms: Option<i64>,
    /// About this symbol.
    pub symbol: Option<String>,
    /// With this verdict (of an alert: this level).
    pub decision: Option<String>,
    /// Asked by this client.
    pub client: Option<String>,
    /// Most rows wanted; [`PAGE_ROWS_MAX`] when absent or more.
    pub limit: Option<usize>,
    /// Go on after the page that gave this cursor.
    pub cursor: Option<i64>,
}

/// One page of a list, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The rows.
    pub rows: Vec<Summary>,
    /// Where the next page begins. Stays good while records arrive or old ones go.
    pub next: Option<i64>,
}

/// What the walk along the hash chain found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verification {
    /// Every record vouches for the one before.
    Whole {
        /// How many records were read.
        records: u64,
    },
    /// The first record that does not fit.
    Broken {
        /// Its place in the journal.
        sequence: i64,
        /// Its id, when there is such a record.
        id: Option<String>,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl Reader {
    /// Opens the journal in this state directory to read. Needs no lock: it works beside a running
    /// daemon, whose last few milliseconds it does not see.
    ///
    /// # Errors
    /// [`JournalError`] when there is no journal, or one that this version cannot read.
    pub fn open(dir: &Path) -> Result<Self, JournalError> {
        Ok(Self {
            dir: dir.to_owned(),
            connection: Arc::new(Mutex::new(schema::open_to_read(dir)?)),
            writer: None,
        })
    }

    /// A reader in the process that writes: it sees every acknowledged record.
    pub(super) fn beside(
        dir: &Path,
        commands: Weak<Entrance>,
        shared: Arc<Shared>,
    ) -> Result<Self, JournalError> {
        let writer = Some(Beside { commands, shared });
        Ok(Self {
            writer,
            ..Self::open(dir)?
        })
    }

    fn settle(&self) -> Result<(), JournalError> {
        self.writer.as_ref().map_or(Ok(()), Beside::settle)
    }

    /// A panic of another reader leaves a connection that only reads: it stays good.
    fn with<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, JournalError> {
        self.settle()?;
        let connection = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        work(&connection).map_err(JournalError::from)
    }

    /// Decisions, newest first. One that was corrected is not listed, its correction is.
    ///
    /// # Errors
    /// [`JournalError::Storage`] when the disk fails.
    pub fn decisions(&self, filter: &Filter) -> Result<Page, JournalError> {
        self.list(Kind::Decision, filter)
    }

    /// Records of one kind, newest first; what was corrected is left out.
    ///
    /// # Errors
    /// [`JournalError::Storage`] when the disk fails.
    pub fn list(&self, kind: Kind, filter: &Filter) -> Result<Page, JournalError> {
        let limit = filter.limit.unwrap_or(PAGE_ROWS_MAX).min(PAGE_ROWS_MAX);
        let rows = self.with(|connection| {
            let (sql, values) = question(kind, filter, limit);
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map(params_from_iter(values), summary)?;
            rows.collect::<rusqlite::Result<Vec<Summary>>>()
        })?;
        let next = if rows.len() == limit {
            rows.last().map(|row| row.sequence)
        } else {
            None
        };
        Ok(Page { rows, next })
    }

    /// The record with this id, with its document byte for byte.
    ///
    /// # Errors
    /// [`JournalError::Storage`] when the disk fails.
    pub fn get(&self, id: &str) -> Result<Option<Row>, JournalError> {
        self.with(|connection| record_of(connection, id))
    }

    /// What was answered under this id: the correction of that record if there is one, else the
    /// record itself.
    ///
    /// # Errors
    /// [`JournalError::Storage`] when the disk fails.
    pub fn answered(&self, id: &str) -> Result<Option<Row>, JournalError> {
        self.with(|connection| {
            let snapshot = connection.unchecked_transaction()?;
            let correction = snapshot
                .prepare_cached(&format!(
                    "SELECT {ROW_COLUMNS} FROM record WHERE corrects = ?1"
                ))?
                .query_row((id,), row)
                .optional()?;
            match correction {
                Some(correction) => Ok(Some(correction)),
                None => record_of(&snapshot, id),
            }
        })
    }

    /// The value remembered under this key.
    ///
    /// # Errors
    /// [`JournalError::Storage`] when the disk fails.
    pub fn note(&self, key: &str) -> Result<Option<String>, JournalError> {
        self.with(|connection| {
            connection
                .prepare_cached("SELECT value FROM note WHERE key = ?1")?
                .query_row((key,), |row| row.get(0))
                .optional()
        })
    }

    /// Walks the whole chain on one snapshot and names the first record that does not fit. Reads
    /// the whole journal, on a connection of its own: other questions go on meanwhile.
    ///
    /// # Errors
    /// [`JournalError::Storage`] when the disk fails.
    pub fn verify(&self) -> Result<Verification, JournalError> {
        self.settle()?;
        walk(&schema::open_to_read(&self.dir)?).map_err(JournalError::from)
    }
}

const ROW_COLUMNS: &str = "sequence, id, time_ms, kind, decision, why, symbol, client, peer_uid, \
                           peer_gid, peer_pid, dry_run, corrects, document, previous, hash";

fn record_of(connection: &Connection, id: &str) -> rusqlite::Result<Option<Row>> {
    connection
        .prepare_cached(&format!("SELECT {ROW_COLUMNS} FROM record WHERE id = ?1"))?
        .query_row((id,), row)
        .optional()
}

/// The question in SQL, with its values in order. Only fixed words go into the text.
fn question(kind: Kind, filter: &Filter, limit: usize) -> (String, Vec<Value>) {
    let text = |text: &Option<String>| text.clone().map(Value::Text);
    let conditions = [
        ("kind = ?", Some(Value::Text(kind.name().to_owned()))),
        ("sequence < ?", filter.cursor.map(Value::Integer)),
        ("time_ms >= ?", filter.since_ms.map(Value::Integer)),
        ("time_ms < ?", filter.until_ms.map(Value::Integer)),
        ("symbol = ?", text(&filter.symbol)),
        ("decision = ?", text(&filter.decision)),
        ("client = ?", text(&filter.client)),
    ];
    let (asked, mut values): (Vec<&str>, Vec<Value>) = conditions
        .into_iter()
        .filter_map(|(condition, value)| Some((condition, value?)))
        .unzip();
    let sql = format!(
        "SELECT sequence, id, time_ms, kind, decision, why, symbol, client, peer_uid, peer_pid, \
         dry_run, corrects FROM record AS listed WHERE {} AND NOT EXISTS \
         (SELECT 1 FROM record WHERE corrects = listed.id) ORDER BY sequence DESC LIMIT ?",
        asked.join(" AND ")
    );
    values.push(Value::Integer(i64::try_from(limit).unwrap_or(i64::MAX)));
    (sql, values)
}

fn kind(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<Kind> {
    let name: String = row.get(index)?;
    Kind::from_name(&name).ok_or_else(|| {
        rusqlite::Error::FromSqlConversionFailure(
            index,
            rusqlite::types::Type::Text,
            format!("unknown kind of record {name:?}").into(),
        )
    })
}

fn summary(row: &rusqlite::Row<'_>) -> rusqlite::Result<Summary> {
    Ok(Summary {
        sequence: row.get(0)?,
        id: row.get(1)?,
        time_ms: row.get(2)?,
        kind: kind(row, 3)?,
        decision: row.get(4)?,
        why: row.get(5)?,
        symbol: row.get(6)?,
        client: row.get(7)?,
        peer_uid: row.get(8)?,
        peer_pid: row.get(9)?,
        dry_run: row.get(10)?,
        corrects: row.get(11)?,
    })
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        sequence: row.get(0)?,
        record: Record {
            id: row.get(1)?,
            time_ms: row.get(2)?,
            kind: kind(row, 3)?,
            decision: row.get(4)?,
            why: row.get(5)?,
            symbol: row.get(6)?,
            client: row.get(7)?,
            peer_uid: row.get(8)?,
            peer_gid: row.get(9)?,
            peer_pid: row.get(10)?,
            dry_run: row.get(11)?,
            corrects: row.get(12)?,
            document: row.get(13)?,
        },
        previous: row.get(14)?,
        hash: row.get(15)?,
    })
}

fn walk(connection: &Connection) -> rusqlite::Result<Verification> {
    let snapshot = connection.unchecked_transaction()?;
    let (mut sequence, mut hash, last_sequence, last_hash): (i64, Hash, i64, Hash) = snapshot
        .query_row(
            "SELECT before_sequence, before_hash, last_sequence, last_hash FROM chain",
            (),
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )?;
    let mut records: u64 = 0;
    let mut reached = sequence == last_sequence && hash == last_hash;
    let mut statement = snapshot.prepare(&format!(
        "SELECT {ROW_COLUMNS} FROM record ORDER BY sequence"
    ))?;
    let mut rows = statement.query(())?;
    while let Some(found) = rows.next()? {
        let found = row(found)?;
        if let Some(problem) = misfit(&found, sequence, &hash) {
            return Ok(Verification::Broken {
                sequence: found.sequence,
                id: Some(found.record.id),
                problem,
            });
        }
        sequence = found.sequence;
        hash = found.hash;
        reached |= sequence == last_sequence && hash == last_hash;
        records = records.saturating_add(1);
    }
    if reached {
        Ok(Verification::Whole { records })
    } else {
        Ok(Verification::Broken {
            sequence: sequence.saturating_add(1),
            id: None,
            problem: "the records end before the place the journal says they end",
        })
    }
}

/// What is wrong with a record that should follow `sequence` and `hash`.
fn misfit(row: &Row, sequence: i64, hash: &Hash) -> Option<&'static str> {
    if row.sequence != sequence.saturating_add(1) {
        Some("records before it are missing")
    } else if row.previous != *hash {
        Some("it does not name the record before it")
    } else if row.record.hash(hash) != row.hash {
        Some("it is not what was written")
    } else {
        None
    }
}
