//! What a lane has counted since it was opened, for whoever looks at it again and again.

use std::sync::Arc;

use super::Holding;
use super::job::Job;

/// The counts of a lane.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// How many leased events of each source have come. There are few sources.
    came: Vec<(Arc<str>, u64)>,
    /// How many events the sink has taken, of all sources.
    pub(super) delivered: usize,
}

impl Tally {
    /// A job has come.
    pub(super) fn came(&mut self, job: &Job) {
        if job.flight.is_stored() {
            return;
        }
        let source = job.flight.source();
        match self.came.iter_mut().find(|(name, _)| name == source) {
            Some((_, came)) => *came += 1,
            None => self.came.push((source.clone(), 1)),
        }
    }

    /// What there is of a source now, with what was counted.
    pub(super) fn holding(&self, source: &Arc<str>, events: usize, wants_more: bool) -> Holding {
        let came = self.came.iter().find(|(name, _)| name == source).map_or(0, |(_, came)| *came);
        Holding { events, wants_more, came, delivered: self.delivered }
    }
}
