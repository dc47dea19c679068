//! Whether the disk has room for more.
//!
//! Settling what is stored needs disk too, for the log of the deletions. So new events and dead
//! letters stop while some space is left, and what is stored can always be settled and leave. A
//! store that filled the disk to the last byte could not even shrink.

use std::fs;

use super::place::Place;
use super::writer::{Fault, Tables};
use super::{StoreError, schema};

/// Kept free for settling what is stored; on a small disk an eighth of it, if that is less.
const RESERVE: u64 = 16 << 20;

/// The log's length at which nothing more is added: a reader that never ends keeps it from being
/// checked in, and what is settled still has to fit.
const LOG_MAX: u64 = 1 << 30;

/// Refuses `bytes` more if the disk has no room for them.
pub(super) fn check(tables: &Tables<'_>, bytes: u64) -> Result<(), Fault> {
    let room = look_for(tables, bytes);
    let refused = match &room {
        Err(Fault::Refused(error)) => Some(error.clone()),
        Err(Fault::Sqlite(_)) | Ok(()) => None,
    };
    tables.shared.health.looked_for_room(refused);
    room
}

fn look_for(tables: &Tables<'_>, bytes: u64) -> Result<(), Fault> {
    let shared = tables.shared;
    let no_space = |reason| {
        Err(Fault::Refused(StoreError::NoSpace { dir: shared.place.dir().into(), reason }))
    };
    let log = fs::metadata(shared.place.log()).map_or(0, |log| log.len());
    if log > LOG_MAX {
        return no_space(format!(
            "something that reads the database without end keeps its write-ahead log from being \
             checked in, and the log has grown to {log} bytes"
        ));
    }
    // Where this cannot be known, a full disk is met when it is written to.
    let Some((free, reserve)) = free(&shared.place) else { return Ok(()) };
    let free_pages = "PRAGMA freelist_count";
    let free_pages: i64 =
        tables.connection.prepare_cached(free_pages)?.query_row([], |row| row.get(0))?;
    let free_pages = free_pages.unsigned_abs().saturating_mul(schema::PAGE);
    // The log takes what comes, and keeps the reserve; what it has moved on can be written over.
    // Then the database's own file takes it, and what still waits in the log.
    let waiting = shared.log_bytes();
    let for_log = reserve.saturating_add(bytes).saturating_sub(log.saturating_sub(waiting));
    let for_file = bytes.saturating_add(waiting).saturating_sub(free_pages);
    let needed = for_log.saturating_add(for_file);
    if free < needed {
        return no_space(format!("{free} bytes are free and {needed} are needed"));
    }
    Ok(())
}

/// Whether the reserve is in use.
pub(super) fn is_tight(place: &Place) -> bool {
    free(place).is_some_and(|(free, reserve)| free < reserve)
}

/// The bytes that are free, and how many of them are the reserve.
pub(super) fn free(place: &Place) -> Option<(u64, u64)> {
    let disk = rustix::fs::statvfs(place.dir()).ok()?;
    let reserve = RESERVE.min(disk.f_blocks.saturating_mul(disk.f_frsize) / 8);
    Some((disk.f_bavail.saturating_mul(disk.f_frsize), reserve))
}
