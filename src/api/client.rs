//! The other end of the socket, for our own commands.
//!
//! Owns: finding the daemon, deadlines, and keeping the daemon's words apart from our failures.
//! Must not know: how anything is shown.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper::body::Bytes;
use reqwest::{Method, Response};

use super::protocol::error::ErrorBody;

/// How long a request may take.
pub const DEADLINE: Duration = Duration::from_secs(2);

/// How long a check may take: it may wait two seconds for a first mark price.
pub const CHECK_DEADLINE: Duration = Duration::from_secs(3);

/// Most bytes of one line of an event stream.
const LINE_BYTES_MAX: usize = 1024 * 1024;

/// Name of the socket for everyday questions.
pub const SOCKET_NAME: &str = "crossguard.sock";

/// Name of the socket that changes the guard, in the same folder.
pub const ADMIN_SOCKET_NAME: &str = "admin.sock";

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answers at any of these places.
    #[error("no daemon answers at {}; is `crossguard run` running?", list(.0))]
    Unreachable(Vec<PathBuf>),
    /// The daemon did not answer in time.
    #[error("the daemon at {0} did not answer in time")]
    TooLate(PathBuf),
    /// The daemon refused the request.
    #[error("{message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// A stable code; empty when the answer was not ours.
        code: String,
        /// One sentence.
        message: String,
        /// The body as it came.
        body: Vec<u8>,
    },
    /// The connection failed on the way, or the answer is not readable.
    #[error("{0}")]
    Broken(String),
}

fn list(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths.iter().map(|p| p.display().to_string()).collect();
    paths.join(" or ")
}

/// Where a daemon may be, in the order in which it is looked for.
#[must_use]
pub fn places(named: Option<&Path>, socket_name: &str) -> Vec<PathBuf> {
    let from = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let beside = |path: PathBuf| {
        if socket_name == SOCKET_NAME {
            path
        } else {
            path.with_file_name(socket_name)
        }
    };
    if let Some(named) = named {
        return vec![beside(named.to_owned())];
    }
    if let Some(named) = from("CROSSGUARD_SOCKET") {
        return vec![beside(named.into())];
    }
    let mut places = Vec::new();
    if let Some(runtime) = from("XDG_RUNTIME_DIR") {
        places.push(PathBuf::from(runtime).join("crossguard").join(socket_name));
    }
    places.push(PathBuf::from("/run/crossguard").join(socket_name));
    places
}

/// A connection to one daemon.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    path: PathBuf,
}

impl Client {
    /// The first daemon that answers at one of these places.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] when none does.
    pub fn connect(places: &[PathBuf]) -> Result<Self, ClientError> {
        let path = places
            .iter()
            .find(|path| std::os::unix::net::UnixStream::connect(path).is_ok())
            .ok_or_else(|| ClientError::Unreachable(places.to_vec()))?;
        // The HTTP client wants a provider although nothing here is encrypted; one may be there
        // already, which is as good.
        drop(rustls::crypto::ring::default_provider().install_default());
        let http = reqwest::Client::builder()
            .unix_socket(path.as_path())
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .tls_certs_only([])
            .build()
            .map_err(|error| ClientError::Broken(error.to_string()))?;
        Ok(Self {
            http,
            path: path.clone(),
        })
    }

    /// Where the daemon answers.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Asks, and gives the answer's bytes as they are.
    ///
    /// # Errors
    /// [`ClientError`]; anything but an answer means: do not send.
    pub async fn get(&self, path_and_query: &str) -> Result<Bytes, ClientError> {
        self.ask(Method::GET, path_and_query, Vec::new(), DEADLINE)
            .await
    }

    /// Asks whether an order may be sent; the body is a request of `/v1/check`.
    ///
    /// # Errors
    /// [`ClientError`]; anything but an answer means: do not send.
    pub async fn check(&self, body: Vec<u8>) -> Result<Bytes, ClientError> {
        self.ask(Method::POST, "/v1/check", body, CHECK_DEADLINE)
            .await
    }

    /// Asks with a body, or to delete.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn ask(
        &self,
        method: Method,
        path_and_query: &str,
        body: Vec<u8>,
        deadline: Duration,
    ) -> Result<Bytes, ClientError> {
        let request = self
            .http
            .request(method, format!("http://localhost{path_and_query}"))
            .header("content-type", "application/json")
            .timeout(deadline)
            .body(body);
        let response = request.send().await.map_err(|error| self.failed(error))?;
        let status = response.status();
        let body = response.bytes().await.map_err(|error| self.failed(error))?;
        if status.is_success() {
            return Ok(body);
        }
        Err(refused(status.as_u16(), &body))
    }

    /// Listens to events, from after the one with this number if given.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn events(&self, after: Option<&str>) -> Result<EventReader, ClientError> {
        let mut request = self.http.get("http://localhost/v1/events");
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        let response = request.send().await.map_err(|error| self.failed(error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(EventReader {
                response,
                unread: Vec::new(),
                event: ServerEvent::default(),
            });
        }
        let body = response.bytes().await.map_err(|error| self.failed(error))?;
        Err(refused(status.as_u16(), &body))
    }

    fn failed(&self, error: reqwest::Error) -> ClientError {
        if error.is_timeout() {
            return ClientError::TooLate(self.path.clone());
        }
        if error.is_connect() {
            return ClientError::Unreachable(vec![self.path.clone()]);
        }
        ClientError::Broken(error.without_url().to_string())
    }
}

fn refused(status: u16, body: &Bytes) -> ClientError {
    let (code, message) = match serde_json::from_slice::<ErrorBody<'_>>(body) {
        Ok(read) => (
            read.error.code.into_owned(),
            read.error.message.into_owned(),
        ),
        Err(_) => (
            String::new(),
            format!("The daemon answered with HTTP status {status}."),
        ),
    };
    ClientError::Refused {
        status,
        code,
        message,
        body: body.to_vec(),
    }
}

/// One event as it came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerEvent {
    /// Its number, with which listening can be resumed; empty when it has none.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// Its data: JSON.
    pub data: String,
}

/// Events one after the other.
#[derive(Debug)]
pub struct EventReader {
    response: Response,
    unread: Vec<u8>,
    event: ServerEvent,
}

impl EventReader {
    /// The next event; `None` when the daemon ends the stream.
    ///
    /// # Errors
    /// [`ClientError::Broken`] when the connection fails or a line has no end.
    pub async fn next(&mut self) -> Result<Option<ServerEvent>, ClientError> {
        loop {
            while let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line);
                if let Some(event) = self.take_line(line.trim_end_matches(['\r', '\n'])) {
                    return Ok(Some(event));
                }
            }
            if self.unread.len() > LINE_BYTES_MAX {
                return Err(ClientError::Broken("an event has no end".to_owned()));
            }
            match self.response.chunk().await {
                Ok(Some(chunk)) => self.unread.extend_from_slice(&chunk),
                Ok(None) => return Ok(None),
                Err(error) => return Err(ClientError::Broken(error.without_url().to_string())),
            }
        }
    }

    fn take_line(&mut self, line: &str) -> Option<ServerEvent> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return (!event.kind.is_empty() || !event.data.is_empty()).then_some(event);
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "id" => value.clone_into(&mut self.event.id),
            "event" => value.clone_into(&mut self.event.kind),
            "data" => {
                if !self.event.data.is_empty() {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            // Comments, and fields that are not known.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_socket_is_the_only_place() {
        let named = Path::new("/tmp/x/crossguard.sock");
        assert_eq!(places(Some(named), SOCKET_NAME), [named]);
        assert_eq!(
            places(Some(named), ADMIN_SOCKET_NAME),
            [PathBuf::from("/tmp/x/admin.sock")]
        );
    }
}
