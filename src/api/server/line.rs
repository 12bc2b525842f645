//! A local connection that is only told when there is something to read.
//!
//! Owns: reading and writing on a Unix socket.
//! Must not know: what is said.
//!
//! The runtime's own stream asks for both directions at once, so that every answer the other side
//! reads wakes the check thread again to say that more could be written. Here that is asked only
//! after the system has refused to take more.

use std::io::{self, IoSlice, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

/// One end of a local connection.
#[derive(Debug)]
pub(super) struct Line {
    incoming: AsyncFd<UnixStream>,
    /// A second handle of the same socket, while the other side does not read.
    blocked: Option<AsyncFd<UnixStream>>,
}

impl Line {
    /// Takes over a connection that was just accepted.
    pub(super) fn new(stream: tokio::net::UnixStream) -> io::Result<Self> {
        let stream = stream.into_std()?;
        Ok(Self {
            incoming: watched(stream, Interest::READABLE)?,
            blocked: None,
        })
    }

    fn poll_send(
        &mut self,
        context: &mut Context<'_>,
        send: impl Fn(&UnixStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            if let Some(blocked) = &self.blocked {
                // Told once; whether it is true, the next try says.
                ready!(blocked.poll_write_ready(context))?.clear_ready();
            }
            match send(self.incoming.get_ref()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.blocked.is_none() {
                        let again = self.incoming.get_ref().try_clone()?;
                        self.blocked = Some(watched(again, Interest::WRITABLE)?);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => {
                    self.blocked = None;
                    return Poll::Ready(outcome);
                }
            }
        }
    }
}

#[expect(
    deprecated,
    reason = "its caveat is a value that gives up its descriptor while it is watched; the standard \
              stream never does, and its successor is an unsafe function"
)]
fn watched(stream: UnixStream, interest: Interest) -> io::Result<AsyncFd<UnixStream>> {
    AsyncFd::with_interest(stream, interest)
}

impl AsyncRead for Line {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut guard = ready!(self.incoming.poll_read_ready(context))?;
            let room = buffer.initialize_unfilled();
            let wanted = room.len();
            match self.incoming.get_ref().read(room) {
                Ok(read) => {
                    // Less than asked for: nothing is left, and more is told of anew.
                    if 0 < read && read < wanted {
                        guard.clear_ready();
                    }
                    buffer.advance(read);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => guard.clear_ready(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(context, |mut stream| stream.write(bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(context, |mut stream| stream.write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.incoming.get_ref().shutdown(std::net::Shutdown::Write))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn what_does_not_fit_waits_for_the_reader_and_everything_arrives() {
        let (ours, theirs) = tokio::net::UnixStream::pair().unwrap();
        let (mut ours, mut theirs) = (Line::new(ours).unwrap(), Line::new(theirs).unwrap());
        let sent: Vec<u8> = (0..=250).cycle().take(3 << 20).collect();
        let writing = async {
            ours.write_all(&sent).await.unwrap();
            ours.shutdown().await.unwrap();
            ours
        };
        let reading = async {
            let mut heard = Vec::new();
            theirs.read_to_end(&mut heard).await.unwrap();
            heard
        };
        let (mut ours, heard) = tokio::join!(writing, reading);
        assert!(heard == sent, "{} bytes of {}", heard.len(), sent.len());
        // The other direction is still open, and its end is heard.
        theirs.write_all(b"back").await.unwrap();
        drop(theirs);
        let mut back = Vec::new();
        ours.read_to_end(&mut back).await.unwrap();
        assert_eq!(back, b"back");
        assert!(ours.write_all(b"nobody").await.is_err());
    }
}
