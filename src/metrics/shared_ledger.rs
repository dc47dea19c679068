//! Calls of the ledger that several relays share.

use prometheus_client::metrics::counter::Counter;

use super::list::{Description, Kind, List};
use super::series::Series;

/// Counts the calls.
#[derive(Debug, Clone)]
pub struct SharedLedger {
    /// Calls that the server answered.
    pub done: Counter,
    /// Calls that failed, or took too long.
    pub failed: Counter,
    /// Calls that were not made, because others had just failed.
    pub skipped: Counter,
}

#[derive(Debug)]
pub(super) struct Families {
    calls: Series<Counter>,
}

impl Families {
    pub(super) fn new(list: &mut List) -> Self {
        let calls = Description {
            name: "vod_relay_shared_ledger_calls_total",
            kind: Kind::Counter,
            unit: "calls",
            labels: &["outcome"],
            help: "Calls to the shared ledger by outcome: done, failed, skipped (because others had \
                   just failed); only with relay.ledger",
        };
        Self { calls: list.add(calls, Counter::default) }
    }

    pub(super) fn counts(&self) -> SharedLedger {
        SharedLedger {
            done: self.calls.of(&["done"]),
            failed: self.calls.of(&["failed"]),
            skipped: self.calls.of(&["skipped"]),
        }
    }
}
