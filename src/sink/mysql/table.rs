//! Transactions, and what becomes of them when the server answers with an error.

use std::collections::HashSet;

use mysql_async::prelude::Queryable as _;
use mysql_async::{Error, Params};

use super::Mysql;
use super::connection::{Lent, cause};
use super::statement::{Statement, marks};
use crate::sink::rows::{Field, Row, Table, Trouble};

/// What a server says of a table that is not there.
pub(super) const NO_TABLE: u16 = 1146;

/// A connection while a batch is written.
pub(super) struct Session<'a> {
    sink: &'a Mysql,
    /// None after a failure that has ended it.
    lent: Option<Lent<'a>>,
}

/// Why rows were not committed.
enum Failed {
    /// The server's answer, or what happened to the connection; with the number of the row that it is
    /// about, if that is known.
    At(Option<usize>, Error),
    /// This row is not there and was not written, although there was no error.
    KeptOut(usize),
}

impl<'a> Session<'a> {
    pub(super) fn new(sink: &'a Mysql, lent: Lent<'a>) -> Self {
        Self { sink, lent: Some(lent) }
    }

    /// Keeps the connection if it can serve again.
    pub(super) fn end(self) {
        if let Some(lent) = self.lent {
            lent.keep();
        }
    }

    async fn write(lent: &mut Lent<'_>, sink: &Mysql, rows: &[Row<'_>]) -> Result<(), Failed> {
        let nobody = |error| Failed::At(None, error);
        let conn = lent.conn().map_err(nobody)?;
        match &sink.statement {
            statement @ Statement::Insert { find, .. } => {
                let values = Params::Positional(statement.values(rows));
                conn.exec_drop(statement.text(rows.len()), values).await.map_err(nobody)?;
                let written = usize::try_from(conn.affected_rows()).unwrap_or(usize::MAX);
                if written >= rows.len() {
                    return Ok(());
                }
                let ids = rows.iter().map(|row| row.text(Field::Id).into()).collect();
                let find = format!("{find}({})", marks(rows.len()));
                let found: Vec<String> =
                    conn.exec(find, Params::Positional(ids)).await.map_err(nobody)?;
                let found: HashSet<_> = found.iter().map(String::as_str).collect();
                let is_there =
                    |row: &Row<'_>| row.text(Field::Id).is_some_and(|id| found.contains(id));
                match rows.iter().position(|row| !is_there(row)) {
                    Some(at) => Err(Failed::KeptOut(at)),
                    None => Ok(()),
                }
            }
            own @ Statement::Own { text, .. } => {
                conn.query_drop("START TRANSACTION").await.map_err(nobody)?;
                for (at, row) in rows.iter().enumerate() {
                    let values = Params::Positional(own.values(std::slice::from_ref(row)));
                    if let Err(error) = conn.exec_drop(text, values).await {
                        // A connection that cannot do even this is not used again.
                        conn.query_drop("ROLLBACK").await.map_err(nobody)?;
                        return Err(Failed::At(Some(at), error));
                    }
                }
                conn.query_drop("COMMIT").await.map_err(nobody)
            }
        }
    }

    /// What failed, in words. Whatever has ended the connection, or has to do with the server that it
    /// leads to, is not kept for the next batch.
    fn trouble(&mut self, at: Option<usize>, error: &Error) -> Trouble {
        let (server, cause) = (self.sink.pool.server.shown(), cause(error));
        if is_about_the_row(error) {
            if error.is_fatal() || code(error) == TOO_LARGE {
                self.lent = None;
            }
            return Trouble::Row { at, reason: format!("{server}: refuses the row: {cause}") };
        }
        self.lent = None;
        let remedy = remedy(code(error)).map(|remedy| format!("; {remedy}"));
        Trouble::All { reason: format!("{server}: {cause}{}", remedy.unwrap_or_default()) }
    }
}

impl Table for Session<'_> {
    async fn commit(&mut self, rows: &[Row<'_>]) -> Result<(), Trouble> {
        let Mysql { pool, create, .. } = self.sink;
        let lent = match &mut self.lent {
            Some(lent) => lent,
            none => {
                let all = |reason: String| Trouble::All { reason };
                none.insert(pool.get().await.map_err(|failure| all(failure.to_string()))?)
            }
        };
        let mut written = Self::write(lent, self.sink, rows).await;
        if let (Err(Failed::At(_, error)), Some(create)) = (&written, create)
            && code(error) == NO_TABLE
        {
            written = match lent.conn() {
                Ok(conn) => match conn.query_drop(create).await {
                    Ok(()) => Self::write(lent, self.sink, rows).await,
                    Err(error) => Err(Failed::At(None, error)),
                },
                Err(error) => Err(Failed::At(None, error)),
            };
        }
        match written {
            Ok(()) => Ok(()),
            Err(Failed::At(at, error)) => Err(self.trouble(at, &error)),
            Err(Failed::KeptOut(at)) => {
                let server = pool.server.shown();
                let reason = format!("{server}: another unique key keeps the row out");
                Err(Trouble::Row { at: Some(at), reason })
            }
        }
    }
}

/// A packet that is larger than the server takes, which it closes the connection for.
const TOO_LARGE: u16 = 1153;

/// What both the server and the client name where an event is larger than the server takes.
const LIMIT: &str = "max_allowed_packet";

/// What a server says of values and constraints, besides the SQLSTATE classes 22 and 23: too large,
/// out of range, cut, no character, no JSON, a violated check.
const ABOUT_THE_ROW: [u16; 11] =
    [TOO_LARGE, 1264, 1265, 1292, 1366, 1406, 3140, 3141, 3156, 3819, 4025];

/// The server's number; 0 for what it did not say.
pub(super) fn code(error: &Error) -> u16 {
    match error {
        Error::Server(answer) => answer.code,
        Error::Driver(_) | Error::Io(_) | Error::Other(_) | Error::Url(_) => 0,
    }
}

/// Whether it is what a row holds that the server cannot take.
fn is_about_the_row(error: &Error) -> bool {
    match error {
        Error::Server(answer) => {
            ABOUT_THE_ROW.contains(&answer.code)
                || answer.state.starts_with("22")
                || answer.state.starts_with("23")
                // What it says of a value that came in pieces has no number of its own.
                || answer.message.contains(LIMIT)
        }
        // The client knows the server's limit, and has no other way to say so.
        Error::Io(_) => cause(error).contains(LIMIT),
        Error::Driver(_) | Error::Other(_) | Error::Url(_) => false,
    }
}

/// What an operator can do.
pub(super) fn remedy(code: u16) -> Option<&'static str> {
    Some(match code {
        NO_TABLE => "set create_table = true, or make it as docs/sink-mysql.md shows",
        1054 => "mend columns, or add the column",
        1364 | 1136 => "give the table's other columns a default",
        1044 | 1142 | 1143 => "grant the user SELECT, INSERT and UPDATE on the table",
        1064 | 1210 => "mend sql",
        1290 | 1792 | 1836 => "have url lead to the primary server",
        _ => return None,
    })
}
