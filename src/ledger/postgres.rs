//! A shared ledger in PostgreSQL: one table, a row for each event and sink.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, GenericClient, Row};

use super::backend::{Backend, Failure, KEPT, Note, Outcome};
use crate::event::EventId;
use crate::postgres::{self, Lent, Pool, Settings};
use crate::sink::BoxFuture;
use crate::time::{self, Instant};

/// The most calls at the same time; others wait for one of them.
const CONNECTIONS: usize = 4;

/// The most rows that one step of forgetting removes.
const STEP_ROWS: u64 = 1_000;

/// The server, and its statements.
#[derive(Debug)]
pub(super) struct Postgres {
    pool: Pool,
    /// Whether the table was seen, or made.
    is_there: AtomicBool,
    statements: Statements,
}

#[derive(Debug)]
struct Statements {
    table: String,
    create: String,
    settled: String,
    note: String,
    forget: String,
}

impl Postgres {
    pub(super) fn new(settings: &Settings, name: &str) -> Result<Self, Failure> {
        // A try that takes longer than a call may is cut off with it.
        let pool = Pool::open(settings.clone(), CONNECTIONS, Duration::from_secs(10));
        let pool = pool.map_err(|error| refused(error.to_string()))?;
        Ok(Self { pool, is_there: AtomicBool::default(), statements: Statements::of(name) })
    }

    fn failure(&self, error: &Error) -> Failure {
        let (server, cause) = (self.pool.server(), postgres::cause(error));
        let table = &self.statements.table;
        match error.code() {
            Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE => refused(format!(
                "{server}: the user may not use the table {table}, or make it: {cause}"
            )),
            Some(code) if *code == SqlState::UNDEFINED_TABLE => {
                // Somebody dropped it. The next call makes it anew.
                self.is_there.store(false, Ordering::Relaxed);
                refused(format!("{server}: {cause}"))
            }
            Some(_) => refused(format!("{server}: {cause}")),
            None => Failure { text: format!("{server}: {cause}"), is_unreachable: true },
        }
    }

    /// A connection to a database that has the table.
    async fn client(&self) -> Result<Lent<'_>, Failure> {
        let client = self.pool.get().await?;
        if !self.is_there.load(Ordering::Relaxed) {
            self.make_table(&client).await?;
            self.is_there.store(true, Ordering::Relaxed);
        }
        Ok(client)
    }

    /// Makes the table unless it is there. Who may not make one may still use one.
    async fn make_table(&self, client: &tokio_postgres::Client) -> Result<(), Failure> {
        if self.has_table(client).await? {
            return Ok(());
        }
        match client.batch_execute(&self.statements.create).await {
            Ok(()) => Ok(()),
            // Two relays that make it at the same moment get in each other's way: then it is there.
            Err(error) if is_race(&error) => Ok(()),
            Err(error) => Err(self.failure(&error)),
        }
    }

    async fn has_table(&self, client: &impl GenericClient) -> Result<bool, Failure> {
        let exists = "SELECT to_regclass($1) IS NOT NULL";
        let exists = client.query_one(exists, &[&self.statements.table]).await;
        Ok(exists.map_err(|error| self.failure(&error))?.get(0))
    }

    /// The rows of these events, in one round trip.
    async fn find(
        &self,
        client: &impl GenericClient,
        events: &[String],
    ) -> Result<Vec<Row>, Failure> {
        let list = [(&events as &(dyn ToSql + Sync), Type::TEXT_ARRAY)];
        let found = client.query_typed(&self.statements.settled, &list).await;
        found.map_err(|error| self.failure(&error))
    }

    /// Puts in rows of which each part is a list, in one round trip.
    async fn put(
        &self,
        client: &impl GenericClient,
        events: &[String],
        sinks: &[&str],
        outcomes: &[&str],
    ) -> Result<(), Failure> {
        let lists = [
            (&events as &(dyn ToSql + Sync), Type::TEXT_ARRAY),
            (&sinks, Type::TEXT_ARRAY),
            (&outcomes, Type::TEXT_ARRAY),
        ];
        let put = client.execute_typed(&self.statements.note, &lists).await;
        put.map(drop).map_err(|error| self.failure(&error))
    }

    async fn within<T>(
        &self,
        until: Instant,
        call: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let left = until.saturating_duration_since(time::now());
        tokio::time::timeout_at(until, call).await.unwrap_or_else(|_| {
            let left = humantime::format_duration(time::whole_millis(left));
            let text = format!("{}: no answer within {left}", self.pool.server());
            Err(Failure { text, is_unreachable: true })
        })
    }
}

impl Statements {
    /// The name is one that needs no quotes.
    fn of(table: &str) -> Self {
        let kept = KEPT.as_secs();
        Self {
            table: table.to_owned(),
            create: format!(
                "CREATE TABLE IF NOT EXISTS {table} (
                     event_id text NOT NULL,
                     sink text NOT NULL,
                     outcome text NOT NULL,
                     settled_at timestamptz NOT NULL DEFAULT now(),
                     PRIMARY KEY (event_id, sink)
                 );
                 CREATE INDEX IF NOT EXISTS {table}_settled_at ON {table} (settled_at)"
            ),
            settled: format!("SELECT event_id, sink FROM {table} WHERE event_id = ANY($1)"),
            // What was delivered stays delivered, and a dead letter that was replayed is delivered.
            note: format!(
                "INSERT INTO {table} AS known (event_id, sink, outcome)
                 SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
                 ON CONFLICT (event_id, sink) DO UPDATE SET settled_at = now(),
                 outcome = CASE known.outcome WHEN 'delivered' THEN known.outcome
                           ELSE excluded.outcome END"
            ),
            // Rows that another relay is removing are left to it.
            forget: format!(
                "DELETE FROM {table} WHERE ctid = ANY(ARRAY(
                     SELECT ctid FROM {table}
                     WHERE settled_at < now() - interval '{kept} seconds'
                     ORDER BY settled_at LIMIT {STEP_ROWS} FOR UPDATE SKIP LOCKED))"
            ),
        }
    }
}

impl From<postgres::Failure> for Failure {
    fn from(failure: postgres::Failure) -> Self {
        let is_unreachable = matches!(failure, postgres::Failure::Unreachable(_));
        Self { text: failure.to_string(), is_unreachable }
    }
}

impl Backend for Postgres {
    fn settled<'a>(
        &'a self,
        events: &'a [EventId],
        until: Instant,
    ) -> BoxFuture<'a, Result<Vec<Vec<Arc<str>>>, Failure>> {
        let call = async move {
            let ids: Vec<_> = events.iter().map(ToString::to_string).collect();
            let client = self.client().await?;
            let rows = self.find(&*client, &ids).await?;
            client.keep();
            let mut sinks: HashMap<&str, Vec<Arc<str>>> = HashMap::new();
            for row in &rows {
                sinks.entry(row.get(0)).or_default().push(row.get::<_, &str>(1).into());
            }
            Ok(ids.iter().map(|id| sinks.get(&**id).cloned().unwrap_or_default()).collect())
        };
        Box::pin(self.within(until, call))
    }

    fn note<'a>(&'a self, notes: &'a [Note], until: Instant) -> BoxFuture<'a, Result<(), Failure>> {
        let call = async move {
            // Each row once, and in an order in which two relays cannot wait for each other.
            let mut rows = BTreeMap::new();
            for Note { event, sink, outcome } in notes {
                let word = match outcome {
                    Outcome::Delivered => "delivered",
                    Outcome::Dead => "dead",
                };
                // Of the two words the one that stays is the greater one.
                let known: &mut &str = rows.entry((event.to_string(), &**sink)).or_insert(word);
                *known = word.max(known);
            }
            let (keys, outcomes): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
            let (events, sinks): (Vec<_>, Vec<_>) = keys.into_iter().unzip();
            let client = self.client().await?;
            self.put(&*client, &events, &sinks, &outcomes).await?;
            client.keep();
            Ok(())
        };
        Box::pin(self.within(until, call))
    }

    fn forget(&self, until: Instant) -> BoxFuture<'_, Result<bool, Failure>> {
        let call = async {
            let client = self.client().await?;
            let removed = client.execute(&self.statements.forget, &[]).await;
            let removed = removed.map_err(|error| self.failure(&error))?;
            client.keep();
            Ok(removed >= STEP_ROWS)
        };
        Box::pin(self.within(until, call))
    }

    fn probe(&self, until: Instant) -> BoxFuture<'_, Result<String, Failure>> {
        let call = async {
            let mut client = self.pool.get().await?;
            let failure = |error: Error| self.failure(&error);
            // Dropped without a commit, it leaves nothing behind.
            let attempt = client.transaction().await.map_err(failure)?;
            let table = &self.statements.table;
            let exists = self.has_table(&attempt).await?;
            if !exists {
                attempt.batch_execute(&self.statements.create).await.map_err(failure)?;
            }
            let probe = ["probe".to_owned()];
            self.put(&attempt, &probe, &["probe"], &["dead"]).await?;
            self.find(&attempt, &probe).await?;
            attempt.execute(&self.statements.forget, &[]).await.map_err(failure)?;
            attempt.rollback().await.map_err(failure)?;
            client.keep();
            let server = self.pool.server();
            Ok(match exists {
                true => format!("{server}: the table {table} can be read and written"),
                false => format!("{server} answers; the first event makes the table {table}"),
            })
        };
        Box::pin(self.within(until, call))
    }
}

/// Whether it failed because another was making the same table at the same time.
fn is_race(error: &Error) -> bool {
    error.code().is_some_and(|code| {
        [SqlState::UNIQUE_VIOLATION, SqlState::DUPLICATE_TABLE, SqlState::DUPLICATE_OBJECT]
            .contains(code)
    })
}

fn refused(text: String) -> Failure {
    Failure { text, is_unreachable: false }
}
