//! How times, ids and texts are written in a column.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use rusqlite::Row;
use sha2::{Digest as _, Sha256};

use crate::event::EventId;

/// Milliseconds since 1970. What lies before counts as 1970 itself.
pub(super) fn millis(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A time in a column.
pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<SystemTime> {
    let millis: i64 = row.get(column)?;
    let since = Duration::from_millis(u64::try_from(millis).unwrap_or_default());
    // Beyond what the clock can count there are only damaged numbers.
    Ok(UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH))
}

/// An event's id in a column.
pub(super) fn id(row: &Row<'_>, column: usize) -> rusqlite::Result<EventId> {
    row.get::<_, [u8; 16]>(column).map(EventId::from)
}

/// A number that is never negative.
pub(super) fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or_default())
}

/// For SQLite, whose numbers end earlier.
pub(super) fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// What tells later whether a text is still the one that was stored. SQLite keeps no checksums, and
/// a byte that has changed on the disk must not reach a sink.
pub(super) fn sum(id: EventId, text: &[u8]) -> [u8; 8] {
    let hash = Sha256::new().chain_update(id.as_bytes()).chain_update(text).finalize();
    let mut sum = [0; 8];
    sum.copy_from_slice(&hash[..8]);
    sum
}

/// The text in a column, and whether it is as it was stored, by the sum in the column before it.
pub(super) fn text(row: &Row<'_>, id: EventId, column: usize) -> rusqlite::Result<(Bytes, bool)> {
    let stored = row.get_ref(column - 1)?.as_blob()?;
    let text = row.get_ref(column)?.as_blob()?;
    Ok((Bytes::copy_from_slice(text), stored == sum(id, text)))
}
