//! One event on its way to one sink.

use std::sync::Arc;
use std::time::Duration;

use crate::flight::{Flight, Settled, Verdict};
use crate::retry::{Delays, Policy};
use crate::time::{self, Instant};

/// Between the tries of one event: soon at first, since most faults pass at once, and at the end
/// still a few times within a lease of 30 s.
const RETRY: Policy = Policy { first: Duration::from_millis(200), longest: Duration::from_secs(5) };

/// One event on its way to one sink.
#[derive(Debug)]
pub struct Job {
    pub(super) flight: Arc<Flight>,
    /// The tries before it became this job.
    earlier: u32,
    /// The tries since.
    pub(super) attempt: u32,
    /// Those between its tries, once one has failed. Few need them, and every job is moved about.
    delays: Option<Box<Delays>>,
    pub(super) since: Instant,
    /// Why the last try failed.
    pub(super) failure: Option<String>,
}

impl Job {
    /// A job that has not been tried.
    pub fn new(flight: Arc<Flight>) -> Self {
        Self::after(flight, 0)
    }

    /// A job for an event that was tried before.
    pub fn after(flight: Arc<Flight>, earlier: u32) -> Self {
        Self { flight, earlier, attempt: 0, delays: None, since: time::now(), failure: None }
    }

    /// How long to wait before the next try.
    pub(super) fn next_delay(&mut self) -> Duration {
        self.delays.get_or_insert_with(|| Box::new(RETRY.delays())).next_delay()
    }

    /// Which try the last one was, from 1.
    pub(super) fn tries(&self) -> u32 {
        self.earlier.saturating_add(self.attempt)
    }

    /// How long the lease leaves for it; without a lease there is no end.
    pub(super) fn time_left(&self, now: Instant) -> Duration {
        let deadline = self.flight.deadline();
        deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(now))
    }

    /// Whether it takes a place among the leased events of this source.
    pub(super) fn is_leased_from(&self, source: &Arc<str>) -> bool {
        !self.flight.is_stored() && self.flight.source() == source
    }

    pub(super) fn settle(&self, verdict: Verdict) {
        let (tried, reason) = (self.attempt > 0, self.failure.as_deref());
        self.flight.settle(Settled { verdict, tried, reason });
    }
}
