//! Connections that can be cut on purpose.
//!
//! An HTTP library takes care never to send half an answer; a network does not. So the faults that
//! break connections happen below HTTP, where the bytes are written.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The most connections at the same time; more wait to be accepted.
const CONNECTIONS_MAX: usize = 1024;
/// How long to wait after a failure to accept, which is mostly a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How a connection is cut when the next answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// Reset before the first byte.
    Reset,
    /// Closed before the first byte.
    Close,
    /// Closed after the head and this many bytes of the body.
    AfterBody(usize),
    /// Closed after this many bytes.
    After(usize),
}

/// Cuts one connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Scissors(Arc<Mutex<Option<Cut>>>);

impl Scissors {
    /// Cuts the connection when the next answer is written.
    pub(super) fn cut(&self, cut: Cut) {
        self.set(Some(cut));
    }

    fn set(&self, cut: Option<Cut>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = cut;
    }

    fn get(&self) -> Option<Cut> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connected<IncomingStream<'_, Listener>> for Scissors {
    fn connect_info(stream: IncomingStream<'_, Listener>) -> Self {
        stream.io().scissors.clone()
    }
}

/// Accepts connections, up to a limit.
#[derive(Debug)]
pub(super) struct Listener {
    listener: TcpListener,
    room: Arc<Semaphore>,
}

impl Listener {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self { listener, room: Arc::new(Semaphore::new(CONNECTIONS_MAX)) }
    }
}

impl axum::serve::Listener for Listener {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        // The semaphore is never closed, so there always comes a permit.
        let permit = Arc::clone(&self.room).acquire_owned().await.ok();
        loop {
            match self.listener.accept().await {
                Ok((stream, addr)) => {
                    // Best effort: without it answers are only slower.
                    let _slower = stream.set_nodelay(true);
                    return (Wire { stream, scissors: Scissors::default(), _permit: permit }, addr);
                }
                Err(error) => {
                    tracing::warn!(%error, "the emulator failed to accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that can be cut.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    scissors: Scissors,
    _permit: Option<OwnedSemaphorePermit>,
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

// Vectored writes are left out on purpose: so the head of an answer and the start of its body come
// in one piece, and the place of the cut can be found.
impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let left = match self.scissors.get() {
            None => return Pin::new(&mut self.stream).poll_write(context, bytes),
            Some(Cut::Reset) => {
                self.stream.set_zero_linger()?;
                0
            }
            Some(Cut::Close) => 0,
            Some(Cut::AfterBody(body)) => head_length(bytes) + body,
            Some(Cut::After(left)) => left,
        };
        if left == 0 {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let part = bytes.get(..left).unwrap_or(bytes);
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, part))?;
        self.scissors.set(Some(Cut::After(left.saturating_sub(written))));
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// The length of an answer's head, with the empty line behind it.
fn head_length(answer: &[u8]) -> usize {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
    end.map_or(answer.len(), |end| end + 4)
}
