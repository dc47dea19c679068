//! A few connections, made when they are wanted and kept while they serve.

use std::fmt;
use std::future::poll_fn;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::AbortHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::cause::cause;
use super::settings::Settings;
use crate::retry::{Pauses, Policy};
use crate::tls::TlsError;

/// Between tries to connect that fail.
const PAUSES: Policy =
    Policy { first: Duration::from_millis(100), longest: Duration::from_secs(2) };

/// Why there is no connection: what happened, to what, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The server is down, cannot be reached, is not ready, or does not take part in TLS as asked.
    #[error("{0}")]
    Unreachable(String),
    /// The server answers, and refuses the user or has no such database.
    #[error("{0}")]
    Refused(String),
}

/// A few connections to one server.
pub struct Pool {
    settings: Settings,
    connect_timeout: Duration,
    tls: RwLock<MakeRustlsConnect>,
    idle: Mutex<Vec<Connection>>,
    slots: Semaphore,
    pauses: Pauses,
}

/// A client, and the end of its connection.
struct Connection {
    client: Client,
    end: End,
}

/// What becomes of a connection that is dropped. One that idles ends by itself, in good order, when
/// its client is gone; one on loan is cut off.
#[derive(Debug)]
struct End {
    task: AbortHandle,
    is_lent: bool,
}

impl Drop for End {
    fn drop(&mut self) {
        if self.is_lent {
            self.task.abort();
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Pool {
    /// Makes room for so many connections at the same time, and makes none yet. A try to connect may
    /// take `connect_timeout`.
    ///
    /// # Errors
    ///
    /// The files of TLS cannot be used.
    pub fn open(
        settings: Settings,
        most: usize,
        connect_timeout: Duration,
    ) -> Result<Self, TlsError> {
        let tls = RwLock::new(settings.encryption.connector(&settings.files)?);
        let (idle, slots) = (Mutex::default(), Semaphore::new(most));
        Ok(Self { settings, connect_timeout, tls, idle, slots, pauses: Pauses::new(PAUSES) })
    }

    /// Reads the files of TLS again, if there are any: whether there are. Connections that are
    /// made from then on use them; those that idle are closed.
    ///
    /// # Errors
    ///
    /// They cannot be used. The old ones stay in use.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let Settings { encryption, files, .. } = &self.settings;
        if *files == Default::default() {
            return Ok(false);
        }
        let tls = encryption.connector(files)?;
        *self.tls.write().unwrap_or_else(PoisonError::into_inner) = tls;
        locked(&self.idle).clear();
        Ok(true)
    }

    /// Lends a connection, of those that idle or a new one. Waits while all are lent, and before it
    /// tries again what has failed; it never fails without a try.
    ///
    /// # Errors
    ///
    /// No connection can be made now.
    pub async fn get(&self) -> Result<Lent<'_>, Failure> {
        // It is never closed.
        let slot = self.slots.acquire().await.ok();
        let idle = {
            let mut idle = locked(&self.idle);
            idle.retain(|connection| !connection.client.is_closed());
            idle.pop()
        };
        let mut connection = match idle {
            Some(connection) => connection,
            None => self.pauses.attempt(self.connect()).await?,
        };
        connection.end.is_lent = true;
        Ok(Lent { pool: self, connection, _slot: slot })
    }

    /// The server and the database as messages name them.
    pub fn server(&self) -> &str {
        self.settings.server()
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        let tls = self.tls.read().unwrap_or_else(PoisonError::into_inner).clone();
        let connecting = self.settings.config.connect(tls);
        let Ok(connected) = tokio::time::timeout(self.connect_timeout, connecting).await else {
            let limit = humantime::format_duration(self.connect_timeout);
            return Err(Failure::Unreachable(format!(
                "{}: no connection within {limit}",
                self.server()
            )));
        };
        let (client, mut connection) = connected.map_err(|error| self.failure(&error))?;
        // What ends it, the client's calls report. What the server only wants to be noticed is not for
        // the log: it may be said for each row.
        let drive = async move {
            while let Some(Ok(_)) = poll_fn(|context| connection.poll_message(context)).await {}
        };
        let task = tokio::spawn(drive).abort_handle();
        Ok(Connection { client, end: End { task, is_lent: false } })
    }

    fn failure(&self, error: &Error) -> Failure {
        let (server, user, cause) = (self.server(), self.settings.user(), cause(error));
        let code = error.code().cloned();
        match code.as_ref().map(SqlState::code) {
            Some(code) if code.starts_with("28") => Failure::Refused(format!(
                "{server}: refuses user {user}: {cause}; mend user and password, or pg_hba.conf"
            )),
            Some("3D000" | "42501") => {
                Failure::Refused(format!("{server}: refuses user {user}: {cause}; mend the URL"))
            }
            _ if cause == "password missing" => Failure::Refused(format!(
                "{server}: refuses user {user} without a password; set password_file"
            )),
            _ => Failure::Unreachable(format!("{server}: {cause}")),
        }
    }
}

/// A connection on loan. It is cut off when this is dropped, unless it is [kept](Lent::keep).
pub struct Lent<'a> {
    pool: &'a Pool,
    connection: Connection,
    _slot: Option<SemaphorePermit<'a>>,
}

impl fmt::Debug for Lent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lent").field("pool", &self.pool).finish_non_exhaustive()
    }
}

impl Lent<'_> {
    /// Gives the connection back for the next one who asks. Only for one without a transaction under
    /// way and without an answer on its way.
    pub fn keep(self) {
        let Self { pool, mut connection, .. } = self;
        connection.end.is_lent = false;
        locked(&pool.idle).push(connection);
    }
}

impl Deref for Lent<'_> {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.connection.client
    }
}

impl DerefMut for Lent<'_> {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.connection.client
    }
}

/// What the mutex holds, whole after a panic too: nothing here is changed in steps.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
