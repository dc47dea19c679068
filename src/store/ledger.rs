//! Which events are settled at which sinks.

use std::sync::Arc;
use std::time::SystemTime;

use rusqlite::{Connection, params};

use super::writer::Tables;
use super::{Store, StoreError, names, value};
use crate::event::EventId;
use crate::time;

/// How an event was settled at a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The sink has it.
    Delivered,
    /// It is a dead letter, or was one.
    Dead,
}

impl Store {
    /// Notes that sinks have events. When this returns it is on disk: the events' attempts are
    /// forgotten, and what was spooled has left the spool with its last sink, all in one.
    ///
    /// # Errors
    ///
    /// The store cannot be written to; nothing is noted.
    pub async fn record(&self, delivered: Vec<(EventId, Arc<str>)>) -> Result<(), StoreError> {
        let now = time::wall_clock();
        let work = move |tables: &Tables<'_>| {
            for (id, sink) in &delivered {
                settle(tables, *id, names::intern(tables, sink)?, Outcome::Delivered, now)?;
            }
            Ok(())
        };
        self.writer.write(work).await
    }

    /// For each event the sinks where it is settled, delivered or dead.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub async fn settled(&self, events: &[EventId]) -> Result<Vec<Vec<Arc<str>>>, StoreError> {
        let query = "SELECT name FROM ledger JOIN names ON name_id = sink_id WHERE event_id = ?1";
        self.sinks(events, query).await
    }

    /// For each event the sinks that need not be given it any more: those where it is settled, and
    /// those that it is spooled for.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub async fn provided(&self, events: &[EventId]) -> Result<Vec<Vec<Arc<str>>>, StoreError> {
        let query = "SELECT name FROM ledger JOIN names ON name_id = sink_id WHERE event_id = ?1
                     UNION
                     SELECT name FROM spool JOIN spool_pending USING (spool_key)
                     JOIN names ON name_id = sink_id WHERE event_id = ?1";
        self.sinks(events, query).await
    }

    /// The names that a query finds for each event.
    async fn sinks(
        &self,
        events: &[EventId],
        query: &'static str,
    ) -> Result<Vec<Vec<Arc<str>>>, StoreError> {
        let events = events.to_vec();
        let read = move |connection: &Connection| {
            let mut find = connection.prepare_cached(query)?;
            let mut of = |id: &EventId| -> rusqlite::Result<Vec<_>> {
                find.query_map([id.as_bytes()], |row| names::read(row, 0))?.collect()
            };
            events.iter().map(&mut of).collect()
        };
        self.reader.read(read).await
    }
}

/// Settles an event at one sink, wherever it is noted.
pub(super) fn settle(
    tables: &Tables<'_>,
    id: EventId,
    sink: i64,
    outcome: Outcome,
    now: SystemTime,
) -> rusqlite::Result<()> {
    let connection = tables.connection;
    let outcome = match outcome {
        Outcome::Delivered => 0,
        Outcome::Dead => 1,
    };
    let id = id.as_bytes();
    // What was delivered stays delivered.
    let mut note = connection.prepare_cached(
        "INSERT INTO ledger (event_id, sink_id, outcome, settled_at) VALUES (?, ?, ?, ?)
         ON CONFLICT DO UPDATE
         SET outcome = min(outcome, excluded.outcome), settled_at = excluded.settled_at",
    )?;
    note.execute(params![id, sink, outcome, value::millis(now)])?;
    let mut forget =
        connection.prepare_cached("DELETE FROM attempts WHERE event_id = ? AND sink_id = ?")?;
    forget.execute(params![id, sink])?;
    let mut leave = connection.prepare_cached(
        "DELETE FROM spool_pending
         WHERE spool_key = (SELECT spool_key FROM spool WHERE event_id = ?) AND sink_id = ?",
    )?;
    if leave.execute(params![id, sink])? > 0 {
        let mut clear = connection.prepare_cached(
            "DELETE FROM spool WHERE event_id = ? AND NOT EXISTS
             (SELECT 1 FROM spool_pending WHERE spool_pending.spool_key = spool.spool_key)",
        )?;
        clear.execute([id])?;
    }
    Ok(())
}

/// Whether an event is settled at a sink.
pub(super) fn is_settled(tables: &Tables<'_>, id: EventId, sink: i64) -> rusqlite::Result<bool> {
    let mut find = tables
        .connection
        .prepare_cached("SELECT 1 FROM ledger WHERE event_id = ? AND sink_id = ?")?;
    find.exists(params![id.as_bytes(), sink])
}
