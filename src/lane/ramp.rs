//! How fast calls are added to those that are underway.
//!
//! What a crash makes arrive twice is what the sink has taken and the ledger has not noted: the more
//! calls are underway, the more events. So a burst is not sent all at once. A sink that answers
//! within milliseconds keeps up with a few calls at a time; one that takes longer gets more, until
//! there are as many as its limit allows. A call that takes long does not hold back others.

use std::time::Duration;

use crate::time::Instant;

/// The most calls that are underway and young.
const YOUNG_MAX: usize = 4;

/// How long a call is young. With 4 calls that is 1,600 a second, as many events as VOD hands out at
/// its limit, for a sink that takes longer to answer; for one that does not it is no limit.
const YOUNG: Duration = Duration::from_micros(2_500);

/// When one more call may start beside those that were started then; `None` is now.
pub(super) fn opens_at(started: impl Iterator<Item = Instant>, now: Instant) -> Option<Instant> {
    let young = started.map(|started| started + YOUNG).filter(|old_at| *old_at > now);
    let (count, next_old) = young.fold((0, None::<Instant>), |(count, next_old), old_at| {
        (count + 1, Some(next_old.map_or(old_at, |next_old| next_old.min(old_at))))
    });
    next_old.filter(|_| count >= YOUNG_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time;

    #[test]
    fn a_few_calls_start_at_once_and_more_as_those_grow_old() {
        let now = time::now();
        let few = [now; YOUNG_MAX - 1];
        assert_eq!(opens_at(few.into_iter(), now), None);
        let enough = [now + YOUNG, now, now + YOUNG, now + YOUNG];
        assert_eq!(opens_at(enough.into_iter(), now), Some(now + YOUNG));
        assert_eq!(opens_at(enough.into_iter(), now + YOUNG), None);
    }

    #[test]
    fn calls_that_take_long_hold_back_no_others() {
        let now = time::now();
        assert_eq!(opens_at([now; 1000].into_iter(), now + YOUNG), None);
    }
}
