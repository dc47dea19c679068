//! What becomes of a source's events.

use std::collections::HashMap;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use super::list::{Description, Kind, List};
use super::series::Series;
use crate::event::member;

/// The type of events whose own is not one that VOD documents.
const OTHER: &str = "other";

/// Counts what becomes of the events of one source. The default counts for nobody.
#[derive(Debug, Default)]
pub struct Source {
    by_type: HashMap<&'static str, Counter>,
    of_other_types: Counter,
    /// Elements of answers that were no events.
    pub unreadable: Counter,
    /// Events that were known already.
    pub redelivered: Counter,
    /// Handles that VOD confirmed.
    pub confirmed: Counter,
    /// Events that were given up for a lease.
    pub left: Counter,
    /// Handles that VOD refused, or that were not sent because their lease was over.
    pub refused_confirms: Counter,
    /// Events on their way to their sinks.
    pub in_flight: Gauge,
}

impl Source {
    /// An event came in.
    pub fn received(&self, event_type: &str) {
        self.by_type.get(event_type).unwrap_or(&self.of_other_types).inc();
    }
}

#[derive(Debug)]
pub(super) struct Families {
    received: Series<Counter>,
    unreadable: Series<Counter>,
    redelivered: Series<Counter>,
    confirmed: Series<Counter>,
    left: Series<Counter>,
    refused_confirms: Series<Counter>,
    in_flight: Series<Gauge>,
}

impl Families {
    pub(super) fn new(list: &mut List) -> Self {
        let counter = |name, unit, help| {
            let (kind, labels) = (Kind::Counter, &["source"][..]);
            Description { name, kind, unit, labels, help }
        };
        let received = Description {
            labels: &["source", "type"],
            ..counter(
                "vod_relay_events_received_total",
                "events",
                "Events that came in, redeliveries included, by type; a type that VOD does not \
                 document counts as other",
            )
        };
        let in_flight = Description {
            kind: Kind::Gauge,
            ..counter(
                "vod_relay_events_in_flight",
                "events",
                "Leased events on their way to their sinks",
            )
        };
        Self {
            received: list.add(received, Counter::default),
            unreadable: list.add(
                counter(
                    "vod_relay_events_unreadable_total",
                    "events",
                    "Elements of VOD's answers that were no events; VOD hands them out again",
                ),
                Counter::default,
            ),
            redelivered: list.add(
                counter(
                    "vod_relay_events_redelivered_total",
                    "events",
                    "Events that came again: known to the ledger, to the spool, or in flight",
                ),
                Counter::default,
            ),
            confirmed: list.add(
                counter(
                    "vod_relay_events_confirmed_total",
                    "handles",
                    "Handles of events that VOD confirmed",
                ),
                Counter::default,
            ),
            left: list.add(
                counter(
                    "vod_relay_events_left_total",
                    "events",
                    "Events that were given up for a lease; VOD hands them out again",
                ),
                Counter::default,
            ),
            refused_confirms: list.add(
                counter(
                    "vod_relay_confirms_refused_total",
                    "handles",
                    "Handles that VOD did not confirm because their lease was over; their events \
                     come again",
                ),
                Counter::default,
            ),
            in_flight: list.add(in_flight, Gauge::default),
        }
    }

    pub(super) fn of(&self, name: &str) -> Source {
        let by_type = member::TYPES.map(|known| (known, self.received.of(&[name, known])));
        Source {
            by_type: HashMap::from(by_type),
            of_other_types: self.received.of(&[name, OTHER]),
            unreadable: self.unreadable.of(&[name]),
            redelivered: self.redelivered.of(&[name]),
            confirmed: self.confirmed.of(&[name]),
            left: self.left.of(&[name]),
            refused_confirms: self.refused_confirms.of(&[name]),
            in_flight: self.in_flight.of(&[name]),
        }
    }
}
