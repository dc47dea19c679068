//! Where the store's files are, and what can be told from them before SQLite opens them.
//!
//! SQLite takes an empty file for a new database and drops a log that does not fit. Both would lose
//! what was acknowledged without a word, so both are looked for here. A new database is made under
//! another name and renamed when it is whole; so a database that is there and empty is damage, never
//! a start that was cut short.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::{StoreError, log, schema};

/// Group members may read the events, others may not; the umask narrows it further. SQLite gives
/// its side files the mode of the database.
pub(super) const MODE: u32 = 0o640;

/// The directory's, with the same readers.
const DIR_MODE: u32 = 0o750;

/// How every SQLite database begins.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// The length of the database's header.
const HEADER: usize = 100;

/// The store's files.
#[derive(Debug, Clone)]
pub(super) struct Place {
    dir: PathBuf,
    database: PathBuf,
}

impl Place {
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.into(), database: dir.join("vod-relay.db") }
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn database(&self) -> &Path {
        &self.database
    }

    pub(super) fn log(&self) -> PathBuf {
        self.dir.join("vod-relay.db-wal")
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.dir.join("vod-relay.lock")
    }

    /// Makes the directory if there is none, but not its parents: a mistyped path is an error.
    pub(super) fn make_dir(&self) -> Result<(), StoreError> {
        match fs::DirBuilder::new().mode(DIR_MODE).create(&self.dir) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(StoreError::unusable("make the state directory", &self.dir, &error)),
        }
    }

    /// Whether there is a database. One that is there begins as it should.
    pub(super) fn is_there(&self) -> Result<bool, StoreError> {
        // To write, too: SQLite does not say why it cannot.
        let found = match OpenOptions::new().read(true).write(true).open(&self.database) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(StoreError::unusable("open", &self.database, &error)),
        };
        let damaged = |reason: &str| Err(StoreError::damaged(&self.database, reason));
        let Some(mut file) = found else {
            if fs::metadata(self.log()).is_ok_and(|log| log.len() > 0) {
                return damaged("its write-ahead log is there, the file itself is not");
            }
            return Ok(false);
        };
        self.examine_header(&mut file)?;
        Ok(true)
    }

    /// Looks for damage in the log, which must not be in use.
    pub(super) fn examine_log(&self) -> Result<(), StoreError> {
        let mut verdict = log::examine(&self.log());
        if matches!(verdict, Ok(Err(_))) {
            // A process that is attached may have been writing to it just now.
            verdict = log::examine(&self.log());
        }
        let verdict = verdict.map_err(|error| StoreError::unusable("read", &self.log(), &error))?;
        verdict.map_err(|reason| StoreError::damaged(&self.database, reason))
    }

    fn examine_header(&self, file: &mut File) -> Result<(), StoreError> {
        let damaged = |reason: &str| Err(StoreError::damaged(&self.database, reason));
        let mut header = Vec::with_capacity(HEADER);
        let read = file.take(HEADER as u64).read_to_end(&mut header);
        read.map_err(|error| StoreError::unusable("read", &self.database, &error))?;
        if header.is_empty() {
            return damaged("it is empty");
        }
        if !header.starts_with(MAGIC) {
            return damaged("it is not an SQLite database");
        }
        let Some(application_id) = header.get(68..72) else {
            return damaged("it ends within its header");
        };
        if *application_id != schema::APPLICATION_ID.to_be_bytes() {
            return damaged("it is a database of another program");
        }
        let length = file.metadata();
        let length =
            length.map_err(|error| StoreError::unusable("read", &self.database, &error))?;
        // Without a log that completes it, every page is there and whole.
        let cut_off = length.len() % schema::PAGE != 0;
        if cut_off && fs::metadata(self.log()).map_or(0, |log| log.len()) == 0 {
            return damaged("its last page is cut off");
        }
        Ok(())
    }

    /// Makes a new, empty database. It is there whole or not at all.
    pub(super) fn create(&self) -> Result<(), StoreError> {
        let path = self.dir.join("vod-relay.db.new");
        let unusable = |error: io::Error| StoreError::unusable("make the store", &path, &error);
        for leftover in ["vod-relay.db.new", "vod-relay.db.new-journal"] {
            match fs::remove_file(self.dir.join(leftover)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(unusable(error));
                }
                _ => {}
            }
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(&path);
        let file = file.map_err(unusable)?;
        fill(&path).map_err(|error| match StoreError::sqlite("make", &path, &error) {
            // What is half made cannot be damaged, so this is the disk.
            StoreError::Damaged { reason, .. } => {
                StoreError::Unusable { doing: "make the store", path: path.clone(), reason }
            }
            other => other,
        })?;
        file.sync_all().map_err(unusable)?;
        fs::rename(&path, &self.database).map_err(unusable)?;
        File::open(&self.dir).and_then(|dir| dir.sync_all()).map_err(unusable)
    }
}

fn fill(path: &Path) -> rusqlite::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    // Only before the first table can it be chosen how large a page is, and that free ones are given
    // back.
    connection.pragma_update(None, "page_size", schema::PAGE as i64)?;
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "application_id", schema::APPLICATION_ID)?;
    schema::migrate(&mut connection)
}
