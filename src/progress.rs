//! What became of a source's events so far.

mod confirms;
mod pulse;
mod sink;
mod totals;
mod unsettled;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use prometheus_client::metrics::counter::Counter;
use tokio::sync::watch;

pub use self::confirms::Confirms;
pub use self::pulse::{Answered, Pulse, Trouble, TroubleKind, Vitals};
pub use self::sink::{Down, Mishap, SinkProgress, SinkVitals};
pub use self::totals::Totals;
pub use self::unsettled::Round;
use self::unsettled::Unsettled;
use crate::event::EventId;
use crate::metrics;
use crate::time::Instant;

/// A source's counts, and for `--once` what is still unsettled.
#[derive(Debug, Default)]
pub struct Progress {
    counts: Counts,
    /// What others may look at while it runs.
    metrics: metrics::Source,
    pulse: Pulse,
    /// Kept only by a run that ends, because only such a run may keep ids without a bound in time.
    unsettled: Option<Mutex<Unsettled>>,
    /// The exit code that says why VOD has refused to confirm what only a person can mend.
    refusal: watch::Sender<Option<u8>>,
}

#[derive(Debug, Default)]
struct Counts {
    pulled: AtomicU64,
    posted: AtomicU64,
    delivered: AtomicU64,
    dead: AtomicU64,
}

/// The counts at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Events that `PullEvents` brought, redeliveries included.
    pub pulled: u64,
    /// Events that VOD posted as normal callbacks, repeated ones included.
    pub posted: u64,
    /// Events among both that were known already.
    pub redelivered: u64,
    /// Deliveries that a sink acknowledged.
    pub delivered: u64,
    /// Deliveries that a sink refused for good and that are kept as dead letters.
    pub dead: u64,
    /// Handles that VOD confirmed, and posts that were answered with 200.
    pub confirmed: u64,
    /// Events that were given up for this lease; VOD hands them out, or posts them, again.
    pub left: u64,
    /// Handles that VOD refused: the lease was over.
    pub refused_confirms: u64,
}

impl std::ops::Add for Snapshot {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            pulled: self.pulled + other.pulled,
            posted: self.posted + other.posted,
            redelivered: self.redelivered + other.redelivered,
            delivered: self.delivered + other.delivered,
            dead: self.dead + other.dead,
            confirmed: self.confirmed + other.confirmed,
            left: self.left + other.left,
            refused_confirms: self.refused_confirms + other.refused_confirms,
        }
    }
}

impl Progress {
    /// Nothing so far, of a source that counts with `metrics`.
    pub fn new(metrics: metrics::Source) -> Self {
        Self { metrics, ..Self::default() }
    }

    /// Progress of a run that ends when the queue is empty.
    pub fn of_one_run(metrics: metrics::Source) -> Self {
        Self { unsettled: Some(Mutex::default()), ..Self::new(metrics) }
    }

    /// How the source fares with VOD.
    pub fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// Events came in, `unreadable` elements besides.
    pub fn pulled(&self, events: usize, unreadable: usize) {
        add(&self.counts.pulled, events + unreadable);
        add_to(&self.metrics.left, unreadable);
        add_to(&self.metrics.unreadable, unreadable);
        self.with_unsettled(|unsettled| unsettled.unreadable(unreadable));
    }

    /// VOD posted an event.
    pub fn posted(&self) {
        add(&self.counts.posted, 1);
    }

    /// An event of this type is one of those that came in.
    pub fn received(&self, event_type: &str) {
        self.metrics.received(event_type);
    }

    /// An event came again.
    pub fn redelivered(&self) {
        self.metrics.redelivered.inc();
    }

    /// An event is on its way to its sinks.
    pub fn took_off(&self) {
        self.metrics.in_flight.inc();
    }

    /// An event is on its way no more.
    pub fn landed(&self) {
        self.metrics.in_flight.dec();
    }

    /// How many events are on their way to their sinks.
    pub fn in_flight(&self) -> u64 {
        u64::try_from(self.metrics.in_flight.get()).unwrap_or_default()
    }

    /// A sink has an event.
    pub fn delivered(&self) {
        add(&self.counts.delivered, 1);
    }

    /// A sink refused an event for good, and it is kept.
    pub fn dead(&self) {
        add(&self.counts.dead, 1);
    }

    /// An event is given up for this lease.
    pub fn left(&self, event: EventId) {
        self.metrics.left.inc();
        self.with_unsettled(|unsettled| unsettled.left(event));
    }

    /// VOD confirmed a handle of the event.
    pub fn confirmed(&self, event: EventId) {
        self.metrics.confirmed.inc();
        self.with_unsettled(|unsettled| unsettled.confirmed(event));
    }

    /// A delivered event has the same handle as others, which are not safe yet: those are what is
    /// unsettled.
    pub fn shares_its_confirm(&self, event: EventId) {
        self.with_unsettled(|unsettled| unsettled.shares_its_confirm(event));
    }

    /// A handle of a delivered event was not confirmed: refused, or no answer until its lease ended.
    pub fn unconfirmed(&self, event: EventId, lease_over: Instant, refused: bool) {
        add_to(&self.metrics.refused_confirms, usize::from(refused));
        self.with_unsettled(|unsettled| unsettled.unconfirmed(event, lease_over));
    }

    /// VOD refuses to confirm, and only a person can mend it; the exit code says so.
    pub fn confirms_refused(&self, code: u8) {
        self.refusal.send_replace(Some(code));
    }

    /// Waits until VOD has refused to confirm: the exit code.
    pub async fn refusal(&self) -> u8 {
        let mut refusal = self.refusal.subscribe();
        let code = refusal.wait_for(Option::is_some).await.ok().and_then(|code| *code);
        match code {
            Some(code) => code,
            None => std::future::pending().await,
        }
    }

    /// An answer got lost that may have leased events until then.
    pub fn answer_lost(&self, leases_end: Instant) {
        self.with_unsettled(|unsettled| unsettled.answer_lost(leases_end));
    }

    /// Whether the event was given up before in this run.
    pub fn was_left(&self, event: EventId) -> bool {
        let mut was_left = false;
        self.with_unsettled(|unsettled| was_left = unsettled.was_left(event));
        was_left
    }

    /// The queue is empty and nothing is on its way: whether the run may end.
    pub fn round_ended(&self) -> Round {
        let mut round = Round::Last;
        self.with_unsettled(|unsettled| round = unsettled.round_ended());
        round
    }

    /// The queue is empty: whatever was hidden by a lease that is over by now is settled.
    pub fn queue_is_empty(&self, pull_sent: Instant) {
        self.with_unsettled(|unsettled| unsettled.queue_is_empty(pull_sent));
    }

    /// How many events this run leaves to VOD.
    pub fn left_over(&self) -> u64 {
        let mut left_over = 0;
        self.with_unsettled(|unsettled| left_over = unsettled.left_over());
        left_over
    }

    /// The counts now.
    pub fn snapshot(&self) -> Snapshot {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Snapshot {
            pulled: read(&self.counts.pulled),
            posted: read(&self.counts.posted),
            redelivered: self.metrics.redelivered.get(),
            delivered: read(&self.counts.delivered),
            dead: read(&self.counts.dead),
            confirmed: self.metrics.confirmed.get(),
            left: self.metrics.left.get(),
            refused_confirms: self.metrics.refused_confirms.get(),
        }
    }

    fn with_unsettled(&self, change: impl FnOnce(&mut Unsettled)) {
        if let Some(unsettled) = &self.unsettled {
            change(&mut unsettled.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

fn add(counter: &AtomicU64, by: usize) {
    counter.fetch_add(u64::try_from(by).unwrap_or(u64::MAX), Ordering::Relaxed);
}

fn add_to(counter: &Counter, by: usize) {
    counter.inc_by(u64::try_from(by).unwrap_or(u64::MAX));
}
