//! The task behind a lane.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::call::{Call, Ending};
use super::gate::Gate;
use super::job::Job;
use super::known::{Known, Standing};
use super::queue::Queue;
use super::ramp;
use super::report::Report;
use super::tally::Tally;
use super::{Order, Parts};
use crate::application::Applications;
use crate::flight::Verdict;
use crate::ledger::Ledger;
use crate::sink::{Limits, Sink};
use crate::time::{self, Instant};

/// The lane's task.
pub(super) struct Worker {
    name: Arc<str>,
    sink: Arc<dyn Sink>,
    ledger: Arc<Ledger>,
    applications: Applications,
    max_attempts: Option<u64>,
    limits: Limits,
    queue: Queue,
    gate: Gate,
    known: Known,
    share: Arc<AtomicUsize>,
    calls: JoinSet<Vec<Ending>>,
    /// What each call carries, kept here so that a panic in the sink loses nothing.
    underway: HashMap<Id, (Vec<Job>, Instant)>,
    tally: Tally,
    report: Report,
    closing: CancellationToken,
    gone: CancellationToken,
}

impl Worker {
    pub(super) fn new(
        name: Arc<str>,
        sink: Arc<dyn Sink>,
        share: Arc<AtomicUsize>,
        parts: Parts,
    ) -> Self {
        let Parts { ledger, applications, progress, max_attempts, closing, gone } = parts;
        Self {
            limits: sink.limits(),
            report: Report::new(name.clone(), progress),
            name,
            sink,
            ledger,
            applications,
            max_attempts,
            queue: Queue::default(),
            gate: Gate::default(),
            known: Known::default(),
            share,
            calls: JoinSet::new(),
            underway: HashMap::new(),
            tally: Tally::default(),
            closing,
            gone,
        }
    }

    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Order>) {
        let closing = self.closing.clone();
        let mut open = true;
        let mut told_to_close = false;
        loop {
            self.expire();
            let now = time::now();
            self.start(now);
            // Looked at after what may have emptied the lane: nothing would wake it up any more.
            if !open && self.queue.is_empty() && self.calls.is_empty() {
                return;
            }
            let wake = self.wake_at(now);
            tokio::select! {
                order = inbox.recv(), if open => match order {
                    Some(order) => self.take(order),
                    None => open = false,
                },
                Some(done) = self.calls.join_next_with_id() => self.finish(done),
                () = time::sleep_until(wake) => {}
                () = closing.cancelled(), if !told_to_close => {
                    told_to_close = true;
                }
            }
        }
    }

    fn take(&mut self, order: Order) {
        match order {
            Order::Deliver(jobs) => jobs.into_iter().for_each(|job| {
                self.tally.came(&job);
                self.queue.push(job);
            }),
            Order::Look { source, answer } => {
                let events = self.queue.count(&source) + self.underway_of(&source);
                let wants_more = !self.queue.has_ready(&source);
                // Whoever asked may have stopped waiting.
                let _ = answer.send(self.tally.holding(&source, events, wants_more));
            }
            Order::Shed { source, keep } => {
                let underway = self.underway_of(&source);
                let shed = self.queue.shed(&source, keep.saturating_sub(underway));
                if !shed.is_empty() {
                    let events = shed.len();
                    tracing::debug!(sink.name = %self.name, events, "left to VOD for now");
                }
                shed.iter().for_each(|job| job.settle(Verdict::LEFT));
            }
            Order::Recall => {
                let recalled = self.queue.take_where(|job| job.flight.is_stored());
                recalled.iter().for_each(|job| job.settle(Verdict::LEFT));
            }
        }
    }

    /// Gives up what can no longer be delivered within its lease; while closing also what waits for
    /// a sink that is down, and what is safe in the spool.
    fn expire(&mut self) {
        let now = time::now();
        self.queue.wake(now);
        if self.closing.is_cancelled() {
            let down = self.gate.is_shut();
            for job in self.queue.take_where(|job| down || job.flight.is_stored()) {
                job.settle(Verdict::LEFT);
            }
        }
        for job in self.queue.take_expired(now) {
            self.leave_expired(&job);
        }
    }

    fn leave_expired(&self, job: &Job) {
        self.report.expired(job);
        job.settle(Verdict::LEFT);
    }

    /// Starts as many calls as the sink and its gate allow.
    fn start(&mut self, now: Instant) {
        while self.calls.len() < self.limits.concurrency
            && self.gate.lets_through(now, self.calls.len())
            && self.ramp_opens_at(now).is_none()
        {
            let jobs = self.queue.take(self.limits.batch.min(self.room()), self.gate.is_failing());
            if jobs.is_empty() {
                return;
            }
            let jobs = self.admit(jobs, now);
            if jobs.is_empty() {
                continue;
            }
            let call = Call {
                sink: self.sink.clone(),
                name: self.name.clone(),
                ledger: self.ledger.clone(),
                applications: self.applications.clone(),
                max_attempts: self.max_attempts,
                flights: jobs.iter().map(|job| (job.flight.clone(), job.tries())).collect(),
                limit: self.limits.timeout,
            };
            let id = self.calls.spawn(call.make()).id();
            self.underway.insert(id, (jobs, now));
        }
    }

    /// Of these jobs those that are to be tried now.
    fn admit(&mut self, jobs: Vec<Job>, now: Instant) -> Vec<Job> {
        let admit = |mut job: Job| {
            let is_late = job.time_left(now) == Duration::ZERO;
            match self.known.meet(&job, !is_late) {
                Standing::Settled => job.settle(Verdict::Known),
                _ if is_late => self.leave_expired(&job),
                Standing::Underway => {
                    self.report.held(&job);
                    self.queue.hold(job);
                }
                Standing::New => {
                    job.attempt += 1;
                    return Some(job);
                }
            }
            None
        };
        jobs.into_iter().filter_map(admit).collect()
    }

    fn finish(&mut self, done: Result<(Id, Vec<Ending>), JoinError>) {
        let (id, mut endings) = match done {
            Ok(done) => done,
            Err(error) => (error.id(), Vec::new()),
        };
        let Some((jobs, started)) = self.underway.remove(&id) else { return };
        // A sink that panicked has not said that it has anything.
        endings.resize_with(jobs.len(), || Ending::Failed {
            reason: "the sink broke down".to_owned(),
            retry_after: None,
        });
        let now = time::now();
        self.report.called(now - started);
        let delivered = endings.iter().filter(|ending| ending.is_delivered()).count();
        self.tally.delivered += delivered;
        if delivered > 0 {
            self.report.delivered(delivered, now - started);
        }
        // What a call lacks is the trouble of its events, as long as the sink takes, or judges, others.
        let works = endings.iter().any(Ending::shows_that_the_sink_works);
        if works {
            self.gate.success();
        }
        for (mut job, ending) in jobs.into_iter().zip(endings) {
            self.known.end(&job, ending.is_noted(), self.queue.len());
            match ending {
                Ending::Delivered { .. } => {
                    self.report.delivered_one(&job, delivered, now - started);
                    job.settle(Verdict::Delivered);
                }
                Ending::Failed { reason, retry_after } => {
                    if !works {
                        self.gate.failure(now);
                    }
                    self.retry(job, reason, retry_after, now);
                }
                Ending::GivenUp { reason } => {
                    if !works {
                        self.gate.failure(now);
                    }
                    self.report.given_up(&job, &reason);
                    job.failure = Some(reason);
                    job.settle(Verdict::Dead);
                }
                Ending::Refused { reason, kept } => {
                    self.report.refused(&job, &reason, kept);
                    job.failure = Some(reason);
                    job.settle(if kept { Verdict::Dead } else { Verdict::Refused });
                }
                Ending::Elsewhere { .. } => job.settle(Verdict::Known),
                Ending::Closed => {
                    self.gone.cancel();
                    job.settle(Verdict::LEFT);
                }
            }
        }
        self.queue.release(|job| !self.known.is_underway(job));
        self.report.shut(self.gate.is_shut());
    }

    fn retry(&mut self, mut job: Job, reason: String, retry_after: Option<Duration>, now: Instant) {
        let delay = job.next_delay().max(retry_after.unwrap_or_default());
        // A stored event waits on disk for its next try, so that it holds no other's place.
        let again = !job.flight.is_stored() && delay < job.time_left(now);
        self.report.failed(&job, &reason, again || job.flight.is_stored());
        job.failure = Some(reason);
        if again {
            self.queue.push_later(job, now + delay);
        } else {
            job.settle(Verdict::Left { retry_after });
        }
    }

    fn underway_of(&self, source: &Arc<str>) -> usize {
        let jobs = self.underway.values().flat_map(|(jobs, _)| jobs);
        jobs.filter(|job| job.is_leased_from(source)).count()
    }

    /// How many more events may be on their way into the sink.
    fn room(&self) -> usize {
        let underway: usize = self.underway.values().map(|(jobs, _)| jobs.len()).sum();
        self.share.load(Ordering::Relaxed).saturating_sub(underway)
    }

    /// When something is due that no message announces. `now` is when calls were last started, so
    /// that what kept one back then is what it waits for.
    fn wake_at(&self, now: Instant) -> Option<Instant> {
        let wants_to = !self.queue.nothing_ready() && self.calls.len() < self.limits.concurrency;
        // While a probe is underway it is the probe that is waited for.
        let probes = wants_to && self.calls.is_empty();
        let gate = self.gate.opens_at().filter(|_| probes);
        let ramp = self.ramp_opens_at(now).filter(|_| wants_to);
        [self.queue.next_change(), gate, ramp].into_iter().flatten().min()
    }

    fn ramp_opens_at(&self, now: Instant) -> Option<Instant> {
        ramp::opens_at(self.underway.values().map(|(_, started)| *started), now)
    }
}
