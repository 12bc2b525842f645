//! What the journal gives back: lists, single records, notes, the chain, and what it forgets.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use crossguard::clock::Clock;
use crossguard::journal::{
    Filter, Journal, JournalError, Kind, Options, RECORD_BYTES_MAX, Verification,
};

use crate::journal_faults::record;

const HOUR_MS: i64 = 3_600_000;
const START_MS: i64 = 1_790_000_000_000;

/// Thirty records, one per hour, of two symbols, three verdicts and two clients.
fn filled(journal: &Journal) {
    for n in 0..30_i64 {
        let mut record = record(&format!("id-{n:02}"));
        record.time_ms = START_MS + n * HOUR_MS;
        record.symbol = Some(if n % 2 == 0 { "BTCUSDT" } else { "ETHUSDT" }.to_owned());
        record.decision = ["allow", "warn", "reject"][usize::try_from(n % 3).unwrap()].to_owned();
        record.client = (n % 5 != 0).then(|| "freqtrade".to_owned());
        journal.append(record).wait().unwrap();
    }
    let mut alert = record("alert");
    alert.kind = Kind::Alert;
    journal.append(alert).wait().unwrap();
}

fn ids(journal: &Journal, filter: &Filter) -> Vec<String> {
    let page = journal.reader().decisions(filter).unwrap();
    page.rows.into_iter().map(|row| row.id).collect()
}

#[test]
fn a_list_is_newest_first_and_every_filter_counts() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, thread) = Journal::open(dir.path(), Options::default()).unwrap();
    filled(&journal);
    let all = ids(&journal, &Filter::default());
    assert_eq!(all.len(), 30, "alerts are a list of their own");
    assert_eq!((all[0].as_str(), all[29].as_str()), ("id-29", "id-00"));
    let filter = Filter {
        since_ms: Some(START_MS + 6 * HOUR_MS),
        until_ms: Some(START_MS + 12 * HOUR_MS),
        ..Filter::default()
    };
    assert_eq!(
        ids(&journal, &filter),
        ["id-11", "id-10", "id-09", "id-08", "id-07", "id-06"]
    );
    let filter = Filter {
        symbol: Some("ETHUSDT".to_owned()),
        decision: Some("reject".to_owned()),
        client: Some("freqtrade".to_owned()),
        ..Filter::default()
    };
    assert_eq!(ids(&journal, &filter), ["id-29", "id-23", "id-17", "id-11"]);
    let alerts = journal
        .reader()
        .list(Kind::Alert, &Filter::default())
        .unwrap();
    assert_eq!(alerts.rows.len(), 1);
    let unknown = Filter {
        symbol: Some("' OR 1=1 --".to_owned()),
        ..Filter::default()
    };
    assert!(ids(&journal, &unknown).is_empty());
    thread.stop().unwrap();
}

#[test]
fn a_cursor_stays_good_while_records_arrive() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, thread) = Journal::open(dir.path(), Options::default()).unwrap();
    filled(&journal);
    let mut filter = Filter {
        limit: Some(7),
        ..Filter::default()
    };
    let mut collected = Vec::new();
    loop {
        let page = journal.reader().decisions(&filter).unwrap();
        assert!(page.rows.len() <= 7);
        collected.extend(page.rows.into_iter().map(|row| row.id));
        journal
            .append(record(&format!("new-{}", collected.len())))
            .wait()
            .unwrap();
        filter.cursor = page.next;
        if page.next.is_none() {
            break;
        }
    }
    let expected: Vec<String> = (0..30).rev().map(|n| format!("id-{n:02}")).collect();
    assert_eq!(collected, expected);
    thread.stop().unwrap();
}

#[test]
fn a_document_comes_back_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, thread) = Journal::open(dir.path(), Options::default()).unwrap();
    let mut odd = record("odd");
    odd.document = "{ \"why\" : \"日本語 \\u0000\" }\n\0\u{202e}"
        .as_bytes()
        .to_vec();
    odd.symbol = Some("币安人生USDT".to_owned());
    odd.client = None;
    journal.append(odd.clone()).wait().unwrap();
    assert_eq!(journal.reader().get("odd").unwrap().unwrap().record, odd);
    assert_eq!(journal.reader().get("none").unwrap(), None);
    thread.stop().unwrap();
}

#[test]
fn a_duplicate_fails_alone_and_a_giant_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, thread) = Journal::open(dir.path(), Options::default()).unwrap();
    let acks: Vec<_> = ["a", "b", "a", "c"]
        .map(|id| journal.append(record(id)))
        .into();
    let outcomes: Vec<_> = acks
        .into_iter()
        .map(crossguard::journal::Ack::wait)
        .collect();
    let duplicate = Err(JournalError::Duplicate("a".to_owned()));
    assert_eq!(outcomes, [Ok(()), Ok(()), duplicate, Ok(())]);
    let mut giant = record("giant");
    giant.document = vec![b' '; RECORD_BYTES_MAX];
    assert_eq!(journal.append(giant).wait(), Err(JournalError::TooLarge));
    assert_eq!(journal.verify(), Ok(Verification::Whole { records: 3 }));
    thread.stop().unwrap();
}

#[test]
fn notes_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, thread) = Journal::open(dir.path(), Options::default()).unwrap();
    assert_eq!(journal.get_note("ladder"), Ok(None));
    journal.put_note("ladder", "caution").wait().unwrap();
    journal.put_note("ladder", "locked").wait().unwrap();
    assert!(journal.put_note(&"k".repeat(129), "").wait().is_err());
    thread.stop().unwrap();
    drop(journal);
    let (journal, thread) = Journal::open(dir.path(), Options::default()).unwrap();
    assert_eq!(journal.get_note("ladder"), Ok(Some("locked".to_owned())));
    thread.stop().unwrap();
}

/// Changes the file behind the journal's back and says what the walk along the chain finds.
fn tampered(sql: &str) -> Verification {
    let dir = tempfile::tempdir().unwrap();
    let (journal, thread) = Journal::open(dir.path(), Options::default()).unwrap();
    filled(&journal);
    thread.stop().unwrap();
    drop(journal);
    rusqlite::Connection::open(dir.path().join("journal.db"))
        .unwrap()
        .execute_batch(sql)
        .unwrap();
    let (journal, thread) = Journal::open(dir.path(), Options::default()).unwrap();
    let found = journal.verify().unwrap();
    thread.stop().unwrap();
    found
}

#[test]
fn the_chain_names_the_first_record_that_was_touched() {
    let named = |sql: &str| match tampered(sql) {
        Verification::Broken { id, .. } => id,
        Verification::Whole { .. } => panic!("not noticed: {sql}"),
    };
    let changed = "UPDATE record SET document = x'7b7d' WHERE id IN ('id-07', 'id-20')";
    assert_eq!(named(changed).as_deref(), Some("id-07"));
    let verdict = "UPDATE record SET decision = 'allow' WHERE id = 'id-02'";
    assert_eq!(named(verdict).as_deref(), Some("id-02"));
    let removed = "DELETE FROM record WHERE id = 'id-10'";
    assert_eq!(named(removed).as_deref(), Some("id-11"));
    let beginning = "DELETE FROM record WHERE sequence < 5";
    assert_eq!(named(beginning).as_deref(), Some("id-04"));
    let end = "DELETE FROM record WHERE sequence > 20";
    assert_eq!(named(end), None, "records that should be there are gone");
    assert_eq!(tampered("SELECT 1"), Verification::Whole { records: 31 });
}

#[test]
fn old_records_go_and_the_chain_still_holds() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START_MS + 24 * HOUR_MS);
    let options = Options {
        clock: clock.clone(),
        age_ms_max: 14 * HOUR_MS,
        ..Options::default()
    };
    let (journal, thread) = Journal::open(dir.path(), options).unwrap();
    filled(&journal);
    journal.prune().wait().unwrap();
    let kept = ids(&journal, &Filter::default());
    assert_eq!(kept.last().map(String::as_str), Some("id-10"));
    assert_eq!(journal.verify(), Ok(Verification::Whole { records: 21 }));
    // However late it gets, the newest record stays as the chain's end.
    clock.advance_ms(1_000 * HOUR_MS);
    journal.prune().wait().unwrap();
    assert_eq!(journal.verify(), Ok(Verification::Whole { records: 1 }));
    journal.append(record("next")).wait().unwrap();
    assert_eq!(journal.verify(), Ok(Verification::Whole { records: 2 }));
    assert_eq!(journal.reader().get("next").unwrap().unwrap().sequence, 32);
    thread.stop().unwrap();
}

#[test]
fn a_journal_that_outgrows_its_size_loses_its_oldest_and_shrinks_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        size_bytes_max: 256 * 1024,
        ..Options::default()
    };
    let (journal, thread) = Journal::open(dir.path(), options).unwrap();
    let acks: Vec<_> = (0..1_000)
        .map(|n| journal.append(record(&format!("id-{n:04}"))))
        .collect();
    for ack in acks {
        ack.wait().unwrap();
    }
    journal.prune().wait().unwrap();
    assert!(matches!(
        journal.verify(),
        Ok(Verification::Whole { records: 1..1_000 })
    ));
    assert!(journal.reader().get("id-0999").unwrap().is_some());
    assert!(journal.reader().get("id-0000").unwrap().is_none());
    thread.stop().unwrap();
    drop(journal);
    let size = std::fs::metadata(dir.path().join("journal.db"))
        .unwrap()
        .len();
    assert!(size <= 300 * 1024, "{size} bytes");
}

#[test]
fn a_reader_sees_every_acknowledged_record_once() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, thread) = Journal::open(dir.path(), Options::default()).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    let acknowledged = std::sync::atomic::AtomicU32::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..400_u32 {
                journal
                    .append(record(&format!("0id-{n:03}")))
                    .wait()
                    .unwrap();
                acknowledged.store(n + 1, std::sync::atomic::Ordering::Release);
            }
            done.store(true, std::sync::atomic::Ordering::Release);
        });
        let mut last_look = false;
        while !last_look {
            last_look = done.load(std::sync::atomic::Ordering::Acquire);
            let at_least = acknowledged.load(std::sync::atomic::Ordering::Acquire);
            let found = ids(&journal, &Filter::default());
            assert!(
                found.len() >= at_least as usize,
                "{} of {at_least}",
                found.len()
            );
            let expected: Vec<String> = (0..found.len())
                .rev()
                .map(|n| format!("0id-{n:03}"))
                .collect();
            assert_eq!(found, expected);
            if let Some(newest) = found.first() {
                assert!(journal.reader().get(newest).unwrap().is_some());
            }
        }
        assert_eq!(ids(&journal, &Filter::default()).len(), 400);
    });
    assert_eq!(journal.verify(), Ok(Verification::Whole { records: 400 }));
    thread.stop().unwrap();
}

#[test]
fn filters_pages_and_duplicates_do_not_care_where_a_record_lies() {
    for waits in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let (journal, thread) = Journal::open(dir.path(), Options::default()).unwrap();
        filled(&journal);
        journal.append(record("0tail-1")).wait().unwrap();
        journal.append(record("0tail-2")).wait().unwrap();
        if !waits {
            assert_eq!(ids(&journal, &Filter::default()).len(), 32);
        }
        let filter = Filter {
            symbol: Some("BTCUSDT".to_owned()),
            decision: Some("reject".to_owned()),
            limit: Some(4),
            ..Filter::default()
        };
        let page = journal.reader().decisions(&filter).unwrap();
        let first: Vec<&str> = page.rows.iter().map(|row| row.id.as_str()).collect();
        assert_eq!(first, ["0tail-2", "0tail-1", "id-26", "id-20"]);
        assert_eq!(page.rows[0].peer_uid, Some(1000));
        assert_eq!(page.rows[0].peer_pid, Some(4242));
        let next = Filter {
            cursor: page.next,
            ..filter
        };
        assert_eq!(ids(&journal, &next), ["id-14", "id-08", "id-02"]);
        for id in ["id-03", "0tail-1"] {
            let again = journal.append(record(id)).wait();
            assert_eq!(again, Err(JournalError::Duplicate(id.to_owned())));
        }
        thread.stop().unwrap();
    }
}

#[test]
fn l01_a_journal_killed_with_records_in_the_intake_goes_on_where_it_ended() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, thread) = Journal::open(dir.path(), Options::default()).unwrap();
    filled(&journal);
    for n in 0..3 {
        journal.append(record(&format!("0new-{n}"))).wait().unwrap();
    }
    // What a kill leaves: the files as they are.
    let left = tempfile::tempdir().unwrap();
    for file in ["journal.db", "journal.db-wal", "journal.intake"] {
        std::fs::copy(dir.path().join(file), left.path().join(file)).unwrap();
    }
    thread.stop().unwrap();
    let (journal, thread) = Journal::open(left.path(), Options::default()).unwrap();
    assert_eq!(ids(&journal, &Filter::default()).len(), 33);
    for id in ["id-07", "0new-1"] {
        let again = journal.append(record(id)).wait();
        assert_eq!(again, Err(JournalError::Duplicate(id.to_owned())));
    }
    journal.append(record("0new-9")).wait().unwrap();
    assert_eq!(ids(&journal, &Filter::default()).len(), 34);
    assert_eq!(journal.verify(), Ok(Verification::Whole { records: 35 }));
    thread.stop().unwrap();
}
