//! Formats of other versions.

use super::record::{GENESIS, Kind, Record, Row};
use super::{Journal, JournalError, Options, Reader, Verification, schema};

fn record(number: u32) -> Record {
    Record {
        id: format!("id-{number}"),
        time_ms: i64::from(number),
        kind: Kind::Decision,
        decision: "allow".to_owned(),
        why: "because".to_owned(),
        symbol: Some("BTCUSDT".to_owned()),
        client: None,
        peer_uid: Some(1000),
        peer_gid: None,
        peer_pid: Some(77),
        dry_run: false,
        corrects: None,
        document: b"{}".to_vec(),
    }
}

fn chain(records: impl IntoIterator<Item = Record>) -> Vec<Row> {
    let mut previous = GENESIS;
    (1..)
        .zip(records)
        .map(|(sequence, record)| {
            let hash = record.hash(&previous);
            let row = Row {
                sequence,
                record,
                previous,
                hash,
            };
            previous = hash;
            row
        })
        .collect()
}

#[test]
fn l18_an_older_journal_is_copied_aside_and_migrated() {
    for format in [1, 2, 3] {
        is_migrated_from(format);
    }
}

fn is_migrated_from(format: usize) {
    let dir = tempfile::tempdir().unwrap();
    schema::create_older(dir.path(), format, &chain([record(1), record(2)]));
    // The records are from 1970: retention by age must not take them while they are counted.
    let options = Options {
        age_ms_max: i64::MAX,
        ..Options::default()
    };
    let (journal, thread) = Journal::open(dir.path(), options).unwrap();
    assert_eq!(journal.append(record(3)).wait(), Ok(()));
    assert_eq!(
        journal.verify(),
        Ok(Verification::Whole { records: 3 }),
        "the chain goes on over the migration"
    );
    assert_eq!(journal.get_note("ladder"), Ok(None));
    let list = journal.reader().decisions(&super::Filter::default());
    let list: Vec<i64> = list.unwrap().rows.iter().map(|row| row.sequence).collect();
    assert_eq!(list, [3, 2, 1]);
    assert!(
        dir.path()
            .join(format!("journal.format{format}.db"))
            .exists()
    );
    thread.stop().unwrap();
}

#[test]
fn l18_a_newer_journal_is_refused_by_name_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (_, thread) = Journal::open(dir.path(), Options::default()).unwrap();
    thread.stop().unwrap();
    let file = schema::file(dir.path());
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let before = std::fs::read(&file).unwrap();
    let refused = Journal::open(dir.path(), Options::default()).unwrap_err();
    assert!(matches!(refused, JournalError::Newer { found: 99, .. }));
    assert!(refused.to_string().contains("later version"), "{refused}");
    assert!(matches!(
        Reader::open(dir.path()),
        Err(JournalError::Newer { .. })
    ));
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[test]
fn a_file_of_another_program_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        schema::file(dir.path()),
        "not a database, only some text ".repeat(64),
    )
    .unwrap();
    let refused = Journal::open(dir.path(), Options::default()).unwrap_err();
    assert!(matches!(refused, JournalError::Foreign { .. }), "{refused}");
}

#[test]
fn every_field_of_a_record_is_in_its_hash() {
    let base = record(1);
    let changed: [fn(&mut Record); 13] = [
        |r| r.id.push('x'),
        |r| r.time_ms += 1,
        |r| r.kind = Kind::Alert,
        |r| r.decision = "reject".to_owned(),
        |r| r.why.push('x'),
        |r| r.symbol = None,
        |r| r.client = Some(String::new()),
        |r| r.peer_uid = Some(1001),
        |r| r.peer_gid = Some(0),
        |r| r.peer_pid = None,
        |r| r.dry_run = true,
        |r| r.corrects = Some(String::new()),
        |r| r.document.push(b' '),
    ];
    for change in changed {
        let mut other = base.clone();
        change(&mut other);
        assert_ne!(base.hash(&GENESIS), other.hash(&GENESIS), "{other:?}");
    }
    assert_ne!(base.hash(&GENESIS), base.hash(&[1; 32]));
}
