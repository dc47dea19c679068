//! The ledger of a relay without a state directory.
//!
//! It is bounded: beyond its capacity the oldest entries go, and a redelivery that comes that late
//! is delivered again, as is one that comes after a restart.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::event::{EventId, IdMap};

/// How many events the ledger remembers: at VOD's ceiling of 1,600 events a second the last half
/// minute, which is one lease, for a few megabytes.
const CAPACITY: usize = 50_000;

/// How many sets of sinks are looked through for one that can be shared. With a few sinks there are
/// never more.
const SETS_MAX: usize = 64;

/// The sinks that have an event, shared by all events that are at the same ones.
type Sinks = Arc<[Arc<str>]>;

/// The deliveries that are done, by event and sink.
#[derive(Debug)]
pub(super) struct Memory {
    capacity: usize,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    sinks: IdMap<Sinks>,
    oldest_first: VecDeque<EventId>,
    /// Those that were used last.
    sets: Vec<Sinks>,
}

impl Default for Memory {
    fn default() -> Self {
        Self::with_capacity(CAPACITY)
    }
}

impl Memory {
    fn with_capacity(capacity: usize) -> Self {
        Self { capacity, entries: Mutex::default() }
    }

    /// The sinks that have each of the events.
    pub(super) fn settled(&self, events: &[EventId]) -> Vec<Vec<Arc<str>>> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let sinks = |event| entries.sinks.get(event).map_or(Vec::new(), |sinks| sinks.to_vec());
        events.iter().map(sinks).collect()
    }

    /// Notes which sink has which event.
    pub(super) fn record(&self, deliveries: &[(EventId, Arc<str>)]) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        for (event, sink) in deliveries {
            entries.record(*event, sink);
            while entries.oldest_first.len() > self.capacity {
                if let Some(oldest) = entries.oldest_first.pop_front() {
                    entries.sinks.remove(&oldest);
                }
            }
        }
    }
}

impl Entries {
    fn record(&mut self, event: EventId, sink: &Arc<str>) {
        match self.sinks.get(&event).cloned() {
            Some(sinks) if sinks.contains(sink) => {}
            Some(sinks) => {
                let more = self.set(&sinks, sink);
                self.sinks.insert(event, more);
            }
            None => {
                let one = self.set(&[], sink);
                self.sinks.insert(event, one);
                self.oldest_first.push_back(event);
            }
        }
    }

    /// The set of these sinks and one more.
    fn set(&mut self, sinks: &[Arc<str>], one: &Arc<str>) -> Sinks {
        let is_it = |set: &&Sinks| set.split_last() == Some((one, sinks));
        if let Some(set) = self.sets.iter().find(is_it) {
            return set.clone();
        }
        let set: Sinks = sinks.iter().chain([one]).cloned().collect();
        if self.sets.len() == SETS_MAX {
            self.sets.remove(0);
        }
        self.sets.push(set.clone());
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
    fn it_is_bounded_and_forgets_the_oldest_first() {
        let ledger = Memory::with_capacity(100);
        for n in 0..250 {
            record(&ledger, event(n), "app");
            record(&ledger, event(n), "app");
        }
        assert!(settled(&ledger, event(149)).is_empty());
        assert!(!settled(&ledger, event(150)).is_empty());
        assert!(!settled(&ledger, event(249)).is_empty());
    }
}
