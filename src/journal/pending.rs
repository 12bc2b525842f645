//! What is acknowledged and not in the database yet.
//!
//! Owns: the records that lie in the intake, in memory too, and when they are too many.
//! Must not know: the database, who waits.

use std::collections::BTreeSet;
use std::path::Path;

use super::error::JournalError;
use super::intake::{Intake, frame};
use super::record::Record;
use super::tail::{End, Tail};

/// So many records in the intake go into the database although more arrive.
const INTAKE_RECORDS_MAX: usize = 64;
/// So many bytes in it do, too.
const INTAKE_BYTES_MAX: usize = 4 << 20;

/// What lies in the intake: acknowledged, and not in the database yet.
pub(super) struct Pending {
    intake: Intake,
    records: Vec<Record>,
    bytes: usize,
    /// Where the chain stands with all of them.
    end: Option<End>,
    /// The database took the last ones. While it does not, nothing is acknowledged from here.
    settles: bool,
}

impl Pending {
    /// Reads back what a kill left.
    pub(super) fn open(dir: &Path, end: End) -> Result<Self, JournalError> {
        let intake = Intake::open(dir)?;
        let records = intake
            .left_after(end)
            .map_err(|error| JournalError::Storage(error.to_string()))?;
        Ok(Self {
            bytes: records.iter().map(Record::size_bytes).sum(),
            intake,
            records,
            end: None,
            settles: true,
        })
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// All of them, oldest first.
    pub(super) fn records(&self) -> &[Record] {
        &self.records
    }

    /// It is time to bring them into the database although more arrive.
    pub(super) fn is_due(&self) -> bool {
        self.settles && self.is_full()
    }

    /// The database took the last ones: there may be more of them.
    pub(super) const fn settles(&self) -> bool {
        self.settles
    }

    /// The database refused them.
    pub(super) const fn refused(&mut self) {
        self.settles = false;
    }

    fn is_full(&self) -> bool {
        self.records.len() >= INTAKE_RECORDS_MAX || self.bytes >= INTAKE_BYTES_MAX
    }

    /// Writes records that are surely new behind those that lie here, to be kept one by one;
    /// `false` leaves all as it was.
    pub(super) fn write(&mut self, tail: &Tail, batch: &[&Record]) -> bool {
        let mut ids = BTreeSet::new();
        let is_new =
            |id: &str| tail.is_surely_new(id) && self.records.iter().all(|record| record.id != id);
        let mut end = self.end.unwrap_or_else(|| tail.end());
        let mut frames = Vec::new();
        for record in batch {
            let fits = ids.insert(record.id.as_str()) && is_new(&record.id);
            end = end.followed_by(record);
            if !fits || frame(&mut frames, record, &end).is_err() {
                return false;
            }
        }
        if self.intake.append(&frames).is_err() {
            return false;
        }
        self.end = Some(end);
        true
    }

    /// Keeps a record that was written.
    pub(super) fn keep(&mut self, record: Record) {
        self.bytes = self.bytes.saturating_add(record.size_bytes());
        self.records.push(record);
    }

    /// All of them are in the database.
    pub(super) fn clear(&mut self) {
        self.records.clear();
        self.bytes = 0;
        self.end = None;
        self.settles = true;
        self.intake.begin_again();
    }
}
