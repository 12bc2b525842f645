//! Reading a key file: only a file that nobody else can read.
//!
//! Owns: the check of its owner and mode, the trimming of its line end.
//! Must not know: what the secret is for.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

/// Largest key file, in bytes: an Ed25519 key in PEM takes about 120.
const SECRET_BYTES_MAX: usize = 16 << 10;

/// Why a key file cannot be used. Never carries its content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("key file {}: {problem}", path.display())]
pub struct SecretError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong and what to do.
    pub problem: String,
}

/// The content of the first of these files that exists, without the ends of its lines at the end;
/// `None` when none exists.
///
/// # Errors
/// [`SecretError`] when the file is not regular, belongs to somebody else, can be read by others,
/// is empty, too large or not text.
pub fn read(files: &[PathBuf]) -> Result<Option<SecretString>, SecretError> {
    for path in files {
        // Not blocking: a pipe laid in this place must not hang the start.
        let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
        match OpenOptions::new().read(true).custom_flags(flags).open(path) {
            Ok(file) => return read_open(path, file).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(unusable(path, format!("cannot be read: {error}"))),
        }
    }
    Ok(None)
}

fn unusable(path: &Path, problem: impl Into<String>) -> SecretError {
    SecretError {
        path: path.to_owned(),
        problem: problem.into(),
    }
}

fn read_open(path: &Path, file: File) -> Result<SecretString, SecretError> {
    // Asked through the open file: the path cannot be swapped in between.
    let metadata = file
        .metadata()
        .map_err(|error| unusable(path, format!("cannot be read: {error}")))?;
    let us = rustix::process::geteuid().as_raw();
    if !metadata.is_file() {
        return Err(unusable(path, "is not a regular file"));
    }
    if let Some(problem) = objection(metadata.uid(), metadata.mode(), us) {
        return Err(unusable(
            path,
            format!("{problem}; run: chmod 600 {}", path.display()),
        ));
    }
    let mut bytes = Zeroizing::new(vec![0; SECRET_BYTES_MAX]);
    let length = fill(file, &mut bytes)
        .map_err(|error| unusable(path, format!("cannot be read: {error}")))?;
    if length == SECRET_BYTES_MAX {
        return Err(unusable(
            path,
            format!("is larger than {SECRET_BYTES_MAX} bytes"),
        ));
    }
    let text = bytes
        .get(..length)
        .and_then(|bytes| std::str::from_utf8(bytes).ok())
        .ok_or_else(|| unusable(path, "is not text"))?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.trim().is_empty() {
        return Err(unusable(path, "is empty"));
    }
    Ok(SecretString::from(text))
}

/// Reads until the end or until `bytes` is full; the buffer never moves, so no copy is left behind.
fn fill(mut file: File, bytes: &mut [u8]) -> std::io::Result<usize> {
    let mut length = 0;
    loop {
        let rest = bytes.get_mut(length..).unwrap_or_default();
        match file.read(rest) {
            Ok(0) => return Ok(length),
            Ok(read) => length = length.saturating_add(read),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// What speaks against a key file of this owner and mode, for the user `us`. The service manager's
/// credentials belong to root or to us and are readable by us alone.
fn objection(owner: u32, mode: u32, us: u32) -> Option<String> {
    if owner != us && owner != 0 {
        return Some(format!("belongs to user {owner}"));
    }
    // A credential carries the group bits of its access list (0440): root's alone may.
    let forbidden = if owner == 0 { 0o037 } else { 0o077 };
    if mode & forbidden != 0 {
        return Some(format!(
            "can be read by other users (mode {:04o})",
            mode & 0o7777
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;
    use std::os::unix::fs::PermissionsExt;

    fn file(dir: &Path, name: &str, content: &[u8], mode: u32) -> PathBuf {
        let path = dir.join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn the_first_file_that_exists_counts_and_its_line_end_goes() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("missing");
        let first = file(dir.path(), "first", b"one\r\n", 0o600);
        let second = file(dir.path(), "second", b"two\n", 0o400);
        let read_all = |files: &[PathBuf]| read(files).unwrap().unwrap().expose_secret().to_owned();
        assert_eq!(
            read_all(&[missing.clone(), first.clone(), second.clone()]),
            "one"
        );
        assert_eq!(read_all(&[second]), "two");
        assert!(read(&[missing]).unwrap().is_none());
        assert!(read(&[]).unwrap().is_none());
    }

    #[test]
    fn what_others_can_read_is_refused_without_a_word_of_its_content() {
        let dir = tempfile::tempdir().unwrap();
        let open = file(dir.path(), "open", b"hunter2", 0o644);
        let empty = file(dir.path(), "empty", b"\n\n", 0o600);
        let large = file(dir.path(), "large", &[b'x'; SECRET_BYTES_MAX], 0o600);
        let binary = file(dir.path(), "binary", &[0xff, 0xfe], 0o600);
        let folder = dir.path().to_owned();
        let told: Vec<String> = [open, empty, large, binary, folder]
            .into_iter()
            .map(|path| read(&[path]).unwrap_err().to_string())
            .collect();
        for (told, expected) in
            told.iter()
                .zip(["chmod 600", "empty", "larger", "not text", "regular"])
        {
            assert!(told.contains(expected), "{told}");
            assert!(!told.contains("hunter2"), "{told}");
        }
    }

    #[test]
    fn owner_and_mode_decide() {
        assert_eq!(objection(1000, 0o100_600, 1000), None);
        assert_eq!(objection(0, 0o100_440, 1000), None);
        assert!(objection(1001, 0o100_600, 1000).is_some());
        assert!(objection(1000, 0o100_640, 1000).is_some());
        assert!(objection(0, 0o100_444, 1000).is_some());
    }
}
