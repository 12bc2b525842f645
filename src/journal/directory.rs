//! The state directory: ours alone, and held by one daemon.
//!
//! Owns: creating and judging the directory, and the lock in it.
//! Must not know: what else lies in the directory.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, OFlags, flock};

use super::error::JournalError;

const LOCK_FILE: &str = "lock";
/// Longest process id that is read from a lock file, in bytes.
const PID_LENGTH_MAX: u64 = 16;

/// How often, and after which pauses, a second daemon looks for the first one's process id.
const PID_LOOKS_MAX: u32 = 100;
const PID_PAUSE: Duration = Duration::from_millis(5);

/// The right to this state directory, for as long as it lives. The kernel gives it back even when
/// the process is killed.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// Creates the directory when it is missing, and refuses one that others could tamper with.
pub(super) fn prepare(dir: &Path) -> Result<(), JournalError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists | ErrorKind::NotADirectory => {
                JournalError::directory(dir, "is not a directory")
            }
            _ => JournalError::directory(dir, format!("cannot be created: {error}")),
        })?;
    // Opened once and asked through the descriptor: the path cannot be swapped in between.
    let metadata = OpenOptions::new()
        .read(true)
        .custom_flags(flags(OFlags::DIRECTORY))
        .open(dir)
        .and_then(|opened| opened.metadata())
        .map_err(|error| JournalError::directory(dir, format!("cannot be read: {error}")))?;
    let us = rustix::process::geteuid().as_raw();
    match objection(metadata.uid(), metadata.mode(), us) {
        None => Ok(()),
        Some(problem) => Err(JournalError::directory(
            dir,
            format!("{problem}{}", remedy(dir, metadata.uid() == us)),
        )),
    }
}

/// What speaks against a directory of this owner and mode, for the user `us`.
fn objection(owner: u32, mode: u32, us: u32) -> Option<String> {
    if owner != us {
        return Some(format!(
            "belongs to user {owner}, and this process runs as user {us}"
        ));
    }
    if mode & 0o022 != 0 {
        return Some(format!(
            "can be written by other users (mode {:04o})",
            mode & 0o7777
        ));
    }
    None
}

fn remedy(dir: &Path, ours: bool) -> String {
    if ours {
        format!("; run: chmod 700 {}", dir.display())
    } else {
        "; start crossguard as that user or choose another [state] dir".to_owned()
    }
}

/// Takes the directory for this process. The second daemon is told the first one's process id.
pub(super) fn lock(dir: &Path) -> Result<Lock, JournalError> {
    let path = dir.join(LOCK_FILE);
    let refused = |error: std::io::Error| {
        JournalError::directory(&path, format!("cannot be written: {error}"))
    };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(flags(OFlags::NOFOLLOW))
        .open(&path)
        .map_err(refused)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            return Err(JournalError::Locked {
                path: dir.to_owned(),
                pid: await_pid(&mut file),
            });
        }
        Err(error) => return Err(refused(error.into())),
    }
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(refused)?;
    Ok(Lock { _file: file })
}

/// The owner's process id. It has the lock a moment before its id stands in the file, so an empty
/// file is looked at again for a while.
fn await_pid(file: &mut File) -> Option<u32> {
    for _ in 0..PID_LOOKS_MAX {
        if let Some(pid) = read_pid(file) {
            return Some(pid);
        }
        std::thread::sleep(PID_PAUSE);
        file.rewind().ok()?;
    }
    read_pid(file)
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(PID_LENGTH_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn flags(flags: OFlags) -> i32 {
    i32::try_from(flags.bits()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lock is taken before the id is written: whoever comes in between still learns it.
    #[test]
    fn l06_the_owners_id_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(LOCK_FILE);
        let mut held = File::create(&path).unwrap();
        flock(&held, FlockOperation::NonBlockingLockExclusive).unwrap();
        let (begun, waiting) = std::sync::mpsc::channel();
        let second = std::thread::spawn({
            let dir = dir.path().to_owned();
            move || {
                begun.send(()).unwrap();
                lock(&dir).unwrap_err()
            }
        });
        waiting.recv().unwrap();
        std::thread::sleep(PID_PAUSE * 3);
        writeln!(held, "4242").unwrap();
        let refused = second.join().unwrap();
        assert!(
            matches!(
                refused,
                JournalError::Locked {
                    pid: Some(4242),
                    ..
                }
            ),
            "{refused}"
        );
    }

    #[test]
    fn a_directory_of_somebody_else_or_open_to_others_is_refused() {
        assert_eq!(objection(1000, 0o40_700, 1000), None);
        assert_eq!(objection(1000, 0o40_755, 1000), None);
        assert!(objection(0, 0o40_700, 1000).unwrap().contains("user 0"));
        assert!(objection(1000, 0o40_770, 1000).unwrap().contains("0770"));
        assert!(objection(1000, 0o41_777, 1000).unwrap().contains("1777"));
    }
}
