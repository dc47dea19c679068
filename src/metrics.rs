//! What is counted and measured: every metric with its name, unit, labels and help, once.
//!
//! [`Metrics`] is a plain value. Whatever counts holds a handle of its own: a [`Source`], a [`Sink`]
//! or [`Calls`], made when it starts, so that counting is one atomic addition (for a histogram one
//! lock that nobody else wants) and looks nothing up. [`Gauges`] are set when somebody asks.
//!
//! Every label has a known set of values: names of the configuration and words that stand in this
//! module. Nothing that an event holds becomes a label, save a type that VOD documents.

mod calls;
mod gauges;
mod list;
mod series;
mod shared_ledger;
mod sink;
mod source;
mod text;

pub use self::calls::{CallOutcome, Calls};
pub use self::gauges::{Gauges, Of, TROUBLES};
use self::list::List;
pub use self::list::{Description, Kind};
pub use self::shared_ledger::SharedLedger;
pub use self::sink::Sink;
pub use self::source::Source;

/// All metrics of one relay.
#[derive(Debug)]
pub struct Metrics {
    list: List,
    calls: calls::Families,
    sources: source::Families,
    sinks: sink::Families,
    shared_ledger: shared_ledger::Families,
    gauges: Gauges,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut list = List::default();
        let sources = source::Families::new(&mut list);
        let calls = calls::Families::new(&mut list);
        let sinks = sink::Families::new(&mut list);
        let shared_ledger = shared_ledger::Families::new(&mut list);
        let gauges = Gauges::new(&mut list);
        Self { list, calls, sources, sinks, shared_ledger, gauges }
    }
}

impl Metrics {
    /// Counts what becomes of the events of a source. Handles of one name count together.
    pub fn source(&self, name: &str) -> Source {
        self.sources.of(name)
    }

    /// Counts the calls of a source to VOD.
    pub fn calls(&self, source: &str) -> Calls {
        self.calls.of(source)
    }

    /// Counts what becomes of events at a sink.
    pub fn sink(&self, name: &str) -> Sink {
        self.sinks.of(name)
    }

    /// Counts the calls of the shared ledger, from now on also when there are none.
    pub fn shared_ledger(&self) -> SharedLedger {
        self.shared_ledger.counts()
    }

    /// What is measured when somebody asks.
    pub fn gauges(&self) -> &Gauges {
        &self.gauges
    }

    /// What there is, in the order of the text.
    pub fn descriptions(&self) -> &[Description] {
        self.list.descriptions()
    }

    /// All values now, in Prometheus' text format, version 0.0.4.
    pub fn text(&self) -> String {
        text::exposition(&self.list)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::event::member;

    /// The series in a text: `name{labels}`.
    fn series(text: &str) -> BTreeSet<String> {
        let values = text.lines().filter(|line| !line.starts_with('#'));
        values.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
    }

    #[test]
    fn no_event_makes_a_new_series() {
        let metrics = Metrics::default();
        let source = metrics.source("main");
        let before = series(&metrics.text());
        for n in 0..10_000 {
            source.received(&format!("Type{n}"));
        }
        member::TYPES.iter().for_each(|known| source.received(known));
        let text = metrics.text();
        assert_eq!(series(&text), before);
        let other = "vod_relay_events_received_total{source=\"main\",type=\"other\"} 10000\n";
        assert!(text.contains(other), "{text}");
        let known = "vod_relay_events_received_total{source=\"main\",type=\"PullComplete\"} 1\n";
        assert!(text.contains(known), "{text}");
    }

    #[test]
    fn handles_of_one_name_count_together() {
        let metrics = Metrics::default();
        metrics.sink("app").delivered.inc();
        metrics.sink("app").delivered.inc();
        let both = "vod_relay_deliveries_total{sink=\"app\",outcome=\"delivered\"} 2\n";
        assert!(metrics.text().contains(both), "{}", metrics.text());
    }

    #[test]
    fn every_metric_is_named_by_the_rules() {
        let metrics = Metrics::default();
        let mut names = BTreeSet::new();
        for Description { name, kind, unit, help, .. } in metrics.descriptions() {
            assert!(names.insert(*name), "{name} stands twice");
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            let bare = name.trim_end_matches("_total");
            let has_unit = match *unit {
                "seconds" | "bytes" => bare.ends_with(&format!("_{unit}")),
                _ => !bare.ends_with("_seconds") && !bare.ends_with("_bytes"),
            };
            assert!(has_unit, "{name} is in {unit}");
            assert!(!help.is_empty() && !help.ends_with('.'), "{name}: {help}");
        }
    }

    #[test]
    fn the_text_is_of_the_old_format() {
        let metrics = Metrics::default();
        metrics.source("main").left.inc();
        metrics.gauges().spool_events.set(Of::All, 3.0);
        metrics.sink("app").took(std::time::Duration::from_millis(3));
        let text = metrics.text();
        for expected in [
            "# TYPE vod_relay_events_left_total counter\n\
             vod_relay_events_left_total{source=\"main\"} 1\n",
            "# TYPE vod_relay_spool_events gauge\nvod_relay_spool_events 3.0\n",
            "vod_relay_delivery_duration_seconds_bucket{le=\"0.005\",sink=\"app\"} 1\n",
        ] {
            assert!(text.contains(expected), "{expected} is not in {text}");
        }
        assert!(!text.contains("# EOF") && text.ends_with('\n'), "{text}");
    }
}
