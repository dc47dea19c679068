//! # Delivered when
//!
//! The server, MySQL or MariaDB, has acknowledged the commit of the statement, or of the transaction,
//! that writes the event's row. How safe a commit is on the server is the server's setting
//! (`innodb_flush_log_at_trx_commit`, by default on disk), which a client cannot change.
//!
//! The event's id is the key of its row. An event that comes again meets its row and writes none; so
//! it does not matter either when a commit's acknowledgement was lost. A statement of the user's
//! own must see to that itself. Where less rows were written than sent, those that are not new are
//! looked up: a row that another unique column kept out is refused, and not taken for a redelivery.
//!
//! A batch is one statement, whole or not at all. If the database refuses it for what a row holds, it
//! is divided until that row is alone; that one is refused for good. The session's mode is strict:
//! nothing is cut to fit, and what does not fit is refused. Everything else is for the operator to
//! mend, or for time: a table that is not there, a right that is missing, a server that is down.

mod connection;
mod probe;
mod server;
mod statement;
mod table;

use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use self::connection::Pool;
use self::probe::probe;
use self::server::Server;
use self::statement::{BodyType, Statement};
use self::table::Session;
use super::rows::{self, Columns};
use super::{BoxFuture, Limits, OpenError, Outcome, Parcel, Probed, Refusal, Settings, Sink};
use crate::config::Section;
use crate::format::Format;

/// The most time that connecting may take; what takes longer is as good as down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What `[sinks.NAME]` with `type = "mysql"` says.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where the server is, and who connects.
    server: Server,
    /// The table and its columns, or a statement in their place.
    target: Target,
    /// The most connections, each with one transaction at a time.
    pub max_concurrency: usize,
    /// The shape of the body.
    pub format: Format,
    /// The most time that one transaction may take.
    pub timeout: Duration,
}

/// What events are written with.
#[derive(Debug, Clone, PartialEq)]
enum Target {
    Table { name: String, columns: Columns, create: Option<BodyType> },
    Statement(String),
}

impl Config {
    /// Reads the sink's keys.
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let server = Server::read(section);
        let target = Target::read(section);
        let max_concurrency = section.integer("max_concurrency", 4, 1..=64);
        let format = section.format();
        let timeout = super::timeout(section, Duration::from_secs(10));
        Some(Self {
            server: server?,
            target: target?,
            max_concurrency: usize::try_from(max_concurrency).unwrap_or(1),
            format: format?,
            timeout,
        })
    }

    fn pool(&self) -> Result<Pool, String> {
        let connect_timeout = CONNECT_TIMEOUT.min(self.timeout / 2);
        Pool::open(self.server.clone(), connect_timeout, self.timeout)
    }

    fn statement(&self) -> Statement {
        match &self.target {
            Target::Table { name, columns, .. } => Statement::insert(name, columns),
            Target::Statement(text) => Statement::own(text),
        }
    }
}

impl Target {
    fn read(section: &Section<'_>) -> Option<Self> {
        let name = section.string_or("table", "vod_events");
        let columns = rows::columns(section);
        let create_table = section.boolean("create_table", false);
        let body_types = [("longtext", BodyType::Longtext), ("json", BodyType::Json)];
        let body_type = section.choice("body_type", &body_types, "longtext");
        let example =
            "INSERT INTO events (id, event) VALUES (:id, :body) ON DUPLICATE KEY UPDATE id = id";
        if let Some(text) = rows::own_statement(section, example) {
            return Some(Self::Statement(text));
        }
        if let Some(problem) = rows::flaw_of_table(&name) {
            section.mistake("table", problem, "\"TABLE\" or \"DATABASE.TABLE\"");
            return None;
        }
        let create = if create_table { Some(body_type?) } else { None };
        Some(Self::Table { name, columns, create })
    }
}

impl Settings for Config {
    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn open(&self, name: &str) -> Result<Arc<dyn Sink>, OpenError> {
        let pool = self.pool().map_err(|problem| OpenError::new(name, problem))?;
        let create = match &self.target {
            Target::Table { name, columns, create: Some(body_type) } => {
                Some(statement::create(name, columns, *body_type))
            }
            Target::Table { create: None, .. } | Target::Statement(_) => None,
        };
        Ok(Arc::new(Mysql {
            name: name.to_owned(),
            statement: self.statement(),
            create,
            pool,
            config: self.clone(),
        }))
    }

    fn probe(&self) -> BoxFuture<'_, Probed> {
        Box::pin(probe(self))
    }
}

/// The sink.
#[derive(Debug)]
pub struct Mysql {
    name: String,
    config: Config,
    pool: Pool,
    statement: Statement,
    /// What makes the table, if it may be made.
    create: Option<String>,
}

impl Sink for Mysql {
    fn limits(&self) -> Limits {
        let Config { timeout, max_concurrency: concurrency, .. } = self.config;
        Limits { timeout, concurrency, batch: rows::BATCH_MAX }
    }

    fn deliver<'a>(&'a self, batch: &'a [Parcel]) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(async move {
            let lent = match self.pool.get().await {
                Ok(lent) => lent,
                Err(failure) => {
                    return vec![Err(Refusal::transient(failure.to_string())); batch.len()];
                }
            };
            let mut session = Session::new(self, lent);
            let outcomes = rows::write(&mut session, batch, &self.config.format).await;
            session.end();
            outcomes
        })
    }

    /// Reads the certificates again, which may have been renewed under the same names.
    fn reopen(&self) {
        match self.pool.reload() {
            Ok(true) => info!(sink = self.name, "read the certificates again"),
            Ok(false) => {}
            Err(error) => warn!(sink = self.name, %error, "keeping the old certificates"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::fixture::read;

    #[tokio::test]
    async fn nothing_shows_a_secret() {
        let config = read("url = 'mysql://a:hunter2@h/vod'", Config::read).0.unwrap();
        assert!(!format!("{config:?}").contains("hunter2"), "{config:?}");
        let sink = config.open("app").unwrap();
        assert!(!format!("{sink:?}").contains("hunter2"), "{sink:?}");
    }
}
