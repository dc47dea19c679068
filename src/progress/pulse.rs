//! How a source fares with VOD: what health, status and the service manager are told.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::Confirms;
use crate::time::{self, Instant};

/// How a source fares. Nothing is known until its first pull has ended.
#[derive(Debug, Default)]
pub struct Pulse(Mutex<Option<Vitals>>);

/// What is known at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vitals {
    /// The loop has turned, or has said that it turns, by then: a pull ended, in whatever way, or
    /// the loop pauses for a reason.
    pub turned: Instant,
    /// The same, but only where VOD answered, were it with a refusal, or where the pause is the
    /// relay's own wish. It stands still while VOD cannot be reached.
    pub heard: Option<Instant>,
    /// When VOD last answered a pull with events, or with word that there are none.
    pub answered: Option<Answered>,
    /// What keeps events from coming; `None` after a good answer.
    pub trouble: Option<Trouble>,
    /// How confirms fare, whatever becomes of pulls.
    pub confirms: Confirms,
    /// The last failure of a pull or a confirm, over or not, and when it happened.
    pub last_error: Option<(String, SystemTime)>,
}

/// A moment on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered {
    /// To measure by.
    pub at: Instant,
    /// To show.
    pub wall: SystemTime,
}

/// What keeps events from coming, or from being confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Of which kind it is.
    pub kind: TroubleKind,
    /// What happened, to what.
    pub message: String,
    /// When trouble of this kind began.
    pub since: Answered,
}

/// A kind of trouble, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TroubleKind {
    /// VOD refuses, and only a person can mend it.
    Refused,
    /// VOD answers, but with a failure that passes.
    Failing,
    /// VOD cannot be reached, or what answers is not VOD.
    Unreachable,
    /// Pulling pauses until there is room: in the spool, or for events in flight.
    NoRoom,
}

impl Vitals {
    /// All that is wrong, the worst first. Confirms that fail count once they have done so for
    /// `long`.
    pub fn troubles(&self, long: Duration, now: Instant) -> Vec<&Trouble> {
        let confirms = self.confirms.trouble(long, now);
        let mut troubles: Vec<_> = self.trouble.iter().chain(confirms).collect();
        troubles.sort_by_key(|trouble| trouble.kind);
        troubles
    }
}

impl Pulse {
    /// VOD answered a pull.
    pub fn answered(&self) {
        let at = time::now();
        let answered = Some(Answered { at, wall: time::wall_clock() });
        let mut vitals = self.lock();
        let before = vitals.take();
        let (confirms, last_error) =
            before.map(|before| (before.confirms, before.last_error)).unwrap_or_default();
        let (heard, trouble) = (Some(at), None);
        *vitals = Some(Vitals { turned: at, heard, answered, trouble, confirms, last_error });
    }

    /// VOD refuses; the next pull is due at `next`.
    pub fn refused(&self, message: String, next: Instant) {
        self.trouble(TroubleKind::Refused, message, next);
    }

    /// VOD answered with a failure that passes; the next pull is due at `next`.
    pub fn failed(&self, message: String, next: Instant) {
        self.trouble(TroubleKind::Failing, message, next);
    }

    /// VOD cannot be reached; the next pull is due at `next`.
    pub fn unreachable(&self, message: String, next: Instant) {
        self.trouble(TroubleKind::Unreachable, message, next);
    }

    /// Pulling pauses, and looks again at `next`.
    pub fn paused(&self, message: &str, next: Instant) {
        self.trouble(TroubleKind::NoRoom, message.to_owned(), next);
    }

    /// VOD confirmed events.
    pub fn confirmed(&self) {
        if let Some(vitals) = self.lock().as_mut() {
            vitals.confirms.worked(time::now());
        }
    }

    /// A confirm that was asked for at `asked` failed. Before the first pull has ended there is nothing
    /// to confirm.
    pub fn unconfirmed(&self, kind: TroubleKind, message: String, asked: Instant) {
        let (now, wall) = (time::now(), time::wall_clock());
        // It may have hung for long.
        let asked = Answered { at: asked, wall: wall - now.saturating_duration_since(asked) };
        if let Some(vitals) = self.lock().as_mut() {
            vitals.last_error = Some((message.clone(), wall));
            vitals.confirms.failed(Trouble { kind, message, since: asked }, now);
        }
    }

    /// What is known now.
    pub fn vitals(&self) -> Option<Vitals> {
        self.lock().clone()
    }

    fn trouble(&self, kind: TroubleKind, message: String, next: Instant) {
        let now = Answered { at: time::now(), wall: time::wall_clock() };
        let turned = next.max(now.at);
        let mut vitals = self.lock();
        let before = vitals.as_ref();
        let same = before.and_then(|vitals| vitals.trouble.as_ref()).filter(|one| one.kind == kind);
        let since = same.map_or(now, |trouble| trouble.since);
        let heard = match kind {
            TroubleKind::Refused | TroubleKind::Failing | TroubleKind::NoRoom => Some(turned),
            TroubleKind::Unreachable => before.and_then(|vitals| vitals.heard),
        };
        let answered = before.and_then(|vitals| vitals.answered);
        let confirms = before.map(|vitals| vitals.confirms.clone()).unwrap_or_default();
        let last_error = match kind {
            TroubleKind::NoRoom => before.and_then(|vitals| vitals.last_error.clone()),
            TroubleKind::Refused | TroubleKind::Failing | TroubleKind::Unreachable => {
                Some((message.clone(), now.wall))
            }
        };
        let trouble = Some(Trouble { kind, message, since });
        *vitals = Some(Vitals { turned, heard, answered, trouble, confirms, last_error });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Vitals>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn trouble_lasts_until_the_next_good_answer() {
        let pulse = Pulse::default();
        assert_eq!(pulse.vitals(), None);
        pulse.unreachable("no route".to_owned(), time::now());
        let never_heard = pulse.vitals().unwrap();
        assert_eq!((never_heard.heard, never_heard.answered), (None, None));
        pulse.answered();
        let answered = pulse.vitals().unwrap();
        assert_eq!((answered.heard, &answered.trouble), (Some(time::now()), &None));

        tokio::time::advance(Duration::from_secs(7)).await;
        let next = time::now() + Duration::from_secs(60);
        pulse.unreachable("no route".to_owned(), next);
        tokio::time::advance(Duration::from_secs(60)).await;
        pulse.unreachable("reset".to_owned(), time::now());
        let cut_off = pulse.vitals().unwrap();
        assert_eq!((cut_off.heard, cut_off.answered), (answered.heard, answered.answered));
        let trouble = cut_off.trouble.unwrap();
        assert_eq!((trouble.message.as_str(), trouble.kind), ("reset", TroubleKind::Unreachable));
        assert_eq!(trouble.since.at + Duration::from_secs(60), time::now());

        pulse.refused("unknown key".to_owned(), next + Duration::from_secs(300));
        let refused = pulse.vitals().unwrap();
        assert_eq!(refused.heard, Some(next + Duration::from_secs(300)));
        assert_eq!(refused.turned, next + Duration::from_secs(300));
        assert_eq!(refused.trouble.unwrap().since.at, time::now());

        pulse.paused("no room", next);
        pulse.answered();
        let well = pulse.vitals().unwrap();
        assert_eq!(well.last_error.unwrap().0, "unknown key", "what was is still told");
    }
}
