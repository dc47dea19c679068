//! What is measured when somebody asks.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge as Value;

use super::list::{Description, Kind, List};
use super::series::Series;

/// The values of the label `kind` of `vod_relay_source_trouble`.
pub const TROUBLES: [&str; 4] = ["refused", "failing", "unreachable", "no_room"];

/// Whose a value is.
#[derive(Debug, Clone, Copy)]
pub enum Of<'a> {
    /// The whole relay's.
    All,
    /// That of one source or sink, or of a version.
    One(&'a str),
    /// That of one source, of one kind.
    Kind(&'a str, &'a str),
}

/// One metric that is measured.
#[derive(Debug)]
pub struct Gauge(Measured);

#[derive(Debug)]
enum Measured {
    Level(Series<Value<f64, AtomicU64>>),
    /// Only grows, but is counted elsewhere.
    Sum(Series<Counter<f64, AtomicU64>>),
}

impl Gauge {
    /// Measured to be this.
    pub fn set(&self, of: Of<'_>, value: f64) {
        let values: &[&str] = match &of {
            Of::All => &[],
            Of::One(name) => &[name],
            Of::Kind(name, kind) => &[name, kind],
        };
        match &self.0 {
            Measured::Level(series) => {
                series.of(values).set(value);
            }
            Measured::Sum(series) => {
                series.clear();
                series.of(values).inc_by(value);
            }
        }
    }

    /// Not known any more.
    fn clear(&self) {
        match &self.0 {
            Measured::Level(series) => series.clear(),
            Measured::Sum(series) => series.clear(),
        }
    }
}

macro_rules! gauges {
    ($(
        $field:ident: $kind:ident $name:literal, $unit:literal, [$($label:literal),*],
        $help:literal;
    )*) => {
        /// What is measured when somebody asks.
        #[derive(Debug)]
        pub struct Gauges {
            $(
                #[doc = concat!("The metric `", $name, "`.")]
                pub $field: Gauge,
            )*
        }

        impl Gauges {
            pub(super) fn new(list: &mut List) -> Self {
                Self {
                    $(
                        $field: Gauge::$kind(list, Description {
                            name: $name,
                            kind: Kind::Gauge,
                            unit: $unit,
                            labels: &[$($label),*],
                            help: $help,
                        }),
                    )*
                }
            }

            /// Forgets all values, so that what is gone does not stand as it was.
            pub fn clear(&self) {
                $(self.$field.clear();)*
            }
        }
    };
}

impl Gauge {
    fn level(list: &mut List, description: Description) -> Self {
        Self(Measured::Level(list.add(description, Value::default)))
    }

    fn sum(list: &mut List, description: Description) -> Self {
        let description = Description { kind: Kind::Counter, ..description };
        Self(Measured::Sum(list.add(description, Counter::default)))
    }
}

gauges! {
    source_up: level "vod_relay_source_up", "", ["source"],
        "Whether events come from the source: 1 while VOD answers its pulls, or it pauses for \
         want of room, and takes its confirms";
    source_trouble: level "vod_relay_source_trouble", "", ["source", "kind"],
        "1 for the kind of trouble that keeps events from coming, or from being confirmed: refused \
         (a person must act), failing, unreachable, no_room";
    last_pull: level "vod_relay_last_pull_timestamp_seconds", "seconds", ["source"],
        "When VOD last answered a pull well, with or without events, in Unix time";
    credentials_expiry:
        level "vod_relay_credentials_expiry_timestamp_seconds", "seconds", ["source"],
        "When the temporary credentials in use expire, in Unix time; absent for lasting ones";
    backlog: level "vod_relay_backlog_events", "events", ["source"],
        "Events that wait at VOD, by its own count, which may be minutes late; only with \
         admin.backlog_interval";
    sink_up: level "vod_relay_sink_up", "", ["sink"],
        "Whether the sink takes events: 0 when 8 tries in a row have failed, or all for 10 s, or one \
         that took 20 s; 1 also while nothing was delivered to it yet";
    dead_letters: level "vod_relay_dead_letters_kept", "events", ["sink"],
        "Dead letters in the store";
    spool_events: level "vod_relay_spool_events", "events", [],
        "Events in the spool";
    spool_bytes: level "vod_relay_spool_bytes", "bytes", [],
        "Size of the events in the spool";
    spool_limit: level "vod_relay_spool_limit_bytes", "bytes", [],
        "Size at which pulling pauses, relay.spool_max_size";
    spool_age: level "vod_relay_spool_oldest_age_seconds", "seconds", [],
        "Age of the oldest event in the spool; 0 while it is empty";
    store_up: level "vod_relay_store_up", "", [],
        "Whether the store in the state directory takes writes";
    shared_ledger_up: level "vod_relay_shared_ledger_up", "", [],
        "Whether the last call to the shared ledger succeeded; only with relay.ledger";
    ready: level "vod_relay_ready", "", [],
        "Whether /readyz answers 200";
    build_info: level "vod_relay_build_info", "", ["version"],
        "1, with the version that runs";
    process_start: level "process_start_time_seconds", "seconds", [],
        "When the process started, in Unix time";
    process_memory: level "process_resident_memory_bytes", "bytes", [],
        "Resident memory";
    process_cpu: sum "process_cpu_seconds_total", "seconds", [],
        "Processor time of the process, user and system";
    process_fds: level "process_open_fds", "descriptors", [],
        "Open file descriptors";
    process_fds_max: level "process_max_fds", "descriptors", [],
        "The most file descriptors that may be open";
}
