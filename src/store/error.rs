//! Why the store cannot do what it is asked.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// Why the store cannot be opened, or why a read or a write failed.
///
/// Each says what happened, to what, and what to do about it. None of them leaves anything half
/// done: a write that failed has changed nothing.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Another process has the directory.
    #[error(
        "the state directory {} belongs to another vod-relay that runs{}; stop that one, or give \
         this one a state_dir of its own",
        .dir.display(), .pid.map_or_else(String::new, |pid| format!(" (pid {pid})"))
    )]
    Owned {
        /// The directory.
        dir: PathBuf,
        /// The process that has it, if it says so.
        pid: Option<u32>,
    },
    /// There is no store to attach to.
    #[error(
        "there is no store in {}: vod-relay has not run with this state_dir yet, or this is not \
         the directory that it uses",
        .dir.display()
    )]
    Missing {
        /// The directory.
        dir: PathBuf,
    },
    /// The files are not what this program wrote. They are left as they are.
    #[error(
        "the store {} is damaged: {reason}. Nothing was changed. With vod-relay stopped, either \
         save what can be saved: copy the file and the one named like it with -wal, run \
         `sqlite3 COPY .recover | sqlite3 NEW` (with the tool from sqlite.org where the system's \
         own fails) and put the new file in the place of both; or move both away to begin with an \
         empty store: what was spooled and all dead letters are then only in the files that were \
         moved",
        .path.display()
    )]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A newer version of this program has written the store.
    #[error(
        "the store {} has schema version {found} and this vod-relay knows versions up to {known}: \
         run the newer vod-relay that wrote it",
        .path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// The schema's version.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// An older version of this program has written the store, and only its owner may update it.
    #[error(
        "the store {} has the older schema version {found}: start this version's vod-relay with \
         the same state_dir once, it brings the store up to version {known}",
        .path.display()
    )]
    Older {
        /// The database.
        path: PathBuf,
        /// The schema's version.
        found: i64,
        /// The version that is needed.
        known: i64,
    },
    /// The store cannot be opened or made.
    #[error("failed to {doing} {}: {reason}", .path.display())]
    Unusable {
        /// What was being done.
        doing: &'static str,
        /// To which file or directory.
        path: PathBuf,
        /// Why it failed.
        reason: String,
    },
    /// The disk is full, or so nearly full that what is left is kept for settling what is stored.
    #[error("no space for the store in {}: {reason}; free some, and it goes on by itself", .dir.display())]
    NoSpace {
        /// The directory.
        dir: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// There are as many dead letters as there may be.
    #[error(
        "no room for another dead letter: there are {entries} with {bytes} bytes, and the most \
         that are kept are {entries_max} with {bytes_max} bytes; replay or drop some \
         (vod-relay dead-letters)"
    )]
    LettersFull {
        /// How many there are.
        entries: u64,
        /// The bytes of their events.
        bytes: u64,
        /// The most that are kept.
        entries_max: u64,
        /// The most bytes that are kept.
        bytes_max: u64,
    },
    /// A read or a write failed. It may be tried again.
    #[error("failed to {doing} the store {}: {reason}", .path.display())]
    Failed {
        /// What was being done.
        doing: &'static str,
        /// The database.
        path: PathBuf,
        /// Why it failed.
        reason: String,
    },
    /// The store's own thread has ended, which is a defect of this program.
    #[error("the store has broken down, which is a defect in vod-relay; restart it")]
    Gone,
}

impl StoreError {
    /// The disk failed while the store was being opened.
    pub(super) fn unusable(doing: &'static str, path: &Path, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::StorageFull {
            return Self::no_space(path, "the disk is full");
        }
        Self::Unusable { doing, path: path.into(), reason: error.to_string() }
    }

    /// SQLite failed.
    pub(super) fn sqlite(doing: &'static str, path: &Path, error: &rusqlite::Error) -> Self {
        let reason = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::damaged(path, reason)
            }
            Some(ErrorCode::DiskFull) => Self::no_space(path, "the disk is full"),
            _ => match error {
                // Values that this program does not write: only damage can bring them about.
                rusqlite::Error::Utf8Error(..)
                | rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::QueryReturnedNoRows => Self::damaged(path, reason),
                _ => Self::Failed { doing, path: path.into(), reason },
            },
        }
    }

    pub(super) fn damaged(path: &Path, reason: impl Into<String>) -> Self {
        Self::Damaged { path: path.into(), reason: reason.into() }
    }

    fn no_space(path: &Path, reason: &str) -> Self {
        let dir = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
        Self::NoSpace { dir: dir.into(), reason: reason.into() }
    }
}
