//! How confirms fare, while pulls may work.

use std::time::Duration;

use super::{Trouble, TroubleKind};
use crate::time::Instant;

/// Two leases after the last confirm that failed its event has come again and been tried again.
/// When nothing was, VOD has it as confirmed.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// How confirms fare. None was tried yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Confirms {
    /// When the last one worked.
    worked: Option<Instant>,
    /// Those that failed and that none has worked after.
    failing: Option<Failing>,
}

/// Confirms of which none has worked since the first of them failed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Failing {
    /// What happened to the last one; once refused, to the last that was.
    trouble: Trouble,
    /// When the last one failed.
    last: Instant,
}

impl Confirms {
    /// One has worked.
    pub(super) fn worked(&mut self, now: Instant) {
        *self = Self { worked: Some(now), failing: None };
    }

    /// One has failed that was asked for when its trouble began.
    pub(super) fn failed(&mut self, new: Trouble, now: Instant) {
        let before = self.failing.take().filter(|failing| failing.is_remembered(now));
        let is_refused = |trouble: &Trouble| trouble.kind == TroubleKind::Refused;
        let trouble = match before.map(|failing| failing.trouble) {
            // Only a confirm that works shows that it is mended.
            Some(before) if is_refused(&before) && !is_refused(&new) => before,
            Some(before) if is_refused(&before) == is_refused(&new) => {
                Trouble { since: before.since, ..new }
            }
            // The first one, or one that is refused where others only failed.
            _ => new,
        };
        self.failing = Some(Failing { trouble, last: now });
    }

    /// The trouble, if it counts: a refusal that only a person can mend at once; other failures when
    /// none has worked for `long`, because a single handle may be late.
    pub fn trouble(&self, long: Duration, now: Instant) -> Option<&Trouble> {
        let failing = self.failing.as_ref()?;
        // One that hung may have been asked for before another worked.
        let since = self.worked.max(Some(failing.trouble.since.at))?;
        let has_lasted = since + long <= failing.last;
        let counts = failing.trouble.kind == TroubleKind::Refused || has_lasted;
        (counts && failing.is_remembered(now)).then_some(&failing.trouble)
    }
}

impl Failing {
    fn is_remembered(&self, now: Instant) -> bool {
        self.trouble.kind == TroubleKind::Refused || self.last + FORGOTTEN > now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Pulse;
    use crate::time;

    const LONG: Duration = Duration::from_secs(20);
    const SECOND: Duration = Duration::from_secs(1);

    fn trouble(pulse: &Pulse) -> Option<(TroubleKind, String)> {
        let vitals = pulse.vitals().unwrap();
        let troubles = vitals.troubles(LONG, time::now());
        troubles.first().map(|trouble| (trouble.kind, trouble.message.clone()))
    }

    #[tokio::test(start_paused = true)]
    async fn confirms_that_fail_count_when_none_has_worked_for_a_while() {
        let pulse = Pulse::default();
        pulse.answered();
        let fails =
            |what: &str| pulse.unconfirmed(TroubleKind::Failing, what.to_owned(), time::now());
        fails("late");
        assert_eq!(trouble(&pulse), None);
        tokio::time::advance(LONG).await;
        pulse.answered();
        assert_eq!(trouble(&pulse), None, "a single handle may be late");
        fails("internal error");
        pulse.answered();
        assert_eq!(trouble(&pulse), Some((TroubleKind::Failing, "internal error".to_owned())));
        pulse.confirmed();
        assert_eq!(trouble(&pulse), None);
        fails("late");
        tokio::time::advance(FORGOTTEN).await;
        fails("late");
        assert_eq!(trouble(&pulse), None, "what came of the first is known");
        tokio::time::advance(LONG).await;
        fails("late");
        assert!(trouble(&pulse).is_some());
        tokio::time::advance(FORGOTTEN).await;
        assert_eq!(trouble(&pulse), None, "nothing came again");
    }

    #[tokio::test(start_paused = true)]
    async fn confirms_that_hang_count_from_when_they_were_asked_for() {
        let pulse = Pulse::default();
        pulse.answered();
        let began = time::now();
        for _ in 0..2 {
            assert_eq!(trouble(&pulse), None);
            let asked = time::now();
            tokio::time::advance(LONG / 2).await;
            pulse.unconfirmed(TroubleKind::Unreachable, "no answer".to_owned(), asked);
        }
        let vitals = pulse.vitals().unwrap();
        assert_eq!(vitals.troubles(LONG, time::now())[0].since.at, began);
        // Another one works meanwhile.
        pulse.confirmed();
        let asked = time::now();
        tokio::time::advance(SECOND).await;
        pulse.confirmed();
        tokio::time::advance(LONG - SECOND).await;
        pulse.unconfirmed(TroubleKind::Unreachable, "no answer".to_owned(), asked);
        assert_eq!(trouble(&pulse), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_to_confirm_counts_at_once_and_until_a_confirm_works() {
        let pulse = Pulse::default();
        pulse.answered();
        pulse.unconfirmed(TroubleKind::Unreachable, "reset".to_owned(), time::now());
        tokio::time::advance(SECOND).await;
        pulse.unconfirmed(TroubleKind::Refused, "no rights".to_owned(), time::now());
        let since = time::now();
        tokio::time::advance(FORGOTTEN * 2).await;
        pulse.unconfirmed(TroubleKind::Failing, "late".to_owned(), time::now());
        pulse.paused("no room", time::now());
        assert_eq!(trouble(&pulse), Some((TroubleKind::Refused, "no rights".to_owned())));
        pulse.answered();
        let vitals = pulse.vitals().unwrap();
        assert_eq!(vitals.troubles(LONG, time::now())[0].since.at, since);
        pulse.confirmed();
        assert_eq!(trouble(&pulse), None);
    }
}
