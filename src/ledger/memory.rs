//! The ledger of a relay without a state directory.
//!
//! It is bounded: beyond its capacity the oldest entries go, and a redelivery that comes that late
//! is delivered again, as is one that comes after a restart.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use crate::event::EventId;

/// How many events the ledger remembers: at VOD's ceiling of 1,600 events a second the last half
/// minute, which is one lease, for a few megabytes.
const CAPACITY: usize = 50_000;

/// The deliveries that are done, by event and sink.
#[derive(Debug)]
pub(super) struct Memory {
    capacity: usize,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    sinks: HashMap<EventId, Vec<Arc<str>>>,
    oldest_first: VecDeque<EventId>,
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

    /// The sinks that have the event.
    pub(super) fn settled(&self, event: EventId) -> Vec<Arc<str>> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.sinks.get(&event).cloned().unwrap_or_default()
    }

    /// Notes that the sink has the event.
    pub(super) fn record(&self, event: EventId, sink: &Arc<str>) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = &mut *entries;
        let sinks = entries.sinks.entry(event).or_default();
        if sinks.is_empty() {
            entries.oldest_first.push_back(event);
        }
        if !sinks.contains(sink) {
            sinks.push(sink.clone());
        }
        while entries.oldest_first.len() > self.capacity {
            if let Some(oldest) = entries.oldest_first.pop_front() {
                entries.sinks.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(n: usize) -> EventId {
        EventId::of("T", &format!("{{\"X\":{{\"n\":{n}}}}}"))
    }

    #[test]
    fn each_sink_is_remembered_apart() {
        let ledger = Memory::default();
        assert!(ledger.settled(event(1)).is_empty());
        ledger.record(event(1), &"app".into());
        ledger.record(event(1), &"app".into());
        ledger.record(event(1), &"archive".into());
        let sinks: [Arc<str>; 2] = ["app".into(), "archive".into()];
        assert_eq!(ledger.settled(event(1)), sinks);
        assert!(ledger.settled(event(2)).is_empty());
    }

    #[test]
    fn it_is_bounded_and_forgets_the_oldest_first() {
        let ledger = Memory::with_capacity(100);
        for n in 0..250 {
            ledger.record(event(n), &"app".into());
            ledger.record(event(n), &"app".into());
        }
        assert!(ledger.settled(event(149)).is_empty());
        assert!(!ledger.settled(event(150)).is_empty());
        assert!(!ledger.settled(event(249)).is_empty());
    }
}
