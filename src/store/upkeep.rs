//! What keeps the store small, in steps that no writer waits for.

use std::time::{Duration, SystemTime};

use rusqlite::params;

use super::writer::Tables;
use super::{Store, StoreError, total, value};
use crate::time;

/// How long the ledger remembers: VOD hands an event out again for 4 days.
const LEDGER_AGE: Duration = Duration::from_secs(5 * 24 * 60 * 60);

/// The most rows of the ledger, and of the attempts: about 100 MB.
const ROWS_MAX: u64 = 1_000_000;

/// The most rows that one transaction removes.
const STEP_ROWS: u64 = 500;

/// The most pages that one transaction gives back to the file system.
const STEP_PAGES: i64 = 256;

/// Free pages that stay in the file, for what comes next.
const SLACK_PAGES: i64 = 2_048;

/// The most steps of giving back in one upkeep: 256 MiB.
const GIVE_BACK_STEPS: usize = 256;

const PRUNE_LEDGER: &str = "DELETE FROM ledger WHERE (event_id, sink_id) IN
    (SELECT event_id, sink_id FROM ledger WHERE settled_at < ? ORDER BY settled_at LIMIT ?)";

const PRUNE_ATTEMPTS: &str = "DELETE FROM attempts WHERE (event_id, sink_id) IN
    (SELECT event_id, sink_id FROM attempts WHERE last_at < ? ORDER BY last_at LIMIT ?)";

impl Store {
    /// Forgets what VOD can no longer hand out again, and gives disk space back. To be called
    /// every few minutes; it works in steps, so that writers never wait for long.
    ///
    /// # Errors
    ///
    /// The store cannot be written to. What was done until then stays done.
    pub async fn maintain(&self) -> Result<(), StoreError> {
        let oldest = time::wall_clock().checked_sub(LEDGER_AGE).unwrap_or(SystemTime::UNIX_EPOCH);
        let removed = self.prune(oldest, ROWS_MAX).await?;
        for _ in 0..GIVE_BACK_STEPS {
            if !self.writer.write(give_back).await? {
                break;
            }
        }
        if removed > 0 {
            tracing::debug!(removed, "old entries of the ledger were removed");
        }
        Ok(())
    }

    /// Removes what the ledger and the attempts have from before `older_than`, and beyond
    /// `max_rows` each the oldest: how many rows.
    ///
    /// # Errors
    ///
    /// The store cannot be written to. What was removed until then stays removed.
    pub async fn prune(&self, older_than: SystemTime, max_rows: u64) -> Result<u64, StoreError> {
        let mut removed = 0;
        for (table, statement) in [("ledger", PRUNE_LEDGER), ("attempts", PRUNE_ATTEMPTS)] {
            loop {
                let step = move |tables: &Tables<'_>| {
                    let mut prune = tables.connection.prepare_cached(statement)?;
                    let old = params![value::millis(older_than), value::number(STEP_ROWS)];
                    let old = prune.execute(old)? as u64;
                    let left = STEP_ROWS - old.min(STEP_ROWS);
                    let rows = total(tables.connection, table)?.entries;
                    let excess = value::number(rows.saturating_sub(max_rows).min(left));
                    Ok(old + prune.execute(params![i64::MAX, excess])? as u64)
                };
                let step = self.writer.write(step).await?;
                removed += step;
                if step < STEP_ROWS {
                    break;
                }
            }
        }
        Ok(removed)
    }
}

/// Gives free pages at the file's end back to the file system: whether there are more.
fn give_back(tables: &Tables<'_>) -> Result<bool, super::writer::Fault> {
    let free = "PRAGMA freelist_count";
    let free: i64 = tables.connection.query_row(free, [], |row| row.get(0))?;
    let excess = (free - SLACK_PAGES).min(STEP_PAGES);
    if excess <= 0 {
        return Ok(false);
    }
    let mut vacuum = tables.connection.prepare(&format!("PRAGMA incremental_vacuum({excess})"))?;
    let mut pages = vacuum.query([])?;
    while pages.next()?.is_some() {}
    Ok(excess == STEP_PAGES)
}
