//! What is asked of a server, over one connection.

use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use ::redis::aio::{ConnectionLike as _, MultiplexedConnection};
use ::redis::{AsyncConnectionConfig, Cmd, ErrorKind, Pipeline, RedisConnectionInfo, RedisError};
use ::redis::{ServerError, Value};
use rustls::ClientConfig;
use rustls::pki_types::{InvalidDnsNameError, ServerName};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use super::{Address, Failure};
use crate::quiet::shown;
use crate::time::{self, Instant};
use crate::tls::{self, TlsError};

/// How many commands may wait to be written: as many as are ever sent together.
const PIPELINE: usize = 1024;

/// A server, with one connection for all that is asked of it.
pub struct Server {
    address: Address,
    files: tls::Files,
    tls: StdMutex<Option<Arc<ClientConfig>>>,
    link: Mutex<Option<Link>>,
}

/// A connection. It ends with its last clone, whatever state it is in.
#[derive(Clone)]
struct Link {
    connection: MultiplexedConnection,
    driver: Arc<AbortOnDropHandle<()>>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, files, .. } = self;
        f.debug_struct("Server").field("address", address).field("files", files).finish()
    }
}

impl Server {
    /// A server that nothing has been asked of yet. Nothing is connected.
    ///
    /// # Errors
    ///
    /// A file for TLS cannot be used.
    pub fn new(address: Address, files: tls::Files) -> Result<Self, TlsError> {
        let tls = address.with_tls.then(|| tls::client_config(&files)).transpose()?;
        Ok(Self { address, files, tls: StdMutex::new(tls), link: Mutex::default() })
    }

    /// Where it is.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Reads the files for TLS again. Whether there are any.
    ///
    /// # Errors
    ///
    /// One cannot be used; those of before stay.
    pub fn renew(&self) -> Result<bool, TlsError> {
        if !self.address.with_tls || self.files.is_empty() {
            return Ok(false);
        }
        let renewed = tls::client_config(&self.files)?;
        *self.tls.lock().unwrap_or_else(PoisonError::into_inner) = Some(renewed);
        Ok(true)
    }

    /// Sends commands together and waits for the answer to each. The connection may break between two
    /// answers; then those before it are as they are.
    ///
    /// # Errors
    ///
    /// There is no connection by then.
    pub async fn ask(
        &self,
        commands: &[Cmd],
        until: Instant,
    ) -> Result<Vec<Result<Value, Failure>>, Failure> {
        let link = self.link(until).await?;
        let left = until.saturating_duration_since(time::now());
        let mut answers = Vec::with_capacity(commands.len());
        let asked = commands.iter().map(|command| {
            let mut connection = link.connection.clone();
            async move {
                let sent = connection.req_packed_command(command);
                tokio::time::timeout_at(until, sent).await
            }
        });
        for answer in in_order(asked).await {
            answers.push(match answer {
                Ok(Ok(Value::ServerError(error))) => Err(self.answered(&error)),
                Ok(Ok(value)) => Ok(value),
                Ok(Err(error)) => Err(self.failure(error)),
                Err(_) => Err(self.silent(left)),
            });
        }
        if answers.iter().any(|answer| answer.as_ref().is_err_and(wants_another_connection)) {
            self.cut(&link).await;
        }
        Ok(answers)
    }

    /// Does all of this in one transaction: the answers.
    ///
    /// # Errors
    ///
    /// It is not done, or nobody knows.
    pub async fn transact(
        &self,
        commands: &Pipeline,
        until: Instant,
    ) -> Result<Vec<Value>, Failure> {
        let mut link = self.link(until).await?;
        let left = until.saturating_duration_since(time::now());
        let asked = commands.query_async(&mut link.connection);
        let failure = match tokio::time::timeout_at(until, asked).await {
            Ok(Ok(values)) => return Ok(values),
            Ok(Err(error)) => self.failure(error),
            Err(_) => self.silent(left),
        };
        if wants_another_connection(&failure) {
            self.cut(&link).await;
        }
        Err(failure)
    }

    /// Makes the next one who asks connect anew, unless somebody has already.
    async fn cut(&self, broken: &Link) {
        let mut link = self.link.lock().await;
        if link.as_ref().is_some_and(|link| Arc::ptr_eq(&link.driver, &broken.driver)) {
            *link = None;
        }
    }

    async fn link(&self, until: Instant) -> Result<Link, Failure> {
        let left = until.saturating_duration_since(time::now());
        let connected = async {
            let mut link = self.link.lock().await;
            if let Some(link) = link.as_ref().filter(|link| !link.driver.is_finished()) {
                return Ok(link.clone());
            }
            let made = self.connect().await?;
            Ok(link.insert(made).clone())
        };
        match tokio::time::timeout_at(until, connected).await {
            Ok(link) => link,
            Err(_) => Err(self.silent(left)),
        }
    }

    async fn connect(&self) -> Result<Link, Failure> {
        let Address { host, port, .. } = &self.address;
        let unreachable =
            |error: &dyn fmt::Display| Failure::Unreachable(format!("{}: {error}", self.address));
        let stream = TcpStream::connect((&**host, *port)).await;
        let stream = stream.map_err(|error| unreachable(&error))?;
        stream.set_nodelay(true).map_err(|error| unreachable(&error))?;
        let tls = self.tls.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match tls {
            Some(tls) => {
                let name = ServerName::try_from(host.clone());
                let name = name.map_err(|error: InvalidDnsNameError| unreachable(&error))?;
                let stream = TlsConnector::from(tls).connect(name, stream).await;
                self.greet(stream.map_err(|error| unreachable(&error))?).await
            }
            None => self.greet(stream).await,
        }
    }

    /// Says who calls, on a connection that has just been made.
    async fn greet<S>(&self, stream: S) -> Result<Link, Failure>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let Address { db, user, password, .. } = &self.address;
        let mut info = RedisConnectionInfo::default()
            .set_db(i64::from(*db))
            .set_lib_name("vod-relay", env!("CARGO_PKG_VERSION"));
        if let Some(user) = user {
            info = info.set_username(user);
        }
        if let Some(password) = password {
            info = info.set_password(password.expose());
        }
        // The time of every call is bounded by whoever makes it.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_pipeline_buffer_size(PIPELINE);
        let greeted = MultiplexedConnection::new_with_config(&info, stream, config).await;
        let (connection, driver) = greeted.map_err(|error| self.failure(error))?;
        let driver = Arc::new(AbortOnDropHandle::new(tokio::spawn(driver)));
        Ok(Link { connection, driver })
    }

    fn silent(&self, waited: Duration) -> Failure {
        let waited = humantime::format_duration(time::whole_millis(waited));
        Failure::Unreachable(format!("{}: no answer within {waited}", self.address))
    }

    fn failure(&self, error: RedisError) -> Failure {
        if error.kind() == ErrorKind::AuthenticationFailed {
            // The client keeps the server's words to itself.
            return self.refused("authentication failed");
        }
        // Of a transaction that is aborted it is the commands' own errors that say why.
        let answers = error.clone().into_server_errors();
        match answers.as_deref().and_then(<[_]>::first) {
            Some((_, answer)) => self.answered(answer),
            None => match error.code() {
                Some(code) => self.told(code, error.detail().unwrap_or_default()),
                None => Failure::Unreachable(format!("{}: {error}", self.address)),
            },
        }
    }

    fn answered(&self, error: &ServerError) -> Failure {
        self.told(error.code(), error.details().unwrap_or_default())
    }

    fn told(&self, code: &str, text: &str) -> Failure {
        let text = shown(text);
        let said = format!("{code} {text}");
        match code {
            "WRONGPASS" | "NOAUTH" | "NOPERM" => self.refused(said.trim_end()),
            _ => {
                let text = format!("{} answers {}", self.address, said.trim_end());
                Failure::Answered { code: code.to_owned(), text }
            }
        }
    }

    fn refused(&self, said: &str) -> Failure {
        let who = match (&self.address.user, &self.address.password) {
            (Some(user), _) => format!("the user {user}"),
            (None, Some(_)) => "the password".to_owned(),
            (None, None) => "calls without a password".to_owned(),
        };
        Failure::Refused(format!("{} refuses {who}: {}", self.address, shown(said)))
    }
}

/// Whether to connect anew after a failure: the connection broke, or who is at its other end is not, or
/// not yet, who takes what is written. The server's name may lead to another one by now.
fn wants_another_connection(failure: &Failure) -> bool {
    match failure {
        Failure::Unreachable(_) => true,
        Failure::Answered { code, .. } => {
            matches!(code.as_str(), "READONLY" | "LOADING" | "MASTERDOWN" | "CLUSTERDOWN")
        }
        Failure::Refused(_) => false,
    }
}

/// Runs all at once; each is begun in its turn.
async fn in_order<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.map(|future| Box::pin(future)).collect();
    let mut done: Vec<Option<F::Output>> = running.iter().map(|_| None).collect();
    poll_fn(|context| {
        let mut open = false;
        for (future, done) in running.iter_mut().zip(&mut done) {
            if done.is_none() {
                match future.as_mut().poll(context) {
                    Poll::Ready(output) => *done = Some(output),
                    Poll::Pending => open = true,
                }
            }
        }
        if open { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    done.into_iter().flatten().collect()
}
