//! Where callbacks come in: the socket, and the connections to it.
//!
//! The door stays open while the configuration of its source changes. Each request goes to the desk
//! that is behind the door at that moment, so that a reload refuses no connection and cuts none.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection;
use super::desk::Desk;
use super::seats::{BODY_BYTES_MAX, Seats};
use crate::quiet::Quiet;

/// Connections that the system keeps until they are accepted.
const BACKLOG: u32 = 1024;

/// The pause after a failure to accept, which is mostly a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listening socket, and who is behind it.
#[derive(Debug)]
pub struct Door {
    /// Gone when the door is shut.
    listener: Mutex<Option<Arc<TcpListener>>>,
    address: SocketAddr,
    desk: Mutex<Option<Arc<Desk>>>,
    seats: Arc<Seats>,
    connections: TaskTracker,
    closing: CancellationToken,
    failures: Quiet,
}

impl Door {
    /// Listens. Cancelling `closing` closes the door when the requests that are in are answered.
    ///
    /// # Errors
    ///
    /// The address is taken, is not one of this machine's, or may not be used.
    pub fn open(listen: SocketAddr, closing: CancellationToken) -> io::Result<Arc<Self>> {
        let socket = match listen {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        // What a relay before this one has left behind in the network must not keep it out.
        socket.set_reuseaddr(true)?;
        socket.bind(listen)?;
        let listener = socket.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        let (desk, connections, failures) = Default::default();
        let listener = Mutex::new(Some(Arc::new(listener)));
        let seats = Seats::new(BODY_BYTES_MAX);
        Ok(Arc::new(Self { listener, address, desk, seats, connections, closing, failures }))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whom to accept connections from, while the door is open.
    pub(super) fn listener(&self) -> Option<Arc<TcpListener>> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Cancelled when it is to close.
    pub fn closing(&self) -> &CancellationToken {
        &self.closing
    }

    /// The desk behind the door.
    pub(super) fn desk(&self) -> Option<Arc<Desk>> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts another desk behind the door.
    pub(super) fn set_desk(&self, desk: Arc<Desk>) {
        *self.desk.lock().unwrap_or_else(PoisonError::into_inner) = Some(desk);
    }

    /// Lets one connection in.
    pub(super) async fn accept(self: &Arc<Self>, listener: &TcpListener, desk: &Desk) {
        // Waited for before, so that whoever is let in need not be sent away again.
        self.seats.vacant(desk.connections_max()).await;
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                if let Some(left_out) = self.failures.ask() {
                    tracing::warn!(listen = %self.address, left_out, "cannot accept: {error}");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                return;
            }
        };
        let seat = self.seats.take(peer.ip().to_canonical(), desk.connections_max()).await;
        let served = connection::serve(stream, seat, self.clone(), desk.request_timeout());
        self.connections.spawn(served);
    }

    /// Lets nobody in any more, and waits until every connection has ended, once the door is closing.
    pub(super) async fn shut(&self) {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.connections.close();
        self.connections.wait().await;
    }
}
