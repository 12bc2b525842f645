//! One connection from its first byte to its last.
//!
//! Owns: accepting, seating, turning away, and ending at shutdown.
//! Must not know: what requests mean.

use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, UnixStream};

use super::line::Line;
use super::watch::{Activity, Phase, Seat};
use super::{HEAD_BYTES_MAX, HEADERS_MAX, Scope, Server, reply, routes};
use crate::api::record::Peer;
use crate::api::socket::BoundSocket;

/// Pause after the system refused to accept: out of file descriptors passes by itself.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What somebody hears who finds no seat; written at once or not at all.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n\
connection: close\r\ncontent-length: 80\r\n\r\n\
{\"error\":{\"code\":\"BUSY\",\"field\":null,\"message\":\"Too many connections at once.\"}}";

/// Accepts on a Unix socket for ever.
pub(super) async fn accept_unix(server: &Arc<Server>, socket: &BoundSocket, scope: Scope) {
    loop {
        let Ok((stream, _)) = socket.listener().accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Ok(peer) = peer(&stream) else { continue };
        match server.connections.seat(peer.uid) {
            Some(seat) => {
                if let Ok(line) = Line::new(stream) {
                    spawn(server, line, seat, scope, peer);
                }
            }
            None => drop(stream.try_write(FULL)),
        }
    }
}

/// Accepts on TCP for ever, for metrics only.
pub(super) async fn accept_tcp(server: &Arc<Server>, listener: &TcpListener) {
    // Nobody is known on TCP: all of them share the seats of nobody.
    const NOBODY: u32 = u32::MAX;
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        match server.connections.seat(NOBODY) {
            Some(seat) => spawn(server, stream, seat, Scope::Metrics, Peer::default()),
            None => drop(stream.try_write(FULL)),
        }
    }
}

fn peer(stream: &UnixStream) -> io::Result<Peer> {
    let credentials = stream.peer_cred()?;
    Ok(Peer {
        uid: credentials.uid(),
        gid: credentials.gid(),
        pid: credentials.pid().and_then(|pid| u32::try_from(pid).ok()),
    })
}

fn spawn<S>(server: &Arc<Server>, stream: S, seat: Seat, scope: Scope, peer: Peer)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let number = seat.number();
    let of_task = Arc::clone(server);
    let task = server
        .tasks
        .spawn(async move { converse(of_task, stream, seat, scope, peer).await });
    server.connections.held_by(number, task.abort_handle());
}

/// Answers requests until the other side has had enough, or shutdown: then what is being answered
/// is finished and nothing else is begun.
async fn converse<S>(server: Arc<Server>, stream: S, seat: Seat, scope: Scope, peer: Peer)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Arc::clone(&seat.activity);
    let heard = Heard {
        stream,
        activity: Arc::clone(&activity),
    };
    let service = service_fn(|request: Request<Incoming>| {
        let server = &server;
        let activity = &activity;
        async move {
            activity.enter(Phase::Serving);
            let answer = routes::answer(server, scope, peer, request).await;
            let (answer, phase) = match answer {
                Ok((reply, routes::Ends::WithBody)) => (reply, Phase::Idle),
                Ok((reply, routes::Ends::Never)) => (reply, Phase::Serving),
                Err(refusal) => (reply::refused(&refusal), Phase::Idle),
            };
            activity.enter(phase);
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        .header_read_timeout(None)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .auto_date_header(false)
        // Answers are short: one piece costs the system less than a list of pieces.
        .writev(false)
        .serve_connection(TokioIo::new(heard), service);
    let mut connection = std::pin::pin!(connection);
    // How a connection ends is the other side's affair.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = server.shutdown.cancelled() => {}
    }
    connection.as_mut().graceful_shutdown();
    drop(connection.await);
    drop(seat);
}

/// A stream that tells when a byte arrived.
struct Heard<S> {
    stream: S,
    activity: Arc<Activity>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.activity.heard();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::FULL;

    #[test]
    fn the_ready_made_refusal_is_well_formed() {
        let text = std::str::from_utf8(FULL).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())));
        let error: crate::api::protocol::error::ErrorBody<'_> = serde_json::from_str(body).unwrap();
        assert_eq!(error.error.code, "BUSY");
    }
}
