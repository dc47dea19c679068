//! A connection to the broker and its channels. It ends when it breaks, and the next call connects
//! anew: the client's own recovery would publish again what nobody waits for any more.

use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{fmt, io};

use lapin::options::ConfirmSelectOptions;
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::tcp::RustlsConnector;
use lapin::{AsyncTcpStream, Channel, ConnectionProperties, ErrorKind, runtime};
use rustls::ClientConfig;

use super::CONCURRENCY;
use super::settings::Config;
use crate::http;
use crate::sink::link::Connection;
use crate::tls;

/// The longest that the broker may take to let the relay in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// How often each side wants a sign of life of the other, unless the URL says so, in seconds. A
/// connection that misses two of them ends.
const HEARTBEAT: u16 = 10;

/// Reads the certificates; the error says which cannot be used. `None` where the system has no
/// certificate authorities and TLS is not asked for.
pub(super) fn tls(config: &Config) -> Result<Option<Arc<ClientConfig>>, String> {
    match tls::client_config(&config.tls) {
        Ok(tls) => Ok(Some(tls)),
        Err(_) if config.url.scheme() == "amqp" && config.tls.is_empty() => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) struct Refused {
    /// What happened, to what.
    pub(super) reason: String,
    /// Whether the broker answered, and does not let the relay in.
    pub(super) by_broker: bool,
}

/// A connection that works, or did.
pub(super) struct Session {
    connection: lapin::Connection,
    /// Channels that nobody uses now, and on which nothing is open.
    idle: Mutex<Vec<Channel>>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("alive", &self.is_alive()).finish_non_exhaustive()
    }
}

impl Connection for Session {
    fn is_alive(&self) -> bool {
        self.connection.status().connected()
    }
}

impl Session {
    /// Connects to the broker.
    pub(super) async fn open(
        config: &Config,
        tls: Option<Arc<ClientConfig>>,
    ) -> Result<Self, Refused> {
        let limit = CONNECT_TIMEOUT.min(config.timeout / 2);
        let shown = &config.shown;
        let failed =
            |problem: String| Refused { reason: format!("{shown}: {problem}"), by_broker: false };
        let late = || failed("no connection in time".to_owned());
        let mut uri = config.uri().map_err(failed)?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT);
        let connector = tls.filter(|_| config.url.scheme() == "amqps").map(RustlsConnector::from);
        let (host, port) = (uri.authority.host.clone(), uri.authority.port);
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let socket = Socket::default();
        let slot = socket.0.clone();
        let runtime = runtime::default_runtime().map_err(|error| failed(error.to_string()))?;
        let properties = ConnectionProperties::default().with_connection_name("vod-relay".into());
        let connected = lapin::Connection::connector(
            uri,
            runtime,
            async move |_, runtime| {
                let opened = async {
                    let addresses: Vec<_> =
                        tokio::net::lookup_host((&*host, port)).await?.collect();
                    let stream = AsyncTcpStream::connect(&runtime, addresses).await?;
                    if let AsyncTcpStream::Plain(plain) = &stream {
                        slot.keep(plain.get_ref().as_fd().try_clone_to_owned()?.into())?;
                    }
                    match &connector {
                        Some(connector) => stream.into_rustls(connector, &host).await,
                        None => Ok(stream),
                    }
                };
                // By the client's own thread, which nobody else ends.
                let opened = tokio::time::timeout(limit, opened).await;
                opened.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(Into::into)
            },
            properties,
        );
        match tokio::time::timeout(limit, connected).await {
            Ok(Ok(connection)) => {
                socket.0.forget();
                Ok(Self { connection, idle: Mutex::default() })
            }
            Ok(Err(error)) if is_timeout(&error) => Err(late()),
            Ok(Err(error)) => Err(match refusal(&error) {
                Some(words) => {
                    let reason = format!("{shown} refuses the relay: {words}");
                    Refused { reason, by_broker: true }
                }
                None => failed(http::root_cause(&error)),
            }),
            Err(_) => Err(late()),
        }
    }

    /// A channel on which messages are confirmed and nothing is open.
    pub(super) async fn channel(&self) -> lapin::Result<Channel> {
        while let Some(channel) = self.idle().pop() {
            if channel.status().connected() {
                return Ok(channel);
            }
        }
        let channel = self.connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(channel)
    }

    /// Takes a channel back on which nothing is open.
    pub(super) fn put_back(&self, channel: Channel) {
        let mut idle = self.idle();
        if idle.len() < CONCURRENCY {
            idle.push(channel);
        }
    }

    /// Whether the broker has asked everybody to publish nothing for now.
    pub(super) fn is_blocked(&self) -> bool {
        self.connection.status().blocked()
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Channel>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The socket of a connection that is being made. Dropped before that is done, it ends the socket
/// and with it the client's thread, which would wait for the broker for as long as that takes.
#[derive(Default)]
struct Socket(Arc<Slot>);

#[derive(Default)]
struct Slot(Mutex<Kept>);

#[derive(Default)]
enum Kept {
    #[default]
    Nothing,
    Open(TcpStream),
    Ended,
}

impl Slot {
    fn keep(&self, socket: TcpStream) -> io::Result<()> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*kept, Kept::Ended) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        *kept = Kept::Open(socket);
        Ok(())
    }

    fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Kept::Nothing;
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let mut kept = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Kept::Open(socket) = std::mem::replace(&mut *kept, Kept::Ended) {
            // What is closed already needs no end.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

fn is_timeout(error: &lapin::Error) -> bool {
    matches!(error.kind(), ErrorKind::IOError(error) if error.kind() == io::ErrorKind::TimedOut)
}

/// The broker's words if it is the one who does not let the relay in.
fn refusal(error: &lapin::Error) -> Option<String> {
    let ErrorKind::ProtocolError(error) = error.kind() else { return None };
    let refuses = matches!(
        error.kind(),
        AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED)
            | AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED)
    );
    refuses.then(|| error.get_message().to_string())
}
