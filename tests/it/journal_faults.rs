//! The journal against what a machine does to it: kill -9, torn tails, full and hanging disks,
//! a second daemon, directories that others can write.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use crossguard::clock::Clock;
use crossguard::journal::{
    Filter, Journal, JournalError, Kind, Options, Reader, Record, Thread, Verification,
};

const CHILD_DIR: &str = "CROSSGUARD_TEST_L01_DIR";
const DEADLINE_MS: i64 = 20_000;

pub(crate) fn record(id: &str) -> Record {
    Record {
        id: id.to_owned(),
        time_ms: 1_790_000_000_000,
        kind: Kind::Decision,
        decision: "reject".to_owned(),
        why: "After this order a 4.1 % fall of BTCUSDT liquidates the position.".to_owned(),
        symbol: Some("BTCUSDT".to_owned()),
        client: Some("freqtrade".to_owned()),
        peer_uid: Some(1000),
        peer_gid: Some(1000),
        peer_pid: Some(4242),
        dry_run: false,
        corrects: None,
        document: format!(
            r#"{{"decision":"reject","decisionId":"{id}","pad":"{}"}}"#,
            "x".repeat(500)
        )
        .into_bytes(),
    }
}

fn open(dir: &Path, options: Options) -> (Journal, Thread) {
    Journal::open(dir, options).unwrap()
}

/// Polls until `done`, at most [`DEADLINE_MS`].
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let clock = Clock::machine();
    let started = clock.now();
    while !done() {
        assert!(
            clock.now().since_ms(started) < DEADLINE_MS,
            "waited too long until {what}"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn assert_whole(journal: &Journal) -> u64 {
    match journal.verify().unwrap() {
        Verification::Whole { records } => records,
        broken @ Verification::Broken { .. } => panic!("{broken:?}"),
    }
}

/// The killed half of `l01_kill_9_loses_no_acknowledged_record`: appends for ever and prints an id
/// as soon as it is acknowledged.
#[test]
#[ignore = "started by l01_kill_9_loses_no_acknowledged_record"]
fn l01_child() {
    let Some(dir) = std::env::var_os(CHILD_DIR) else {
        return;
    };
    let (journal, _thread) = open(Path::new(&dir), Options::default());
    let mut out = std::io::stdout();
    for round in 0_u64.. {
        let ids: Vec<String> = (0..16)
            .map(|n| format!("0{:09}-{round:09}-{n:02}", std::process::id()))
            .collect();
        let acks: Vec<_> = ids.iter().map(|id| journal.append(record(id))).collect();
        for (id, ack) in ids.iter().zip(acks) {
            ack.wait().unwrap();
            writeln!(out, "acknowledged {id}").unwrap();
        }
        out.flush().unwrap();
    }
}

#[test]
fn l01_kill_9_loses_no_acknowledged_record() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for kill_after in [1, 17, 160, 1_500] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "journal_faults::l01_child",
                "--ignored",
                "--nocapture",
            ])
            .env(CHILD_DIR, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut seen = 0;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            // The harness prints its own words before the first of ours, on the same line.
            let line = line.unwrap();
            // A line cut short by the kill carries no whole id: ours end in a newline.
            if let Some((_, id)) = line.split_once("acknowledged ") {
                acknowledged.push(id.to_owned());
                seen += 1;
                if seen == kill_after {
                    child.kill().unwrap();
                }
            }
        }
        assert!(seen >= kill_after, "the child ended by itself after {seen}");
        assert!(!child.wait().unwrap().success());
        // The last line may have been cut by the kill.
        acknowledged.pop_if(|id| id.split('-').count() != 3);
    }
    let (journal, thread) = open(dir.path(), Options::default());
    for id in &acknowledged {
        let row = journal.reader().get(id).unwrap();
        assert_eq!(row.map(|row| row.record), Some(record(id)));
    }
    assert!(assert_whole(&journal) >= u64::try_from(acknowledged.len()).unwrap());
    thread.stop().unwrap();
}

#[test]
fn l02_a_torn_tail_is_set_aside_and_the_rest_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, thread) = open(dir.path(), Options::default());
    for n in 0..20 {
        journal.append(record(&format!("id-{n}"))).wait().unwrap();
    }
    // What a power cut leaves: the files as they are at some moment, the log torn anywhere.
    let log = std::fs::read(dir.path().join("journal.db-wal")).unwrap();
    let base = std::fs::read(dir.path().join("journal.db")).unwrap();
    thread.stop().unwrap();
    let mut most = 0;
    for torn_at in (0..=log.len()).rev().step_by(16_901) {
        let torn = tempfile::tempdir().unwrap();
        std::fs::write(torn.path().join("journal.db"), &base).unwrap();
        std::fs::write(torn.path().join("journal.db-wal"), &log[..torn_at]).unwrap();
        let Ok((journal, thread)) = Journal::open(torn.path(), Options::default()) else {
            panic!("torn at {torn_at} of {}", log.len());
        };
        let kept = assert_whole(&journal);
        for n in 0..kept {
            assert!(journal.reader().get(&format!("id-{n}")).unwrap().is_some());
        }
        most = most.max(kept);
        journal.append(record("after")).wait().unwrap();
        assert_eq!(assert_whole(&journal), kept + 1);
        thread.stop().unwrap();
    }
    assert_eq!(most, 20, "an untorn log keeps everything");
}

#[test]
fn l02_a_torn_page_of_a_garbled_log_is_never_read_as_a_record() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, thread) = open(dir.path(), Options::default());
    for n in 0..10 {
        journal.append(record(&format!("id-{n}"))).wait().unwrap();
    }
    let mut log = std::fs::read(dir.path().join("journal.db-wal")).unwrap();
    let base = std::fs::read(dir.path().join("journal.db")).unwrap();
    thread.stop().unwrap();
    let last = log.len() - 100;
    log[last] ^= 0xff;
    let torn = tempfile::tempdir().unwrap();
    std::fs::write(torn.path().join("journal.db"), &base).unwrap();
    std::fs::write(torn.path().join("journal.db-wal"), &log).unwrap();
    let (journal, thread) = open(torn.path(), Options::default());
    assert_eq!(assert_whole(&journal), 9, "the last commit alone is gone");
    thread.stop().unwrap();
}

#[test]
fn l03_a_full_disk_is_told_blocks_nobody_and_is_recovered_from() {
    let dir = tempfile::tempdir().unwrap();
    let pages_max = Arc::new(AtomicU32::new(40));
    let options = Options {
        page_count_max: Some(Arc::clone(&pages_max)),
        ..Options::default()
    };
    let (journal, thread) = open(dir.path(), options);
    let mut written = 0;
    let full = loop {
        match journal.append(record(&format!("id-{written}"))).wait() {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 10_000, "the disk never filled");
    };
    assert!(matches!(full, JournalError::Storage(_)), "{full}");
    assert!(full.to_string().contains("full"), "{full}");
    assert_eq!(
        assert_whole(&journal),
        written,
        "what was acknowledged is there"
    );
    for n in 0..5 {
        let refused = journal.append(record(&format!("while-full-{n}"))).wait();
        assert!(
            matches!(refused, Err(JournalError::Storage(_))),
            "{refused:?}"
        );
    }
    assert!(
        journal
            .put_note("key", &"x".repeat(100_000))
            .wait()
            .is_err()
    );
    pages_max.store(0, Ordering::Release);
    journal.append(record("after")).wait().unwrap();
    // The refused ones were kept and are written too, before the new one.
    assert_eq!(assert_whole(&journal), written + 7);
    let late = journal.reader().get("while-full-4").unwrap().unwrap();
    let after = journal.reader().get("after").unwrap().unwrap();
    assert!(late.sequence < after.sequence);
    assert_eq!(journal.stats().lost, 0);
    thread.stop().unwrap();
}

#[test]
fn l03_refused_records_are_written_without_a_new_one_once_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let pages_max = Arc::new(AtomicU32::new(1));
    let options = Options {
        page_count_max: Some(Arc::clone(&pages_max)),
        ..Options::default()
    };
    let (journal, thread) = open(dir.path(), options);
    let mut large = record("large");
    large.document = vec![b' '; 100_000];
    assert!(journal.append(large).wait().is_err());
    pages_max.store(0, Ordering::Release);
    until("the refused record is written", || {
        journal.reader().get("large").unwrap().is_some()
    });
    thread.stop().unwrap();
}

#[tokio::test]
async fn a_hanging_disk_never_blocks_an_append() {
    let dir = tempfile::tempdir().unwrap();
    let stall = Arc::new(AtomicBool::new(true));
    let options = Options {
        stall: Some(Arc::clone(&stall)),
        queue_records_max: 8,
        ..Options::default()
    };
    let (journal, thread) = open(dir.path(), options);
    let first = journal.append(record("first"));
    // The thread may have taken one off the queue already; the rest fill it.
    let waiting: Vec<_> = (0..20)
        .map(|n| journal.append(record(&format!("id-{n}"))))
        .collect();
    assert_eq!(
        tokio::time::timeout(Duration::from_millis(20), first)
            .await
            .ok(),
        None
    );
    stall.store(false, Ordering::Release);
    let mut full = 0;
    for ack in waiting {
        match ack.await {
            Ok(()) => {}
            Err(JournalError::Full) => full += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(
        (12..=13).contains(&full),
        "{full} refused of 20 with 8 places"
    );
    assert_eq!(journal.stats().lost, full);
    journal.append(record("after")).await.unwrap();
    assert!(journal.reader().get("first").unwrap().is_some());
    assert_eq!(journal.stats().queued, 0);
    tokio::task::spawn_blocking(|| thread.stop())
        .await
        .unwrap()
        .unwrap();
}

#[test]
fn l06_the_second_daemon_is_refused_with_the_first_ones_process_id() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..20 {
        let (journal, thread) = open(dir.path(), Options::default());
        let refused = Journal::open(dir.path(), Options::default()).unwrap_err();
        let pid = std::process::id();
        assert!(
            matches!(refused, JournalError::Locked { pid: Some(found), .. } if found == pid),
            "{refused}"
        );
        assert!(refused.to_string().contains(&pid.to_string()), "{refused}");
        // The loser harmed nothing.
        journal
            .append(record(&format!("id-{round}")))
            .wait()
            .unwrap();
        thread.stop().unwrap();
    }
}

#[test]
fn l06_of_many_at_once_exactly_one_wins() {
    let dir = tempfile::tempdir().unwrap();
    let barrier = std::sync::Barrier::new(8);
    let opened: Vec<_> = std::thread::scope(|scope| {
        let runners: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    let opened = Journal::open(dir.path(), Options::default());
                    barrier.wait();
                    opened.map(|(_, thread)| thread)
                })
            })
            .collect();
        runners
            .into_iter()
            .map(|runner| runner.join().unwrap())
            .collect()
    });
    let refusals = opened
        .iter()
        .filter(|o| matches!(o, Err(JournalError::Locked { .. })));
    assert_eq!(refusals.count(), 7);
    for thread in opened.into_iter().flatten() {
        thread.stop().unwrap();
    }
}

#[test]
fn l16_a_directory_that_others_can_write_is_refused_with_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    std::fs::create_dir(&state).unwrap();
    for mode in [0o770, 0o707, 0o1777] {
        std::fs::set_permissions(&state, std::fs::Permissions::from_mode(mode)).unwrap();
        let refused = Journal::open(&state, Options::default())
            .unwrap_err()
            .to_string();
        assert!(refused.contains("other users"), "{refused}");
        assert!(
            refused.contains(&format!("chmod 700 {}", state.display())),
            "{refused}"
        );
    }
    assert!(!state.join("journal.db").exists());
}

#[test]
fn l16_what_cannot_be_a_state_directory_is_refused_precisely() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    for (path, problem) in [
        (file.clone(), "is not a directory"),
        (file.join("below"), "is not a directory"),
        ("/proc/crossguard-state".into(), "cannot be created"),
    ] {
        let refused = Journal::open(&path, Options::default())
            .unwrap_err()
            .to_string();
        assert!(refused.contains(problem), "{refused}");
        assert!(refused.contains(&path.display().to_string()), "{refused}");
    }
}

#[test]
fn the_state_directory_and_everything_in_it_is_ours_alone() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("deep").join("state");
    let (journal, thread) = open(&state, Options::default());
    journal.append(record("id")).wait().unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&state), 0o700);
    for entry in std::fs::read_dir(&state).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    thread.stop().unwrap();
}

#[test]
fn a_stopped_journal_says_so_and_a_reader_needs_no_daemon() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, thread) = open(dir.path(), Options::default());
    let acks: Vec<_> = (0..100)
        .map(|n| journal.append(record(&format!("id-{n}"))))
        .collect();
    thread.stop().unwrap();
    for ack in acks {
        assert_eq!(ack.wait(), Ok(()), "what waited was written first");
    }
    assert_eq!(
        journal.append(record("late")).wait(),
        Err(JournalError::Closed)
    );
    drop(journal);
    let reader = Reader::open(dir.path()).unwrap();
    assert_eq!(
        reader.decisions(&Filter::default()).unwrap().rows.len(),
        100
    );
}
