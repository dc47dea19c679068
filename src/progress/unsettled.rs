//! What a run that ends has to know about events that are not settled.

use std::collections::{HashMap, HashSet};

use crate::event::EventId;
use crate::time::Instant;

/// The events of one run that are not settled, and how their confirms fare.
#[derive(Debug, Default)]
pub(super) struct Unsettled {
    /// Events that were given up; a redelivery may still settle them.
    left: HashSet<EventId>,
    /// Delivered events whose confirm was not acknowledged, with the end of their lease: when VOD
    /// does not hand them out again after it, they were confirmed.
    doubtful: HashMap<EventId, Instant>,
    /// When the leases of events end that an answer held which never arrived.
    lost_answers_until: Option<Instant>,
    /// Elements of answers that were no events.
    unreadable: u64,
    /// The events that were doubtful when the last round ended.
    doubtful_before: HashSet<EventId>,
    /// Whether one of those came again in this round, and was not confirmed again.
    again_in_vain: bool,
    /// Whether VOD has confirmed anything in this round.
    confirmed: bool,
}

/// What comes after a round: the queue is empty, and nothing is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Round {
    /// None was needed after it: nothing is hidden.
    Last,
    /// Another one, once the last lease is over that hides an event of unknown fate.
    Next(Instant),
    /// Another would be of no use: events came again, and no confirm has worked.
    InVain,
}

impl Unsettled {
    /// Elements came in that were no events.
    pub(super) fn unreadable(&mut self, elements: usize) {
        self.unreadable += u64::try_from(elements).unwrap_or(u64::MAX);
    }

    /// An event is given up for this lease.
    pub(super) fn left(&mut self, event: EventId) {
        self.left.insert(event);
    }

    /// Whether the event was given up before.
    pub(super) fn was_left(&self, event: EventId) -> bool {
        self.left.contains(&event)
    }

    /// VOD confirmed a handle of the event.
    pub(super) fn confirmed(&mut self, event: EventId) {
        self.left.remove(&event);
        self.doubtful.remove(&event);
        self.confirmed = true;
    }

    /// The event is delivered, and the handle of other events confirms it with them.
    pub(super) fn shares_its_confirm(&mut self, event: EventId) {
        self.left.remove(&event);
    }

    /// A handle of a delivered event was not confirmed.
    pub(super) fn unconfirmed(&mut self, event: EventId, lease_over: Instant) {
        self.left.remove(&event);
        // Of several handles the one that lasts longest may still hide the event.
        let over = self.doubtful.entry(event).or_insert(lease_over);
        *over = lease_over.max(*over);
        self.again_in_vain |= self.doubtful_before.contains(&event);
    }

    /// An answer got lost that may have leased events until then.
    pub(super) fn answer_lost(&mut self, leases_end: Instant) {
        self.lost_answers_until = self.lost_answers_until.max(Some(leases_end));
    }

    /// The queue is empty: whatever was hidden by a lease that is over by now is settled.
    pub(super) fn queue_is_empty(&mut self, pull_sent: Instant) {
        self.doubtful.retain(|_, lease_over| *lease_over > pull_sent);
        self.lost_answers_until = self.lost_answers_until.filter(|until| *until > pull_sent);
    }

    /// A round is over. A round without a confirm is in vain only if one was tried: answers that
    /// get lost bring nothing to confirm.
    pub(super) fn round_ended(&mut self) -> Round {
        let (confirmed, again_in_vain) = (self.confirmed, self.again_in_vain);
        (self.confirmed, self.again_in_vain) = (false, false);
        self.doubtful_before = self.doubtful.keys().copied().collect();
        let hidden_until = self.doubtful.values().copied().max().max(self.lost_answers_until);
        match hidden_until {
            None => Round::Last,
            Some(_) if again_in_vain && !confirmed => Round::InVain,
            Some(until) => Round::Next(until),
        }
    }

    /// How many events are left to VOD.
    pub(super) fn left_over(&self) -> u64 {
        let events = self.left.len() + self.doubtful.len();
        self.unreadable + u64::try_from(events).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::time;

    fn id(n: u8) -> EventId {
        EventId::from([n; 16])
    }

    #[test]
    fn only_a_round_in_which_no_confirm_worked_is_in_vain() {
        let mut run = Unsettled::default();
        let mut over = time::now();
        let mut next = || {
            over += Duration::from_secs(30);
            over
        };
        let first = next();
        run.unconfirmed(id(1), first);
        run.unconfirmed(id(2), first);
        assert_eq!(run.round_ended(), Round::Next(first), "they may have been confirmed");
        let second = next();
        run.unconfirmed(id(1), second);
        run.confirmed(id(2));
        assert_eq!(run.round_ended(), Round::Next(second), "one was confirmed");
        let third = next();
        run.queue_is_empty(third);
        run.answer_lost(third);
        assert_eq!(run.round_ended(), Round::Next(third), "nothing was tried");
        let fourth = next();
        run.unconfirmed(id(1), fourth);
        assert_eq!(run.round_ended(), Round::Next(fourth), "it was taken for confirmed before");
        run.unconfirmed(id(1), next());
        assert_eq!((run.round_ended(), run.left_over()), (Round::InVain, 1));
    }

    #[test]
    fn what_does_not_come_again_was_confirmed() {
        let (mut run, over) = (Unsettled::default(), time::now());
        run.unconfirmed(id(1), over);
        assert_eq!(run.round_ended(), Round::Next(over));
        run.queue_is_empty(over);
        assert_eq!((run.round_ended(), run.left_over()), (Round::Last, 0));
    }
}
