//! One metric's series, by their labels.

use prometheus_client::encoding::EncodeMetric;
use prometheus_client::metrics::TypedMetric;
use prometheus_client::metrics::family::Family;

use super::list::Encodes;

type Labels = Vec<(&'static str, String)>;

/// One metric's series.
#[derive(Debug)]
pub(super) struct Series<M> {
    labels: &'static [&'static str],
    family: Family<Labels, M, fn() -> M>,
}

impl<M: Clone> Series<M> {
    pub(super) fn new(labels: &'static [&'static str], new: fn() -> M) -> Self {
        Self { labels, family: Family::new_with_constructor(new) }
    }

    /// The series of these values, in the order of the labels.
    pub(super) fn of(&self, values: &[&str]) -> M {
        let values = values.iter().map(|value| (*value).to_owned());
        self.family.get_or_create_owned(&self.labels.iter().copied().zip(values).collect())
    }

    /// Removes all series.
    pub(super) fn clear(&self) {
        self.family.clear();
    }
}

impl<M> Encodes for Series<M>
where
    M: EncodeMetric + TypedMetric + std::fmt::Debug + Send + Sync + 'static,
{
    fn encoder(&self) -> impl EncodeMetric + std::fmt::Debug + Send + Sync + 'static {
        self.family.clone()
    }
}
