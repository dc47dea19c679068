//! How a connection to the database is set up, and what is checked before it is used.

use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::place::Place;
use super::{StoreError, schema};
use crate::time;

/// How long one connection waits for another's write; each takes milliseconds.
const BUSY_MAX: Duration = Duration::from_secs(5);

/// How long the check at the start may take. What it has not read by then is found when it is used.
const CHECK_MAX: Duration = Duration::from_secs(5);

/// A database up to this size is checked with its indexes, a larger one only for its structure.
const FULL_CHECK_BYTES: u64 = 64 << 20;

/// How many statements stay prepared: more than there are.
const STATEMENTS: usize = 64;

/// How many of SQLite's steps pass between two looks at the clock.
const STEPS: i32 = 10_000;

/// Opens the connection that writes: the first one, which also checks the database.
pub(super) fn writing(place: &Place) -> Result<Connection, StoreError> {
    let connection = open(place, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let failed = |error| StoreError::sqlite("open", place.database(), &error);
    if connection.is_readonly("main").map_err(failed)? {
        return Err(StoreError::Unusable {
            doing: "write to",
            path: place.database().into(),
            reason: "its permissions, or its file system, let it only be read".into(),
        });
    }
    let mode = connection
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0));
    let mode = mode.map_err(failed)?;
    if mode != "wal" {
        return Err(StoreError::Unusable {
            doing: "use",
            path: place.database().into(),
            reason: format!(
                "its file system cannot keep a write-ahead log (the mode is {mode}); put \
                 state_dir on a local disk"
            ),
        });
    }
    // The last: a log that a reader has made grow is cut back to this when it begins anew.
    let settings = "
        PRAGMA synchronous = FULL;
        PRAGMA foreign_keys = ON;
        PRAGMA wal_autocheckpoint = 0;
        PRAGMA temp_store = MEMORY;
        PRAGMA cache_size = -8000;
        PRAGMA journal_size_limit = 16777216;";
    connection.execute_batch(settings).map_err(failed)?;
    Ok(connection)
}

/// Opens the connection that only reads.
pub(super) fn reading(place: &Place) -> Result<Connection, StoreError> {
    let connection = open(place, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let settings = "
        PRAGMA query_only = ON;
        PRAGMA wal_autocheckpoint = 0;
        PRAGMA temp_store = MEMORY;
        PRAGMA cache_size = -4000;";
    let set = connection.execute_batch(settings);
    set.map_err(|error| StoreError::sqlite("open", place.database(), &error))?;
    Ok(connection)
}

/// Opens a connection that can change nothing, not even check the log in when it is closed.
pub(super) fn looking(place: &Place) -> Result<Connection, StoreError> {
    open(place, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

fn open(place: &Place, access: OpenFlags) -> Result<Connection, StoreError> {
    // Never CREATE: a database that has gone must not come back empty.
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(place.database(), flags);
    let failed = |error| match StoreError::sqlite("open", place.database(), &error) {
        StoreError::Failed { doing, path, reason } => StoreError::Unusable { doing, path, reason },
        other => other,
    };
    let connection = connection.map_err(failed)?;
    connection.busy_timeout(BUSY_MAX).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // The first look into the file itself.
    schema::version(&connection).map_err(failed)?;
    Ok(connection)
}

/// The schema's version, which this program must know.
pub(super) fn version(connection: &Connection, place: &Place) -> Result<i64, StoreError> {
    let path = place.database();
    let found = schema::version(connection);
    let found = found.map_err(|error| StoreError::sqlite("open", path, &error))?;
    match found {
        1.. if found > schema::VERSION => {
            Err(StoreError::Newer { path: path.into(), found, known: schema::VERSION })
        }
        1.. => Ok(found),
        _ => Err(StoreError::damaged(path, format!("it has the schema version {found}"))),
    }
}

/// Looks for damage, for a limited time.
pub(super) fn check(connection: &mut Connection, place: &Place) -> Result<(), StoreError> {
    let path = place.database();
    let bytes = std::fs::metadata(path).map_or(0, |file| file.len());
    let started = time::now();
    let set = connection.progress_handler(STEPS, Some(move || started.elapsed() > CHECK_MAX));
    let found = set.and_then(|()| flaw(connection, bytes <= FULL_CHECK_BYTES));
    let unset = connection.progress_handler(0, None::<fn() -> bool>);
    let failed = |error| StoreError::sqlite("check", path, &error);
    unset.map_err(failed)?;
    match found {
        Ok(None) => Ok(()),
        Ok(Some(flaw)) => Err(StoreError::damaged(path, flaw)),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
            tracing::info!(
                bytes,
                "the store is too large to be checked to its end in {}; the rest is checked as it \
                 is read",
                humantime::format_duration(CHECK_MAX)
            );
            Ok(())
        }
        // A schema that cannot be read any more is reported as an error of the statement.
        Err(error @ rusqlite::Error::SqliteFailure(..))
            if error.sqlite_error_code() == Some(ErrorCode::Unknown) =>
        {
            Err(StoreError::damaged(path, error.to_string()))
        }
        Err(error) => Err(failed(error)),
    }
}

fn flaw(connection: &Connection, fully: bool) -> rusqlite::Result<Option<String>> {
    if let Some(flaw) = schema::first_flaw(connection)? {
        return Ok(Some(flaw));
    }
    let check = if fully { "PRAGMA integrity_check(1)" } else { "PRAGMA quick_check(1)" };
    let found: String = connection.query_row(check, [], |row| row.get(0))?;
    if found != "ok" {
        return Ok(Some(found.trim_start_matches("*** in database main ***").trim().into()));
    }
    let mut orphans = connection.prepare("PRAGMA foreign_key_check")?;
    let mut orphans = orphans.query([])?;
    Ok(match orphans.next()? {
        Some(row) => {
            let (table, parent): (String, String) = (row.get(0)?, row.get(2)?);
            Some(format!("a row of {table} belongs to a row of {parent} that is not there"))
        }
        None => None,
    })
}
