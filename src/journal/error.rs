//! Why the journal could not be opened, written or read.
//!
//! Owns: the errors of the journal, in sentences that say what to do.
//! Must not know: how they are shown.

use std::path::{Path, PathBuf};

/// Why the journal could not be opened, written or read. Cheap to clone: one failed transaction is
/// told to everybody who waited for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// The state directory cannot be used; the text says why and what to do.
    #[error("state directory {}: {problem}", path.display())]
    Directory {
        /// The directory, or the file in it.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Another daemon holds this state directory.
    #[error(
        "state directory {}: another crossguard is running here ({})",
        path.display(),
        owner(*pid)
    )]
    Locked {
        /// The directory.
        path: PathBuf,
        /// The other daemon's process id, as it wrote it into the lock file.
        pid: Option<u32>,
    },
    /// The journal was written by a later version.
    #[error(
        "journal {}: written by a later version of crossguard (format {found}, this one knows up \
         to {known}); install that version, or move the file away to start a new journal",
        path.display()
    )]
    Newer {
        /// The journal file.
        path: PathBuf,
        /// The format found in the file.
        found: i64,
        /// The latest format known here.
        known: i64,
    },
    /// The file is a database of some other program.
    #[error("journal {}: this file is not a crossguard journal; move it away", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The disk refused.
    #[error("journal storage: {0}")]
    Storage(String),
    /// More records wait for the disk than the queue holds.
    #[error("the journal's queue is full: the disk does not keep up")]
    Full,
    /// The record is larger than [`super::RECORD_BYTES_MAX`].
    #[error("the record is larger than {} bytes", super::RECORD_BYTES_MAX)]
    TooLarge,
    /// A record with this id is in the journal already.
    #[error("a record with the id {0} is in the journal already")]
    Duplicate(String),
    /// The journal's thread has ended.
    #[error("the journal is closed")]
    Closed,
}

fn owner(pid: Option<u32>) -> String {
    pid.map_or_else(
        || "its process id is not known".to_owned(),
        |pid| format!("process {pid}"),
    )
}

impl JournalError {
    pub(super) fn directory(path: &Path, problem: impl Into<String>) -> Self {
        Self::Directory {
            path: path.to_owned(),
            problem: problem.into(),
        }
    }
}

impl From<rusqlite::Error> for JournalError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(error.to_string())
    }
}
