//! Which events are already delivered, and where to.
//!
//! A redelivered event goes only to the sinks that lack it. The ledger lives in memory and is
//! bounded: beyond its capacity the oldest entries go, and a redelivery that comes that late is
//! delivered again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use crate::event::EventId;

/// How many events the ledger remembers: at VOD's ceiling of 1,600 events a second the last half
/// minute, which is one lease, for a few megabytes.
const CAPACITY: usize = 50_000;

/// The deliveries that are done, by event and sink.
#[derive(Debug)]
pub struct Ledger {
    capacity: usize,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    sinks: HashMap<EventId, Vec<Arc<str>>>,
    oldest_first: VecDeque<EventId>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self::with_capacity(CAPACITY)
    }
}

impl Ledger {
    fn with_capacity(capacity: usize) -> Self {
        Self { capacity, entries: Mutex::default() }
    }

    /// Whether the sink already has the event.
    pub fn has(&self, event: EventId, sink: &str) -> bool {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.sinks.get(&event).is_some_and(|sinks| sinks.iter().any(|name| **name == *sink))
    }

    /// Whether any sink already has the event.
    pub fn knows(&self, event: EventId) -> bool {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.sinks.contains_key(&event)
    }

    /// Notes that the sink has the event. This comes before the event is confirmed.
    pub fn record(&self, event: EventId, sink: &Arc<str>) {
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
        let ledger = Ledger::default();
        assert!(!ledger.knows(event(1)));
        ledger.record(event(1), &"app".into());
        assert!(ledger.knows(event(1)));
        assert!(ledger.has(event(1), "app"));
        assert!(!ledger.has(event(1), "archive"));
    }

    #[test]
    fn it_is_bounded_and_forgets_the_oldest_first() {
        let ledger = Ledger::with_capacity(100);
        for n in 0..250 {
            ledger.record(event(n), &"app".into());
            ledger.record(event(n), &"app".into());
        }
        assert!(!ledger.has(event(149), "app"));
        assert!(ledger.has(event(150), "app"));
        assert!(ledger.has(event(249), "app"));
    }
}
