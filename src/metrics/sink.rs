//! What becomes of events at a sink.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;

use super::list::{Description, Kind, List};
use super::series::Series;

/// From a file on this machine to a command that runs for minutes.
const BUCKETS: [f64; 14] =
    [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0];

/// Counts what becomes of events at one sink.
#[derive(Debug)]
pub struct Sink {
    /// Deliveries that the sink acknowledged.
    pub delivered: Counter,
    /// Tries that failed in a way that another may mend.
    pub failed: Counter,
    /// Events that the sink refused for good, kept as dead letters.
    pub dead: Counter,
    /// Events that the sink refused for good, with nowhere to keep them.
    pub refused: Counter,
    /// Events that failed too often or for too long, kept as dead letters.
    pub given_up: Counter,
    /// Events whose lease ran out while they waited for the sink.
    pub expired: Counter,
    /// Dead letters that came about.
    pub buried: Counter,
    took: Histogram,
}

impl Sink {
    /// A call of the sink took so long.
    pub fn took(&self, time: Duration) {
        self.took.observe(time.as_secs_f64());
    }
}

#[derive(Debug)]
pub(super) struct Families {
    deliveries: Series<Counter>,
    buried: Series<Counter>,
    took: Series<Histogram>,
}

impl Families {
    pub(super) fn new(list: &mut List) -> Self {
        let deliveries = Description {
            name: "vod_relay_deliveries_total",
            kind: Kind::Counter,
            unit: "events",
            labels: &["sink", "outcome"],
            help: "Deliveries by outcome: delivered, failed (tried again), dead_letter (refused for \
                   good and kept), refused (refused for good with nowhere to keep it), given_up \
                   (too many tries or too old, and kept), expired (the lease ended first)",
        };
        let buried = Description {
            name: "vod_relay_dead_letters_total",
            kind: Kind::Counter,
            unit: "events",
            labels: &["sink"],
            help: "Events that became dead letters since the start",
        };
        let took = Description {
            name: "vod_relay_delivery_duration_seconds",
            kind: Kind::Histogram,
            unit: "seconds",
            labels: &["sink"],
            help: "How long a call of the sink took, whatever its outcome, with the ledger's note \
                   of it",
        };
        Self {
            deliveries: list.add(deliveries, Counter::default),
            buried: list.add(buried, Counter::default),
            took: list.add(took, || Histogram::new(BUCKETS)),
        }
    }

    pub(super) fn of(&self, name: &str) -> Sink {
        let deliveries = |outcome| self.deliveries.of(&[name, outcome]);
        Sink {
            delivered: deliveries("delivered"),
            failed: deliveries("failed"),
            dead: deliveries("dead_letter"),
            refused: deliveries("refused"),
            given_up: deliveries("given_up"),
            expired: deliveries("expired"),
            buried: self.buried.of(&[name]),
            took: self.took.of(&[name]),
        }
    }
}
