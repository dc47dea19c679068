//! What a lane knows of events that it has more than once.
//!
//! An event may come both ways, pulled and posted, at the same moment: then neither source finds it
//! in the ledger yet. The lane is where both ways meet. While one of the two is on its way into the
//! sink the other waits; once it is settled, the other is settled with it.

use std::collections::VecDeque;
use std::collections::hash_map::Entry;

use super::job::Job;
use crate::event::{EventId, IdMap};

/// How many settled events are remembered at least: far more than are settled between an intake's
/// look into the ledger and its job's turn.
const SETTLED_MIN: usize = 4096;

/// The events that are on their way into the sink, and those that were settled last.
#[derive(Debug, Default)]
pub(super) struct Known {
    events: IdMap<Standing>,
    settled: VecDeque<EventId>,
}

/// What is known of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing.
    New,
    /// It is on its way into the sink.
    Underway,
    /// It was settled a moment ago.
    Settled,
}

impl Known {
    /// How the job's event stands. If it is new, and the job may start, it is on its way from now on.
    pub(super) fn meet(&mut self, job: &Job, may_start: bool) -> Standing {
        match self.events.entry(id(job)) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(place) => {
                if may_start {
                    place.insert(Standing::Underway);
                }
                Standing::New
            }
        }
    }

    /// The event is back; whether it is settled, and the ledger says so. While `waiting` jobs wait,
    /// one of them may be of the same event.
    pub(super) fn end(&mut self, job: &Job, is_settled: bool, waiting: usize) {
        if !is_settled {
            self.events.remove(&id(job));
            return;
        }
        if self.events.insert(id(job), Standing::Settled) != Some(Standing::Settled) {
            self.settled.push_back(id(job));
        }
        while self.settled.len() > SETTLED_MIN.max(waiting)
            && let Some(oldest) = self.settled.pop_front()
        {
            self.events.remove(&oldest);
        }
    }

    /// Whether the event is on its way into the sink.
    pub(super) fn is_underway(&self, job: &Job) -> bool {
        self.events.get(&id(job)) == Some(&Standing::Underway)
    }
}

fn id(job: &Job) -> EventId {
    job.flight.event().id()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use crate::flight::Flight;
    use crate::time;

    fn job(n: usize) -> Job {
        let event = Event::from_content(format!(r#"{{"EventType":"A","AEvent":{{"N":{n}}}}}"#));
        Job::new(Flight::stored(event, "queue".into(), time::wall_clock(), |_| {}))
    }

    #[tokio::test]
    async fn what_was_settled_long_ago_is_forgotten_unless_as_many_wait() {
        for (waiting, bound) in [(0, SETTLED_MIN), (SETTLED_MIN + 5, SETTLED_MIN + 5)] {
            let mut known = Known::default();
            for n in 0..SETTLED_MIN + 10 {
                assert_eq!(known.meet(&job(n), true), Standing::New);
                known.end(&job(n), true, waiting);
            }
            let oldest = SETTLED_MIN + 10 - bound;
            assert_eq!(known.events.len(), bound);
            assert_eq!(known.meet(&job(oldest - 1), false), Standing::New);
            assert_eq!(known.meet(&job(oldest), false), Standing::Settled);
        }
    }

    #[tokio::test]
    async fn an_event_that_came_back_unsettled_is_new_again() {
        let mut known = Known::default();
        assert_eq!(known.meet(&job(0), true), Standing::New);
        assert_eq!(known.meet(&job(0), true), Standing::Underway);
        known.end(&job(0), false, 0);
        assert_eq!(known.meet(&job(0), true), Standing::New);
    }
}
