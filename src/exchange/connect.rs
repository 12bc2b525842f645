//! A WebSocket connection from nothing: address, TCP, TLS, handshake, each with its deadline.
//!
//! Owns: how a stream is connected.
//! Must not know: what is said on it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, client::IntoClientRequest as _};
use url::Url;

use super::cadence::Cadence;
use super::text::clean_text;
use super::tls::certificate_refusal;
use crate::mirror::event::LossCause;

/// The largest message of a stream, in bytes.
const MESSAGE_SIZE_MAX: usize = 1024 * 1024;

/// Most bytes of one read. The library clears so much memory before every read, and nearly every
/// message is a mark of 200 bytes; one of the whole market (500 rows of 250 bytes) takes several reads.
const READ_SIZE_BYTES: usize = 8 * 1024;

/// Most bytes that wait to be sent.
const WRITE_SIZE_BYTES_MAX: usize = 64 * 1024;

/// Unacknowledged bytes older than this end the connection (the kernel's own limit is minutes).
const TCP_USER_TIMEOUT_MS: u32 = 20_000;

/// A byte stream, encrypted or (on loopback) not.
pub trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

/// Connections that are made within the process instead of over the network: the simulation hands
/// out pipes to an exchange that runs beside it. The daemon has none.
pub trait Dial: Send + Sync {
    /// A new connection to the exchange.
    ///
    /// # Errors
    /// It accepts none.
    fn dial(&self) -> io::Result<Box<dyn Bytes>>;
}

/// A connected stream.
pub(super) type Socket = WebSocketStream<Box<dyn Bytes>>;

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ConnectError {
    /// [`LossCause::Connect`] or [`LossCause::Certificate`].
    pub cause: LossCause,
    /// Particulars, without the URL: it may hold a listen key.
    pub detail: String,
    /// The other side answered, but with this status instead of an upgrade.
    pub status: Option<u16>,
}

impl ConnectError {
    fn new(detail: impl Into<String>) -> Self {
        Self {
            cause: LossCause::Connect,
            detail: detail.into(),
            status: None,
        }
    }

    fn io(step: &str, error: &io::Error) -> Self {
        certificate_refusal(error).map_or_else(
            || Self::new(clean_text(&format!("{step}: {error}"))),
            |detail| Self {
                cause: LossCause::Certificate,
                detail,
                status: None,
            },
        )
    }
}

/// Connects to a `ws://` or `wss://` address.
///
/// # Errors
/// [`ConnectError`] when a step fails or takes too long.
pub(super) async fn connect(
    address: &str,
    tls: &Arc<ClientConfig>,
    dial: Option<&dyn Dial>,
    cadence: &Cadence,
) -> Result<Socket, ConnectError> {
    if let Some(dial) = dial {
        let bytes = dial
            .dial()
            .map_err(|error| ConnectError::io("within", &error))?;
        return timeout(cadence.handshake, upgrade(address, bytes, "within"))
            .await
            .map_err(|_| ConnectError::new("within: no handshake in time"))?;
    }
    let url = Url::parse(address).map_err(|_| ConnectError::new("is not a URL"))?;
    let host = url
        .host_str()
        .ok_or_else(|| ConnectError::new("has no host"))?
        .to_owned();
    let port = url
        .port_or_known_default()
        .ok_or_else(|| ConnectError::new("has no port"))?;
    let tcp = timeout(cadence.connect, tcp(&host, port))
        .await
        .map_err(|_| ConnectError::new(format!("{host}: no connection in time")))?
        .map_err(|error| ConnectError::io(&host, &error))?;
    let handshake = async {
        let bytes: Box<dyn Bytes> = if url.scheme() == "wss" {
            let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
                .map_err(|_| ConnectError::new(format!("{host}: is no server name")))?;
            let stream = TlsConnector::from(tls.clone())
                .connect(name, tcp)
                .await
                .map_err(|error| ConnectError::io(&host, &error))?;
            Box::new(stream)
        } else {
            Box::new(tcp)
        };
        upgrade(address, bytes, &host).await
    };
    timeout(cadence.handshake, handshake)
        .await
        .map_err(|_| ConnectError::new(format!("{host}: no handshake in time")))?
}

/// Tries the host's addresses in turn.
async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host.trim_matches(['[', ']']), port))
        .await?
        .collect();
    let mut refusal = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                tune(&stream)?;
                return Ok(stream);
            }
            Err(error) => refusal = error,
        }
    }
    Err(refusal)
}

/// No delay for small frames, and a kernel that notices a dead peer within seconds.
fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = socket2::TcpKeepalive::new()
        .with_time(Duration::from_secs(15))
        .with_interval(Duration::from_secs(5));
    socket2::SockRef::from(stream).set_tcp_keepalive(&keepalive)?;
    rustix::net::sockopt::set_tcp_user_timeout(stream, TCP_USER_TIMEOUT_MS)?;
    Ok(())
}

async fn upgrade(address: &str, bytes: Box<dyn Bytes>, host: &str) -> Result<Socket, ConnectError> {
    let request = address
        .into_client_request()
        .map_err(|_| ConnectError::new(format!("{host}: is no WebSocket address")))?;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_SIZE_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_SIZE_BYTES_MAX)
        .max_message_size(Some(MESSAGE_SIZE_MAX))
        .max_frame_size(Some(MESSAGE_SIZE_MAX));
    let connected = tokio_tungstenite::client_async_with_config(request, bytes, Some(config)).await;
    match connected {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::Error::Http(response)) => {
            let status = response.status().as_u16();
            Err(ConnectError {
                status: Some(status),
                ..ConnectError::new(format!("{host}: answered {status} instead of a stream"))
            })
        }
        Err(tungstenite::Error::Io(error)) => Err(ConnectError::io(host, &error)),
        Err(error) => Err(ConnectError::new(clean_text(&format!("{host}: {error}")))),
    }
}
