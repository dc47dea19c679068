//! What a lane says: to the log, where failures that repeat are counted instead of printed, and to
//! those who watch how its sink fares.

use std::sync::Arc;
use std::time::Duration;

use tracing::Level;

use super::job::Job;
use crate::progress::SinkProgress;
use crate::quiet::{Quiet, shown};

/// What to do about a sink that is slower than the lease.
pub(super) const REMEDY: &str = "if this sink needs longer than the lease, set ack = \"spooled\" for \
                                 the source";

/// What one lane says.
#[derive(Debug)]
pub(super) struct Report {
    sink: Arc<str>,
    progress: Arc<SinkProgress>,
    failures: Quiet,
    expiries: Quiet,
    refusals: Quiet,
}

impl Report {
    pub(super) fn new(sink: Arc<str>, progress: Arc<SinkProgress>) -> Self {
        let (failures, expiries, refusals) = Default::default();
        Self { sink, progress, failures, expiries, refusals }
    }

    /// A call has ended, in whatever way.
    pub(super) fn called(&self, took: Duration) {
        self.progress.took(took);
    }

    /// Whether the sink gets one try at a time now.
    pub(super) fn shut(&self, is_shut: bool) {
        self.progress.set_shut(is_shut);
    }

    /// A call has delivered this many events. Of one alone more is told.
    pub(super) fn delivered(&self, events: usize, took: Duration) {
        self.progress.delivered(events);
        if events > 1 {
            tracing::info!(
                sink.name = %self.sink,
                events,
                elapsed_ms = millis(took),
                "delivered"
            );
        }
    }

    /// One of the events that a call has delivered.
    pub(super) fn delivered_one(&self, job: &Job, of: usize, took: Duration) {
        let event = job.flight.event();
        macro_rules! tell {
            ($level:ident) => {{
                let fields = event.fields();
                tracing::event!(
                    Level::$level,
                    event.id = %event.id(),
                    event.type = shown(event.event_type()),
                    task.id = fields.task_id.as_deref().map(shown),
                    file.id = fields.file_id.as_deref().map(shown),
                    source.name = %job.flight.source(),
                    sink.name = %self.sink,
                    attempt = job.tries(),
                    elapsed_ms = millis(took),
                    "delivered"
                );
            }};
        }
        // Many at a time are one line, which takes less time than writing a line for each.
        if of == 1 {
            tell!(INFO);
        } else if tracing::enabled!(Level::DEBUG) {
            tell!(DEBUG);
        }
    }

    /// The job waits for another one of its event.
    pub(super) fn held(&self, job: &Job) {
        tracing::debug!(
            sink.name = %self.sink,
            source.name = %job.flight.source(),
            event.id = %job.flight.event().id(),
            "the event is on its way into this sink already"
        );
    }

    /// A try failed; `again` says whether there is another within this lease, or from the spool.
    pub(super) fn failed(&self, job: &Job, reason: &str, again: bool) {
        self.progress.failed(reason);
        let Some(left_out) = self.failures.ask() else { return };
        let event = job.flight.event();
        tracing::warn!(
            sink.name = %self.sink,
            event.id = %event.id(),
            event.type = shown(event.event_type()),
            attempt = job.tries(),
            left_out,
            "not delivered: {reason}; {}",
            if again { "trying again" } else { then(job) },
        );
    }

    /// The lease ran out while the event waited.
    pub(super) fn expired(&self, job: &Job) {
        self.progress.expired();
        let Some(left_out) = self.expiries.ask() else { return };
        let event = job.flight.event();
        tracing::warn!(
            sink.name = %self.sink,
            event.id = %event.id(),
            event.type = shown(event.event_type()),
            attempts = job.tries(),
            waited_ms = millis(job.since.elapsed()),
            left_out,
            "not delivered while its lease lasted; {}; {REMEDY}",
            then(job)
        );
    }

    /// The sink does not want the event; `kept` says whether it is a dead letter now.
    pub(super) fn refused(&self, job: &Job, reason: &str, kept: bool) {
        self.progress.refused(reason, kept);
        self.refusal(job, reason, kept);
    }

    /// The event failed once too often, and is a dead letter now.
    pub(super) fn given_up(&self, job: &Job, reason: &str) {
        self.progress.given_up(reason);
        self.refusal(job, reason, true);
    }

    fn refusal(&self, job: &Job, reason: &str, kept: bool) {
        let Some(left_out) = self.refusals.ask() else { return };
        let event = job.flight.event();
        tracing::error!(
            sink.name = %self.sink,
            event.id = %event.id(),
            event.type = shown(event.event_type()),
            attempt = job.tries(),
            left_out,
            "refused for good: {reason}; {}",
            if kept {
                "kept as a dead letter: see vod-relay dead-letters"
            } else {
                unkept(job)
            },
        );
    }
}

/// What becomes of an event that was not delivered.
fn then(job: &Job) -> &'static str {
    match job.flight.is_posted() {
        true => "VOD is answered 503, so that it posts the event again",
        false => "VOD hands the event out again",
    }
}

/// What becomes of an event that was refused for good, and that there is no place to keep.
fn unkept(job: &Job) -> &'static str {
    match job.flight.is_posted() {
        true => {
            "VOD is answered 503, posts the event twice again at most, and then it is lost; with a \
             state_dir it would be kept as a dead letter"
        }
        false => {
            "the event is not confirmed, so VOD hands it out again until it is taken or 4 days \
             old; with a state_dir it would be kept as a dead letter"
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
