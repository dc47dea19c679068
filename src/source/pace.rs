//! How many pulls at a time, and when the next.

use std::time::Duration;

use crate::retry::{Delays, Policy};
use crate::tencent::error::{CallError, Class};
use crate::time::Instant;

/// Between pulls that fail in ways that pass.
const TRANSIENT: Policy =
    Policy { first: Duration::from_millis(250), longest: Duration::from_secs(30) };

/// The same in a run that ends, which somebody waits for.
const TRANSIENT_ONCE: Policy = Policy { longest: Duration::from_secs(2), ..TRANSIENT };

/// Between pulls that fail until somebody does something.
const OPERATOR: Policy =
    Policy { first: Duration::from_secs(30), longest: Duration::from_secs(300) };

/// An empty answer that comes sooner than this was not held back by VOD as a long poll is.
const LONG_POLL_MIN: Duration = Duration::from_millis(1000);

/// The pause after a first and after many empty answers that came too soon.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(5));

/// Between looks whether the local disk has room again.
const HOLD: Duration = Duration::from_secs(1);

/// The pace of one source's pulls.
#[derive(Debug)]
pub(super) struct Pace {
    pulls_max: usize,
    pulls: usize,
    not_before: Instant,
    pause: Duration,
    transient: Delays,
    operator: Delays,
    failing: Option<Failing>,
}

/// A row of failures.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failing {
    /// How many there were.
    pub(super) times: u32,
    /// When the first was.
    pub(super) since: Instant,
}

impl Pace {
    pub(super) fn new(pulls_max: usize, once: bool, now: Instant) -> Self {
        let transient = if once { TRANSIENT_ONCE } else { TRANSIENT };
        Self {
            pulls_max: pulls_max.max(1),
            pulls: 1,
            not_before: now,
            pause: PAUSE.0,
            transient: transient.delays(),
            operator: OPERATOR.delays(),
            failing: None,
        }
    }

    /// How many pulls may be open at the same time.
    pub(super) fn pulls(&self) -> usize {
        self.pulls
    }

    /// When the next pull may be sent.
    pub(super) fn not_before(&self) -> Instant {
        self.not_before
    }

    /// The row of failures that pulling is in, if it is.
    pub(super) fn failing(&self) -> Option<Failing> {
        self.failing
    }

    /// Answers come back full, so there is more: twice as many pulls.
    pub(super) fn full(&mut self) {
        self.succeeded();
        self.pulls = (self.pulls * 2).min(self.pulls_max);
    }

    /// An answer with some events: one pull fewer, since the queue is nearly empty.
    pub(super) fn partial(&mut self) {
        self.succeeded();
        self.pulls = (self.pulls - 1).max(1);
    }

    /// Nothing to pull: one long poll. `held` is how long VOD took to say so.
    pub(super) fn empty(&mut self, held: Duration, now: Instant) {
        let pause = self.pause;
        self.succeeded();
        self.pulls = 1;
        // Pulls that were open together come back empty together: that is one pause, not many.
        let asked = now.checked_sub(held);
        if held < LONG_POLL_MIN && asked.is_none_or(|asked| asked >= self.not_before) {
            self.not_before = now + pause;
            self.pause = (pause * 2).min(PAUSE.1);
        }
    }

    /// A pull failed: one at a time, later and later.
    pub(super) fn failed(&mut self, error: &CallError, now: Instant) -> Duration {
        if self.failing.is_some() && now < self.not_before {
            // Pulls that were open together fail together: that is one failure, not many.
            return self.not_before - now;
        }
        let times = self.failing.map_or(0, |failing| failing.times).saturating_add(1);
        let since = self.failing.map_or(now, |failing| failing.since);
        self.failing = Some(Failing { times, since });
        self.pulls = 1;
        let delay = match error.class {
            Class::Transient | Class::Throttled | Class::Cancelled => self.transient.next_delay(),
            Class::Clock
            | Class::Token
            | Class::Credentials
            | Class::Parameter
            | Class::Permanent => self.operator.next_delay(),
        };
        let delay = delay.max(error.retry_after.unwrap_or_default()).min(OPERATOR.longest);
        self.not_before = self.not_before.max(now + delay);
        delay
    }

    /// There is no room on the local disk: pulling pauses.
    pub(super) fn hold(&mut self, now: Instant) {
        self.pulls = 1;
        self.not_before = self.not_before.max(now + HOLD);
    }

    fn succeeded(&mut self) {
        self.failing = None;
        self.pause = PAUSE.0;
        self.transient.reset();
        self.operator.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time;

    fn failure(class: Class) -> CallError {
        CallError {
            class,
            action: "PullEvents",
            code: None,
            message: String::new(),
            request_id: None,
            retry_after: None,
            sent: true,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn full_answers_open_more_pulls_and_an_empty_one_closes_all_but_one() {
        let mut pace = Pace::new(8, false, time::now());
        assert_eq!(pace.pulls(), 1);
        for expected in [2, 4, 8, 8] {
            pace.full();
            assert_eq!(pace.pulls(), expected);
        }
        pace.partial();
        assert_eq!(pace.pulls(), 7);
        pace.empty(Duration::from_secs(5), time::now());
        assert_eq!(pace.pulls(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_queue_is_asked_again_at_once_after_a_long_poll_and_later_after_a_short_one() {
        let now = time::now();
        let mut pace = Pace::new(8, false, now);
        pace.empty(Duration::from_secs(5), now);
        assert_eq!(pace.not_before(), now);
        let mut pauses = Vec::new();
        for _ in 0..6 {
            let asked = pace.not_before();
            pace.empty(Duration::ZERO, asked);
            pauses.push(pace.not_before() - asked);
        }
        assert_eq!(pauses[0], PAUSE.0);
        assert_eq!(pauses[5], PAUSE.1);
        pace.partial();
        pace.empty(Duration::ZERO, pace.not_before());
        assert_eq!(pace.pause, PAUSE.0 * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn pulls_that_come_back_empty_together_are_one_pause() {
        let now = time::now();
        let mut pace = Pace::new(8, false, now);
        let later = now + Duration::from_millis(200);
        for _ in 0..8 {
            pace.empty(Duration::from_millis(200), later);
        }
        assert_eq!(pace.not_before(), later + PAUSE.0);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_wait_within_their_bounds_and_a_wish_of_vod_is_honoured() {
        let now = time::now();
        let mut pace = Pace::new(8, false, now);
        pace.full();
        for _ in 0..50 {
            assert!(
                pace.failed(&failure(Class::Transient), pace.not_before()) <= TRANSIENT.longest
            );
        }
        assert_eq!(pace.pulls(), 1);
        assert_eq!(pace.failing().unwrap().times, 50);
        let wish = Some(Duration::from_secs(60));
        let asked = CallError { retry_after: wish, ..failure(Class::Throttled) };
        assert!(pace.failed(&asked, pace.not_before()) >= Duration::from_secs(60));
        pace.full();
        assert!(pace.failing().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn pulls_that_fail_together_are_one_failure() {
        let now = time::now();
        let mut pace = Pace::new(8, false, now);
        for _ in 0..8 {
            pace.failed(&failure(Class::Transient), now);
        }
        assert!(pace.not_before() <= now + TRANSIENT.first);
        assert_eq!(pace.failing().unwrap().times, 1);
    }
}
