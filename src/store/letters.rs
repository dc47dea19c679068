//! Dead letters: events that a sink refused for good, kept for a person to look at and replay.

use std::sync::Arc;
use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::ledger::{self, Outcome};
use super::writer::{Fault, Tables};
use super::{DeadLetter, Store, StoreError, Total, names, room, total, value};
use crate::event::EventId;
use crate::time;

/// The most bytes of a reason that are kept; a receiver's answer may be long.
const REASON_MAX: usize = 4 << 10;

/// The most bytes of events in one page.
const PAGE_BYTES: usize = 16 << 20;

/// Names one dead letter, for as long as there is one of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct LetterKey(i64);

/// A dead letter in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buried {
    /// Its name.
    pub key: LetterKey,
    /// What was buried.
    pub letter: DeadLetter,
    /// Whether the text is what was stored. If it is not, the disk has altered it, and it must not
    /// be delivered.
    pub intact: bool,
}

/// Which dead letters are asked for. The default is all.
#[derive(Debug, Clone, Default)]
pub struct LetterFilter {
    /// Those of this sink.
    pub sink: Option<String>,
    /// Those of this event type.
    pub event_type: Option<String>,
    /// The one of this name.
    pub key: Option<LetterKey>,
    /// Those of this event.
    pub id: Option<EventId>,
    /// Those buried at this time or later.
    pub since: Option<SystemTime>,
    /// Those buried before this time.
    pub until: Option<SystemTime>,
}

impl Store {
    /// Buries an event. When this returns it is on disk, and the event is settled at the sink: it
    /// stands in the ledger, its attempts are forgotten, and it has left the spool, all in one. A
    /// letter of the same event and sink is replaced and keeps its key.
    ///
    /// # Errors
    ///
    /// There are too many dead letters, or the store cannot be written to; nothing is buried.
    pub async fn bury(&self, letter: DeadLetter) -> Result<LetterKey, StoreError> {
        self.writer.write(move |tables| bury(tables, &letter)).await
    }

    /// One page of dead letters, oldest key first: those after the key `after`. An empty page is the
    /// end; a page may be shorter than `limit` before that.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub async fn dead_letters(
        &self,
        filter: &LetterFilter,
        after: Option<LetterKey>,
        limit: usize,
    ) -> Result<Vec<Buried>, StoreError> {
        let filter = filter.clone();
        self.reader.read(move |connection| page(connection, &filter, after, limit)).await
    }

    /// How many dead letters there are, and the bytes of their events.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub async fn dead_letter_total(&self) -> Result<Total, StoreError> {
        self.reader.read(|connection| total(connection, "dead_letters")).await
    }

    /// How many dead letters there are of each sink that has any.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub async fn dead_letters_by_sink(&self) -> Result<Vec<(Arc<str>, u64)>, StoreError> {
        let read = |connection: &Connection| {
            let mut count = connection.prepare_cached(
                "SELECT name, count(*) FROM dead_letters JOIN names ON name_id = sink_id
                 GROUP BY sink_id ORDER BY name",
            )?;
            count.query_map([], |row| Ok((names::read(row, 0)?, value::count(row, 1)?)))?.collect()
        };
        self.reader.read(read).await
    }

    /// Removes dead letters whose events have now been delivered, and notes that in the ledger, all
    /// in one: how many were still there.
    ///
    /// # Errors
    ///
    /// The store cannot be written to; nothing is removed.
    pub async fn replayed(&self, keys: Vec<LetterKey>) -> Result<u64, StoreError> {
        let now = time::wall_clock();
        let work = move |tables: &Tables<'_>| {
            let mut find = tables.connection.prepare_cached(
                "SELECT event_id, sink_id FROM dead_letters WHERE letter_key = ?",
            )?;
            for key in &keys {
                let found = find
                    .query_row([key.0], |row| Ok((value::id(row, 0)?, row.get::<_, i64>(1)?)))
                    .optional()?;
                if let Some((id, sink)) = found {
                    ledger::settle(tables, id, sink, Outcome::Delivered, now)?;
                }
            }
            Ok(remove(tables, &keys)?)
        };
        self.writer.write(work).await
    }

    /// Removes dead letters that nobody wants any more: how many were still there. Their events
    /// stay settled.
    ///
    /// # Errors
    ///
    /// The store cannot be written to; nothing is removed.
    pub async fn drop_letters(&self, keys: Vec<LetterKey>) -> Result<u64, StoreError> {
        self.writer.write(move |tables| Ok(remove(tables, &keys)?)).await
    }
}

fn bury(tables: &Tables<'_>, letter: &DeadLetter) -> Result<LetterKey, Fault> {
    let shared = tables.shared;
    let size = value::number(letter.text.len() as u64).unsigned_abs();
    room::check(tables, size)?;
    let sink = names::intern(tables, &letter.sink)?;
    let source = names::intern(tables, &letter.source)?;
    let mut find = tables
        .connection
        .prepare_cached("SELECT 1 FROM dead_letters WHERE event_id = ? AND sink_id = ?")?;
    let kept = total(tables.connection, "dead_letters")?;
    let limits = &shared.limits;
    if !find.exists(params![letter.id.as_bytes(), sink])?
        && (kept.entries >= limits.dead_letters_max
            || kept.bytes.saturating_add(size) > limits.dead_letter_bytes_max)
    {
        return Err(Fault::Refused(StoreError::LettersFull {
            entries: kept.entries,
            bytes: kept.bytes,
            entries_max: limits.dead_letters_max,
            bytes_max: limits.dead_letter_bytes_max,
        }));
    }
    let mut write = tables.connection.prepare_cached(
        "INSERT INTO dead_letters (event_id, sink_id, source_id, event_type, task_id, file_id,
                                   reason, attempts, first_seen_at, buried_at, text_sum, text)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (event_id, sink_id) DO UPDATE
         SET source_id = excluded.source_id, reason = excluded.reason,
             attempts = excluded.attempts,
             first_seen_at = min(first_seen_at, excluded.first_seen_at),
             buried_at = excluded.buried_at, text_sum = excluded.text_sum, text = excluded.text
         RETURNING letter_key",
    )?;
    let values = params![
        letter.id.as_bytes(),
        sink,
        source,
        letter.event_type,
        letter.task_id,
        letter.file_id,
        shortened(&letter.reason),
        value::number(letter.attempts),
        value::millis(letter.first_seen),
        value::millis(letter.buried),
        value::sum(letter.id, &letter.text),
        &letter.text[..],
    ];
    let key = write.query_row(values, |row| row.get(0).map(LetterKey))?;
    // The ledger counts from when this was written, whatever the letter says of its own time.
    ledger::settle(tables, letter.id, sink, Outcome::Dead, time::wall_clock())?;
    Ok(key)
}

fn shortened(reason: &str) -> &str {
    let mut end = reason.len().min(REASON_MAX);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    &reason[..end]
}

fn remove(tables: &Tables<'_>, keys: &[LetterKey]) -> rusqlite::Result<u64> {
    let mut remove =
        tables.connection.prepare_cached("DELETE FROM dead_letters WHERE letter_key = ?")?;
    let mut removed = 0;
    for key in keys {
        removed += remove.execute([key.0])? as u64;
    }
    Ok(removed)
}

fn page(
    connection: &Connection,
    filter: &LetterFilter,
    after: Option<LetterKey>,
    limit: usize,
) -> rusqlite::Result<Vec<Buried>> {
    let mut find = connection.prepare_cached(
        "SELECT letter_key, event_id, event_type, task_id, file_id, source.name, sink.name, reason,
                attempts, first_seen_at, buried_at, text_sum, text
         FROM dead_letters
         JOIN names AS sink ON sink.name_id = sink_id
         JOIN names AS source ON source.name_id = source_id
         WHERE letter_key > ?1
           AND (?2 IS NULL OR sink.name = ?2) AND (?3 IS NULL OR event_type = ?3)
           AND (?4 IS NULL OR event_id = ?4)
           AND (?5 IS NULL OR buried_at >= ?5) AND (?6 IS NULL OR buried_at < ?6)
           AND (?7 IS NULL OR letter_key = ?7)
         ORDER BY letter_key LIMIT ?8",
    )?;
    let mut rows = find.query(params![
        after.map_or(i64::MIN, |key| key.0),
        filter.sink,
        filter.event_type,
        filter.id.as_ref().map(EventId::as_bytes),
        filter.since.map(value::millis),
        filter.until.map(value::millis),
        filter.key.map(|key| key.0),
        i64::try_from(limit).unwrap_or(i64::MAX),
    ])?;
    let (mut page, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let buried = read(row)?;
        bytes += buried.letter.text.len();
        if bytes > PAGE_BYTES && !page.is_empty() {
            break;
        }
        page.push(buried);
    }
    Ok(page)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Buried> {
    let id = value::id(row, 1)?;
    let (text, intact) = value::text(row, id, 12)?;
    let letter = DeadLetter {
        id,
        event_type: row.get(2)?,
        task_id: row.get(3)?,
        file_id: row.get(4)?,
        source: names::read(row, 5)?,
        sink: names::read(row, 6)?,
        reason: row.get(7)?,
        attempts: value::count(row, 8)?,
        first_seen: value::time(row, 9)?,
        buried: value::time(row, 10)?,
        text,
    };
    Ok(Buried { key: LetterKey(row.get(0)?), letter, intact })
}

impl std::fmt::Display for LetterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for LetterKey {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}
