//! The durable store in the state directory: ledger, dead letters and spool.
//!
//! # What holds
//!
//! * When a write returns without an error, it is on disk, synced. When it returns with one, none
//!   of it is.
//! * What belongs together is one transaction: a dead letter and its entry in the ledger; a
//!   delivery, its entry in the ledger and its leaving the spool.
//! * One process owns a state directory, for as long as it lives ([`Store::open`]). Others may
//!   attach to it, to look at dead letters and to settle them ([`Store::attach`]).
//! * Damage is reported and never mended by starting anew: the files stay as they are. A text that
//!   the disk has altered is recognised when it is read.
//! * Texts of events are stored and come back byte for byte.
//!
//! # How
//!
//! One SQLite database, `vod-relay.db`, with a write-ahead log and `synchronous=FULL`. One thread
//! writes and gathers what many callers want into one transaction, so that they share one sync. A
//! second one reads. The log is checked in when nothing else is to be done, or when it has grown to
//! 8 MiB. New events stop while the disk still has the room to settle those that are stored.
//!
//! # Looking inside
//!
//! The tables and columns have plain names, and views (`spool_view`, `dead_letters_view`,
//! `ledger_view`) show ids, names and times in words:
//!
//! ```text
//! sqlite3 -readonly /var/lib/vod-relay/vod-relay.db 'SELECT * FROM dead_letters_view'
//! ```
//!
//! `-readonly` matters while vod-relay runs: SQLite before 3.51.3, which many systems have, may
//! damage a database when two programs check in its log at once.

mod attempts;
mod connection;
mod error;
mod examine;
mod health;
mod ledger;
mod letter;
mod letters;
mod log;
mod names;
mod owner;
mod place;
mod reader;
mod room;
mod schema;
mod spool;
mod upkeep;
mod value;
mod writer;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

pub use self::error::StoreError;
pub use self::examine::{Database, Examined, Ownership};
use self::health::Health;
pub use self::letter::{DeadLetter, GivenUp};
pub use self::letters::{Buried, LetterFilter, LetterKey};
use self::owner::Owner;
use self::place::Place;
use self::reader::Reader;
pub use self::spool::{Appended, NewSpooled, SpoolKey, SpoolStats, Spooled};
use self::writer::{AtEnd, Writer};

/// The store's limits that are not the disk's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The most dead letters.
    pub dead_letters_max: u64,
    /// The most bytes of their events.
    pub dead_letter_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { dead_letters_max: 100_000, dead_letter_bytes_max: 1 << 30 }
    }
}

/// The store. Dropping it writes what is still waiting and leaves the database's file complete.
#[derive(Debug)]
pub struct Store {
    // The order is that of the end: the last connection to go finds no reader in its way, and the
    // directory is free only when all is done.
    reader: Reader,
    writer: Writer,
    shared: Arc<Shared>,
    _owner: Option<Owner>,
}

/// What the store's threads and its callers share.
#[derive(Debug)]
struct Shared {
    place: Place,
    limits: Limits,
    spool: Mutex<SpoolStats>,
    commits: AtomicU64,
    log_bytes: AtomicU64,
    health: Health,
}

impl Store {
    /// Opens the store in a state directory, and makes directory and store if there are none. The
    /// directory belongs to this process until the store is dropped. It may take seconds: damage is
    /// looked for, and an older version's store is brought up to date.
    ///
    /// # Errors
    ///
    /// Another process owns the directory; the store is damaged, or a newer version's; the disk is
    /// full or may not be written to.
    pub fn open(state_dir: &Path) -> Result<Self, StoreError> {
        Self::open_with(state_dir, Limits::default())
    }

    /// Like [`Store::open`], with limits of one's own.
    ///
    /// # Errors
    ///
    /// As for [`Store::open`].
    pub fn open_with(state_dir: &Path, limits: Limits) -> Result<Self, StoreError> {
        let place = Place::new(state_dir);
        place.make_dir()?;
        let owner = Owner::of(&place)?;
        if place.is_there()? {
            place.examine_log()?;
        } else {
            place.create()?;
        }
        let mut connection = connection::writing(&place)?;
        if connection::version(&connection, &place)? < schema::VERSION {
            let migrated = schema::migrate(&mut connection);
            migrated.map_err(|error| StoreError::sqlite("update", place.database(), &error))?;
        }
        connection::check(&mut connection, &place)?;
        Self::start(place, limits, connection, Some(owner))
    }

    /// Opens the store beside the process that owns it, or while none does.
    ///
    /// # Errors
    ///
    /// There is no store; it is damaged, or another version's; it may not be written to.
    pub fn attach(state_dir: &Path) -> Result<Self, StoreError> {
        let place = Place::new(state_dir);
        if !place.is_there()? {
            return Err(StoreError::Missing { dir: state_dir.into() });
        }
        // While nobody writes to it the log can be looked at, and it must be: the last to close the
        // database empties it.
        if let Some(_nobody) = owner::absent(&place) {
            place.examine_log()?;
        }
        let connection = connection::writing(&place)?;
        let found = connection::version(&connection, &place)?;
        if found < schema::VERSION {
            let path = place.database().into();
            return Err(StoreError::Older { path, found, known: schema::VERSION });
        }
        Self::start(place, Limits::default(), connection, None)
    }

    fn start(
        place: Place,
        limits: Limits,
        connection: Connection,
        owner: Option<Owner>,
    ) -> Result<Self, StoreError> {
        let reading = connection::reading(&place)?;
        let dir = place.dir().to_path_buf();
        let shared = Arc::new(Shared {
            place,
            limits,
            spool: Mutex::default(),
            commits: AtomicU64::new(0),
            log_bytes: AtomicU64::new(0),
            health: Health::default(),
        });
        spool::refresh(&connection, &shared)
            .map_err(|error| StoreError::sqlite("read", shared.place.database(), &error))?;
        let at_end = if owner.is_some() { AtEnd::EmptyLog } else { AtEnd::LeaveLog };
        let no_thread = |error| StoreError::unusable("start a thread for", &dir, &error);
        let reader = Reader::start(reading, shared.clone()).map_err(no_thread)?;
        let writer = Writer::start(connection, shared.clone(), at_end).map_err(no_thread)?;
        Ok(Self { reader, writer, shared, _owner: owner })
    }

    /// Why the store does not take what it is given, if it does not.
    pub fn trouble(&self) -> Option<StoreError> {
        self.shared.health.trouble()
    }

    /// How many transactions have been written and synced; each serves one or many callers.
    pub fn commits(&self) -> u64 {
        self.shared.commits.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn count_commit(&self) {
        self.commits.fetch_add(1, Ordering::Relaxed);
    }

    /// The bytes of the log that are not in the database's own file yet.
    fn log_bytes(&self) -> u64 {
        self.log_bytes.load(Ordering::Relaxed)
    }

    fn set_log_bytes(&self, bytes: u64) {
        self.log_bytes.store(bytes, Ordering::Relaxed);
    }

    fn spool_stats(&self) -> SpoolStats {
        *self.spool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_spool_stats(&self, stats: SpoolStats) {
        *self.spool.lock().unwrap_or_else(PoisonError::into_inner) = stats;
    }
}

/// How much a part of the store holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Total {
    /// How many entries.
    pub entries: u64,
    /// The bytes of their events.
    pub bytes: u64,
}

fn total(connection: &Connection, table: &str) -> rusqlite::Result<Total> {
    let mut find =
        connection.prepare_cached("SELECT entries, bytes FROM totals WHERE table_name = ?")?;
    find.query_row([table], |row| {
        Ok(Total { entries: value::count(row, 0)?, bytes: value::count(row, 1)? })
    })
}
