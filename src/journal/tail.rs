//! The end of the journal: where the chain stands, and which records are not folded in yet.
//!
//! Owns: appending rows, and folding them into the indices later.
//! Must not know: who waits for a record, threads.
//!
//! An appended row touches one page: no index has it. The rows after `chain.folded_sequence` are
//! the tail; whoever reads walks it row by row. Folding sets their `folded` mark, which is what the
//! indices ask for, in one transaction with the new `folded_sequence`: a reader sees every row
//! exactly once, before and after.

use std::collections::{BTreeSet, VecDeque};

use rusqlite::{Connection, OptionalExtension, params};

use super::record::{Hash, Record};
use super::writer::Failure;

/// Most rows that are folded in one transaction: what an append may have to wait for.
const BITE_ROWS: i64 = 64;

/// The end of the hash chain.
#[derive(Debug, Clone, Copy)]
struct End {
    sequence: i64,
    hash: Hash,
}

/// What the disk thread remembers of the journal's end. Read anew after every failure.
#[derive(Debug)]
pub(super) struct Tail {
    end: End,
    folded: i64,
    /// Ids of the rows that are not folded, oldest first: no index knows them.
    ids: VecDeque<String>,
    known: BTreeSet<String>,
    /// The greatest id of a folded row that begins as ids of our time do: they grow with time, so
    /// that a greater one needs no search.
    greatest: String,
}

/// With what ids that grow with time begin, for the next thousands of years.
const OF_OUR_TIME: char = '0';

impl Tail {
    /// Reads where the journal ends.
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let (folded, told): (i64, End) = connection.query_row(
            "SELECT folded_sequence, last_sequence, last_hash FROM chain",
            (),
            |row| {
                let told = End {
                    sequence: row.get(1)?,
                    hash: row.get(2)?,
                };
                Ok((row.get(0)?, told))
            },
        )?;
        let newest = connection
            .query_row(
                "SELECT sequence, hash FROM record ORDER BY sequence DESC LIMIT 1",
                (),
                |row| {
                    Ok(End {
                        sequence: row.get(0)?,
                        hash: row.get(1)?,
                    })
                },
            )
            .optional()?;
        let end = newest.filter(|newest| newest.sequence > told.sequence);
        let ids: VecDeque<String> = connection
            .prepare("SELECT id FROM record WHERE sequence > ?1 ORDER BY sequence")?
            .query_map((folded,), |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        let greatest: Option<String> = connection
            .query_row(
                "SELECT id FROM record WHERE folded = 1 AND id >= '0' AND id < '1' \
                 ORDER BY id DESC LIMIT 1",
                (),
                |row| row.get(0),
            )
            .optional()?;
        Ok(Self {
            greatest: greatest.unwrap_or_default(),
            end: end.unwrap_or(told),
            folded,
            known: ids.iter().cloned().collect(),
            ids,
        })
    }

    /// How many rows no index knows.
    pub(super) fn unfolded(&self) -> usize {
        usize::try_from(self.end.sequence.saturating_sub(self.folded)).unwrap_or(0)
    }

    /// Appends all of them or none.
    pub(super) fn append(
        &mut self,
        connection: &mut Connection,
        batch: &[&Record],
    ) -> Result<(), Failure> {
        let end = match batch {
            // A single statement is a transaction of its own.
            [record] => self.insert(connection, record, self.end)?,
            _ => {
                let transaction = connection.transaction()?;
                let mut end = self.end;
                let mut ids = BTreeSet::new();
                for record in batch {
                    if !ids.insert(record.id.as_str()) {
                        return Err(Failure::Duplicate(record.id.clone()));
                    }
                    end = self.insert(&transaction, record, end)?;
                }
                transaction.commit()?;
                end
            }
        };
        self.end = end;
        for record in batch {
            self.ids.push_back(record.id.clone());
            self.known.insert(record.id.clone());
        }
        Ok(())
    }

    fn insert(&self, connection: &Connection, record: &Record, end: End) -> Result<End, Failure> {
        let is_new = record.id.starts_with(OF_OUR_TIME) && record.id > self.greatest;
        let is_known = self.known.contains(&record.id);
        if is_known || (!is_new && is_folded(connection, &record.id)?) {
            return Err(Failure::Duplicate(record.id.clone()));
        }
        let next = End {
            sequence: end.sequence.saturating_add(1),
            hash: record.hash(&end.hash),
        };
        connection
            .prepare_cached(
                "INSERT INTO record (sequence, folded, id, time_ms, kind, decision, why, symbol, \
                 client, peer_uid, peer_gid, peer_pid, dry_run, corrects, previous, hash, document) \
                 VALUES (?1, 0, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
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

    /// Folds the oldest unfolded rows into the indices; true when there are more.
    pub(super) fn fold_a_bite(&mut self, connection: &mut Connection) -> Result<bool, Failure> {
        let upto = self.end.sequence.min(self.folded.saturating_add(BITE_ROWS));
        if upto <= self.folded {
            return Ok(false);
        }
        let transaction = connection.transaction()?;
        transaction
            .prepare_cached("UPDATE record SET folded = 1 WHERE sequence > ?1 AND sequence <= ?2")?
            .execute((self.folded, upto))?;
        transaction
            .prepare_cached(
                "UPDATE chain SET folded_sequence = ?1, last_sequence = ?2, last_hash = ?3",
            )?
            .execute(params![upto, self.end.sequence, self.end.hash])?;
        transaction.commit()?;
        self.folded = upto;
        while self.ids.len() > self.unfolded() {
            if let Some(id) = self.ids.pop_front() {
                self.known.remove(&id);
                if id.starts_with(OF_OUR_TIME) && id > self.greatest {
                    self.greatest = id;
                }
            }
        }
        Ok(upto < self.end.sequence)
    }
}

fn is_folded(connection: &Connection, id: &str) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM record WHERE folded = 1 AND id = ?1")?
        .query_row((id,), |_| Ok(()))
        .optional()
        .map(|found| found.is_some())
}
