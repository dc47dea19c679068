//! Holds calls back so that no more than a given number a second go out.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::time::{self, Instant};

/// The share of a second's calls that may go out at once after a pause.
const BURST_SHARE: u32 = 10;

/// A limit on calls per second.
///
/// It keeps one instant: when the next call would be due if all calls were evenly spaced. A call
/// may be early by the burst, never more.
#[derive(Debug)]
pub(super) struct Limiter {
    interval: Duration,
    burst: Duration,
    due: Mutex<Instant>,
}

impl Limiter {
    /// Allows `per_second` calls a second.
    pub(super) fn new(per_second: u32) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        let burst = interval * (per_second / BURST_SHARE);
        Self { interval, burst, due: Mutex::new(time::now()) }
    }

    /// Waits for this call's turn.
    pub(super) async fn turn(&self) {
        let now = time::now();
        let at = self.reserve(now);
        // A timer takes up to a millisecond also for what is due.
        if at > now {
            tokio::time::sleep_until(at).await;
        }
    }

    /// When the next call would have its turn.
    pub(super) fn next_turn(&self) -> Instant {
        let due = *self.due.lock().unwrap_or_else(PoisonError::into_inner);
        due.checked_sub(self.burst).unwrap_or(due)
    }

    fn reserve(&self, now: Instant) -> Instant {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let at = (*due).max(now);
        *due = at + self.interval;
        at.checked_sub(self.burst).map_or(now, |early| early.max(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn calls_stay_within_the_rate_and_its_burst() {
        let limiter = Limiter::new(50);
        let start = time::now();
        for _ in 0..105 {
            limiter.turn().await;
        }
        let taken = start.elapsed();
        assert!(taken >= Duration::from_millis(1950), "{taken:?}");
        assert!(taken <= Duration::from_millis(2110), "{taken:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_whose_turn_it_is_does_not_wait_for_a_tick_of_the_timer() {
        let limiter = Limiter::new(50);
        tokio::time::advance(Duration::from_micros(300)).await;
        let start = time::now();
        limiter.turn().await;
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_saves_up_no_more_than_the_burst() {
        let limiter = Limiter::new(10);
        tokio::time::advance(Duration::from_secs(60)).await;
        let start = time::now();
        for _ in 0..12 {
            limiter.turn().await;
        }
        assert!(start.elapsed() >= Duration::from_millis(1000));
    }
}
