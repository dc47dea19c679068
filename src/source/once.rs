//! When a run with `--once` is over.

use std::time::Duration;

use crate::progress::Progress;
use crate::time::{self, Instant};

/// What only a run that ends keeps.
#[derive(Debug)]
pub(super) struct Once {
    /// Whether the run ends at all; a service does not.
    pub(super) ends: bool,
    /// The last answer brought nothing that this run has not given up already.
    pub(super) drained: bool,
    /// Deliveries and confirms when last looked at.
    done: u64,
    looked_at: Instant,
    patience: Duration,
}

impl Once {
    /// `patience` is how long nothing may be delivered or confirmed: as long as a lease lasts,
    /// because after that the same events come round again.
    pub(super) fn new(ends: bool, patience: Duration) -> Self {
        Self { ends, drained: false, done: 0, looked_at: time::now(), patience }
    }

    /// When to look whether anything gets done.
    pub(super) fn look_at(&self) -> Instant {
        self.looked_at + self.patience
    }

    /// Ends the pulling if nothing got done for as long as the patience lasts, unless it is the
    /// pulls that fail, or the spool that is full.
    pub(super) fn look(&mut self, progress: &Progress, cannot_pull: bool) {
        let snapshot = progress.snapshot();
        let done = snapshot.delivered + snapshot.dead + snapshot.confirmed;
        self.drained |= done == self.done && !cannot_pull;
        self.done = done;
        self.looked_at = time::now();
    }

    /// Pulls again.
    pub(super) fn go_on(&mut self) {
        self.drained = false;
        self.looked_at = time::now();
    }
}
