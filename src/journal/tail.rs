//! The end of the journal: where the hash chain stands, and putting records behind it.
//!
//! Owns: appending rows.
//! Must not know: who waits for a record, threads.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, params};

use super::record::{Hash, Record};
use super::writer::Failure;

/// The end of the hash chain.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    pub(super) sequence: i64,
    pub(super) hash: Hash,
}

impl End {
    /// Where the chain stands with this record behind it.
    pub(super) fn followed_by(&self, record: &Record) -> Self {
        Self {
            sequence: self.sequence.saturating_add(1),
            hash: record.hash(&self.hash),
        }
    }
}

/// What the disk thread remembers of the journal's end. Read anew after every failure.
#[derive(Debug)]
pub(super) struct Tail {
    end: End,
    /// The greatest id that begins as ids of our time do: they grow with time, so that a greater
    /// one needs no search.
    greatest: String,
}

/// With what ids that grow with time begin, for the next thousands of years.
const OF_OUR_TIME: char = '0';

impl Tail {
    /// Reads where the journal ends.
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let end =
            connection.query_row("SELECT last_sequence, last_hash FROM chain", (), |row| {
                Ok(End {
                    sequence: row.get(0)?,
                    hash: row.get(1)?,
                })
            })?;
        let greatest: Option<String> = connection
            .query_row(
                "SELECT id FROM record WHERE id >= '0' AND id < '1' ORDER BY id DESC LIMIT 1",
                (),
                |row| row.get(0),
            )
            .optional()?;
        Ok(Self {
            end,
            greatest: greatest.unwrap_or_default(),
        })
    }

    /// Where the chain ends in the database.
    pub(super) const fn end(&self) -> End {
        self.end
    }

    /// True when no search is needed to know that this id is in no row.
    pub(super) fn is_surely_new(&self, id: &str) -> bool {
        id.starts_with(OF_OUR_TIME) && id > self.greatest.as_str()
    }

    /// Appends all of them or none.
    pub(super) fn append(
        &mut self,
        connection: &mut Connection,
        batch: &[&Record],
    ) -> Result<(), Failure> {
        let transaction = connection.transaction()?;
        let mut end = self.end;
        let mut ids = BTreeSet::new();
        for record in batch {
            let again = !ids.insert(record.id.as_str());
            if again || (!self.is_surely_new(&record.id) && is_there(&transaction, &record.id)?) {
                return Err(Failure::Duplicate(record.id.clone()));
            }
            end = insert(&transaction, record, end)?;
        }
        transaction
            .prepare_cached("UPDATE chain SET last_sequence = ?1, last_hash = ?2")?
            .execute(params![end.sequence, end.hash])?;
        transaction.commit()?;
        self.end = end;
        for record in batch {
            if self.is_surely_new(&record.id) {
                self.greatest.clone_from(&record.id);
            }
        }
        Ok(())
    }
}

fn insert(connection: &Connection, record: &Record, end: End) -> rusqlite::Result<End> {
    let next = end.followed_by(record);
    connection
        .prepare_cached(
            "INSERT INTO record (sequence, id, time_ms, kind, decision, why, symbol, client, \
             peer_uid, peer_gid, peer_pid, dry_run, corrects, previous, hash, document) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
        )?
        .execute(params![
            next.sequence,
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
            record.corrects,
            end.hash,
            next.hash,
            record.document,
        ])?;
    Ok(next)
}

fn is_there(connection: &Connection, id: &str) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM record WHERE id = ?1")?
        .query_row((id,), |_| Ok(()))
        .optional()
        .map(|found| found.is_some())
}
