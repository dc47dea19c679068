//! Where events go: the contract of every sink.
//!
//! A sink takes a batch of events and answers for each one. It knows nothing of leases, retries,
//! handles or other sinks; `lane.rs` brings those. Each sink's module opens with `# Delivered when`,
//! the condition that makes an event count as delivered.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::config::Section;
use crate::event::Event;

/// A future that is boxed so that sinks of different types can stand in one list.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One event on its way into a sink.
#[derive(Debug, Clone)]
pub struct Parcel {
    /// The event.
    pub event: Arc<Event>,
    /// Which try this is within the lease, from 1.
    pub attempt: u32,
}

/// Why a sink did not take an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Trying again can mend it.
    Transient {
        /// What happened, to what.
        reason: String,
        /// How long the receiver asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// Trying again cannot mend it.
    Permanent {
        /// What happened, to what.
        reason: String,
    },
    /// The receiver is gone for good and the relay has nothing more to do for it: a closed stdout.
    Closed,
}

impl Refusal {
    /// A failure that trying again can mend, with no wish of the receiver for when.
    pub fn transient(reason: impl Into<String>) -> Self {
        Self::Transient { reason: reason.into(), retry_after: None }
    }

    /// A failure that trying again cannot mend.
    pub fn permanent(reason: impl Into<String>) -> Self {
        Self::Permanent { reason: reason.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transient { reason, .. } | Self::Permanent { reason } => f.write_str(reason),
            Self::Closed => f.write_str("the receiver closed its end"),
        }
    }
}

/// A sink's answer for one event.
pub type Outcome = Result<(), Refusal>;

/// How much a sink takes at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most time that one call of [`Sink::deliver`] may take.
    pub timeout: Duration,
    /// The most calls at the same time.
    pub concurrency: usize,
    /// The most events in one call.
    pub batch: usize,
}

/// A place that takes events.
pub trait Sink: Send + Sync + fmt::Debug {
    /// How much the sink takes at a time.
    fn limits(&self) -> Limits;

    /// Hands over a batch. The answer has one outcome per parcel, in the same order.
    ///
    /// The caller bounds the time: the future is dropped when the sink's timeout is over, and a
    /// sink must leave nothing behind when that happens.
    fn deliver<'a>(&'a self, batch: &'a [Parcel]) -> BoxFuture<'a, Vec<Outcome>>;

    /// Opens again what a log rotator may have moved away. Most sinks have nothing to do.
    fn reopen(&self) {}
}

/// What a sink is and how it delivers, out of the configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Kind {
    timeout: Duration,
}

impl Kind {
    /// Reads `type` and the keys that go with it; `None` after a mistake.
    pub fn read(section: &Section<'_>) -> Option<Self> {
        let types = ["stdout", "file", "webhook", "command"].map(|name| (name, name));
        let name = section.choice("type", &types, "")?;
        match name {
            "webhook" => {
                section.url("url", None, &["https", "http"])?;
                section.masked_map("headers", "for example { Authorization = \"Bearer ...\" }");
                for key in ["ca_file", "client_cert_file", "client_key_file"] {
                    section.path(key);
                }
                section.integer("max_concurrency", 128, 1..=4096);
            }
            "file" => {
                section.required_string("path", "/var/lib/vod-relay/events.jsonl")?;
                section.size("rotate_size", None, 1024);
                section.integer("rotate_keep", 10, 1..=1000);
            }
            "command" => {
                section.strings("command", "for example [\"/usr/local/bin/on-event\"]")?;
                section.integer("max_concurrency", 4, 1..=64);
            }
            _ => {}
        }
        section.choice("format", &[("callback", ())], "callback");
        let range = Duration::from_millis(10)..=Duration::from_secs(600);
        let default = Duration::from_secs(if name == "command" { 20 } else { 10 });
        Some(Self { timeout: section.duration("timeout", default, range) })
    }

    /// The most time that one delivery may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }
}
