//! The events that a feed has taken from the spool and that are not settled yet.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::time::Duration;

use crate::retry::Policy;
use crate::store::SpoolKey;
use crate::time::{self, Instant};

/// The most events that wait for another try before no more are taken from the spool.
const LATER_MAX: usize = 100_000;

/// Between the tries of one event: nothing presses, and a sink may be down for days.
const RETRY: Policy =
    Policy { first: Duration::from_secs(1), longest: Duration::from_secs(5 * 60) };

/// A sink that fails so often in a row counts as down: more often than its lane needs to notice.
const FAILURES_MAX: u32 = 10;

/// Events that the lane has, and those that wait for another try.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    held: HashSet<SpoolKey>,
    later: BinaryHeap<Reverse<(Instant, SpoolKey)>>,
    /// How often the events failed that have failed.
    tries: HashMap<SpoolKey, u32>,
    /// How many tries have failed since the last one that did not.
    failures: u32,
}

impl Backlog {
    /// Takes an event in.
    pub(super) fn hold(&mut self, key: SpoolKey) {
        self.held.insert(key);
    }

    /// Whether the event is in here.
    pub(super) fn holds(&self, key: SpoolKey) -> bool {
        self.held.contains(&key)
    }

    /// The event is settled.
    pub(super) fn settled(&mut self, key: SpoolKey) {
        self.held.remove(&key);
        self.tries.remove(&key);
        self.failures = 0;
    }

    /// The event is to be tried again; if it was tried, not at once.
    pub(super) fn put_off(&mut self, key: SpoolKey, tried: bool, at_least: Option<Duration>) {
        let mut delay = Duration::ZERO;
        if tried {
            self.failures = self.failures.saturating_add(1);
            let tries = self.tries.entry(key).or_default();
            *tries = tries.saturating_add(1);
            delay = RETRY.delay_after(*tries).max(at_least.unwrap_or_default());
        }
        self.wait(key, delay);
    }

    /// The event could not be read; it is to be read again.
    pub(super) fn wait(&mut self, key: SpoolKey, delay: Duration) {
        self.later.push(Reverse((time::now() + delay, key)));
    }

    /// An event whose next try is due.
    pub(super) fn take_due(&mut self) -> Option<SpoolKey> {
        let Reverse((at, _)) = self.later.peek()?;
        if *at > time::now() {
            return None;
        }
        self.later.pop().map(|Reverse((_, key))| key)
    }

    /// When the next try of any is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.later.peek().map(|Reverse((at, _))| *at)
    }

    /// Whether so many events wait for another try that no more should be taken.
    pub(super) fn is_full(&self) -> bool {
        self.later.len() >= LATER_MAX
    }

    /// Whether every event that waits has been tried.
    pub(super) fn all_tried(&self) -> bool {
        self.later.len() <= self.tries.len()
    }

    /// Whether the sink seems to be down.
    pub(super) fn sink_is_down(&self) -> bool {
        self.failures >= FAILURES_MAX
    }

    /// How often the event has failed.
    pub(super) fn tries(&self, key: SpoolKey) -> u32 {
        self.tries.get(&key).copied().unwrap_or_default()
    }
}
