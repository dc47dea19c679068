//! What became of the events of all sources.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::progress::{Progress, Snapshot};

/// The counts of all sources, to be read at any time.
#[derive(Debug, Clone, Default)]
pub struct Totals(Arc<Mutex<HashMap<String, Arc<Progress>>>>);

impl Totals {
    /// The sum over all sources now.
    pub fn snapshot(&self) -> Snapshot {
        let sources = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sources.values().fold(Snapshot::default(), |sum, one| sum + one.snapshot())
    }

    /// How many events a run that ends leaves to VOD.
    pub fn left_over(&self) -> u64 {
        let sources = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sources.values().map(|progress| progress.left_over()).sum()
    }

    /// The progress of a source, the same one when it starts again after a reload.
    pub(super) fn of(&self, source: &str, once: bool) -> Arc<Progress> {
        let mut sources = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(if once { Progress::of_one_run() } else { Progress::default() });
        sources.entry(source.to_owned()).or_insert_with(new).clone()
    }
}
