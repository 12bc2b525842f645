//! Where a record lies between its acknowledgement and the database.
//!
//! Owns: one small file that is written over and over, and reading it back after a kill.
//! Must not know: tables, threads, who waits.
//!
//! A commit to the database costs locks, pages and checksums of pages; here a record costs one
//! write. The disk thread brings what lies here into the database a few milliseconds later, many
//! records in one commit, and begins again at the start of the file. Frames of earlier rounds may
//! follow the newest one: a frame counts only where the hash chain goes on with it.

use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use super::error::JournalError;
use super::record::{Hash, Kind, Record};
use super::tail::End;
use super::{QUEUE_BYTES_MAX, RECORD_BYTES_MAX};

/// The file inside a state directory.
const FILE: &str = "journal.intake";
/// Most bytes that are read back: more is never written before it begins again.
const READ_BYTES_MAX: u64 = 2 * QUEUE_BYTES_MAX as u64;
/// Lengths of head and document, sequence, hash.
const FIXED_BYTES: usize = 4 + 4 + 8 + 32;

/// The file, and where the next frame goes.
pub(super) struct Intake {
    file: File,
    at: u64,
}

/// A record without its document.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head<'r> {
    id: Cow<'r, str>,
    time_ms: i64,
    kind: Cow<'r, str>,
    decision: Cow<'r, str>,
    why: Cow<'r, str>,
    symbol: Option<Cow<'r, str>>,
    client: Option<Cow<'r, str>>,
    peer_uid: Option<u32>,
    peer_gid: Option<u32>,
    peer_pid: Option<u32>,
    dry_run: bool,
    corrects: Option<Cow<'r, str>>,
}

impl Intake {
    /// Opens the file, creating it.
    pub(super) fn open(dir: &Path) -> Result<Self, JournalError> {
        let path = path(dir);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0))
            .open(&path)
            .map_err(|error| {
                JournalError::directory(&path, format!("cannot be written: {error}"))
            })?;
        Ok(Self { file, at: 0 })
    }

    /// What was acknowledged and is not in the database yet, oldest first, if the database ends
    /// here. What cannot be read ends it: it was never acknowledged.
    pub(super) fn left_after(&self, mut end: End) -> io::Result<Vec<Record>> {
        let mut bytes = Vec::new();
        (&self.file).take(READ_BYTES_MAX).read_to_end(&mut bytes)?;
        let mut left = Vec::new();
        let mut rest = bytes.as_slice();
        while let Some(frame) = Frame::first(&mut rest) {
            if frame.sequence <= end.sequence {
                continue;
            }
            let Some(record) = frame.record() else { break };
            let next = end.followed_by(&record);
            if (next.sequence, next.hash) != (frame.sequence, frame.hash) {
                break;
            }
            end = next;
            left.push(record);
        }
        Ok(left)
    }

    /// Writes frames behind those that lie here. After a failure they count as not written: the
    /// next ones take their place.
    pub(super) fn append(&mut self, frames: &[u8]) -> io::Result<()> {
        self.file.write_all_at(frames, self.at)?;
        let length = u64::try_from(frames.len()).unwrap_or(u64::MAX);
        self.at = self.at.saturating_add(length);
        Ok(())
    }

    /// Everything that lies here is in the database.
    pub(super) const fn begin_again(&mut self) {
        self.at = 0;
    }
}

fn path(dir: &Path) -> PathBuf {
    dir.join(FILE)
}

/// Puts a record behind the frames. `end` is where the chain stands with it.
pub(super) fn frame(frames: &mut Vec<u8>, record: &Record, end: &End) -> Result<(), JournalError> {
    let begin = frames.len();
    let length = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    frames.extend_from_slice(&[0; 4]);
    frames.extend_from_slice(&length(record.document.len()));
    frames.extend_from_slice(&end.sequence.to_be_bytes());
    frames.extend_from_slice(&end.hash);
    let head = frames.len();
    serde_json::to_writer(&mut *frames, &Head::of(record))
        .map_err(|error| JournalError::Storage(error.to_string()))?;
    let head = length(frames.len().saturating_sub(head));
    if let Some(place) = frames.get_mut(begin..begin.saturating_add(head.len())) {
        place.copy_from_slice(&head);
    }
    frames.extend_from_slice(&record.document);
    Ok(())
}

impl<'r> Head<'r> {
    fn of(record: &'r Record) -> Self {
        let text = |text: &'r Option<String>| text.as_deref().map(Cow::Borrowed);
        Self {
            id: Cow::Borrowed(&record.id),
            time_ms: record.time_ms,
            kind: Cow::Borrowed(record.kind.name()),
            decision: Cow::Borrowed(&record.decision),
            why: Cow::Borrowed(&record.why),
            symbol: text(&record.symbol),
            client: text(&record.client),
            peer_uid: record.peer_uid,
            peer_gid: record.peer_gid,
            peer_pid: record.peer_pid,
            dry_run: record.dry_run,
            corrects: text(&record.corrects),
        }
    }

    fn with(self, document: &[u8]) -> Option<Record> {
        Some(Record {
            kind: Kind::from_name(&self.kind)?,
            id: self.id.into_owned(),
            time_ms: self.time_ms,
            decision: self.decision.into_owned(),
            why: self.why.into_owned(),
            symbol: self.symbol.map(Cow::into_owned),
            client: self.client.map(Cow::into_owned),
            peer_uid: self.peer_uid,
            peer_gid: self.peer_gid,
            peer_pid: self.peer_pid,
            dry_run: self.dry_run,
            corrects: self.corrects.map(Cow::into_owned),
            document: document.to_vec(),
        })
    }
}

/// One record as it lies in the file.
struct Frame<'b> {
    sequence: i64,
    hash: Hash,
    head: &'b [u8],
    document: &'b [u8],
}

impl<'b> Frame<'b> {
    /// Takes the first frame off, if there is a whole one.
    fn first(rest: &mut &'b [u8]) -> Option<Self> {
        let (fixed, behind) = rest.split_at_checked(FIXED_BYTES)?;
        let length = |place: std::ops::Range<usize>| {
            let bytes = fixed.get(place)?.try_into().ok()?;
            usize::try_from(u32::from_be_bytes(bytes))
                .ok()
                .filter(|length| *length <= RECORD_BYTES_MAX)
        };
        let (head, behind) = behind.split_at_checked(length(0..4)?)?;
        let (document, behind) = behind.split_at_checked(length(4..8)?)?;
        let frame = Self {
            sequence: i64::from_be_bytes(fixed.get(8..16)?.try_into().ok()?),
            hash: fixed.get(16..FIXED_BYTES)?.try_into().ok()?,
            head,
            document,
        };
        *rest = behind;
        Some(frame)
    }

    fn record(&self) -> Option<Record> {
        serde_json::from_slice::<Head<'_>>(self.head)
            .ok()?
            .with(self.document)
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::GENESIS;
    use super::*;

    const START: End = End {
        sequence: 0,
        hash: GENESIS,
    };

    fn record(number: u32) -> Record {
        Record {
            id: format!("01RECORD{number:04}"),
            time_ms: 1_790_000_000_000 + i64::from(number),
            kind: Kind::Decision,
            decision: "allow".to_owned(),
            why: "Within \"your\" limits.".to_owned(),
            symbol: Some("BTCUSDT".to_owned()),
            client: number.is_multiple_of(2).then(|| "bot \u{1f916}".to_owned()),
            peer_uid: Some(1_000),
            peer_gid: None,
            peer_pid: Some(number),
            dry_run: false,
            corrects: None,
            document: vec![u8::try_from(number % 251).unwrap(); 100 + number as usize],
        }
    }

    /// Appends these and says where the chain then stands.
    fn append(intake: &mut Intake, mut end: End, numbers: std::ops::Range<u32>) -> End {
        let mut frames = Vec::new();
        for number in numbers {
            let record = record(number);
            end = end.followed_by(&record);
            frame(&mut frames, &record, &end).unwrap();
        }
        intake.append(&frames).unwrap();
        end
    }

    fn left(dir: &Path, end: End) -> Vec<Record> {
        Intake::open(dir).unwrap().left_after(end).unwrap()
    }

    fn records(numbers: std::ops::Range<u32>) -> Vec<Record> {
        numbers.map(record).collect()
    }

    #[test]
    fn l01_what_was_written_is_read_back_from_where_the_database_ends() {
        let dir = tempfile::tempdir().unwrap();
        let mut intake = Intake::open(dir.path()).unwrap();
        let third = append(&mut intake, START, 0..3);
        append(&mut intake, third, 3..5);
        assert_eq!(left(dir.path(), START), records(0..5));
        assert_eq!(
            left(dir.path(), third),
            records(3..5),
            "killed after the commit"
        );
    }

    #[test]
    fn l01_frames_of_an_earlier_round_do_not_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut intake = Intake::open(dir.path()).unwrap();
        let end = append(&mut intake, START, 0..9);
        intake.begin_again();
        let newest = append(&mut intake, end, 9..11);
        assert_eq!(left(dir.path(), end), records(9..11));
        assert_eq!(left(dir.path(), newest), []);
    }

    /// A write that a power cut tore ends what can be read; what stands before it counts.
    #[test]
    fn l01_a_torn_frame_ends_what_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut intake = Intake::open(dir.path()).unwrap();
        append(&mut intake, START, 0..3);
        let whole = std::fs::read(path(dir.path())).unwrap();
        for length in 0..whole.len() {
            std::fs::write(path(dir.path()), &whole[..length]).unwrap();
            let found = left(dir.path(), START);
            assert!(found.len() < 3 && found == records(0..u32::try_from(found.len()).unwrap()));
        }
        for place in 0..whole.len() {
            let mut spoilt = whole.clone();
            spoilt[place] ^= 1;
            std::fs::write(path(dir.path()), &spoilt).unwrap();
            assert!(left(dir.path(), START).len() < 3, "byte {place}");
        }
    }

    /// Of another journal: the chain does not go on.
    #[test]
    fn frames_that_do_not_follow_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let mut intake = Intake::open(dir.path()).unwrap();
        append(&mut intake, START, 0..3);
        let elsewhere = End {
            sequence: 0,
            hash: [7; 32],
        };
        assert_eq!(left(dir.path(), elsewhere), []);
    }
}
