//! Spares a sink that is down.

use std::time::Duration;

use crate::retry::{Delays, Policy};
use crate::time::Instant;

/// This many failures in a row, without one success between them, and the sink counts as down.
const FAILURES_TO_SHUT: u32 = 8;

/// Between the single tries that find out whether the sink is back.
const PROBE: Policy = Policy { first: Duration::from_secs(1), longest: Duration::from_secs(5) };

/// Lets calls through to a sink; to one that is down only one at a time, with growing pauses.
#[derive(Debug)]
pub(super) struct Gate {
    failures: u32,
    delays: Delays,
    opens_at: Option<Instant>,
}

impl Default for Gate {
    fn default() -> Self {
        Self { failures: 0, delays: PROBE.delays(), opens_at: None }
    }
}

impl Gate {
    /// Whether the sink counts as down.
    pub(super) fn is_shut(&self) -> bool {
        self.failures >= FAILURES_TO_SHUT
    }

    /// Whether the last call failed.
    pub(super) fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// Whether one more call may start while `underway` calls are on their way.
    pub(super) fn lets_through(&self, now: Instant, underway: usize) -> bool {
        !self.is_shut() || (underway == 0 && self.opens_at.is_none_or(|at| at <= now))
    }

    /// When the next probe may start, if only time holds it back.
    pub(super) fn opens_at(&self) -> Option<Instant> {
        if self.is_shut() { self.opens_at } else { None }
    }

    /// A call succeeded.
    pub(super) fn success(&mut self) {
        if self.failures > 0 {
            *self = Self::default();
        }
    }

    /// A call failed in a way that trying again can mend.
    pub(super) fn failure(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        // Calls that were underway together fail together: that is one pause, not many.
        if self.is_shut() && self.opens_at.is_none_or(|at| at <= now) {
            self.opens_at = Some(now + self.delays.next_delay());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time;

    #[tokio::test(start_paused = true)]
    async fn a_sink_that_is_down_gets_one_probe_at_a_time() {
        let mut gate = Gate::default();
        for _ in 0..FAILURES_TO_SHUT - 1 {
            gate.failure(time::now());
            assert!(gate.lets_through(time::now(), 100));
        }
        gate.failure(time::now());
        assert!(gate.is_shut());
        let opens_at = gate.opens_at().unwrap();
        assert!(gate.lets_through(opens_at, 0));
        assert!(!gate.lets_through(opens_at, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn one_success_opens_it_wide() {
        let mut gate = Gate::default();
        for _ in 0..100 {
            gate.failure(time::now());
        }
        gate.success();
        assert!(gate.lets_through(time::now(), 100));
    }
}
