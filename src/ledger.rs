//! Which events are already settled, and at which sinks.
//!
//! A redelivered event goes only to the sinks that lack it; when none lacks it, it is confirmed at
//! once. With a state directory the ledger survives restarts, and what a sink refuses for good is
//! kept as a dead letter.
//!
//! Beside this ledger of one's own there may be one that several relays share, on a server. It tells
//! what others have settled; what is settled here is noted in both.

mod backend;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
mod probe;
#[cfg(feature = "redis")]
mod redis;
mod settings;
mod shared;

use std::sync::Arc;

pub use self::backend::Failure;
use self::backend::{Note, Outcome};
use self::memory::Memory;
pub use self::probe::probe;
pub use self::settings::{Flaw, Settings};
use self::shared::Shared;
pub use self::shared::Vitals;
use crate::event::EventId;
use crate::metrics;
use crate::quiet::Quiet;
use crate::store::{DeadLetter, Store};

/// The settled deliveries, by event and sink.
#[derive(Debug)]
pub struct Ledger {
    place: Place,
    shared: Option<Shared>,
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
        Self { place: Place::Memory(Memory::default()), shared: None, failures: Quiet::default() }
    }

    /// A ledger on disk.
    pub fn on_disk(store: Arc<Store>) -> Self {
        Self { place: Place::Disk(store), shared: None, failures: Quiet::default() }
    }

    /// The same beside one that is shared with other relays. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// TLS cannot be set up.
    pub fn sharing(self, with: &Settings, counts: metrics::SharedLedger) -> Result<Self, Failure> {
        Ok(Self { shared: Some(Shared::open(with, counts)?), ..self })
    }

    /// How the shared ledger fares, if there is one.
    pub fn shared(&self) -> Option<Vitals> {
        Some(self.shared.as_ref()?.vitals())
    }

    /// For each event the sinks that have it, that it is a dead letter of, or that get it from the
    /// spool. A ledger that cannot be read knows none: delivering twice is better than not at all.
    pub async fn settled(&self, events: &[EventId]) -> Vec<Vec<Arc<str>>> {
        let (mut settled, elsewhere) =
            tokio::join!(self.settled_here(events), self.settled_elsewhere(events));
        for (here, elsewhere) in settled.iter_mut().zip(elsewhere) {
            for sink in elsewhere {
                if !here.contains(&sink) {
                    here.push(sink);
                }
            }
        }
        settled
    }

    async fn settled_here(&self, events: &[EventId]) -> Vec<Vec<Arc<str>>> {
        match &self.place {
            Place::Memory(memory) => memory.settled(events),
            Place::Disk(store) => store.provided(events).await.unwrap_or_else(|error| {
                self.complain("redelivered events may be delivered twice", &error);
                vec![Vec::new(); events.len()]
            }),
        }
    }

    /// For each event the sinks where the shared ledger has it as settled; without one there are none.
    pub async fn settled_elsewhere(&self, events: &[EventId]) -> Vec<Vec<Arc<str>>> {
        match &self.shared {
            Some(shared) => shared.settled(events).await,
            None => vec![Vec::new(); events.len()],
        }
    }

    /// Notes deliveries; on disk when this returns, and in the shared ledger if that is there. This
    /// comes before the events are confirmed. Whether they are noted here.
    pub async fn record(&self, deliveries: Vec<(EventId, Arc<str>)>) -> bool {
        let Some(shared) = &self.shared else { return self.record_here(deliveries).await };
        let notes: Vec<_> = deliveries
            .iter()
            .map(|(event, sink)| Note {
                event: *event,
                sink: sink.clone(),
                outcome: Outcome::Delivered,
            })
            .collect();
        tokio::join!(self.record_here(deliveries), shared.note(notes)).0
    }

    /// Notes what the shared ledger has already. Whether it is noted here.
    pub async fn record_here(&self, deliveries: Vec<(EventId, Arc<str>)>) -> bool {
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
        let (event, sink) = (letter.id, letter.sink.clone());
        match store.bury(letter).await {
            Ok(_) => {
                // Only now is it safe here, so that no other relay need keep it.
                if let Some(shared) = &self.shared {
                    shared.note([Note { event, sink, outcome: Outcome::Dead }]).await;
                }
                Burial::Kept
            }
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

    /// Notes in the shared ledger what could not be noted there before, if it is there now.
    pub async fn catch_up(&self) {
        if let Some(shared) = &self.shared {
            shared.catch_up().await;
        }
    }

    /// Brings the shared ledger up to date, and removes what is too old to matter there. Own entries
    /// are the store's business.
    pub async fn maintain_shared(&self) {
        if let Some(shared) = &self.shared {
            shared.catch_up().await;
            shared.forget().await;
        }
    }

    fn complain(&self, consequence: &str, error: &crate::store::StoreError) {
        if let Some(left_out) = self.failures.ask() {
            tracing::error!(left_out, "{error}; {consequence}");
        }
    }
}
