//! Which events are already settled, and at which sinks.
//!
//! A redelivered event goes only to the sinks that lack it; when none lacks it, it is confirmed at
//! once. With a state directory the ledger survives restarts, and what a sink refuses for good is
//! kept as a dead letter.

mod memory;

use std::sync::Arc;

use self::memory::Memory;
use crate::event::EventId;
use crate::quiet::Quiet;
use crate::store::{DeadLetter, Store};

/// The settled deliveries, by event and sink.
#[derive(Debug)]
pub struct Ledger {
    place: Place,
    failures: Quiet,
}

#[derive(Debug)]
enum Place {
    Memory(Memory),
    Disk(Arc<Store>),
}

/// What became of an event that a sink does not want.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Burial {
    /// It is a dead letter on disk, and settled.
    Kept,
    /// There is nowhere to keep it, or that failed; it is not settled.
    Impossible,
}

impl Ledger {
    /// A ledger that lasts as long as the process.
    pub fn in_memory() -> Self {
        Self { place: Place::Memory(Memory::default()), failures: Quiet::default() }
    }

    /// A ledger on disk.
    pub fn on_disk(store: Arc<Store>) -> Self {
        Self { place: Place::Disk(store), failures: Quiet::default() }
    }

    /// For each event the sinks that have it, that it is a dead letter of, or that get it from the
    /// spool. A ledger that cannot be read knows none: delivering twice is better than not at all.
    pub async fn settled(&self, events: &[EventId]) -> Vec<Vec<Arc<str>>> {
        match &self.place {
            Place::Memory(memory) => memory.settled(events),
            Place::Disk(store) => store.provided(events).await.unwrap_or_else(|error| {
                self.complain("redelivered events may be delivered twice", &error);
                vec![Vec::new(); events.len()]
            }),
        }
    }

    /// Notes deliveries; on disk when this returns. This comes before the events are confirmed.
    /// Whether they are noted.
    pub async fn record(&self, deliveries: Vec<(EventId, Arc<str>)>) -> bool {
        match &self.place {
            Place::Memory(memory) => {
                memory.record(&deliveries);
                true
            }
            Place::Disk(store) => match store.record(deliveries).await {
                Ok(()) => true,
                Err(error) => {
                    self.complain("delivered events may be delivered twice", &error);
                    false
                }
            },
        }
    }

    /// Keeps an event that its sink does not want as a dead letter; on disk when this returns.
    pub async fn bury(&self, letter: DeadLetter) -> Burial {
        let Place::Disk(store) = &self.place else { return Burial::Impossible };
        match store.bury(letter).await {
            Ok(_) => Burial::Kept,
            Err(error) => {
                self.complain("a refused event is not confirmed and comes again", &error);
                Burial::Impossible
            }
        }
    }

    /// Counts one more try of an event at a sink: how often it was tried in all, over redeliveries
    /// and restarts. `None` where nobody keeps count.
    pub async fn count_attempt(&self, event: EventId, sink: &Arc<str>) -> Option<u64> {
        let Place::Disk(store) = &self.place else { return None };
        match store.count_attempts(vec![(event, sink.clone(), 1)]).await {
            Ok(totals) => totals.first().copied(),
            Err(error) => {
                self.complain("a try of an event is not counted", &error);
                None
            }
        }
    }

    fn complain(&self, consequence: &str, error: &crate::store::StoreError) {
        if let Some(left_out) = self.failures.ask() {
            tracing::error!(left_out, "{error}; {consequence}");
        }
    }
}
