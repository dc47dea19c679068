//! What every server of a shared ledger can do.

use std::fmt;
use std::sync::Arc;

use crate::event::EventId;
use crate::sink::BoxFuture;
use crate::time::Instant;

/// How long an entry is kept: as long as a relay's own ledger keeps it. VOD hands an event out again
/// for 4 days.
#[cfg(any(feature = "redis", feature = "postgres"))]
pub(super) const KEPT: std::time::Duration = std::time::Duration::from_secs(5 * 24 * 60 * 60);

/// How an event was settled at a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The sink has it.
    Delivered,
    /// A relay has it as a dead letter.
    Dead,
}

/// One event that is settled at one sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) event: EventId,
    pub(super) sink: Arc<str>,
    pub(super) outcome: Outcome,
}

/// Why the server does not do what it is asked: what happened, to what, without secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    /// What happened, to what.
    pub text: String,
    /// Whether the server cannot be reached, rather than refuses.
    pub is_unreachable: bool,
}

/// A server of a shared ledger. Every call ends by the time that it is given, and can be dropped
/// before that.
pub(super) trait Backend: Send + Sync + fmt::Debug {
    /// For each event the sinks where it is settled.
    fn settled<'a>(
        &'a self,
        events: &'a [EventId],
        until: Instant,
    ) -> BoxFuture<'a, Result<Vec<Vec<Arc<str>>>, Failure>>;

    /// Keeps all notes, or none. What was delivered stays delivered.
    fn note<'a>(&'a self, notes: &'a [Note], until: Instant) -> BoxFuture<'a, Result<(), Failure>>;

    /// Removes some of what is older than [`KEPT`]: whether there may be more.
    fn forget(&self, until: Instant) -> BoxFuture<'_, Result<bool, Failure>>;

    /// Looks whether all of that could be done, and leaves nothing behind: what was found.
    fn probe(&self, until: Instant) -> BoxFuture<'_, Result<String, Failure>>;
}
