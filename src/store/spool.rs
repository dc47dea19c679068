//! The spool: events that are confirmed and not yet settled at all their sinks.
//!
//! An event is in the spool exactly as long as a sink is pending for it. It comes in with
//! [`Store::append`] and goes with the last [`Store::record`] or [`Store::bury`].

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::writer::Tables;
use super::{Shared, Store, StoreError, ledger, names, room, total, value};
use crate::event::EventId;

/// An event for the spool.
#[derive(Debug, Clone)]
pub struct NewSpooled {
    /// Its id.
    pub id: EventId,
    /// The event, byte for byte.
    pub text: Bytes,
    /// The sinks that are to have it.
    pub sinks: Vec<Arc<str>>,
    /// When it came.
    pub received: SystemTime,
}

/// Names one entry of the spool; later ones are greater, and none is used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpoolKey(i64);

impl SpoolKey {
    /// The key to load after, so that this one comes first.
    pub(crate) fn just_before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

/// What became of an event that was to be spooled. In each case it may be confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appended {
    /// It is in the spool now, and pending for those of its sinks where it was not settled already.
    Added {
        /// Its key.
        key: SpoolKey,
        /// The sinks that it is pending for.
        sinks: Vec<Arc<str>>,
    },
    /// It was in the spool already. Sinks that the entry lacked, and where the event is not settled,
    /// have been added to it.
    Known {
        /// Its key.
        key: SpoolKey,
        /// The sinks that have been added; usually none.
        sinks: Vec<Arc<str>>,
    },
    /// It is settled at all its sinks, so there is nothing to spool.
    Settled,
}

/// An event in the spool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spooled {
    /// Its key.
    pub key: SpoolKey,
    /// Its id.
    pub id: EventId,
    /// The source that it came from.
    pub source: Arc<str>,
    /// The event, byte for byte.
    pub text: Bytes,
    /// Whether the text is what was stored. If it is not, the disk has altered it: it must not be
    /// delivered, but buried.
    pub intact: bool,
    /// The sinks that it is pending for.
    pub sinks: Vec<Arc<str>>,
    /// When it came.
    pub received: SystemTime,
}

/// How full the spool is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpoolStats {
    /// How many events are in it.
    pub events: u64,
    /// Their bytes.
    pub bytes: u64,
    /// When the first of them came.
    pub oldest: Option<SystemTime>,
}

impl Store {
    /// Spools the events of one answer. When this returns they are on disk, in this order, and may
    /// be confirmed; all of them or none.
    ///
    /// # Errors
    ///
    /// There is no space, or the store cannot be written to; nothing is spooled, and none of the
    /// events may be confirmed.
    pub async fn append(
        &self,
        source: Arc<str>,
        events: Vec<NewSpooled>,
    ) -> Result<Vec<Appended>, StoreError> {
        let work = move |tables: &Tables<'_>| {
            let bytes = events.iter().map(|event| event.text.len() as u64).sum();
            room::check(tables, bytes)?;
            let source = names::intern(tables, &source)?;
            let append = |event| append(tables, source, event);
            Ok(events.iter().map(append).collect::<rusqlite::Result<_>>()?)
        };
        self.writer.write(work).await
    }

    /// Reads spooled events in order of arrival: those after the key `after`, pending for `sink` if
    /// one is given, at most `limit` of them and `max_bytes` of their texts, but at least one. None
    /// is the end.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub async fn load(
        &self,
        sink: Option<Arc<str>>,
        after: Option<SpoolKey>,
        limit: usize,
        max_bytes: usize,
    ) -> Result<Vec<Spooled>, StoreError> {
        let read = move |connection: &Connection| {
            load(connection, sink.as_deref(), after, limit, max_bytes)
        };
        self.reader.read(read).await
    }

    /// The places of spooled events in order of arrival: those after the key `after` that are
    /// pending for `sink`, at most `limit`. None is the end.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub async fn places(
        &self,
        sink: Arc<str>,
        after: Option<SpoolKey>,
        limit: usize,
    ) -> Result<Vec<SpoolKey>, StoreError> {
        let read = move |connection: &Connection| {
            let after = after.map_or(i64::MIN, |key| key.0);
            let mut keys = connection.prepare_cached(
                "SELECT spool_key FROM spool_pending
                 WHERE sink_id = (SELECT name_id FROM names WHERE name = ?1) AND spool_key > ?2
                 ORDER BY spool_key LIMIT ?3",
            )?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            keys.query_map(params![sink, after, limit], |row| row.get(0).map(SpoolKey))?.collect()
        };
        self.reader.read(read).await
    }

    /// How full the spool is, as of the last write of this process.
    pub fn spool_stats(&self) -> SpoolStats {
        self.shared.spool_stats()
    }

    /// How many events are pending for each sink, also for those that are not configured any more.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub async fn spool_pending(&self) -> Result<HashMap<Arc<str>, u64>, StoreError> {
        let read = |connection: &Connection| {
            let mut count = connection.prepare_cached(
                "SELECT name, count(*) FROM spool_pending JOIN names ON name_id = sink_id
                 GROUP BY sink_id",
            )?;
            count.query_map([], |row| Ok((names::read(row, 0)?, value::count(row, 1)?)))?.collect()
        };
        self.reader.read(read).await
    }
}

fn append(tables: &Tables<'_>, source: i64, event: &NewSpooled) -> rusqlite::Result<Appended> {
    let connection = tables.connection;
    let mut lacking = Vec::with_capacity(event.sinks.len());
    for sink in &event.sinks {
        let number = names::intern(tables, sink)?;
        if !ledger::is_settled(tables, event.id, number)? {
            lacking.push((number, sink));
        }
    }
    let mut find = connection.prepare_cached("SELECT spool_key FROM spool WHERE event_id = ?")?;
    let known = find.query_row([event.id.as_bytes()], |row| row.get(0)).optional()?;
    let key = match known {
        Some(key) => key,
        None if lacking.is_empty() => return Ok(Appended::Settled),
        None => {
            let mut add = connection.prepare_cached(
                "INSERT INTO spool (event_id, source_id, received_at, text_sum, text)
                 VALUES (?, ?, ?, ?, ?)",
            )?;
            add.insert(params![
                event.id.as_bytes(),
                source,
                value::millis(event.received),
                value::sum(event.id, &event.text),
                &event.text[..],
            ])?
        }
    };
    let mut pend = connection.prepare_cached(
        "INSERT INTO spool_pending (spool_key, sink_id) VALUES (?, ?) ON CONFLICT DO NOTHING",
    )?;
    let mut sinks = Vec::with_capacity(lacking.len());
    for (number, sink) in lacking {
        if pend.execute([key, number])? > 0 {
            sinks.push(sink.clone());
        }
    }
    Ok(match known {
        Some(_) => Appended::Known { key: SpoolKey(key), sinks },
        None => Appended::Added { key: SpoolKey(key), sinks },
    })
}

fn load(
    connection: &Connection,
    sink: Option<&str>,
    after: Option<SpoolKey>,
    limit: usize,
    max_bytes: usize,
) -> rusqlite::Result<Vec<Spooled>> {
    let after = after.map_or(i64::MIN, |key| key.0);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut keys = connection.prepare_cached(match sink {
        Some(_) => {
            "SELECT spool_key FROM spool_pending
             WHERE sink_id = (SELECT name_id FROM names WHERE name = ?1) AND spool_key > ?2
             ORDER BY spool_key LIMIT ?3"
        }
        None => {
            "SELECT DISTINCT spool_key FROM spool_pending
             WHERE ?1 IS NULL AND spool_key > ?2 ORDER BY spool_key LIMIT ?3"
        }
    })?;
    let mut read = connection.prepare_cached(
        "SELECT event_id, name, received_at, text_sum, text
         FROM spool JOIN names ON name_id = source_id WHERE spool_key = ?",
    )?;
    let mut pending = connection.prepare_cached(
        "SELECT name FROM spool_pending JOIN names ON name_id = sink_id WHERE spool_key = ?",
    )?;
    let mut keys = keys.query(params![sink, after, limit])?;
    let (mut loaded, mut bytes) = (Vec::new(), 0);
    while let Some(row) = keys.next()? {
        let key: i64 = row.get(0)?;
        let sinks = pending.query_map([key], |row| names::read(row, 0))?;
        let sinks = sinks.collect::<rusqlite::Result<Vec<_>>>()?;
        // The row is there: the schema has it that a sink is pending only for what is spooled.
        let spooled = read.query_row([key], |row| {
            let id = value::id(row, 0)?;
            let (text, intact) = value::text(row, id, 4)?;
            let (source, received) = (names::read(row, 1)?, value::time(row, 2)?);
            Ok(Spooled { key: SpoolKey(key), id, source, text, intact, sinks, received })
        })?;
        bytes += spooled.text.len();
        if bytes > max_bytes && !loaded.is_empty() {
            break;
        }
        loaded.push(spooled);
    }
    Ok(loaded)
}

/// Notes how full the spool is now.
pub(super) fn refresh(connection: &Connection, shared: &Shared) -> rusqlite::Result<()> {
    let total = total(connection, "spool")?;
    let mut first =
        connection.prepare_cached("SELECT received_at FROM spool ORDER BY spool_key LIMIT 1")?;
    let oldest = first.query_row([], |row| value::time(row, 0)).optional()?;
    shared.set_spool_stats(SpoolStats { events: total.entries, bytes: total.bytes, oldest });
    Ok(())
}
