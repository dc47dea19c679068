//! Delays between tries: exponential, with full jitter.
//!
//! The `backoff` crate serves here as a calculator only. Its retry loop is not used, because a try
//! must be signed afresh, end with its lease and stop when the relay stops.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use backoff::SystemClock;
use backoff::backoff::Backoff as _;
use backoff::exponential::ExponentialBackoff;

use crate::time::{self, Instant};

/// How the delays of one kind of operation grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// The most that the first delay can be.
    pub first: Duration,
    /// The most that any delay can be.
    pub longest: Duration,
}

impl Policy {
    /// Starts a series of delays.
    pub fn delays(self) -> Delays {
        // The crate draws from [0, 2 × interval] at factor 1, so half the interval gives full
        // jitter: anything between nothing and the bound.
        let half_first = self.first / 2;
        Delays(ExponentialBackoff {
            current_interval: half_first,
            initial_interval: half_first,
            randomization_factor: 1.0,
            multiplier: 2.0,
            max_interval: self.longest / 2,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        })
    }
}

impl Policy {
    /// The delay after so many failed tries, from 1.
    pub fn delay_after(self, tries: u32) -> Duration {
        let mut delays = self.delays();
        // By then the bound has long been the longest.
        for _ in 1..tries.min(32) {
            delays.next_delay();
        }
        delays.next_delay()
    }
}

/// A series of growing random delays.
#[derive(Debug)]
pub struct Delays(ExponentialBackoff<SystemClock>);

impl Delays {
    /// The next delay: random between nothing and a bound that doubles from call to call.
    pub fn next_delay(&mut self) -> Duration {
        let longest = self.0.max_interval * 2;
        self.0.next_backoff().unwrap_or(longest).min(longest)
    }

    /// Begins again with the first bound, after a success.
    pub fn reset(&mut self) {
        self.0.reset();
    }
}

/// Keeps tries apart that fail, whoever makes them: a connection that several want.
#[derive(Debug)]
pub struct Pauses(Mutex<(Delays, Option<Instant>)>);

impl Pauses {
    /// None before the first failure.
    pub fn new(policy: Policy) -> Self {
        Self(Mutex::new((policy.delays(), None)))
    }

    /// Tries once the pause after the last failure is over.
    ///
    /// # Errors
    ///
    /// Those of the try.
    pub async fn attempt<T, E>(&self, attempt: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let until = self.0.lock().unwrap_or_else(PoisonError::into_inner).1;
        if until.is_some() {
            time::sleep_until(until).await;
        }
        let made = attempt.await;
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (delays, until) = &mut *inner;
        match &made {
            Ok(_) => {
                delays.reset();
                *until = None;
            }
            Err(_) => *until = Some(time::now() + delays.next_delay()),
        }
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy =
        Policy { first: Duration::from_millis(100), longest: Duration::from_secs(2) };

    #[test]
    fn every_delay_stays_below_a_bound_that_doubles_up_to_the_longest() {
        for _ in 0..200 {
            let mut delays = POLICY.delays();
            let mut bound = POLICY.first;
            for _ in 0..40 {
                let delay = delays.next_delay();
                assert!(delay <= bound + Duration::from_nanos(1), "{delay:?} is over {bound:?}");
                bound = (bound * 2).min(POLICY.longest);
            }
        }
    }

    #[test]
    fn jitter_is_full() {
        let drawn: Vec<_> = (0..400).map(|_| POLICY.delays().next_delay()).collect();
        assert!(drawn.iter().any(|delay| *delay < POLICY.first / 4));
        assert!(drawn.iter().any(|delay| *delay > POLICY.first * 3 / 4));
    }

    #[test]
    fn a_reset_starts_again_at_the_first_bound() {
        let mut delays = POLICY.delays();
        for _ in 0..10 {
            delays.next_delay();
        }
        delays.reset();
        assert!(delays.next_delay() <= POLICY.first);
    }
    #[tokio::test(start_paused = true)]
    async fn tries_that_fail_are_kept_apart_until_one_succeeds() {
        let pauses = Pauses::new(POLICY);
        let start = time::now();
        for _ in 0..20 {
            assert_eq!(pauses.attempt(async { Err::<(), _>("down") }).await, Err("down"));
        }
        assert!(start.elapsed() > POLICY.longest, "{:?}", start.elapsed());
        assert_eq!(pauses.attempt(async { Ok::<_, ()>(1) }).await, Ok(1));
        let up = time::now();
        assert_eq!(pauses.attempt(async { Ok::<_, ()>(2) }).await, Ok(2));
        assert_eq!(up.elapsed(), Duration::ZERO);
    }
}
