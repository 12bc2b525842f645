//! The journal's tables, and the way from older ones.
//!
//! Owns: the file's format and its migrations.
//! Must not know: who writes or reads.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::error::JournalError;

/// "CGRD" in the file's header: this database is ours.
const APPLICATION_ID: i64 = 0x4347_5244;
/// How long a lock of somebody else (a person with a database shell) is waited for.
const BUSY: Duration = Duration::from_secs(1);

/// Each step leads to the next format; `user_version` counts the steps taken.
const MIGRATIONS: [&str; 4] = [RECORDS, NOTES_AND_CHAIN, UNINDEXED_TAIL, INDEXED];

const RECORDS: &str = "
CREATE TABLE record (
    sequence INTEGER PRIMARY KEY,
    id       TEXT    NOT NULL UNIQUE,
    time_ms  INTEGER NOT NULL,
    kind     TEXT    NOT NULL CHECK (kind IN ('decision', 'alert', 'note')),
    decision TEXT    NOT NULL,
    why      TEXT    NOT NULL,
    symbol   TEXT,
    client   TEXT,
    peer_uid INTEGER,
    peer_gid INTEGER,
    peer_pid INTEGER,
    dry_run  INTEGER NOT NULL CHECK (dry_run IN (0, 1)),
    previous BLOB    NOT NULL CHECK (length(previous) = 32),
    hash     BLOB    NOT NULL CHECK (length(hash) = 32),
    document BLOB    NOT NULL
) STRICT;
CREATE INDEX record_time ON record (time_ms);
CREATE INDEX record_symbol ON record (symbol, sequence) WHERE symbol IS NOT NULL;
CREATE INDEX record_client ON record (client, sequence) WHERE client IS NOT NULL;
CREATE INDEX record_decision ON record (kind, decision, sequence);
";

/// `chain` has one row: where the records begin (after retention) and where they end.
const NOTES_AND_CHAIN: &str = "
CREATE TABLE note (
    key   TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE chain (
    only            INTEGER PRIMARY KEY CHECK (only = 1),
    before_sequence INTEGER NOT NULL,
    before_hash     BLOB    NOT NULL CHECK (length(before_hash) = 32),
    last_sequence   INTEGER NOT NULL,
    last_hash       BLOB    NOT NULL CHECK (length(last_hash) = 32)
) STRICT;
INSERT INTO chain SELECT 1, 0, zeroblob(32),
    coalesce((SELECT max(sequence) FROM record), 0),
    coalesce((SELECT hash FROM record ORDER BY sequence DESC LIMIT 1), zeroblob(32));
";

/// New rows are in no index until they are folded: `folded` is what every index asks for, and the
/// rows after `chain.folded_sequence` are not. `chain.last_*` is where the chain stood at the last
/// fold. A row with `corrects` says what was answered in place of the row with that id.
const UNINDEXED_TAIL: &str = "
ALTER TABLE record RENAME TO record_of_format_2;
CREATE TABLE record (
    sequence INTEGER PRIMARY KEY,
    folded   INTEGER NOT NULL CHECK (folded IN (0, 1)),
    id       TEXT    NOT NULL,
    time_ms  INTEGER NOT NULL,
    kind     TEXT    NOT NULL CHECK (kind IN ('decision', 'alert', 'note')),
    decision TEXT    NOT NULL,
    why      TEXT    NOT NULL,
    symbol   TEXT,
    client   TEXT,
    peer_uid INTEGER,
    peer_gid INTEGER,
    peer_pid INTEGER,
    dry_run  INTEGER NOT NULL CHECK (dry_run IN (0, 1)),
    corrects TEXT,
    previous BLOB    NOT NULL CHECK (length(previous) = 32),
    hash     BLOB    NOT NULL CHECK (length(hash) = 32),
    document BLOB    NOT NULL
) STRICT;
INSERT INTO record SELECT sequence, 1, id, time_ms, kind, decision, why, symbol, client, peer_uid,
    peer_gid, peer_pid, dry_run, NULL, previous, hash, document
    FROM record_of_format_2 ORDER BY sequence;
DROP TABLE record_of_format_2;
CREATE INDEX record_id ON record (id) WHERE folded = 1;
CREATE INDEX record_time ON record (time_ms) WHERE folded = 1;
CREATE INDEX record_symbol ON record (symbol, sequence) WHERE folded = 1 AND symbol IS NOT NULL;
CREATE INDEX record_client ON record (client, sequence) WHERE folded = 1 AND client IS NOT NULL;
CREATE INDEX record_decision ON record (kind, decision, sequence) WHERE folded = 1;
CREATE INDEX record_corrects ON record (corrects) WHERE corrects IS NOT NULL;
ALTER TABLE chain ADD COLUMN folded_sequence INTEGER NOT NULL DEFAULT 0;
UPDATE chain SET folded_sequence = last_sequence;
";

/// Every row is in every index again: records wait for the database in the intake, so that a row
/// costs its indices once, among many.
const INDEXED: &str = "
ALTER TABLE record RENAME TO record_of_format_3;
CREATE TABLE record (
    sequence INTEGER PRIMARY KEY,
    id       TEXT    NOT NULL,
    time_ms  INTEGER NOT NULL,
    kind     TEXT    NOT NULL CHECK (kind IN ('decision', 'alert', 'note')),
    decision TEXT    NOT NULL,
    why      TEXT    NOT NULL,
    symbol   TEXT,
    client   TEXT,
    peer_uid INTEGER,
    peer_gid INTEGER,
    peer_pid INTEGER,
    dry_run  INTEGER NOT NULL CHECK (dry_run IN (0, 1)),
    corrects TEXT,
    previous BLOB    NOT NULL CHECK (length(previous) = 32),
    hash     BLOB    NOT NULL CHECK (length(hash) = 32),
    document BLOB    NOT NULL
) STRICT;
INSERT INTO record SELECT sequence, id, time_ms, kind, decision, why, symbol, client, peer_uid,
    peer_gid, peer_pid, dry_run, corrects, previous, hash, document
    FROM record_of_format_3 ORDER BY sequence;
DROP TABLE record_of_format_3;
CREATE UNIQUE INDEX record_id ON record (id);
CREATE INDEX record_time ON record (time_ms);
CREATE INDEX record_symbol ON record (symbol, sequence) WHERE symbol IS NOT NULL;
CREATE INDEX record_client ON record (client, sequence) WHERE client IS NOT NULL;
CREATE INDEX record_decision ON record (kind, decision, sequence);
CREATE INDEX record_corrects ON record (corrects) WHERE corrects IS NOT NULL;
ALTER TABLE chain DROP COLUMN folded_sequence;
UPDATE chain SET
    last_hash = coalesce(
        (SELECT hash FROM record WHERE sequence > last_sequence ORDER BY sequence DESC LIMIT 1),
        last_hash),
    last_sequence = max(last_sequence, coalesce((SELECT max(sequence) FROM record), 0));
";

/// The journal file inside a state directory.
pub(super) fn file(dir: &Path) -> PathBuf {
    dir.join("journal.db")
}

/// Opens the journal to write, creating or migrating it.
pub(super) fn open_to_write(dir: &Path) -> Result<Connection, JournalError> {
    let path = file(dir);
    // Made here with mode 0600: the database library would leave it to the umask, and its side
    // files copy the mode of this one.
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(|error| JournalError::directory(&path, format!("cannot be written: {error}")))?;
    let mut connection = Connection::open_with_flags(
        &path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(BUSY)?;
    let (found, application) = identity(&connection, &path)?;
    let fresh = found == 0 && is_empty(&connection)?;
    if application != APPLICATION_ID && !fresh {
        return Err(JournalError::Foreign { path });
    }
    let known = known_format();
    if found > known {
        return Err(JournalError::Newer { path, found, known });
    }
    if fresh {
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    // Checkpoints are the caretaker's: a commit never pays for one.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", super::WAL_BYTES_KEPT)?;
    migrate(&mut connection, &path, found)?;
    Ok(connection)
}

/// Opens the journal for checkpoints alone.
pub(super) fn open_to_care(dir: &Path) -> Result<Connection, JournalError> {
    let connection = Connection::open_with_flags(
        file(dir),
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    Ok(connection)
}

/// Opens the journal to read.
pub(super) fn open_to_read(dir: &Path) -> Result<Connection, JournalError> {
    let path = file(dir);
    let connection = Connection::open_with_flags(
        &path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(BUSY)?;
    let (found, application) = identity(&connection, &path)?;
    if application != APPLICATION_ID {
        return Err(JournalError::Foreign { path });
    }
    let known = known_format();
    if found > known {
        return Err(JournalError::Newer { path, found, known });
    }
    Ok(connection)
}

fn known_format() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// Format and application id of the file.
fn identity(connection: &Connection, path: &Path) -> Result<(i64, i64), JournalError> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    pragma("user_version")
        .and_then(|version| Ok((version, pragma("application_id")?)))
        .map_err(|error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase) => JournalError::Foreign {
                path: path.to_owned(),
            },
            _ => error.into(),
        })
}

fn is_empty(connection: &Connection) -> Result<bool, JournalError> {
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?;
    Ok(tables == 0)
}

/// Takes the missing steps in one transaction; an older journal is copied aside first.
fn migrate(connection: &mut Connection, path: &Path, found: i64) -> Result<(), JournalError> {
    let taken = usize::try_from(found).unwrap_or(0);
    let missing = MIGRATIONS.get(taken..).unwrap_or_default();
    if missing.is_empty() {
        return Ok(());
    }
    if taken > 0 {
        copy_aside(connection, path, found)?;
    }
    let transaction = connection.transaction()?;
    for step in missing {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", known_format())?;
    transaction.commit()?;
    Ok(())
}

fn copy_aside(connection: &Connection, path: &Path, found: i64) -> Result<(), JournalError> {
    let copy = path.with_extension(format!("format{found}.db"));
    match std::fs::remove_file(&copy) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => {
            return Err(JournalError::directory(
                &copy,
                format!("cannot be replaced: {error}"),
            ));
        }
    }
    let name = copy
        .to_str()
        .ok_or_else(|| JournalError::directory(&copy, "its name is not valid UTF-8"))?;
    connection.execute("VACUUM INTO ?1", (name,))?;
    Ok(())
}

/// A journal of an older format, for tests of the way up.
#[cfg(test)]
pub(super) fn create_older(dir: &Path, format: usize, rows: &[super::record::Row]) {
    let connection = Connection::open(file(dir)).unwrap();
    connection.execute_batch(MIGRATIONS[0]).unwrap();
    connection
        .pragma_update(None, "application_id", APPLICATION_ID)
        .unwrap();
    connection
        .pragma_update(None, "user_version", i64::try_from(format).unwrap())
        .unwrap();
    for row in rows {
        insert_format_1(&connection, row);
    }
    for step in &MIGRATIONS[1..format] {
        connection.execute_batch(step).unwrap();
    }
}

#[cfg(test)]
fn insert_format_1(connection: &Connection, row: &super::record::Row) {
    let record = &row.record;
    connection
        .execute(
            "INSERT INTO record VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, \
             ?14, ?15)",
            rusqlite::params![
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
            ],
        )
        .unwrap();
}
