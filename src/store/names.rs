//! The names of sinks and sources, each stored once.

use rusqlite::{OptionalExtension as _, Row};

use super::writer::Tables;

/// The number of a name, which is made up if the name is new.
pub(super) fn intern(tables: &Tables<'_>, name: &str) -> rusqlite::Result<i64> {
    let connection = tables.connection;
    let mut find = connection.prepare_cached("SELECT name_id FROM names WHERE name = ?")?;
    if let Some(found) = find.query_row([name], |row| row.get(0)).optional()? {
        return Ok(found);
    }
    connection.prepare_cached("INSERT INTO names (name) VALUES (?)")?.insert([name])
}

/// A name in a column.
pub(super) fn read(row: &Row<'_>, column: usize) -> rusqlite::Result<std::sync::Arc<str>> {
    Ok(row.get_ref(column)?.as_str()?.into())
}
