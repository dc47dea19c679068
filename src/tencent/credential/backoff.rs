//! When a provider may be bothered again.

use std::time::Duration;

use crate::retry::{Delays, Policy};
use crate::time::{self, Instant};

/// Between fetches that fail, or that bring again what VOD refused.
pub(super) const RETRY: Policy =
    Policy { first: Duration::from_secs(1), longest: Duration::from_secs(30) };

/// Puts off fetches that have been in vain, later and later.
#[derive(Debug)]
pub(super) struct Backoff {
    delays: Delays,
    not_before: Option<Instant>,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { delays: RETRY.delays(), not_before: None }
    }
}

impl Backoff {
    /// Whether it is over.
    pub(super) fn is_over(&self) -> bool {
        self.not_before.is_none_or(|not_before| not_before <= time::now())
    }

    /// A fetch was in vain.
    pub(super) fn failed(&mut self) {
        self.not_before = Some(time::now() + self.delays.next_delay());
    }
}
