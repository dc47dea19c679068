//! Which dead letters a command is about.

use std::collections::{HashMap, VecDeque};
use std::str::FromStr;
use std::time::SystemTime;

use clap::Args;

use super::when;
use crate::event::EventId;
use crate::store::{Buried, LetterFilter, LetterKey, Store, StoreError};

/// The most letters that are looked at together.
pub(super) const PAGE: usize = 256;

/// What dead letters have in common.
#[derive(Debug, Clone, Args)]
pub(super) struct Filters {
    /// Only those of this sink
    #[arg(long, value_name = "NAME")]
    sink: Option<String>,

    /// Only those of this event type
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,

    /// Only those of this event
    #[arg(long, value_name = "vod_...")]
    id: Option<EventId>,

    /// Only those buried at this time or later: RFC 3339, or a duration back such as 2h
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    since: Option<SystemTime>,

    /// Only those buried before this time
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    until: Option<SystemTime>,
}

/// Names, of which there must be one.
#[derive(Debug, Clone, Args)]
pub(super) struct Named {
    /// The key of a dead letter, or the id of its event
    #[arg(value_name = "KEY|ID", required = true)]
    names: Vec<Name>,
}

/// Names and filters. Nothing at all is not taken for everything.
#[derive(Debug, Clone, Args)]
pub(super) struct Wanted {
    /// The keys of dead letters, or the ids of their events
    #[arg(value_name = "KEY|ID")]
    names: Vec<Name>,

    #[command(flatten)]
    filters: Filters,

    /// All dead letters
    #[arg(
        long,
        conflicts_with_all = ["names", "sink", "event_type", "id", "since", "until"]
    )]
    all: bool,
}

impl Wanted {
    /// Whether nothing was said, which must not mean everything.
    pub(super) fn is_nothing(&self) -> bool {
        let Filters { sink, event_type, id, since, until } = &self.filters;
        let filtered = sink.is_some()
            || event_type.is_some()
            || id.is_some()
            || since.is_some()
            || until.is_some();
        !self.all && self.names.is_empty() && !filtered
    }
}

/// What a person calls a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    /// By its key.
    Key(LetterKey),
    /// By its event, which may have one at several sinks.
    Event(EventId),
}

impl FromStr for Name {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let key = text.parse().map(Self::Key);
        key.or_else(|_| text.parse().map(Self::Event))
            .map_err(|_| "neither the key of a dead letter, a number, nor an event's id, vod_...")
    }
}

/// The letters that are wanted, page by page.
#[derive(Debug)]
pub(super) struct Selection {
    /// What is still to be looked for; the name is the one that a person gave.
    filters: VecDeque<(Option<Name>, LetterFilter)>,
    /// The last letter that the first of them has found.
    after: Option<LetterKey>,
    /// Letters that were found under a name, with their events; another name must not find them
    /// again.
    seen: HashMap<LetterKey, EventId>,
    missing: Vec<Name>,
}

impl Selection {
    fn new(names: &[Name], filters: Filters) -> Self {
        let Filters { sink, event_type, id, since, until } = filters;
        let base = LetterFilter { sink, event_type, id, since, until, key: None };
        let (mut filters, mut missing) = (VecDeque::new(), Vec::new());
        for name in names {
            let mut filter = base.clone();
            match name {
                Name::Key(key) => filter.key = Some(*key),
                Name::Event(other) if id.is_some_and(|id| id != *other) => {
                    missing.push(*name);
                    continue;
                }
                Name::Event(id) => filter.id = Some(*id),
            }
            filters.push_back((Some(*name), filter));
        }
        if names.is_empty() {
            filters.push_back((None, base));
        }
        Self { filters, after: None, seen: HashMap::new(), missing }
    }

    /// The next letters; `None` is the end. Letters may be removed meanwhile.
    pub(super) async fn next(&mut self, store: &Store) -> Result<Option<Vec<Buried>>, StoreError> {
        while let Some((name, filter)) = self.filters.front() {
            let mut page = store.dead_letters(filter, self.after, PAGE).await?;
            let found = page.last().map(|buried| buried.key);
            match (found, name) {
                (None, name) => {
                    let missing = name.filter(|_| self.after.is_none());
                    self.missing.extend(missing.filter(|name| !self.has_seen(*name)));
                    self.filters.pop_front();
                }
                (Some(_), None) => {}
                (Some(_), Some(_)) => {
                    page.retain(|buried| self.seen.insert(buried.key, buried.letter.id).is_none())
                }
            }
            self.after = found;
            if !page.is_empty() {
                return Ok(Some(page));
            }
        }
        Ok(None)
    }

    fn has_seen(&self, name: Name) -> bool {
        match name {
            Name::Key(key) => self.seen.contains_key(&key),
            Name::Event(id) => self.seen.values().any(|seen| *seen == id),
        }
    }

    /// The names that nothing was found under.
    pub(super) fn missing(&self) -> Vec<Name> {
        self.missing.clone()
    }
}

impl From<Filters> for Selection {
    fn from(filters: Filters) -> Self {
        Self::new(&[], filters)
    }
}

impl From<Named> for Selection {
    fn from(named: Named) -> Self {
        let filters = Filters { sink: None, event_type: None, id: None, since: None, until: None };
        Self::new(&named.names, filters)
    }
}

impl From<Wanted> for Selection {
    fn from(wanted: Wanted) -> Self {
        // --all stands for itself: without names and filters all are wanted.
        Self::new(&wanted.names, wanted.filters)
    }
}
