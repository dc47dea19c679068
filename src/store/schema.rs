//! The database's schema and its versions.
//!
//! `user_version` counts the migrations that a database has gone through, each in a transaction of
//! its own. They only ever go forward, and one that has been released is never changed.

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};

/// Says that a database is this program's: "VODR".
pub(super) const APPLICATION_ID: i32 = 0x564f_4452;

/// The bytes of a page.
pub(super) const PAGE: u64 = 4_096;

/// What leads from each version to the next; the first from nothing to version 1.
const MIGRATIONS: [&str; 1] = [include_str!("schema/1.sql")];

/// The version that this program works with.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;

/// The version of a database.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Brings a database up to [`VERSION`].
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    migrate_by(connection, &MIGRATIONS)
}

fn migrate_by(connection: &mut Connection, migrations: &[&str]) -> rusqlite::Result<()> {
    let done = usize::try_from(version(connection)?).unwrap_or_default();
    for (version, migration) in (1_i64..).zip(migrations).skip(done) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}

/// The first table, index, trigger or view that is not as [`migrate`] makes it. What others have
/// added beside them does no harm.
pub(super) fn first_flaw(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let mut sound = Connection::open_in_memory()?;
    migrate(&mut sound)?;
    let mut objects =
        sound.prepare("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL")?;
    let mut objects = objects.query([])?;
    let mut found =
        connection.prepare("SELECT sql FROM sqlite_schema WHERE type = ? AND name = ?")?;
    while let Some(object) = objects.next()? {
        let (kind, name, sql): (String, String, String) =
            (object.get(0)?, object.get(1)?, object.get(2)?);
        let found = found.query_row((&kind, &name), |row| row.get::<_, String>(0)).optional()?;
        if found.as_deref() != Some(&sql) {
            return Ok(Some(format!("the {kind} {name} is not as vod-relay made it")));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_go_forward_from_any_version_and_only_once() {
        let steps =
            ["CREATE TABLE a (x);", "INSERT INTO a VALUES (1);", "INSERT INTO a VALUES (2);"];
        let mut connection = Connection::open_in_memory().unwrap();
        for upto in [1, 1, 3, 3] {
            migrate_by(&mut connection, &steps[..upto]).unwrap();
            assert_eq!(version(&connection).unwrap(), upto as i64);
        }
        let sum: i64 = connection.query_row("SELECT sum(x) FROM a", [], |row| row.get(0)).unwrap();
        assert_eq!(sum, 3);
    }

    #[test]
    fn a_migration_that_fails_changes_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        let broken = ["CREATE TABLE a (x);", "CREATE TABLE b (x); SELECT nonsense;"];
        assert!(migrate_by(&mut connection, &broken).is_err());
        assert_eq!(version(&connection).unwrap(), 1);
        assert!(connection.prepare("SELECT * FROM b").is_err());
        migrate_by(&mut connection, &["", "CREATE TABLE b (x);"]).unwrap();
        assert_eq!(version(&connection).unwrap(), 2);
    }

    #[test]
    fn a_schema_as_it_was_made_has_no_flaw() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        connection.execute_batch("CREATE INDEX mine ON ledger (outcome)").unwrap();
        assert_eq!(first_flaw(&connection).unwrap(), None);
        connection.execute_batch("DROP TRIGGER spool_grows").unwrap();
        assert!(first_flaw(&connection).unwrap().unwrap().contains("trigger spool_grows"));
    }
}
