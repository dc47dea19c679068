//! How a sink fares: what health, status and metrics are told.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::Answered;
use crate::metrics;
use crate::time::{self, Instant};

/// A sink whose every call has failed for so long counts as down, however few they were.
const FAILING_MAX: Duration = Duration::from_secs(10);

/// One that has let calls come to nothing for so long is down as well, even if the first of them has
/// only just been given up: a call may take longer than a lease leaves for it.
const STALLED_MAX: Duration = Duration::from_secs(20);

/// The most bytes of a reason that are kept.
const REASON_MAX: usize = 1 << 10;

/// What became of events at one sink, and how its last calls ended.
#[derive(Debug)]
pub struct SinkProgress {
    counts: metrics::Sink,
    vitals: Mutex<SinkVitals>,
}

/// What is known at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SinkVitals {
    /// When it last had an event, or refused one for good: it worked then.
    pub worked: Option<SystemTime>,
    /// Since when all calls have failed; `None` if the last one did not.
    pub failing: Option<Answered>,
    /// Since when nothing has come of any call: the first of those that failed began then, or the
    /// sink last worked then.
    pub stalled: Option<Instant>,
    /// Whether so many tries in a row have failed that it gets one at a time.
    pub is_shut: bool,
    /// The last failure or refusal, over or not.
    pub last_error: Option<Mishap>,
    /// When the last call to end began.
    called: Option<Instant>,
    /// The instant of `worked`.
    worked_at: Option<Instant>,
}

/// Something that went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mishap {
    /// What happened, to what.
    pub message: String,
    /// When.
    pub at: SystemTime,
}

/// A sink that counts as down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Down<'a> {
    /// Since when all calls have failed.
    pub since: SystemTime,
    /// Why the last one did.
    pub reason: &'a str,
}

impl SinkVitals {
    /// What is wrong if the sink counts as down: its last tries have all failed, and they were many,
    /// or lasted for a while.
    pub fn down(&self, now: Instant) -> Option<Down<'_>> {
        let failing = self.failing?;
        let has_lasted = failing.at + FAILING_MAX <= now
            || self.stalled.is_some_and(|stalled| stalled + STALLED_MAX <= now);
        if !self.is_shut && !has_lasted {
            return None;
        }
        let reason = self.last_error.as_ref().map_or("", |error| error.message.as_str());
        Some(Down { since: failing.wall, reason })
    }

    fn works(&mut self) {
        (self.worked, self.worked_at) = (Some(time::wall_clock()), Some(time::now()));
        (self.failing, self.stalled) = (None, None);
    }
}

impl SinkProgress {
    /// A sink that was not called yet.
    pub fn new(counts: metrics::Sink) -> Self {
        Self { counts, vitals: Mutex::default() }
    }

    /// The counts.
    pub fn counts(&self) -> &metrics::Sink {
        &self.counts
    }

    /// What is known now.
    pub fn vitals(&self) -> SinkVitals {
        self.lock().clone()
    }

    /// A call took so long.
    pub fn took(&self, time: Duration) {
        self.counts.took(time);
        self.lock().called = time::now().checked_sub(time);
    }

    /// The sink has events.
    pub fn delivered(&self, events: usize) {
        super::add_to(&self.counts.delivered, events);
        self.lock().works();
    }

    /// A try failed in a way that another may mend.
    pub fn failed(&self, reason: &str) {
        self.counts.failed.inc();
        self.failing(reason);
    }

    /// An event failed once too often, and is a dead letter now.
    pub fn given_up(&self, reason: &str) {
        self.counts.given_up.inc();
        self.counts.buried.inc();
        self.failing(reason);
    }

    /// An event was too old to be tried again, and is a dead letter now. That says nothing about
    /// the sink's last calls.
    pub fn too_old(&self) {
        self.counts.given_up.inc();
        self.counts.buried.inc();
    }

    /// The sink refused an event for good; `kept` says whether it is a dead letter now. The sink
    /// works; it is the event that it does not want.
    pub fn refused(&self, reason: &str, kept: bool) {
        if kept {
            self.counts.dead.inc();
            self.counts.buried.inc();
        } else {
            self.counts.refused.inc();
        }
        let mut vitals = self.lock();
        vitals.works();
        let (message, at) = (shortened(reason).to_owned(), time::wall_clock());
        vitals.last_error = Some(Mishap { message, at });
    }

    /// The lease of an event ran out while it waited.
    pub fn expired(&self) {
        self.counts.expired.inc();
    }

    /// Whether the sink gets one try at a time from now on.
    pub fn set_shut(&self, is_shut: bool) {
        self.lock().is_shut = is_shut;
    }

    fn failing(&self, reason: &str) {
        let now = Answered { at: time::now(), wall: time::wall_clock() };
        let mut vitals = self.lock();
        if vitals.failing.is_none() {
            let began = vitals.called.unwrap_or(now.at);
            vitals.failing = Some(now);
            vitals.stalled = Some(vitals.worked_at.map_or(began, |worked| began.max(worked)));
        }
        vitals.last_error = Some(Mishap { message: shortened(reason).to_owned(), at: now.wall });
    }

    fn lock(&self) -> MutexGuard<'_, SinkVitals> {
        self.vitals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn shortened(reason: &str) -> &str {
    let mut end = reason.len().min(REASON_MAX);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    &reason[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[tokio::test(start_paused = true)]
    async fn a_sink_fails_from_the_first_failure_until_it_works() {
        let sink = SinkProgress::new(Metrics::default().sink("app"));
        assert_eq!(sink.vitals(), SinkVitals::default());
        let began = time::now();
        sink.failed("reset");
        tokio::time::advance(Duration::from_secs(7)).await;
        sink.given_up(&"é".repeat(REASON_MAX));
        let vitals = sink.vitals();
        assert_eq!(vitals.failing.unwrap().at, began);
        assert_eq!(vitals.last_error.unwrap().message.len(), REASON_MAX);
        sink.refused("too long", true);
        assert_eq!(sink.vitals().failing, None, "who refuses an event works");
        sink.failed("reset");
        sink.delivered(1);
        let vitals = sink.vitals();
        assert_eq!((vitals.failing, vitals.last_error.unwrap().message), (None, "reset".into()));
        let counts = sink.counts();
        assert_eq!((counts.failed.get(), counts.buried.get(), counts.delivered.get()), (2, 2, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_sink_is_down_when_all_its_calls_fail_for_a_while_or_in_great_number() {
        let sink = SinkProgress::new(Metrics::default().sink("app"));
        let why = || Some(sink.vitals().down(time::now())?.reason.to_owned());
        assert_eq!(why(), None);
        sink.failed("connection refused");
        assert_eq!(why(), None, "once is no outage");
        sink.set_shut(true);
        assert_eq!(why().as_deref(), Some("connection refused"));
        sink.delivered(1);
        sink.set_shut(false);
        assert_eq!(why(), None);
        sink.failed("no answer within 10s");
        tokio::time::advance(FAILING_MAX).await;
        assert_eq!(why().as_deref(), Some("no answer within 10s"));
        sink.delivered(1);
        assert_eq!(why(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sink_that_lets_a_call_hang_is_down_as_soon_as_that_is_known() {
        let lease = Duration::from_secs(25);
        let sink = SinkProgress::new(Metrics::default().sink("app"));
        let is_down = || sink.vitals().down(time::now()).is_some();
        tokio::time::advance(lease).await;
        sink.took(lease);
        sink.failed("no outcome within 25s");
        assert!(is_down());
        sink.delivered(1);
        assert!(!is_down());
        tokio::time::advance(Duration::from_secs(5)).await;
        sink.took(lease);
        sink.failed("no outcome within 25s");
        assert!(!is_down(), "it took others while this one hung");
        tokio::time::advance(FAILING_MAX).await;
        assert!(is_down());
    }
}
