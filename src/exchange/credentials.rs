//! Keys from files.
//!
//! Owns: reading a key file without trusting its name: opened once, judged by its descriptor.
//! Must not know: which files; the configuration says.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags};

use super::sign::{ApiKey, Secret, SignError, Signer};

/// The largest key file that is read, in bytes.
pub const KEY_FILE_SIZE_MAX: u64 = 16 * 1024;

/// A key and what signs with it. Prints as stars.
#[derive(Debug, Clone)]
pub struct Credentials {
    pub(super) api_key: ApiKey,
    pub(super) signer: Signer,
}

/// Why a key file is not used.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// Could not be opened or read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A folder, a pipe, a device.
    #[error("{0}: is not a regular file")]
    NotAFile(PathBuf),
    /// Belongs to somebody else.
    #[error("{path}: belongs to user {owner}; it must belong to you or to root")]
    Owner {
        /// The file.
        path: PathBuf,
        /// Its owner.
        owner: u32,
    },
    /// Others can read or write it.
    #[error("{path}: others can reach it (mode {mode:04o}); run: chmod 600 {}", quoted(.path))]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Larger than [`KEY_FILE_SIZE_MAX`].
    #[error("{0}: is larger than 16 KiB; that is no key")]
    TooLarge(PathBuf),
    /// Nothing in it.
    #[error("{0}: is empty")]
    Empty(PathBuf),
    /// Not text.
    #[error("{0}: is not plain text")]
    NotText(PathBuf),
    /// The secret cannot sign.
    #[error("{path}: {source}")]
    Signer {
        /// The file.
        path: PathBuf,
        /// Why.
        source: SignError,
    },
}

/// The path as a shell would take it back.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

impl Credentials {
    /// An HMAC key from values that are already in memory.
    #[must_use]
    pub fn hmac(api_key: String, secret: String) -> Self {
        Self {
            api_key: ApiKey::new(api_key),
            signer: Signer::hmac(Secret::new(secret)),
        }
    }

    /// Reads both halves; the secret is an HMAC secret or the PEM of an Ed25519 key.
    ///
    /// # Errors
    /// [`CredentialError`] when a file cannot be read, or others could have read or written it.
    pub fn from_files(api_key_file: &Path, secret_file: &Path) -> Result<Self, CredentialError> {
        let api_key = ApiKey::new(read_private(api_key_file)?);
        let secret = Secret::new(read_private(secret_file)?);
        let signer = Signer::detect(secret).map_err(|source| CredentialError::Signer {
            path: secret_file.to_owned(),
            source,
        })?;
        Ok(Self { api_key, signer })
    }

    /// `text` without any trace of the key.
    pub(super) fn redact(&self, text: &str) -> String {
        let text = self.signer.redact(text);
        if self.api_key.expose().is_empty() {
            return text;
        }
        text.replace(self.api_key.expose(), "***")
    }
}

/// The file's text without white space at its ends.
fn read_private(path: &Path) -> Result<String, CredentialError> {
    let io = |source: std::io::Error| CredentialError::Io {
        path: path.to_owned(),
        source,
    };
    // Not blocking: a pipe in the file's place must not hang the start.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| io(error.into()))?;
    let stat = rustix::fs::fstat(&file).map_err(|error| io(error.into()))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(CredentialError::NotAFile(path.to_owned()));
    }
    if stat.st_uid != 0 && stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(CredentialError::Owner {
            path: path.to_owned(),
            owner: stat.st_uid,
        });
    }
    if stat.st_mode & 0o077 != 0 {
        return Err(CredentialError::Mode {
            path: path.to_owned(),
            mode: stat.st_mode & 0o7777,
        });
    }
    let mut bytes = Vec::new();
    File::from(file)
        .take(KEY_FILE_SIZE_MAX.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(io)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > KEY_FILE_SIZE_MAX {
        return Err(CredentialError::TooLarge(path.to_owned()));
    }
    let text = String::from_utf8(bytes).map_err(|_| CredentialError::NotText(path.to_owned()))?;
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Err(CredentialError::Empty(path.to_owned()));
    }
    Ok(trimmed.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn file(folder: &Path, name: &str, text: &[u8], mode: u32) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn ends_of_lines_are_trimmed_and_nothing_is_printed() {
        let folder = tempfile::tempdir().unwrap();
        let key = file(folder.path(), "key", b"canary-key\r\n", 0o600);
        let secret = file(folder.path(), "secret", b"canary-secret\n\n", 0o400);
        let credentials = Credentials::from_files(&key, &secret).unwrap();
        assert_eq!(credentials.api_key.expose(), "canary-key");
        assert!(!format!("{credentials:?}").contains("canary"));
        assert_eq!(
            credentials.redact("canary-key and canary-secret"),
            "*** and ***"
        );
    }

    #[test]
    fn a_file_that_others_can_reach_is_refused_with_the_command_to_run() {
        let folder = tempfile::tempdir().unwrap();
        let key = file(folder.path(), "my key", b"canary-key", 0o640);
        let error = Credentials::from_files(&key, &key).unwrap_err().to_string();
        assert!(error.contains("mode 0640"), "{error}");
        assert!(
            error.contains(&format!("chmod 600 '{}'", key.display())),
            "{error}"
        );
        assert!(!error.contains("canary"));
    }

    #[test]
    fn what_is_no_key_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |path: &Path| Credentials::from_files(path, path).unwrap_err();
        assert!(matches!(
            refused(folder.path()),
            CredentialError::NotAFile(_)
        ));
        let empty = file(folder.path(), "empty", b" \n", 0o600);
        assert!(matches!(refused(&empty), CredentialError::Empty(_)));
        let large = file(folder.path(), "large", &[b'x'; 16_385], 0o600);
        assert!(matches!(refused(&large), CredentialError::TooLarge(_)));
        let binary = file(folder.path(), "binary", &[0xff, 0xfe], 0o600);
        assert!(matches!(refused(&binary), CredentialError::NotText(_)));
        assert!(matches!(
            refused(&folder.path().join("absent")),
            CredentialError::Io { .. }
        ));
    }
}
