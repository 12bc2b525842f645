//! What makes commits durable and folds the write-ahead log back, apart from the disk thread.
//!
//! Owns: the periodic fdatasync of the log, and checkpoints.
//! Must not know: records.
//!
//! A commit is safe from kill -9 as soon as it is written; against a power cut it is safe once
//! the log has been synced, at most [`SYNC_INTERVAL`] plus one fdatasync later. A checkpoint takes
//! milliseconds, so it must not sit between an order and its answer.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use rusqlite::Connection;

use super::schema;

/// How long commits are gathered before one fdatasync for all of them.
const SYNC_INTERVAL: Duration = Duration::from_millis(50);
/// How long nothing must happen before the log is folded back.
const IDLE: Duration = Duration::from_secs(1);
/// A log this large is folded back at once, in bytes.
const LOG_BYTES_LARGE: u64 = 8 << 20;

/// Works until the disk thread ends. `dirty` speaks after every commit.
pub(super) fn run(dir: &Path, dirty: &Receiver<()>) {
    let mut caretaker = Caretaker {
        dir: dir.to_owned(),
        log: log_file(dir),
        connection: None,
        folded: true,
    };
    loop {
        match dirty.recv_timeout(IDLE) {
            Ok(()) => {
                std::thread::sleep(SYNC_INTERVAL);
                // What was told meanwhile is covered by this very sync.
                while dirty.try_recv().is_ok() {}
                caretaker.folded = false;
                caretaker.sync();
                if caretaker.log_bytes() >= LOG_BYTES_LARGE {
                    caretaker.checkpoint();
                }
            }
            Err(RecvTimeoutError::Timeout) => caretaker.checkpoint(),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    caretaker.sync();
    caretaker.folded = false;
    caretaker.checkpoint();
}

fn log_file(dir: &Path) -> PathBuf {
    let mut name = schema::file(dir).into_os_string();
    name.push("-wal");
    PathBuf::from(name)
}

struct Caretaker {
    dir: PathBuf,
    log: PathBuf,
    connection: Option<Connection>,
    folded: bool,
}

impl Caretaker {
    /// Failures are not reported from here: the same disk tells the disk thread.
    fn sync(&self) {
        let outcome = File::open(&self.log).and_then(|log| log.sync_data());
        if let Err(error) = outcome {
            tracing::warn!(%error, "the journal's log could not be synced");
        }
    }

    fn log_bytes(&self) -> u64 {
        std::fs::metadata(&self.log).map_or(0, |metadata| metadata.len())
    }

    /// Folds back what no reader holds any more; never waits for a writer nor holds one up.
    fn checkpoint(&mut self) {
        if self.folded {
            return;
        }
        if self.connection.is_none() {
            self.connection = schema::open_to_care(&self.dir).ok();
        }
        let Some(connection) = &self.connection else {
            return;
        };
        let outcome = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", (), |row| {
            Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
        });
        match outcome {
            Ok((in_log, done)) => self.folded = in_log == done,
            Err(error) => {
                tracing::warn!(%error, "the journal's log could not be folded back");
                self.connection = None;
            }
        }
    }
}
