//! What a lane has counted since it was opened, for whoever looks at it again and again.

use std::collections::HashMap;
use std::sync::Arc;

use super::Holding;
use super::job::Job;

/// The counts of a lane.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// How many leased events of each source have come.
    came: HashMap<Arc<str>, u64>,
    /// How many events the sink has taken, of all sources.
    pub(super) delivered: usize,
}

impl Tally {
    /// A job has come.
    pub(super) fn came(&mut self, job: &Job) {
        let source = job.flight.source();
        match self.came.get_mut(source) {
            _ if job.flight.is_stored() => {}
            Some(came) => *came += 1,
            None => drop(self.came.insert(source.clone(), 1)),
        }
    }

    /// What there is of a source now, with what was counted.
    pub(super) fn holding(&self, source: &Arc<str>, events: usize, wants_more: bool) -> Holding {
        let came = self.came.get(source).copied().unwrap_or_default();
        Holding { events, wants_more, came, delivered: self.delivered }
    }
}
