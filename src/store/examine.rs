//! Looks at a state directory without changing anything in it, beside the process that owns it or
//! while none does.

use std::path::Path;

use super::place::Place;
use super::{Store, StoreError, Total, connection, owner, room, schema, total};

/// What is in a state directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// Whether a relay runs with this directory.
    pub ownership: Ownership,
    /// The bytes that are free on its disk; `None` if the system does not say.
    pub free_bytes: Option<u64>,
    /// The database; `None` before the first start.
    pub database: Option<Database>,
}

/// Whether a relay runs with a state directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// None does.
    Free,
    /// One does.
    Owned {
        /// Its process, if it says so.
        pid: Option<u32>,
    },
}

/// A database in which no damage was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Database {
    /// The schema's version.
    pub version: i64,
    /// Whether the owner's next start brings it up to date. It is not searched for damage then.
    pub is_older: bool,
    /// How many dead letters there are.
    pub dead_letters: Total,
    /// How many events wait in the spool.
    pub spool: Total,
}

impl Store {
    /// Looks at a state directory that is there: who has it, how much room there is, and whether its
    /// database is sound. It may take seconds, and changes nothing; SQLite may leave its side files
    /// behind, empty, and with the owner of the database.
    ///
    /// # Errors
    ///
    /// The database is damaged, or a newer version's; it may not be read and written.
    pub fn examine(state_dir: &Path) -> Result<Examined, StoreError> {
        let place = Place::new(state_dir);
        let free_bytes = room::free(&place).map(|(free, _)| free);
        let (ownership, nobody) = owner::presence(&place);
        if !place.is_there()? {
            return Ok(Examined { ownership, free_bytes, database: None });
        }
        if ownership == Ownership::Free {
            place.examine_log()?;
        }
        // An owner that starts now must not wait for the rest.
        drop(nobody);
        let mut connection = connection::looking(&place)?;
        let version = connection::version(&connection, &place)?;
        let is_older = version < schema::VERSION;
        if !is_older {
            connection::check(&mut connection, &place)?;
        }
        let of = |table| {
            total(&connection, table)
                .map_err(|error| StoreError::sqlite("read", place.database(), &error))
        };
        let (dead_letters, spool) = (of("dead_letters")?, of("spool")?);
        let database = Some(Database { version, is_older, dead_letters, spool });
        Ok(Examined { ownership, free_bytes, database })
    }
}
