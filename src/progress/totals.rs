//! What became of the events of all sources.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Progress, SinkProgress, Snapshot, Vitals};
use crate::metrics::Metrics;

/// The counts of all sources, to be read at any time.
#[derive(Debug, Clone)]
pub struct Totals {
    once: bool,
    metrics: Arc<Metrics>,
    sources: Arc<Mutex<HashMap<String, Arc<Progress>>>>,
}

impl Totals {
    /// No sources yet. `once` is for a run that ends.
    pub fn new(once: bool) -> Self {
        Self { once, metrics: Arc::default(), sources: Arc::default() }
    }

    /// The sum over all sources now.
    pub fn snapshot(&self) -> Snapshot {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        sources.values().fold(Snapshot::default(), |sum, one| sum + one.snapshot())
    }

    /// How each source that has pulled fares with VOD, in the order of their names.
    pub fn vitals(&self) -> BTreeMap<String, Vitals> {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let known = |(name, progress): (&String, &Arc<Progress>)| {
            Some((name.clone(), progress.pulse().vitals()?))
        };
        sources.iter().filter_map(known).collect()
    }

    /// How many events are on their way to their sinks.
    pub fn in_flight(&self) -> u64 {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        sources.values().map(|progress| progress.in_flight()).sum()
    }

    /// How many events a run that ends leaves to VOD.
    pub fn left_over(&self) -> u64 {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        sources.values().map(|progress| progress.left_over()).sum()
    }

    /// The progress of a source, the same one when it starts again after a reload.
    pub fn of(&self, source: &str) -> Arc<Progress> {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(progress) = sources.get(source) {
            return progress.clone();
        }
        let counts = self.metrics.source(source);
        let progress = match self.once {
            true => Progress::of_one_run(counts),
            false => Progress::new(counts),
        };
        sources.entry(source.to_owned()).or_insert(Arc::new(progress)).clone()
    }

    /// How a sink fares that was just opened. Its events count together with those of sinks of the
    /// same name before it.
    pub fn sink(&self, name: &str) -> Arc<SinkProgress> {
        Arc::new(SinkProgress::new(self.metrics.sink(name)))
    }

    /// Everything that is counted and measured.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }
}
