//! How old and how large the journal may become.
//!
//! Owns: which records go, in bites small enough that an append never waits long behind one.
//! Must not know: when it is called.

use rusqlite::{Connection, OptionalExtension, params};

use super::Options;
use super::record::Hash;
use super::writer::Failure;

/// Most records that one bite drops.
const BITE_RECORDS: i64 = 200;
/// Most freed pages that one bite gives back to the file system.
const BITE_PAGES: i64 = 256;

/// Drops some of what must go and gives freed pages back; true when there is more to do.
///
/// The newest record always stays, so that the chain has an end to hold on to.
pub(super) fn bite(
    connection: &mut Connection,
    options: &Options,
    now_ms: i64,
) -> Result<bool, Failure> {
    let dropped = drop_records(connection, options, now_ms)?;
    let free: i64 = connection.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
    if free > 0 {
        let mut statement =
            connection.prepare_cached(&format!("PRAGMA incremental_vacuum({BITE_PAGES})"))?;
        let mut rows = statement.query(())?;
        while rows.next()?.is_some() {}
    }
    Ok(dropped == BITE_RECORDS || free > BITE_PAGES)
}

fn drop_records(
    connection: &mut Connection,
    options: &Options,
    now_ms: i64,
) -> Result<i64, Failure> {
    let transaction = connection.transaction()?;
    let by_age = last_too_old(&transaction, options, now_ms)?;
    let by_size = last_too_many(&transaction, options)?;
    let Some(last) = by_age.max(by_size) else {
        return Ok(0);
    };
    let hash: Hash = transaction
        .prepare_cached("SELECT hash FROM record WHERE sequence = ?1")?
        .query_row((last,), |row| row.get(0))?;
    let dropped = transaction
        .prepare_cached("DELETE FROM record WHERE sequence <= ?1")?
        .execute((last,))?;
    transaction
        .prepare_cached("UPDATE chain SET before_sequence = ?1, before_hash = ?2")?
        .execute(params![last, hash])?;
    transaction.commit()?;
    Ok(i64::try_from(dropped).unwrap_or(i64::MAX))
}

/// The last of the oldest records that are all too old: a chain loses its beginning, never its
/// middle. The newest record is never among them.
fn last_too_old(
    connection: &Connection,
    options: &Options,
    now_ms: i64,
) -> rusqlite::Result<Option<i64>> {
    let oldest_kept_ms = now_ms.saturating_sub(options.age_ms_max);
    connection
        .prepare_cached(
            "SELECT sequence FROM \
               (SELECT sequence, max(time_ms) OVER (ORDER BY sequence) AS latest_ms \
                FROM (SELECT sequence, time_ms FROM record \
                      WHERE sequence < (SELECT max(sequence) FROM record) \
                      ORDER BY sequence LIMIT ?2)) \
             WHERE latest_ms < ?1 ORDER BY sequence DESC LIMIT 1",
        )?
        .query_row(params![oldest_kept_ms, BITE_RECORDS], |row| row.get(0))
        .optional()
}

/// The last record of one bite, when what is in use takes more than the limit.
fn last_too_many(connection: &Connection, options: &Options) -> rusqlite::Result<Option<i64>> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let pages = pragma("page_count")?.saturating_sub(pragma("freelist_count")?);
    let bytes = pages.saturating_mul(pragma("page_size")?);
    if bytes <= i64::try_from(options.size_bytes_max).unwrap_or(i64::MAX) {
        return Ok(None);
    }
    connection
        .prepare_cached(
            "SELECT max(sequence) FROM (SELECT sequence FROM record \
             WHERE sequence < (SELECT max(sequence) FROM record) ORDER BY sequence LIMIT ?1)",
        )?
        .query_row((BITE_RECORDS,), |row| row.get(0))
}
