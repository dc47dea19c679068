//! How far this machine's clock is from VOD's.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use crate::time;

/// A difference below this is no reason for VOD to refuse a signature (it allows 5 minutes).
const NOTEWORTHY_SECONDS: i64 = 60;

/// VOD's clock less this machine's, in seconds; 0 until VOD complains.
#[derive(Debug, Default)]
pub(super) struct Skew(AtomicI64);

impl Skew {
    /// The difference in seconds.
    pub(super) fn seconds(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    /// VOD's time when this machine's clock shows `wall_clock`.
    pub(super) fn correct(&self, wall_clock: SystemTime) -> SystemTime {
        let seconds = self.seconds();
        let by = Duration::from_secs(seconds.unsigned_abs());
        let corrected =
            if seconds < 0 { wall_clock.checked_sub(by) } else { wall_clock.checked_add(by) };
        corrected.unwrap_or(wall_clock)
    }

    /// Learns the difference from the `Date` of an answer. Answers with the new difference in
    /// seconds if it changed enough to matter.
    pub(super) fn learn(&self, date: SystemTime, wall_clock: SystemTime) -> Option<i64> {
        let seconds = |time| i64::try_from(time::unix_seconds(time)).unwrap_or(i64::MAX);
        let difference = seconds(date).saturating_sub(seconds(wall_clock));
        let before = self.seconds();
        if difference.abs_diff(before) < NOTEWORTHY_SECONDS.unsigned_abs() {
            return None;
        }
        self.0.store(difference, Ordering::Relaxed);
        Some(difference)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::from_unix_seconds;

    #[test]
    fn a_difference_is_learned_once_and_corrected_both_ways() {
        for (vod, here) in [(10_000, 9_400), (10_000, 10_600)] {
            let skew = Skew::default();
            let (vod, here) = (from_unix_seconds(vod), from_unix_seconds(here));
            assert!(skew.learn(vod, here).is_some());
            assert_eq!(skew.correct(here), vod);
            assert_eq!(skew.learn(vod, here), None, "nothing new to say");
        }
    }

    #[test]
    fn a_clock_that_is_right_again_is_learned_too() {
        let skew = Skew::default();
        let vod = from_unix_seconds(10_000);
        skew.learn(vod, from_unix_seconds(9_000));
        assert_eq!(skew.learn(vod, vod), Some(0));
        assert_eq!(skew.correct(vod), vod);
    }
}
