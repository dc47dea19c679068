//! What a lane knows of events that it has more than once.
//!
//! An event may come both ways, pulled and posted, at the same moment: then neither source finds it
//! in the ledger yet. The lane is where both ways meet. While one of the two is on its way into the
//! sink the other waits; once it is settled, the other is settled with it.

use std::collections::VecDeque;

use super::job::Job;
use crate::event::{EventId, IdSet};

/// How many settled events are remembered at least: far more than are settled between an intake's
/// look into the ledger and its job's turn.
const SETTLED_MIN: usize = 4096;

/// The events that are on their way into the sink, and those that were settled last.
#[derive(Debug, Default)]
pub(super) struct Known {
    underway: IdSet,
    settled: IdSet,
    oldest_first: VecDeque<EventId>,
}

impl Known {
    /// The event is to be on its way into the sink: `false` if it is already.
    pub(super) fn start(&mut self, job: &Job) -> bool {
        self.underway.insert(id(job))
    }

    /// The event is back.
    pub(super) fn finish(&mut self, job: &Job) {
        self.underway.remove(&id(job));
    }

    /// Whether the event is on its way into the sink.
    pub(super) fn is_underway(&self, job: &Job) -> bool {
        self.underway.contains(&id(job))
    }

    /// The event is settled, and the ledger says so. While `waiting` jobs wait, one of them may be
    /// of the same event.
    pub(super) fn settle(&mut self, job: &Job, waiting: usize) {
        if self.settled.insert(id(job)) {
            self.oldest_first.push_back(id(job));
        }
        while self.oldest_first.len() > SETTLED_MIN.max(waiting)
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.settled.remove(&oldest);
        }
    }

    /// Whether the event was settled a moment ago.
    pub(super) fn is_settled(&self, job: &Job) -> bool {
        self.settled.contains(&id(job))
    }
}

fn id(job: &Job) -> EventId {
    job.flight.event().id()
}
