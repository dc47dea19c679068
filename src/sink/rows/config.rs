//! What the configuration says of rows, whichever database they go to.

use std::time::Duration;

use super::{BATCH_MAX, Columns, columns, flaw_of_table, own_statement};
use crate::config::Section;
use crate::format::Format;
use crate::sink::{self, Limits};

/// The most time that connecting may take; what takes longer is as good as down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What each database has its own words for. `B` is the type of the body's column in a table that is
/// made for the events.
pub(in crate::sink) struct Dialect<B: 'static> {
    /// The types that it can have. The first is the default.
    pub body_types: [(&'static str, B); 2],
    /// A statement of the user's own, for an example.
    pub statement: &'static str,
    /// What the name of a table looks like.
    pub table: &'static str,
}

/// What `[sinks.NAME]` says, besides where the server is.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sink) struct Config<B> {
    /// The table and its columns, or a statement in their place.
    pub target: Target<B>,
    /// The most connections, each with one transaction at a time.
    pub max_concurrency: usize,
    /// The shape of the body.
    pub format: Format,
    /// The most time that one transaction may take.
    pub timeout: Duration,
}

/// What events are written with.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sink) enum Target<B> {
    Table { name: String, columns: Columns, create: Option<B> },
    Statement(String),
}

impl<B: Copy> Config<B> {
    /// Reads the sink's keys.
    pub(in crate::sink) fn read(section: &Section<'_>, dialect: &Dialect<B>) -> Option<Self> {
        let target = Target::read(section, dialect);
        let max_concurrency = section.integer("max_concurrency", 4, 1..=64);
        let format = section.format();
        let timeout = sink::timeout(section, Duration::from_secs(10));
        Some(Self {
            target: target?,
            max_concurrency: usize::try_from(max_concurrency).unwrap_or(1),
            format: format?,
            timeout,
        })
    }

    /// The most time that connecting may take.
    pub(in crate::sink) fn connect_timeout(&self) -> Duration {
        CONNECT_TIMEOUT.min(self.timeout / 2)
    }

    pub(in crate::sink) fn limits(&self) -> Limits {
        Limits { timeout: self.timeout, concurrency: self.max_concurrency, batch: BATCH_MAX }
    }
}

impl<B: Copy> Target<B> {
    fn read(section: &Section<'_>, dialect: &Dialect<B>) -> Option<Self> {
        let name = section.string_or("table", "vod_events");
        let columns = columns(section);
        let create_table = section.boolean("create_table", false);
        let [(default, _), _] = dialect.body_types;
        let body_type = section.choice("body_type", &dialect.body_types, default);
        if let Some(text) = own_statement(section, dialect.statement) {
            return Some(Self::Statement(text));
        }
        if let Some(problem) = flaw_of_table(&name) {
            section.mistake("table", problem, dialect.table);
            return None;
        }
        let create = if create_table { Some(body_type?) } else { None };
        Some(Self::Table { name, columns, create })
    }

    /// What makes the table, if it may be made: `statement` of its name, its columns and the body's type.
    pub(in crate::sink) fn create(
        &self,
        statement: fn(&str, &Columns, B) -> String,
    ) -> Option<String> {
        match self {
            Self::Table { name, columns, create } => {
                create.map(|body_type| statement(name, columns, body_type))
            }
            Self::Statement(_) => None,
        }
    }
}
