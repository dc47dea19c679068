//! How often events were tried, over redeliveries and restarts.

use std::sync::Arc;

use rusqlite::params;

use super::writer::Tables;
use super::{Store, StoreError, names, value};
use crate::event::EventId;
use crate::time;

impl Store {
    /// Adds attempts to those of earlier runs and redeliveries: the totals, in the same order. They
    /// are forgotten when the event is settled. Only sinks that give up after so many attempts
    /// need this.
    ///
    /// # Errors
    ///
    /// The store cannot be written to; nothing is added.
    pub async fn count_attempts(
        &self,
        tried: Vec<(EventId, Arc<str>, u64)>,
    ) -> Result<Vec<u64>, StoreError> {
        let now = value::millis(time::wall_clock());
        let work = move |tables: &Tables<'_>| {
            let mut count = tables.connection.prepare_cached(
                "INSERT INTO attempts (event_id, sink_id, attempts, last_at) VALUES (?, ?, ?, ?)
                 ON CONFLICT DO UPDATE
                 SET attempts = attempts + excluded.attempts, last_at = excluded.last_at
                 RETURNING attempts",
            )?;
            let mut totals = Vec::with_capacity(tried.len());
            for (id, sink, n) in &tried {
                let sink = names::intern(tables, sink)?;
                let values = params![id.as_bytes(), sink, value::number(*n), now];
                totals.push(count.query_row(values, |row| value::count(row, 0))?);
            }
            Ok(totals)
        };
        self.writer.write(work).await
    }
}
