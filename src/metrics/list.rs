//! The list of all metrics.

use prometheus_client::encoding::EncodeMetric;
use prometheus_client::registry::Registry;

use super::series::Series;

/// What a metric is called, and what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Description {
    /// The name, as it stands in the text. The name of a counter ends with `_total`, that of a
    /// measure with its unit.
    pub name: &'static str,
    /// What kind of metric it is.
    pub kind: Kind,
    /// What it counts or measures in; empty for a plain number.
    pub unit: &'static str,
    /// Its labels, in their order.
    pub labels: &'static [&'static str],
    /// What it says, without a full stop at the end.
    pub help: &'static str,
}

/// A kind of metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by size.
    Histogram,
}

impl Kind {
    /// The word for it in the text.
    pub fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// All metrics that there are.
#[derive(Debug, Default)]
pub(super) struct List {
    registry: Registry,
    descriptions: Vec<Description>,
}

impl List {
    /// Adds a metric; `new` makes one series of it.
    pub(super) fn add<M>(&mut self, description: Description, new: fn() -> M) -> Series<M>
    where
        M: Clone + Send + Sync + std::fmt::Debug + 'static,
        Series<M>: Encodes,
    {
        let series = Series::new(description.labels, new);
        // The library ends the name of a counter with `_total`, and a help with a full stop.
        let name = description.name.trim_end_matches("_total");
        self.registry.register(name, description.help, series.encoder());
        self.descriptions.push(description);
        series
    }

    pub(super) fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(super) fn descriptions(&self) -> &[Description] {
        &self.descriptions
    }
}

/// Can be written into the text.
pub(super) trait Encodes {
    /// What the registry keeps of it.
    fn encoder(&self) -> impl EncodeMetric + std::fmt::Debug + Send + Sync + 'static;
}
