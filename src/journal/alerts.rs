//! Alerts and silences on disk, so that they outlive a restart.
//!
//! Owns: a file of its own beside the journal, its table, and the thread that writes it. Alerts are
//! kept apart from decisions, so that a storm of alerts never stands before a decision's commit.
//! Must not know: what a document says.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::{Connection, OpenFlags};

use super::error::JournalError;

/// The file inside a state directory.
const FILE: &str = "alerts.db";

/// Most changes that wait for the disk.
const WAITING_MAX: usize = 1_024;

const TABLE: &str = "
CREATE TABLE IF NOT EXISTS alert (
    id       TEXT PRIMARY KEY NOT NULL,
    kind     TEXT NOT NULL CHECK (kind IN ('alert', 'silence', 'life')),
    document TEXT NOT NULL
) STRICT, WITHOUT ROWID;
";

/// One kept value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Unique.
    pub id: String,
    /// `alert`, `silence` or `life`.
    pub kind: &'static str,
    /// JSON.
    pub document: String,
}

/// What was kept: pairs of kind and document.
pub type KeptBefore = Vec<(String, String)>;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keep {
    /// This is so now.
    Put(Kept),
    /// This is gone.
    Forget(String),
}

/// The handle that keeps. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AlertStore {
    changes: SyncSender<Vec<Keep>>,
}

/// The thread that writes; it ends when every handle is gone.
#[derive(Debug)]
pub struct AlertThread(JoinHandle<()>);

impl AlertThread {
    /// Waits until what was handed over is written. Every [`AlertStore`] must be gone.
    ///
    /// # Errors
    /// When it had panicked.
    pub fn join(self) -> std::thread::Result<()> {
        self.0.join()
    }
}

impl AlertStore {
    /// Opens the file in a state directory that the journal has prepared, and reads what was kept.
    ///
    /// # Errors
    /// When it cannot be opened or is no database of ours.
    pub fn open(dir: &Path) -> Result<(Self, AlertThread, KeptBefore), JournalError> {
        let path = dir.join(FILE);
        let connection = open(&path)?;
        let kept = read(&connection)?;
        let (changes, waiting) = sync_channel(WAITING_MAX);
        let thread = std::thread::Builder::new()
            .name("alerts-disk".to_owned())
            .spawn(move || write_all(connection, &waiting))
            .map_err(|error| {
                JournalError::directory(dir, format!("its thread cannot be started: {error}"))
            })?;
        Ok((Self { changes }, AlertThread(thread), kept))
    }

    /// Hands changes to the disk without waiting. False when there was no room: they are lost to
    /// the next life, and to nothing else.
    #[must_use]
    pub fn keep(&self, changes: Vec<Keep>) -> bool {
        self.changes.try_send(changes).is_ok()
    }
}

fn open(path: &Path) -> Result<Connection, JournalError> {
    use std::os::unix::fs::OpenOptionsExt as _;
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|error| JournalError::directory(path, format!("cannot be written: {error}")))?;
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.execute_batch(TABLE)?;
    Ok(connection)
}

fn read(connection: &Connection) -> Result<KeptBefore, JournalError> {
    let mut rows = connection.prepare("SELECT kind, document FROM alert ORDER BY id")?;
    let kept = rows.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(kept.collect::<Result<_, _>>()?)
}

fn write_all(mut connection: Connection, waiting: &Receiver<Vec<Keep>>) {
    while let Ok(mut changes) = waiting.recv() {
        while let Ok(more) = waiting.try_recv() {
            changes.extend(more);
        }
        // A disk that refuses costs the next life these changes; alerts themselves go on.
        drop(write(&mut connection, &changes));
    }
}

fn write(connection: &mut Connection, changes: &[Keep]) -> Result<(), JournalError> {
    let transaction = connection.transaction()?;
    for change in changes {
        match change {
            Keep::Put(kept) => transaction.execute(
                "INSERT INTO alert (id, kind, document) VALUES (?1, ?2, ?3)
                 ON CONFLICT (id) DO UPDATE SET document = excluded.document",
                (&kept.id, kept.kind, &kept.document),
            )?,
            Keep::Forget(id) => transaction.execute("DELETE FROM alert WHERE id = ?1", (id,))?,
        };
    }
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_there_again() {
        let dir = tempfile::tempdir().unwrap();
        let put = |id: &str, document: &str| {
            Keep::Put(Kept {
                id: id.to_owned(),
                kind: "alert",
                document: document.to_owned(),
            })
        };
        let (store, thread, kept) = AlertStore::open(dir.path()).unwrap();
        assert_eq!(kept, []);
        assert!(store.keep(vec![put("a", "1"), put("b", "2")]));
        assert!(store.keep(vec![put("a", "3"), Keep::Forget("b".to_owned())]));
        drop(store);
        thread.join().unwrap();
        let (_store, _thread, kept) = AlertStore::open(dir.path()).unwrap();
        assert_eq!(kept, [("alert".to_owned(), "3".to_owned())]);
    }

    #[test]
    fn a_file_that_is_not_ours_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(
            dir.path().join(FILE),
            b"not a database, but long enough to look at",
        )
        .unwrap();
        assert!(AlertStore::open(dir.path()).is_err());
    }
}
