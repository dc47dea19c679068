//! Whether the disk has room for more.
//!
//! Settling what is stored needs disk too, for the log of the deletions. So new events and dead
//! letters stop while some space is left, and what is stored can always be settled and leave. A
//! store that filled the disk to the last byte could not even shrink.

use std::fs;

use super::StoreError;
use super::place::Place;

/// Kept free for settling what is stored; on a small disk an eighth of it, if that is less.
const RESERVE: u64 = 16 << 20;

/// The log's length at which nothing more is added: a reader that never ends keeps it from being
/// checked in, and what is settled still has to fit.
const LOG_MAX: u64 = 1 << 30;

/// Refuses `bytes` more if the disk has no room for them.
pub(super) fn check(place: &Place, bytes: u64) -> Result<(), StoreError> {
    let no_space = |reason| Err(StoreError::NoSpace { dir: place.dir().into(), reason });
    let log = fs::metadata(place.log()).map_or(0, |log| log.len());
    if log > LOG_MAX {
        return no_space(format!(
            "something that reads the database without end keeps its write-ahead log from being \
             checked in, and the log has grown to {log} bytes"
        ));
    }
    // Where this cannot be known, a full disk is met when it is written to.
    let Ok(disk) = rustix::fs::statvfs(place.dir()) else { return Ok(()) };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let reserve = RESERVE.min(disk.f_blocks.saturating_mul(disk.f_frsize) / 8);
    // Once in the log and once in the database's own file; so too what is in the log already.
    let needed = reserve.saturating_add(log).saturating_add(bytes.saturating_mul(2));
    if free < needed {
        return no_space(format!("{free} bytes are free and {needed} are needed"));
    }
    Ok(())
}
