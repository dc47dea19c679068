//! A few connections, made when they are wanted and kept while they serve.

use std::error::Error as StdError;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, DriverError, Error, Opts};
use tokio::runtime::Handle;

use super::server::Server;
use crate::http;
use crate::retry::{Pauses, Policy};

/// Between tries to connect that fail.
const PAUSES: Policy =
    Policy { first: Duration::from_millis(100), longest: Duration::from_secs(2) };

/// The most time for taking leave of a server.
const LEAVE: Duration = Duration::from_secs(2);

/// The most characters of a server's message that are shown: it may quote what it was given.
const MESSAGE_MAX: usize = 200;

/// Why there is no connection: what happened, to what, and what to do.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The server is down, cannot be reached, or does not take part in TLS as asked.
    #[error("{0}")]
    Unreachable(String),
    /// The server answers, and refuses the user or the database.
    #[error("{0}")]
    Refused(String),
}

/// Connections to one server; the lane says how many are asked for at a time.
pub(super) struct Pool {
    pub(super) server: Server,
    connect_timeout: Duration,
    patience: Duration,
    opts: RwLock<Opts>,
    idle: Mutex<Vec<Conn>>,
    pauses: Pauses,
}

impl fmt::Debug for Pool {
    // The client's options show the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Pool {
    /// Reads the files of TLS, and makes no connection yet.
    ///
    /// # Errors
    ///
    /// A file cannot be read.
    pub(super) fn open(
        server: Server,
        connect_timeout: Duration,
        patience: Duration,
    ) -> Result<Self, String> {
        // The client's TLS wants it there.
        http::install_crypto();
        let opts = RwLock::new(server.opts(patience)?);
        let (idle, pauses) = (Mutex::default(), Pauses::new(PAUSES));
        Ok(Self { server, connect_timeout, patience, opts, idle, pauses })
    }

    /// Reads the files of TLS again, if there are any: whether there are.
    ///
    /// # Errors
    ///
    /// A file cannot be read. The old ones stay in use.
    pub(super) fn reload(&self) -> Result<bool, String> {
        if !self.server.has_files() {
            return Ok(false);
        }
        let opts = self.server.opts(self.patience)?;
        *self.opts.write().unwrap_or_else(PoisonError::into_inner) = opts;
        for conn in std::mem::take(&mut *locked(&self.idle)) {
            leave(conn);
        }
        Ok(true)
    }

    /// Lends a connection, of those that idle or a new one.
    ///
    /// # Errors
    ///
    /// No connection can be made now.
    pub(super) async fn get(&self) -> Result<Lent<'_>, Failure> {
        loop {
            let idle = locked(&self.idle).pop();
            let Some(conn) = idle else { break };
            let mut lent = Lent { pool: self, conn: Some(conn) };
            // A server that was started again does not know the connections of before.
            if let Some(conn) = &mut lent.conn
                && conn.ping().await.is_ok()
            {
                return Ok(lent);
            }
        }
        let conn = self.pauses.attempt(self.connect()).await?;
        Ok(Lent { pool: self, conn: Some(conn) })
    }

    async fn connect(&self) -> Result<Conn, Failure> {
        let opts = self.opts.read().unwrap_or_else(PoisonError::into_inner).clone();
        match tokio::time::timeout(self.connect_timeout, Conn::new(opts)).await {
            Ok(connected) => connected.map_err(|error| self.failure(&error)),
            Err(_) => {
                let limit = humantime::format_duration(self.connect_timeout);
                let server = self.server.shown();
                Err(Failure::Unreachable(format!("{server}: no connection within {limit}")))
            }
        }
    }

    fn failure(&self, error: &Error) -> Failure {
        let (server, user, cause) = (self.server.shown(), &self.server.user, cause(error));
        match error {
            // Access denied, to the server or the database; no such database; from this host.
            Error::Server(answer)
                if matches!(answer.code, 1044 | 1045 | 1049 | 1130 | 1251 | 1698) =>
            {
                Failure::Refused(format!(
                    "{server}: refuses user {user}: {cause}; mend url, user and password, or the \
                     user's rights"
                ))
            }
            Error::Server(_)
            | Error::Driver(_)
            | Error::Io(_)
            | Error::Other(_)
            | Error::Url(_) => Failure::Unreachable(format!("{server}: {cause}")),
        }
    }
}

/// A connection on loan. It is closed when this is dropped, unless it is [kept](Lent::keep).
pub(super) struct Lent<'a> {
    pool: &'a Pool,
    conn: Option<Conn>,
}

impl Lent<'_> {
    /// The connection. It is there for as long as the loan lasts.
    pub(super) fn conn(&mut self) -> Result<&mut Conn, Error> {
        self.conn.as_mut().ok_or(Error::Driver(DriverError::ConnectionClosed))
    }

    /// Gives the connection back for the next one who asks.
    pub(super) fn keep(mut self) {
        if let Some(conn) = self.conn.take() {
            locked(&self.pool.idle).push(conn);
        }
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take() {
            leave(conn);
        }
    }
}

/// Takes leave of the server, which rolls back what was under way. Left to itself the client would
/// wait without end for a server that has stopped answering.
fn leave(conn: Conn) {
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(async move {
            let _ = tokio::time::timeout(LEAVE, conn.disconnect()).await;
        });
    }
}

/// What is at the bottom of a failure: the server's message with its number, or what happened to
/// the connection.
pub(super) fn cause(error: &Error) -> String {
    match error {
        Error::Server(answer) => {
            let mut message = answer.message.clone();
            if let Some((end, _)) = message.char_indices().nth(MESSAGE_MAX) {
                message.truncate(end);
                message.push_str("...");
            }
            format!("{message} (error {})", answer.code)
        }
        Error::Driver(DriverError::ConnectionClosed) => {
            "the server closed the connection".to_owned()
        }
        // Its words do not show what stands in a packet.
        Error::Driver(driver) => driver.to_string(),
        Error::Io(io) => http::root_cause(io),
        Error::Other(other) => http::root_cause(&**other as &(dyn StdError + 'static)),
        Error::Url(url) => url.to_string(),
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
