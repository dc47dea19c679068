//! What a lane says in the log. Failures that repeat are counted instead of printed.

use std::sync::Arc;
use std::time::Duration;

use super::job::Job;
use crate::quiet::Quiet;

/// What to do about a sink that is slower than the lease.
const REMEDY: &str = "if this sink needs longer than the lease, set ack = \"spooled\" for \
                                 the source";

/// The log of one lane.
#[derive(Debug)]
pub(super) struct Report {
    sink: Arc<str>,
    failures: Quiet,
    expiries: Quiet,
    refusals: Quiet,
}

impl Report {
    pub(super) fn new(sink: Arc<str>) -> Self {
        let (failures, expiries, refusals) = Default::default();
        Self { sink, failures, expiries, refusals }
    }

    pub(super) fn delivered(&self, job: &Job, took: Duration) {
        let event = job.flight.event();
        let fields = event.fields();
        tracing::info!(
            event.id = %event.id(),
            event.type = event.event_type(),
            task.id = fields.task_id.as_deref(),
            file.id = fields.file_id.as_deref(),
            source.name = %job.flight.source(),
            sink.name = %self.sink,
            attempt = job.tries(),
            elapsed_ms = millis(took),
            "delivered"
        );
    }

    /// A try failed; `again` says whether there is another within this lease, or from the spool.
    pub(super) fn failed(&self, job: &Job, reason: &str, again: bool) {
        let Some(left_out) = self.failures.ask() else { return };
        let event = job.flight.event();
        tracing::warn!(
            sink.name = %self.sink,
            event.id = %event.id(),
            event.type = event.event_type(),
            attempt = job.tries(),
            left_out,
            "not delivered: {reason}; {}",
            if again { "trying again" } else { "VOD hands the event out again" },
        );
    }

    /// The lease ran out while the event waited.
    pub(super) fn expired(&self, job: &Job) {
        let Some(left_out) = self.expiries.ask() else { return };
        let event = job.flight.event();
        tracing::warn!(
            sink.name = %self.sink,
            event.id = %event.id(),
            event.type = event.event_type(),
            attempts = job.tries(),
            waited_ms = millis(job.since.elapsed()),
            left_out,
            "not delivered while its lease lasted; VOD hands the event out again; {REMEDY}"
        );
    }

    /// The sink does not want the event; `kept` says whether it is a dead letter now.
    pub(super) fn refused(&self, job: &Job, reason: &str, kept: bool) {
        let Some(left_out) = self.refusals.ask() else { return };
        let event = job.flight.event();
        tracing::error!(
            sink.name = %self.sink,
            event.id = %event.id(),
            event.type = event.event_type(),
            attempt = job.tries(),
            left_out,
            "refused for good: {reason}; {}",
            if kept {
                "kept as a dead letter: see vod-relay dead-letters"
            } else {
                "the event is not confirmed, so VOD hands it out again until it is taken or 4 days \
                 old; with a state_dir it would be kept as a dead letter"
            },
        );
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
