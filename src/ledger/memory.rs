//! The ledger of a relay without a state directory.
//!
//! It is bounded: beyond its capacity the oldest entries go, and a redelivery that comes that late
//! is delivered again, as is one that comes after a restart.

use std::collections::VecDeque;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

use crate::event::{EventId, IdMap};

/// How many events the ledger remembers at least: at VOD's ceiling of 1,600 events a second the last
/// half minute, which is one lease, for a few megabytes.
const CAPACITY: usize = 50_000;

/// How many generations of events there are. The oldest goes as a whole, so that nothing is ever
/// taken out of a table, which would make it grow.
const GENERATIONS: usize = 3;

/// How many sets of sinks are looked through for one that can be shared. With a few sinks there are
/// never more.
const SETS_MAX: usize = 64;

/// The sinks that have an event, shared by all events that are at the same ones.
type Sinks = Arc<[Arc<str>]>;

/// The deliveries that are done, by event and sink.
#[derive(Debug)]
pub(super) struct Memory(Mutex<Entries>);

#[derive(Debug)]
struct Entries {
    /// How many events a generation has.
    size: usize,
    /// The youngest first.
    generations: VecDeque<IdMap<Sinks>>,
    sets: Sets,
}

/// The sets of sinks that were used last.
#[derive(Debug, Default)]
struct Sets(Vec<Sinks>);

impl Default for Memory {
    fn default() -> Self {
        Self::with_capacity(CAPACITY)
    }
}

impl Memory {
    fn with_capacity(capacity: usize) -> Self {
        let size = capacity.div_ceil(GENERATIONS - 1);
        // Room that nothing is written into yet takes up no memory.
        let generation = || IdMap::with_capacity_and_hasher(size, Default::default());
        let generations = std::iter::repeat_with(generation).take(GENERATIONS).collect();
        Self(Mutex::new(Entries { size, generations, sets: Sets::default() }))
    }

    /// The sinks that have each of the events.
    pub(super) fn settled(&self, events: &[EventId]) -> Vec<Vec<Arc<str>>> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        events.iter().map(|event| entries.sinks(event)).collect()
    }

    /// Notes which sink has which event.
    pub(super) fn record(&self, deliveries: &[(EventId, Arc<str>)]) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (event, sink) in deliveries {
            entries.record(*event, sink);
        }
    }
}

impl Entries {
    /// The sinks that have an event. Each generation tells of those that took it in its time.
    fn sinks(&self, event: &EventId) -> Vec<Arc<str>> {
        let mut all = Vec::new();
        for sinks in self.generations.iter().filter_map(|generation| generation.get(event)) {
            for sink in sinks.iter() {
                if !all.contains(sink) {
                    all.push(sink.clone());
                }
            }
        }
        all
    }

    fn record(&mut self, event: EventId, sink: &Arc<str>) {
        if self.generations.front().is_some_and(|youngest| youngest.len() >= self.size) {
            self.generations.rotate_right(1);
            self.generations.iter_mut().take(1).for_each(IdMap::clear);
        }
        let Some(youngest) = self.generations.front_mut() else { return };
        match youngest.entry(event) {
            Entry::Vacant(place) => {
                place.insert(self.sets.with(&[], sink));
            }
            Entry::Occupied(mut known) => {
                if !known.get().contains(sink) {
                    let sinks = self.sets.with(known.get(), sink);
                    known.insert(sinks);
                }
            }
        }
    }
}

impl Sets {
    /// The set of these sinks and one more.
    fn with(&mut self, sinks: &[Arc<str>], one: &Arc<str>) -> Sinks {
        let is_it = |set: &&Sinks| set.split_last() == Some((one, sinks));
        if let Some(set) = self.0.iter().find(is_it) {
            return set.clone();
        }
        let set: Sinks = sinks.iter().chain([one]).cloned().collect();
        if self.0.len() == SETS_MAX {
            self.0.remove(0);
        }
        self.0.push(set.clone());
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(ledger: &Memory, event: EventId, sink: &str) {
        ledger.record(&[(event, sink.into())]);
    }

    fn settled(ledger: &Memory, event: EventId) -> Vec<Arc<str>> {
        ledger.settled(&[event]).remove(0)
    }

    fn event(n: usize) -> EventId {
        EventId::of("T", &format!("{{\"X\":{{\"n\":{n}}}}}"))
    }

    #[test]
    fn each_sink_is_remembered_apart() {
        let ledger = Memory::default();
        assert!(settled(&ledger, event(1)).is_empty());
        record(&ledger, event(1), "app");
        record(&ledger, event(1), "app");
        record(&ledger, event(1), "archive");
        let sinks: [Arc<str>; 2] = ["app".into(), "archive".into()];
        assert_eq!(settled(&ledger, event(1)), sinks);
        assert!(settled(&ledger, event(2)).is_empty());
    }

    #[test]
    fn an_event_keeps_its_sinks_from_one_generation_to_the_next() {
        let ledger = Memory::with_capacity(100);
        record(&ledger, event(0), "app");
        for n in 1..60 {
            record(&ledger, event(n), "app");
        }
        for sink in ["archive", "app"] {
            record(&ledger, event(0), sink);
            let mut sinks = settled(&ledger, event(0));
            sinks.sort();
            assert_eq!(sinks, ["app".into(), "archive".into()] as [Arc<str>; 2]);
        }
    }

    #[test]
    fn it_is_bounded_and_forgets_the_oldest_first() {
        let ledger = Memory::with_capacity(100);
        for n in 0..250 {
            record(&ledger, event(n), "app");
            record(&ledger, event(n), "app");
        }
        assert!(settled(&ledger, event(99)).is_empty());
        assert!(!settled(&ledger, event(150)).is_empty());
        assert!(!settled(&ledger, event(249)).is_empty());
    }
}
