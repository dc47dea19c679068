//! When a run with `--once` is over.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::pace::Failing;
use crate::flight::InFlight;
use crate::progress::{Progress, Round};
use crate::time::{self, Instant};

/// A run that ends gives up after this many failed pulls in a row.
const FAILURES_MAX: u32 = 8;

/// A run that ends gives up when pulls have failed for this long.
const FAILING_MAX: Duration = Duration::from_secs(30);

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

    /// Whether pulls have failed too often, or for too long.
    pub(super) fn gives_up(&self, failing: Failing, now: Instant) -> bool {
        self.ends && (failing.times >= FAILURES_MAX || failing.since + FAILING_MAX <= now)
    }

    /// The queue is empty, and nothing is on its way. Answers whether the run may end; if not, VOD
    /// must have handed out again by now what it hides.
    pub(super) async fn may_end(&mut self, in_flight: &InFlight, stop: &CancellationToken) -> bool {
        let source = in_flight.source();
        let at = match in_flight.progress().round_ended() {
            Round::Last => return true,
            Round::InVain => {
                tracing::error!(
                    source.name = %source,
                    "events came again and again, and VOD has confirmed none of them: given up"
                );
                return true;
            }
            Round::Next(at) => at,
        };
        let wait = at.saturating_duration_since(time::now());
        tracing::info!(
            source.name = %source,
            wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            "waiting for events whose answer or confirm got lost"
        );
        tokio::select! {
            () = tokio::time::sleep_until(at) => {}
            () = stop.cancelled() => {}
        }
        self.go_on();
        false
    }

    /// Pulls again.
    fn go_on(&mut self) {
        self.drained = false;
        self.looked_at = time::now();
    }
}
