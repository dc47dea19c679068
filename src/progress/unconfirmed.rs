//! Confirms that fail, while pulls may work.

use std::time::Duration;

use super::{Answered, Trouble, TroubleKind};
use crate::time::Instant;

/// Two leases after the last confirm that failed its event has come again and been tried again.
/// When nothing was, VOD has it as confirmed.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// Confirms of which none has worked since the first of them failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unconfirmed {
    /// What happened to the last one; once refused, to the last that was.
    trouble: Trouble,
    /// When the last one failed.
    last: Instant,
}

impl Unconfirmed {
    /// One more has failed, after `before`.
    pub(super) fn after(
        before: Option<Self>,
        kind: TroubleKind,
        message: String,
        now: Answered,
    ) -> Self {
        let before = before.filter(|one| one.is_remembered(now.at)).map(|one| one.trouble);
        let is_refused = |trouble: &Trouble| trouble.kind == TroubleKind::Refused;
        let trouble = match before {
            // Only a confirm that works shows that it is mended.
            Some(before) if is_refused(&before) && kind != TroubleKind::Refused => before,
            before => {
                let same =
                    before.filter(|before| is_refused(before) || kind != TroubleKind::Refused);
                Trouble { kind, message, since: same.map_or(now, |before| before.since) }
            }
        };
        Self { trouble, last: now.at }
    }

    /// The trouble, if it counts: a refusal that only a person can mend at once; other failures when
    /// they have lasted for `long`, because a single handle may be late.
    pub(super) fn trouble(&self, long: Duration, now: Instant) -> Option<&Trouble> {
        let has_lasted = self.trouble.since.at + long <= self.last;
        let counts = self.trouble.kind == TroubleKind::Refused || has_lasted;
        (counts && self.is_remembered(now)).then_some(&self.trouble)
    }

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
        let fails = |what: &str| pulse.unconfirmed(TroubleKind::Failing, what.to_owned());
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
    async fn a_refusal_to_confirm_counts_at_once_and_until_a_confirm_works() {
        let pulse = Pulse::default();
        pulse.answered();
        pulse.unconfirmed(TroubleKind::Unreachable, "reset".to_owned());
        tokio::time::advance(SECOND).await;
        pulse.unconfirmed(TroubleKind::Refused, "no rights".to_owned());
        let since = time::now();
        tokio::time::advance(FORGOTTEN * 2).await;
        pulse.unconfirmed(TroubleKind::Failing, "late".to_owned());
        pulse.paused("no room", time::now());
        assert_eq!(trouble(&pulse), Some((TroubleKind::Refused, "no rights".to_owned())));
        pulse.answered();
        let vitals = pulse.vitals().unwrap();
        assert_eq!(vitals.troubles(LONG, time::now())[0].since.at, since);
        pulse.confirmed();
        assert_eq!(trouble(&pulse), None);
    }
}
