//! The doors' recorder over the journal.
//!
//! Owns: which journal record a decision becomes, and reading pages off the check thread.
//! Must not know: files and tables (the journal does), HTTP (the door does).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::api::record::{Entry, Filter, Line, Page, Peer, Pending, ReadError, Recorder};
use crate::journal::{self, Journal, JournalError, Kind, Record};

/// Writes decisions into the journal and reads them back.
#[derive(Debug, Clone)]
pub(crate) struct JournalRecorder {
    journal: Journal,
    /// Notes so far: two of the same millisecond are two.
    notes: Arc<AtomicU64>,
}

impl JournalRecorder {
    pub(crate) fn new(journal: Journal) -> Self {
        let notes = Arc::default();
        Self { journal, notes }
    }
}

impl Recorder for JournalRecorder {
    fn record(&self, entry: Entry) -> Pending<Result<(), String>> {
        let (id, corrects) = if entry.corrects_earlier {
            (format!("{}-answered", entry.id), Some(entry.id))
        } else {
            (entry.id, None)
        };
        let ack = self.journal.append(Record {
            id,
            time_ms: entry.time_ms,
            kind: Kind::Decision,
            decision: entry.decision.name().to_owned(),
            why: entry.why,
            symbol: Some(entry.symbol),
            client: entry.client,
            peer_uid: Some(entry.peer.uid),
            peer_gid: Some(entry.peer.gid),
            peer_pid: entry.peer.pid,
            dry_run: entry.dry_run,
            corrects,
            document: entry.document,
        });
        Box::pin(async move { ack.await.map_err(|error| error.to_string()) })
    }

    fn note(&self, time_ms: i64, text: String, peer: Peer) {
        let number = self.notes.fetch_add(1, Ordering::Relaxed);
        let ack = self.journal.append(Record {
            id: format!("note-{time_ms}-{}-{number}", peer.pid.unwrap_or(0)),
            time_ms,
            kind: Kind::Note,
            decision: String::new(),
            why: text,
            symbol: None,
            client: None,
            peer_uid: Some(peer.uid),
            peer_gid: Some(peer.gid),
            peer_pid: peer.pid,
            dry_run: false,
            corrects: None,
            document: Vec::new(),
        });
        // A note that is not written shows in the journal's own figures.
        drop(ack);
    }

    fn decisions(&self, filter: Filter) -> Pending<Result<Page, ReadError>> {
        let reader = self.journal.reader().clone();
        Box::pin(async move {
            let filter = journal_filter(filter)?;
            let page = off_this_thread(move || reader.decisions(&filter)).await?;
            Ok(Page {
                lines: page.rows.into_iter().map(line).collect(),
                next: page.next.map(|cursor| cursor.to_string()),
            })
        })
    }

    fn get(&self, id: String) -> Pending<Result<Option<Vec<u8>>, ReadError>> {
        let reader = self.journal.reader().clone();
        Box::pin(async move {
            let row = off_this_thread(move || reader.answered(&id)).await?;
            Ok(row.map(|row| row.record.document))
        })
    }
}

/// Reading waits for the disk, and the thread that answers checks never does.
async fn off_this_thread<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, JournalError> + Send + 'static,
) -> Result<T, ReadError> {
    let unavailable = |error: String| ReadError::Unavailable(error);
    let read = tokio::task::spawn_blocking(read).await;
    read.map_err(|error| unavailable(error.to_string()))?
        .map_err(|error| unavailable(error.to_string()))
}

fn journal_filter(filter: Filter) -> Result<journal::Filter, ReadError> {
    let cursor = filter
        .cursor
        .map(|cursor| cursor.parse::<i64>().map_err(|_| ReadError::Cursor))
        .transpose()?;
    Ok(journal::Filter {
        since_ms: filter.since_ms,
        until_ms: filter.until_ms,
        symbol: filter.symbol,
        decision: filter.decision.map(|decision| decision.name().to_owned()),
        client: filter.client,
        limit: Some(filter.limit),
        cursor,
    })
}

fn line(row: journal::Summary) -> Line {
    Line {
        id: row.corrects.unwrap_or(row.id),
        time_ms: row.time_ms,
        decision: row.decision,
        why: row.why,
        symbol: row.symbol,
        client: row.client,
        dry_run: row.dry_run,
        uid: row.peer_uid,
        pid: row.peer_pid,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use futures_util::FutureExt as _;

    use super::*;
    use crate::guard::verdict::Decision;
    use crate::journal::{Options, Verification};

    fn entry(decision: Decision, document: &str) -> Entry {
        Entry {
            id: "01LATE".to_owned(),
            time_ms: 1_790_000_000_000,
            decision,
            why: "because".to_owned(),
            symbol: "BTCUSDT".to_owned(),
            client: None,
            peer: Peer {
                uid: 1_000,
                gid: 1_000,
                pid: Some(4_242),
            },
            dry_run: false,
            corrects_earlier: false,
            document: document.as_bytes().to_vec(),
        }
    }

    #[tokio::test]
    async fn a_decision_that_was_written_late_reads_as_it_was_answered() {
        let folder = tempfile::tempdir().unwrap();
        let stall = Arc::new(AtomicBool::new(true));
        let options = Options {
            stall: Some(Arc::clone(&stall)),
            queue_records_max: 1,
            ..Options::default()
        };
        let (journal, thread) = Journal::open(folder.path(), options).unwrap();
        let recorder = JournalRecorder::new(journal.clone());
        let mut first = recorder.record(entry(Decision::Allow, "allow"));
        assert!((&mut first).now_or_never().is_none(), "the disk hangs");
        let correction = recorder.record(Entry {
            corrects_earlier: true,
            ..entry(Decision::Reject, "reject")
        });
        stall.store(false, Ordering::Release);
        first.await.unwrap();
        correction.await.unwrap();
        let filter = Filter {
            limit: 10,
            ..Filter::default()
        };
        let page = recorder.decisions(filter.clone()).await.unwrap();
        let found = page.lines.iter();
        let found: Vec<_> = found
            .map(|l| (l.id.as_str(), l.decision.as_str()))
            .collect();
        assert_eq!(found, [("01LATE", "reject")]);
        assert_eq!(
            (page.lines[0].uid, page.lines[0].pid),
            (Some(1_000), Some(4_242))
        );
        let allowed = Filter {
            decision: Some(Decision::Allow),
            ..filter
        };
        let page = recorder.decisions(allowed).await.unwrap();
        assert_eq!(page.lines, [], "nothing was allowed");
        let document = recorder.get("01LATE".to_owned()).await.unwrap();
        assert_eq!(document.as_deref(), Some(&b"reject"[..]));
        let both = Verification::Whole { records: 2 };
        assert_eq!(journal.verify(), Ok(both), "the chain holds both");
        tokio::task::spawn_blocking(|| thread.stop())
            .await
            .unwrap()
            .unwrap();
    }
}
