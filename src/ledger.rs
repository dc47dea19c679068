//! Which events are already settled, and at which sinks.
//!
//! A redelivered event goes only to the sinks that lack it; when none lacks it, it is confirmed at
//! once. With a state directory the ledger survives restarts, and what a sink refuses for good is
//! kept as a dead letter.

mod memory;

use std::sync::Arc;

use self::memory::Memory;
use crate::event::EventId;

/// The settled deliveries, by event and sink.
#[derive(Debug, Default)]
pub struct Ledger {
    memory: Memory,
}

impl Ledger {
    /// For each event the sinks that have it, or that it is a dead letter of.
    pub async fn settled(&self, events: &[EventId]) -> Vec<Vec<Arc<str>>> {
        events.iter().map(|event| self.memory.settled(*event)).collect()
    }

    /// Notes deliveries. This comes before the events are confirmed.
    pub async fn record(&self, deliveries: Vec<(EventId, Arc<str>)>) {
        for (event, sink) in deliveries {
            self.memory.record(event, &sink);
        }
    }
}
