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

use self::connection::Pool;
use self::probe::probe;
use self::server::Server;
use self::statement::{BodyType, Statement};
use self::table::Session;
use super::rows::{self, Dialect, Target};
use super::{BoxFuture, Limits, OpenError, Outcome, Parcel, Probed, Refusal, Settings, Sink};
use crate::config::Section;

/// What MySQL has its own words for.
const DIALECT: Dialect<BodyType> = Dialect {
    body_types: [("longtext", BodyType::Longtext), ("json", BodyType::Json)],
    statement: "INSERT INTO events (id, event) VALUES (:id, :body) ON DUPLICATE KEY UPDATE id = id",
    table: "\"TABLE\" or \"DATABASE.TABLE\"",
};

/// What `[sinks.NAME]` with `type = "mysql"` says.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where the server is, and who connects.
    server: Server,
    /// What is written there, and how.
    rows: rows::Config<BodyType>,
}

impl Config {
    /// Reads the sink's keys.
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let server = Server::read(section);
        let rows = rows::Config::read(section, &DIALECT);
        Some(Self { server: server?, rows: rows? })
    }

    fn pool(&self) -> Result<Pool, String> {
        Pool::open(self.server.clone(), self.rows.connect_timeout(), self.rows.timeout)
    }

    fn statement(&self) -> Statement {
        match &self.rows.target {
            Target::Table { name, columns, .. } => Statement::insert(name, columns),
            Target::Statement(text) => Statement::own(text),
        }
    }
}

impl Settings for Config {
    fn timeout(&self) -> Duration {
        self.rows.timeout
    }

    fn open(&self, name: &str) -> Result<Arc<dyn Sink>, OpenError> {
        let pool = self.pool().map_err(|problem| OpenError::new(name, problem))?;
        Ok(Arc::new(Mysql {
            name: name.to_owned(),
            statement: self.statement(),
            create: self.rows.target.create(statement::create),
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
        self.config.rows.limits()
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
            let outcomes = rows::write(&mut session, batch, &self.config.rows.format).await;
            session.end();
            outcomes
        })
    }

    /// Reads the certificates again, which may have been renewed under the same names.
    fn reopen(&self) {
        super::tell_of_certificates(&self.name, self.pool.reload());
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
