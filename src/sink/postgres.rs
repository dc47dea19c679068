//! # Delivered when
//!
//! The server has acknowledged the COMMIT of the transaction that writes the event's row. Where the
//! server or the user is set to acknowledge a commit before it is on disk (`synchronous_commit =
//! off`), the transaction asks for the disk all the same.
//!
//! The event's id is the key of its row. An event that comes again meets its row and writes none
//! (`ON CONFLICT ... DO NOTHING`); so it does not matter either when a commit's acknowledgement was
//! lost. A statement of the user's own must see to that itself.
//!
//! A batch is one transaction, sent without waiting in between. A row that the database refuses
//! for what it holds (SQLSTATE classes 22 and 23, and 54) is refused for good, and the others go in
//! without it. Everything else is for the operator to mend, or for time: a table that is not there,
//! a right that is missing, a server that is down, read-only or full.

mod probe;
mod statement;
mod table;
mod together;

use std::sync::Arc;
use std::time::Duration;

use self::probe::probe;
use self::statement::{BodyType, Statement};
use self::table::Session;
use super::rows::{self, Dialect, Target};
use super::{BoxFuture, Limits, OpenError, Outcome, Parcel, Probed, Refusal, Settings, Sink};
use crate::config::Section;
use crate::postgres::{self, Pool};
use crate::tls::TlsError;

/// What PostgreSQL has its own words for.
const DIALECT: Dialect<BodyType> = Dialect {
    body_types: [("json", BodyType::Json), ("jsonb", BodyType::Jsonb)],
    statement: "INSERT INTO events (id, event) VALUES (:id, :body) ON CONFLICT (id) DO NOTHING",
    table: "\"TABLE\" or \"SCHEMA.TABLE\"",
};

/// What `[sinks.NAME]` with `type = "postgres"` says.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where the server is, and who connects.
    pub server: postgres::Settings,
    /// What is written there, and how.
    rows: rows::Config<BodyType>,
}

impl Config {
    /// Reads the sink's keys.
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let url = section.url("url", None, &["postgres", "postgresql"]);
        let user = section.string("user");
        let password = section.secret("password");
        let files = section.tls_files();
        let server = url.map(|url| postgres::Settings::new(&url, user, password, files));
        let server = server.and_then(|server| match server {
            Ok(server) => Some(server),
            Err(flaw) => {
                section.mistake("url", &flaw.problem, &flaw.right);
                None
            }
        });
        let rows = rows::Config::read(section, &DIALECT);
        Some(Self { server: server?, rows: rows? })
    }

    fn pool(&self) -> Result<Pool, TlsError> {
        Pool::open(self.server.clone(), self.rows.max_concurrency, self.rows.connect_timeout())
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
        let pool = self.pool().map_err(|error| OpenError::new(name, error.to_string()))?;
        Ok(Arc::new(Postgres {
            name: name.to_owned(),
            begin: table::begin(self.rows.timeout),
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
pub struct Postgres {
    name: String,
    config: Config,
    pool: Pool,
    /// What begins each transaction.
    begin: String,
    statement: Statement,
    /// What makes the table, if it may be made.
    create: Option<String>,
}

impl Sink for Postgres {
    fn limits(&self) -> Limits {
        self.config.rows.limits()
    }

    fn deliver<'a>(&'a self, batch: &'a [Parcel]) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(async move {
            let client = match self.pool.get().await {
                Ok(client) => client,
                Err(failure) => {
                    return vec![Err(Refusal::transient(failure.to_string())); batch.len()];
                }
            };
            let mut session = Session::new(self, client);
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

    #[test]
    fn keys_that_contradict_each_other_are_told() {
        let url = "url = 'postgres://a:hunter2@h/vod'\n";
        for (keys, mistake) in [
            ("password = 'hunter2'", "2:7: sinks.app.url: has a password, as password does"),
            ("sql = 'SELECT :id'\ntable = 't'", "4:9: sinks.app.table: has no place beside sql"),
            ("sql = ''", "3:7: sinks.app.sql: is empty"),
            ("table = 'a.b.c'", "3:9: sinks.app.table: has too many parts"),
            ("columns = { a = 'body' }", "3:11: sinks.app.columns: has no column for \"id\""),
            ("columns = { a = 'idd' }", "3:17: sinks.app.columns.a: \"idd\" is not known here"),
            ("body_type = 'text'", "3:13: sinks.app.body_type: \"text\" is not known here"),
        ] {
            let (_, mistakes) = read(&format!("{url}{keys}"), Config::read);
            assert!(mistakes.contains(mistake), "{mistakes} lacks {mistake}");
            assert!(!mistakes.contains("hunter2"), "{mistakes}");
        }
        let (config, mistakes) = read(url, Config::read);
        let config = config.unwrap();
        assert_eq!(mistakes, "");
        assert!(!format!("{config:?}").contains("hunter2"), "{config:?}");
    }

    #[tokio::test]
    async fn the_sink_shows_no_secrets() {
        let config = read("url = 'postgres://a:hunter2@h/vod'", Config::read).0.unwrap();
        let sink = config.open("app").unwrap();
        assert!(!format!("{sink:?}").contains("hunter2"), "{sink:?}");
    }
}
