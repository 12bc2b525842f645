//! Unix sockets that only the right people can reach.
//!
//! Owns: the folder a socket lies in, what lies there already, and the mode bits before anybody
//! can connect.
//! Must not know: what is spoken.
//!
//! Bind, set the mode, then listen: between bind and listen a connect is refused, so there is no
//! moment at which the socket is open to more people than it should be.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _,
    PermissionsExt as _,
};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use socket2::{Domain, SockAddr, Socket, Type};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 128;

/// The longest path the kernel takes, its closing zero not counted.
pub const PATH_LENGTH_MAX: usize = 107;

/// Mode of the socket everybody in the group may ask.
pub const CHECK_MODE: u32 = 0o660;

/// Mode of the socket that changes the guard.
pub const ADMIN_MODE: u32 = 0o600;

/// Why a socket is not opened.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The system refused.
    #[error("{path}: {source}")]
    Io {
        /// What was being opened.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The path does not fit the kernel's limit.
    #[error("{0}: the path of a socket may have at most 107 bytes; choose a shorter [socket] path")]
    TooLong(PathBuf),
    /// No folder in the path.
    #[error("{0}: give the socket a folder of its own")]
    NoFolder(PathBuf),
    /// The parent is no folder, or a link to one.
    #[error("{0}: is not a folder (links are not followed)")]
    NotAFolder(PathBuf),
    /// The folder is somebody else's.
    #[error("{path}: belongs to user {owner}; it must belong to you or to root")]
    FolderOwner {
        /// The folder.
        path: PathBuf,
        /// Its owner.
        owner: u32,
    },
    /// Others could put their own socket in place of ours.
    #[error("{path}: others can write here (mode {mode:04o}); run: chmod go-w on it")]
    FolderMode {
        /// The folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Something else lies at the path.
    #[error("{0}: something that is not a socket of ours lies here; it is left alone")]
    Occupied(PathBuf),
    /// Somebody answers there.
    #[error("{0}: another daemon answers there")]
    Alive(PathBuf),
}

/// A listening socket; its file is removed with it if it is ours, and still is.
#[derive(Debug)]
pub struct BoundSocket {
    listener: tokio::net::UnixListener,
    path: PathBuf,
    /// Nothing when somebody else bound it: then its file is theirs.
    file: Option<OurFile>,
}

/// The socket's file, told from another at the same path, and the hold on that path.
#[derive(Debug)]
struct OurFile {
    identity: (u64, u64),
    _lock: File,
}

impl BoundSocket {
    /// Opens a socket at this path with these permission bits. Must be called within a runtime.
    ///
    /// # Errors
    /// [`SocketError`] when the place is not safe, taken, or refused by the system.
    pub fn open(path: &Path, mode: u32) -> Result<Self, SocketError> {
        let io = |source| SocketError::Io {
            path: path.to_owned(),
            source,
        };
        if path.as_os_str().len() > PATH_LENGTH_MAX {
            return Err(SocketError::TooLong(path.to_owned()));
        }
        prepare_folder(path)?;
        let lock = lock(path)?;
        clear_leftover(path)?;
        let kind = Type::STREAM.nonblocking().cloexec();
        let socket = Socket::new(Domain::UNIX, kind, None).map_err(io)?;
        socket
            .bind(&SockAddr::unix(path).map_err(io)?)
            .map_err(io)?;
        fs::set_permissions(path, Permissions::from_mode(mode)).map_err(io)?;
        let metadata = fs::symlink_metadata(path).map_err(io)?;
        socket.listen(BACKLOG).map_err(io)?;
        let listener = std::os::unix::net::UnixListener::from(std::os::fd::OwnedFd::from(socket));
        Ok(Self {
            listener: tokio::net::UnixListener::from_std(listener).map_err(io)?,
            path: path.to_owned(),
            file: Some(OurFile {
                identity: (metadata.dev(), metadata.ino()),
                _lock: lock,
            }),
        })
    }

    /// Takes over a socket that somebody else bound and listens on: nothing is bound, probed, or
    /// removed at the end. The path is used if the socket does not know its own. Must be called
    /// within a runtime.
    ///
    /// # Errors
    /// [`SocketError::Io`] when the system refuses.
    pub fn passed(
        listener: std::os::unix::net::UnixListener,
        path: &Path,
    ) -> Result<Self, SocketError> {
        let address = listener.local_addr().ok();
        let own = address.as_ref().and_then(|address| address.as_pathname());
        let path = own.unwrap_or(path).to_owned();
        let io = |source| SocketError::Io {
            path: path.clone(),
            source,
        };
        listener.set_nonblocking(true).map_err(io)?;
        Ok(Self {
            listener: tokio::net::UnixListener::from_std(listener).map_err(io)?,
            path,
            file: None,
        })
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) const fn listener(&self) -> &tokio::net::UnixListener {
        &self.listener
    }
}

impl Drop for BoundSocket {
    fn drop(&mut self) {
        let Some(file) = &self.file else { return };
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == file.identity);
        if ours {
            drop(fs::remove_file(&self.path));
        }
    }
}

/// Makes the folder (0700) if it is not there, and refuses one that others could write.
fn prepare_folder(path: &Path) -> Result<(), SocketError> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .ok_or_else(|| SocketError::NoFolder(path.to_owned()))?;
    let io = |source| SocketError::Io {
        path: folder.to_owned(),
        source,
    };
    if fs::symlink_metadata(folder).is_err() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(io)?;
    }
    let metadata = fs::symlink_metadata(folder).map_err(io)?;
    if !metadata.is_dir() {
        return Err(SocketError::NotAFolder(folder.to_owned()));
    }
    if !is_ours_or_roots(metadata.uid()) {
        return Err(SocketError::FolderOwner {
            path: folder.to_owned(),
            owner: metadata.uid(),
        });
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(SocketError::FolderMode {
            path: folder.to_owned(),
            mode: metadata.mode() & 0o7777,
        });
    }
    Ok(())
}

fn is_ours_or_roots(owner: u32) -> bool {
    owner == 0 || owner == rustix::process::geteuid().as_raw()
}

/// One daemon at a time works on this path: without it, two that start together could each find
/// the other's socket "left over".
fn lock(path: &Path) -> Result<File, SocketError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .custom_flags(i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0))
        .open(&name)
        .map_err(|source| SocketError::Io {
            path: PathBuf::from(&name),
            source,
        })?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| SocketError::Alive(path.to_owned()))?;
    Ok(file)
}

/// Removes a socket of ours at which nobody answers; refuses everything else.
fn clear_leftover(path: &Path) -> Result<(), SocketError> {
    let io = |source| SocketError::Io {
        path: path.to_owned(),
        source,
    };
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io(error)),
    };
    let ours = metadata.uid() == rustix::process::geteuid().as_raw();
    if !metadata.file_type().is_socket() || !ours {
        return Err(SocketError::Occupied(path.to_owned()));
    }
    let probe =
        Socket::new(Domain::UNIX, Type::STREAM.nonblocking().cloexec(), None).map_err(io)?;
    match probe.connect(&SockAddr::unix(path).map_err(io)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(io)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // Connected, or busy, or not allowed to: somebody is there.
        _ => Err(SocketError::Alive(path.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o777
    }

    #[tokio::test]
    async fn modes_are_set_and_the_file_goes_with_the_socket() {
        let folder = folder();
        let path = folder.path().join("crossguard/crossguard.sock");
        let socket = BoundSocket::open(&path, CHECK_MODE).unwrap();
        assert_eq!(mode(&path), 0o660);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        drop(socket);
        assert!(!path.exists());
        let socket = BoundSocket::open(&path, ADMIN_MODE).unwrap();
        assert_eq!(mode(socket.path()), 0o600);
    }

    #[tokio::test]
    async fn a_leftover_is_replaced_and_a_living_one_is_not() {
        let folder = folder();
        let path = folder.path().join("crossguard.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let first = BoundSocket::open(&path, CHECK_MODE).unwrap();
        let second = BoundSocket::open(&path, CHECK_MODE).unwrap_err();
        assert!(second.to_string().contains("another daemon answers there"));
        drop(first);
        let foreign = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let refused = BoundSocket::open(&path, CHECK_MODE).unwrap_err();
        assert!(matches!(refused, SocketError::Alive(_)), "{refused}");
        drop(foreign);
    }

    #[tokio::test]
    async fn what_is_no_socket_is_left_alone() {
        let folder = folder();
        let path = folder.path().join("crossguard.sock");
        fs::write(&path, "precious").unwrap();
        let refused = BoundSocket::open(&path, CHECK_MODE).unwrap_err();
        assert!(matches!(refused, SocketError::Occupied(_)), "{refused}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[tokio::test]
    async fn a_folder_that_others_can_write_is_refused() {
        let folder = folder();
        let open = folder.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, Permissions::from_mode(0o1777)).unwrap();
        let refused = BoundSocket::open(&open.join("crossguard.sock"), CHECK_MODE).unwrap_err();
        assert!(
            matches!(refused, SocketError::FolderMode { .. }),
            "{refused}"
        );
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path(), &link).unwrap();
        let refused = BoundSocket::open(&link.join("crossguard.sock"), CHECK_MODE).unwrap_err();
        assert!(matches!(refused, SocketError::NotAFolder(_)), "{refused}");
    }

    #[tokio::test]
    async fn a_path_the_kernel_would_not_take_is_named() {
        let path = PathBuf::from(format!("/{}/crossguard.sock", "x".repeat(120)));
        let refused = BoundSocket::open(&path, CHECK_MODE).unwrap_err();
        assert!(matches!(refused, SocketError::TooLong(_)), "{refused}");
    }
}
