//! What the sinks that write rows into a table share: what a row holds, and how one that the
//! database refuses costs only itself.

mod config;
mod name;
mod own;
mod probe;

use std::collections::VecDeque;
use std::future::Future;

pub(super) use self::config::{Config, Dialect, Target};
use self::name::flaw_of_table;
pub(super) use self::name::{create_table, id_column, list, quoted_table};
use self::own::own_statement;
pub(super) use self::own::with_parameters;
pub(super) use self::probe::{MEND_FILES, MEND_SERVER, MEND_USER, failing};
use super::{Outcome, Parcel, Refusal};
use crate::config::Section;
use crate::event::Fields;
use crate::format::Format;
use crate::time;

/// The most events in one transaction: enough that a sync to disk for each does not matter, few
/// enough that a lock is never held for long.
pub(super) const BATCH_MAX: usize = 64;

/// What a column can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    /// The event's id.
    Id,
    /// The event's type.
    Type,
    /// The task, if the event has one.
    TaskId,
    /// The media file, if the event has one.
    FileId,
    /// When the relay got it first.
    Received,
    /// The event in the sink's format.
    Body,
    /// The sub-application of its source, if that has one.
    SubAppId,
}

impl Field {
    /// All of them.
    pub(super) const ALL: [Self; 7] = [
        Self::Id,
        Self::Type,
        Self::TaskId,
        Self::FileId,
        Self::Received,
        Self::Body,
        Self::SubAppId,
    ];

    /// The name under `columns`, and that of the column unless told otherwise.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Type => "type",
            Self::TaskId => "task_id",
            Self::FileId => "file_id",
            Self::Received => "received",
            Self::Body => "body",
            Self::SubAppId => "sub_app_id",
        }
    }
}

/// The columns of a table, each with what it holds.
pub(super) type Columns = Vec<(String, Field)>;

/// Reads `columns`: by default a column for each field but the last, called as the field is. One
/// must hold the id, which is what makes a redelivered event no second row.
fn columns(section: &Section<'_>) -> Columns {
    let right = "for example { event_id = \"id\", payload = \"body\" }";
    let words = Field::ALL.map(|field| (field.name(), field));
    let columns = section.words("columns", &words, right);
    if !section.has("columns") {
        let named = |field: &Field| (field.name().to_owned(), *field);
        return Field::ALL.iter().filter(|field| **field != Field::SubAppId).map(named).collect();
    }
    if !columns.iter().any(|(_, field)| *field == Field::Id) {
        let problem = "has no column for \"id\", without which an event that comes again is a \
                       second row";
        section.mistake("columns", problem, right);
    }
    columns
}

/// An event on its way into a table.
#[derive(Debug)]
pub(super) struct Row<'a> {
    /// Which of the batch it is.
    at: usize,
    parcel: &'a Parcel,
    id: String,
    received: String,
    sub_app_id: Option<String>,
    fields: Fields,
    body: String,
}

impl<'a> Row<'a> {
    fn of(at: usize, parcel: &'a Parcel, format: &Format) -> Result<Self, Refusal> {
        let body = parcel.render(format)?.body;
        let body = String::from_utf8(body.into())
            .map_err(|_| Refusal::permanent("the event is not UTF-8, which a column must be"))?;
        Ok(Self {
            at,
            parcel,
            id: parcel.event.id().to_string(),
            received: time::rfc3339(parcel.received),
            sub_app_id: parcel.sub_app_id.map(|id| id.to_string()),
            fields: parcel.event.fields(),
            body,
        })
    }

    /// What a column holds, as text.
    pub(super) fn text(&self, field: Field) -> Option<&str> {
        match field {
            Field::Id => Some(&self.id),
            Field::Type => Some(self.parcel.event.event_type()),
            Field::TaskId => self.fields.task_id.as_deref(),
            Field::FileId => self.fields.file_id.as_deref(),
            Field::Received => Some(&self.received),
            Field::Body => Some(&self.body),
            Field::SubAppId => self.sub_app_id.as_deref(),
        }
    }
}

/// Why a transaction was not committed.
#[derive(Debug)]
pub(super) enum Trouble {
    /// A row is refused for good: which one, where that is known, counted within the transaction.
    Row { at: Option<usize>, reason: String },
    /// Nothing that has to do with one row more than with the next.
    All { reason: String },
}

/// What commits rows.
pub(super) trait Table {
    /// Commits all of these rows, or none.
    fn commit(&mut self, rows: &[Row<'_>]) -> impl Future<Output = Result<(), Trouble>> + Send;
}

/// Writes a batch in one transaction, and in as many more as it has rows that are refused for good.
pub(super) async fn write(
    table: &mut impl Table,
    batch: &[Parcel],
    format: &Format,
) -> Vec<Outcome> {
    let mut outcomes = vec![Ok(()); batch.len()];
    let mut rows = Vec::with_capacity(batch.len());
    for (at, parcel) in batch.iter().enumerate() {
        match Row::of(at, parcel, format) {
            Ok(row) => rows.push(row),
            Err(refusal) => outcomes[at] = Err(refusal),
        }
    }
    // Where two relays write the same events at the same time neither waits for the other in a
    // circle.
    rows.sort_by(|a, b| a.id.cmp(&b.id));
    let mut groups = VecDeque::from([&rows[..]]);
    while let Some(group) = groups.pop_front() {
        if group.is_empty() {
            continue;
        }
        match table.commit(group).await {
            Ok(()) => {}
            Err(Trouble::Row { at, reason }) => match at {
                Some(at) if at < group.len() => {
                    outcomes[group[at].at] = Err(Refusal::permanent(reason));
                    groups.extend([&group[..at], &group[at + 1..]]);
                }
                _ if group.len() == 1 => outcomes[group[0].at] = Err(Refusal::permanent(reason)),
                _ => groups.extend(<[_; 2]>::from(group.split_at(group.len() / 2))),
            },
            Err(Trouble::All { reason }) => {
                for row in groups.into_iter().chain([group]).flatten() {
                    outcomes[row.at] = Err(Refusal::transient(reason.clone()));
                }
                break;
            }
        }
    }
    outcomes
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::event::Event;

    /// A table that refuses some rows, and says which or not.
    #[derive(Default)]
    struct Picky {
        tells: bool,
        held: Vec<String>,
        transactions: usize,
        breaks_after: Option<usize>,
    }

    impl Table for Picky {
        async fn commit(&mut self, rows: &[Row<'_>]) -> Result<(), Trouble> {
            if self.breaks_after == Some(self.transactions) {
                return Err(Trouble::All { reason: "down".to_owned() });
            }
            self.transactions += 1;
            match rows.iter().position(|row| row.body.contains("bad")) {
                Some(at) => {
                    Err(Trouble::Row { at: self.tells.then_some(at), reason: "refused".to_owned() })
                }
                None => {
                    self.held.extend(rows.iter().map(|row| row.body.clone()));
                    Ok(())
                }
            }
        }
    }

    fn batch(bad: &[usize]) -> Vec<Parcel> {
        let parcel = |n: usize| {
            let word = if bad.contains(&n) { "bad" } else { "good" };
            let event = Event::from_content(format!(r#"{{"EventType":"{word}","N":{n}}}"#));
            Parcel { event: Arc::new(event), received: UNIX_EPOCH, sub_app_id: None, attempt: 1 }
        };
        (0..16).map(parcel).collect()
    }

    #[tokio::test]
    async fn a_row_that_is_refused_costs_only_itself() {
        for (tells, bad, most) in [
            (true, &[][..], 1),
            (true, &[0, 7, 15][..], 7),
            (false, &[3, 4][..], 16),
            (false, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15][..], 31),
        ] {
            let mut table = Picky { tells, ..Picky::default() };
            let outcomes = write(&mut table, &batch(bad), &Format::Callback).await;
            for (at, outcome) in outcomes.iter().enumerate() {
                let refused = bad.contains(&at).then(|| Refusal::permanent("refused"));
                assert_eq!(outcome.clone().err(), refused, "{at} of {bad:?}");
            }
            assert_eq!(table.held.len(), 16 - bad.len(), "{bad:?}");
            assert!(table.transactions <= most, "{} for {bad:?}", table.transactions);
        }
    }

    #[tokio::test]
    async fn what_is_not_committed_when_the_table_breaks_is_not_delivered() {
        let mut table = Picky { tells: true, breaks_after: Some(2), ..Picky::default() };
        let outcomes = write(&mut table, &batch(&[7]), &Format::Callback).await;
        let delivered = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(delivered, table.held.len());
        let down = Err(Refusal::transient("down"));
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == down).count(), 15 - delivered);
        assert_eq!(outcomes[7], Err(Refusal::permanent("refused")));
    }
}
