//! Sockets that the service manager opened and passes to the daemon.
//!
//! Owns: which of the passed descriptors are ours, by their names.
//! Must not know: what is served on them, or where a socket would be bound otherwise.

use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use listenfd::ListenFd;

/// Names of the descriptors: `FileDescriptorName=` of the socket units.
const CHECK_NAME: &str = "crossguard.sock";
const ADMIN_NAME: &str = "admin.sock";

/// Listening sockets that were passed; what is absent is bound by the daemon itself.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    pub(crate) check: Option<UnixListener>,
    pub(crate) admin: Option<UnixListener>,
}

impl Passed {
    /// Takes what `LISTEN_FDS` and `LISTEN_FDNAMES` tell of, if `LISTEN_PID` is this process.
    /// Changes the environment: must be called before there are threads.
    ///
    /// # Errors
    /// A descriptor with one of our names that is no listening Unix socket, in words.
    pub(crate) fn from_environment() -> Result<Self, String> {
        // The crate takes descriptors without an addressee too; those may be meant for another.
        if std::env::var_os("LISTEN_PID").is_none() {
            return Ok(Self::default());
        }
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut descriptors = ListenFd::from_env();
        Ok(Self {
            check: take(&mut descriptors, &names, CHECK_NAME)?,
            admin: take(&mut descriptors, &names, ADMIN_NAME)?,
        })
    }

    /// Where clients find the passed socket.
    pub(crate) fn check_path(&self) -> Option<PathBuf> {
        let address = self.check.as_ref()?.local_addr().ok()?;
        address.as_pathname().map(PathBuf::from)
    }
}

fn take(
    descriptors: &mut ListenFd,
    names: &str,
    wanted: &str,
) -> Result<Option<UnixListener>, String> {
    let Some(index) = names.split(':').position(|name| name == wanted) else {
        return Ok(None);
    };
    let words = |error| format!("{wanted}, passed by the service manager: {error}");
    let taken = descriptors.take_unix_listener(index).map_err(words)?;
    if let Some(listener) = &taken {
        let listens = rustix::net::sockopt::socket_acceptconn(listener);
        if !listens.map_err(|error| words(error.into()))? {
            return Err(format!(
                "{wanted}, passed by the service manager: does not listen (its unit needs ListenStream= and Accept=no)"
            ));
        }
    }
    Ok(taken)
}
