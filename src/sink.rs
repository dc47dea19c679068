//! Where events go: the contract of every sink.
//!
//! A sink takes a batch of events and answers for each one. It knows nothing of leases, retries,
//! handles or other sinks; `lane.rs` brings those. Each sink's module opens with `# Delivered when`,
//! the condition that makes an event count as delivered.

#[cfg(feature = "amqp")]
pub mod amqp;
pub mod command;
pub mod file;
#[cfg(feature = "kafka")]
pub mod kafka;
mod kind;
#[cfg(any(feature = "nats", feature = "amqp", feature = "mqtt"))]
mod link;
#[cfg(feature = "mqtt")]
pub mod mqtt;
#[cfg(feature = "mysql")]
pub mod mysql;
#[cfg(feature = "nats")]
pub mod nats;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod rows;
pub mod stdout;
#[cfg(any(feature = "nats", feature = "amqp", feature = "mqtt"))]
mod template;
pub mod webhook;

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub use self::kind::{Kind, Same, Settings, built, left_out};
use crate::config::Section;
use crate::event::Event;
use crate::format::{Format, Input, Rendered};
use crate::json;
use crate::time;

/// A future that is boxed so that sinks of different types can stand in one list.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One event on its way into a sink.
#[derive(Debug, Clone)]
pub struct Parcel {
    /// The event.
    pub event: Arc<Event>,
    /// When the relay got it first: the same on every try, also from the spool and as a dead letter.
    pub received: SystemTime,
    /// The sub-application of the source that it came from.
    pub sub_app_id: Option<u64>,
    /// Which try this is within the lease, or from the spool since the last start, from 1.
    pub attempt: u32,
}

impl Parcel {
    /// The event in a shape, made for this attempt: a signature in it is fresh.
    ///
    /// # Errors
    ///
    /// The event has no such shape, which is permanent.
    pub fn render(&self, format: &Format) -> Result<Rendered, Refusal> {
        let (received, sub_app_id) = (self.received, self.sub_app_id);
        let input = Input { event: &self.event, received, sub_app_id, now: time::wall_clock() };
        format.render(input).map_err(|error| Refusal::permanent(error.to_string()))
    }
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

/// What a look at a sink found, without an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probed {
    /// Nothing speaks against deliveries.
    Fine {
        /// What was looked at.
        found: String,
    },
    /// Deliveries may fail.
    Doubtful {
        /// What speaks against them.
        found: String,
        /// What to do about it.
        mend: String,
    },
    /// Deliveries would fail now.
    Failing {
        /// What is wrong.
        found: String,
        /// What to do about it.
        mend: String,
        /// The exit code that this asks for.
        code: u8,
    },
}

/// The bounds of a sink's `timeout`. The longest is for `ack = "spooled"`, where no lease runs.
const TIMEOUT_MIN: Duration = Duration::from_millis(10);
const TIMEOUT_MAX: Duration = Duration::from_secs(10 * 60);

/// Why a sink cannot be opened: what happened, to what, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("sink {sink}: {problem}")]
pub struct OpenError {
    /// The sink's name in the configuration.
    pub sink: String,
    /// What happened, to what, and what to do.
    pub problem: String,
}

impl OpenError {
    fn new(sink: &str, problem: impl Into<String>) -> Self {
        Self { sink: sink.to_owned(), problem: problem.into() }
    }
}

/// Tells the log what came of reading certificates again: whether there were any.
#[cfg(any(feature = "redis", feature = "postgres", feature = "mysql"))]
fn tell_of_certificates(sink: &str, read: Result<bool, impl fmt::Display>) {
    match read {
        Ok(true) => tracing::info!(sink, "read the certificates again"),
        Ok(false) => {}
        Err(error) => tracing::warn!(sink, %error, "keeping the old certificates"),
    }
}

/// The `timeout` of a sink.
fn timeout(section: &Section<'_>, default: Duration) -> Duration {
    section.duration("timeout", default, TIMEOUT_MIN..=TIMEOUT_MAX)
}

/// A batch as JSON Lines, written into an empty buffer: every event on a line of its own, every line
/// ended. An event that does not have this shape is refused, and has no line.
fn json_lines(batch: &[Parcel], format: &Format, mut lines: Vec<u8>) -> (Vec<u8>, Vec<Outcome>) {
    let length: usize = batch.iter().map(|parcel| parcel.event.text().len() + 1).sum();
    lines.reserve(length);
    let mut render = |parcel: &Parcel| {
        let text = parcel.render(format)?.body;
        // Every format is text, and most of it stands on one line.
        match memchr::memchr2(b'\n', b'\r', &text) {
            None => lines.extend_from_slice(&text),
            Some(_) => {
                let text = String::from_utf8_lossy(&text);
                lines.extend_from_slice(json::on_one_line(&text).as_bytes());
            }
        }
        lines.push(b'\n');
        Ok(())
    };
    let rendered = batch.iter().map(&mut render).collect();
    (lines, rendered)
}

/// The outcomes of a batch of which what could be rendered was written with this outcome.
fn outcomes(rendered: Vec<Outcome>, written: &Outcome) -> Vec<Outcome> {
    rendered.into_iter().map(|rendered| rendered.and_then(|()| written.clone())).collect()
}

/// Writes a text, in one call unless the system takes only part of it: how many bytes went out,
/// and the failure that kept the rest back.
fn write_counted(
    mut write: impl FnMut(&[u8]) -> io::Result<usize>,
    text: &[u8],
) -> (usize, io::Result<()>) {
    let mut written = 0;
    while let Some(rest) = text.get(written..).filter(|rest| !rest.is_empty()) {
        match write(rest) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}
