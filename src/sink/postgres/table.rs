//! Transactions, and what becomes of them when the server answers with an error.

use std::time::Duration;

use tokio_postgres::Error;

use super::Postgres;
use super::together::all;
use crate::postgres::{Lent, cause};
use crate::sink::rows::{Row, Table, Target, Trouble};

/// What begins a transaction: with an end of its own, so that a server that waits for a lock does
/// not go on after the relay has given up, and with commits that are on disk.
pub(super) fn begin(timeout: Duration) -> String {
    format!(
        "BEGIN; SET LOCAL statement_timeout = {}; \
         SELECT set_config('synchronous_commit', 'on', true) \
         WHERE current_setting('synchronous_commit') = 'off'",
        timeout.as_millis()
    )
}

/// A connection while a batch is written.
pub(super) struct Session<'a> {
    sink: &'a Postgres,
    client: Lent<'a>,
    /// Whether the server is done with all that it was asked.
    is_clean: bool,
}

impl<'a> Session<'a> {
    pub(super) fn new(sink: &'a Postgres, client: Lent<'a>) -> Self {
        Self { sink, client, is_clean: true }
    }

    /// Keeps the connection if it can serve again. What failed for any other reason than a row may
    /// have to do with the server that it leads to: one that has become read-only.
    pub(super) fn end(self) {
        if self.is_clean {
            self.client.keep();
        }
    }

    /// Sends a whole transaction at once. The error comes with the number of the row that it is
    /// about, if it is about one: the first error is what happened, those after it only say that the
    /// transaction is spoilt. A COMMIT that follows an error rolls back.
    async fn transact(&self, rows: &[Row<'_>]) -> Result<(), (Option<usize>, Error)> {
        let Postgres { begin, statement, .. } = self.sink;
        let begun = self.client.batch_execute(begin);
        let written = all(rows.iter().map(|row| statement.execute(&self.client, row)));
        let committed = self.client.batch_execute("COMMIT");
        let (begun, written, committed) = tokio::join!(biased; begun, written, committed);
        begun.map_err(|error| (None, error))?;
        for (at, written) in written.into_iter().enumerate() {
            written.map_err(|error| (Some(at), error))?;
        }
        committed.map_err(|error| (None, error))
    }

    /// Makes the table, if that is what is missing and it may be made: whether it was made.
    async fn create(&self, error: &Error) -> Result<bool, Error> {
        match &self.sink.create {
            Some(create) if code(error) == "42P01" => {
                self.client.batch_execute(create).await.map(|()| true)
            }
            _ => Ok(false),
        }
    }

    /// Whether a column wants a value that no row of the relay's has.
    fn is_about_another_column(&self, error: &Error) -> bool {
        let Target::Table { columns, .. } = &self.sink.config.rows.target else { return false };
        let missing = error.as_db_error().filter(|error| error.code().code() == NOT_NULL);
        let column = missing.and_then(|error| error.column());
        column.is_some_and(|column| columns.iter().all(|(name, _)| name != column))
    }

    fn broken(&mut self, error: &Error) -> Trouble {
        self.is_clean = false;
        let (server, cause) = (self.sink.pool.server(), cause(error));
        let remedy = remedy(code(error)).map(|remedy| format!("; {remedy}"));
        Trouble::All { reason: format!("{server}: {cause}{}", remedy.unwrap_or_default()) }
    }
}

impl Table for Session<'_> {
    async fn commit(&mut self, rows: &[Row<'_>]) -> Result<(), Trouble> {
        let Err((mut at, mut error)) = self.transact(rows).await else { return Ok(()) };
        match self.create(&error).await {
            Ok(true) => match self.transact(rows).await {
                Ok(()) => return Ok(()),
                Err(other) => (at, error) = other,
            },
            Ok(false) => {}
            // Not about a row, whatever its code: another relay may be making the same table.
            Err(other) => return Err(self.broken(&other)),
        }
        if is_about_the_row(code(&error)) && !self.is_about_another_column(&error) {
            let (server, cause) = (self.sink.pool.server(), cause(&error));
            return Err(Trouble::Row { at, reason: format!("{server}: refuses the row: {cause}") });
        }
        Err(self.broken(&error))
    }
}

/// The SQLSTATE; empty for what the server did not say.
pub(super) fn code(error: &Error) -> &str {
    error.code().map_or("", |code| code.code())
}

/// Whether it is what a row holds that the server cannot take: data, a constraint, a limit.
fn is_about_the_row(code: &str) -> bool {
    ["22", "23", "54"].iter().any(|class| code.starts_with(class))
}

/// The code of a null in a column that takes none.
const NOT_NULL: &str = "23502";

/// What an operator can do.
pub(super) fn remedy(code: &str) -> Option<&'static str> {
    Some(match code {
        "42P01" => "set create_table = true, or make it as docs/sink-postgres.md shows",
        "3F000" => "make the schema, or mend table",
        "42703" => "mend columns, or add the column",
        NOT_NULL => "give the table's other columns a default",
        "42P10" => "give the column of the id a unique index, or the table a primary key",
        "42804" | "42846" => "mend columns, or the type of the column",
        "42501" => "grant the user INSERT and SELECT on the table",
        "42601" | "42P18" | "08P01" => "mend sql",
        "25006" => "have url lead to the primary server",
        _ => return None,
    })
}
