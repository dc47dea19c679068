//! One sink's lane: the events that wait for it, are on their way into it, or wait for another try.
//!
//! A lane is one task that owns all of this, so there is nothing to lock. It always takes what it
//! is given; that it cannot grow without bound is seen to by the places of the sources
//! ([`crate::flight`]) and by [`Lane::shed`]. Whatever happens in the sink (an error, a panic, a
//! call that never ends), each event that came in is settled exactly once.

mod call;
mod gate;
mod job;
mod queue;
mod ramp;
mod report;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use self::call::{Call, Ending};
use self::gate::Gate;
pub use self::job::Job;
use self::queue::Queue;
use self::report::Report;
use crate::flight::Verdict;
use crate::ledger::Ledger;
use crate::sink::{Limits, Sink};
use crate::time::{self, Instant};

/// Orders that may wait for the lane's task, which is never busy for long.
const INBOX: usize = 64;

/// The end of a lane that others hold. The lane ends when the last one is dropped and everything in
/// it is settled.
#[derive(Debug, Clone)]
pub struct Lane {
    name: Arc<str>,
    orders: mpsc::Sender<Order>,
    sink: Arc<dyn Sink>,
    share: Arc<AtomicUsize>,
}

/// What a lane needs beside its sink.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Where deliveries are noted.
    pub ledger: Arc<Ledger>,
    /// After how many tries an event is given up; absent means never.
    pub max_attempts: Option<u64>,
    /// Makes the lane give up what is not worth waiting for.
    pub closing: CancellationToken,
    /// Cancelled when the sink's receiver has closed its end.
    pub gone: CancellationToken,
}

#[derive(Debug)]
enum Order {
    Deliver(Vec<Job>),
    Shed { source: Arc<str>, keep: usize },
    Recall,
}

impl Lane {
    /// Opens a lane to a sink, and starts its task among `tasks`.
    pub fn open(name: &str, sink: Arc<dyn Sink>, parts: Parts, tasks: &mut JoinSet<()>) -> Self {
        let name: Arc<str> = name.into();
        let Parts { ledger, max_attempts, closing, gone } = parts;
        let (orders, inbox) = mpsc::channel(INBOX);
        let share = Arc::new(AtomicUsize::new(usize::MAX));
        let worker = Worker {
            name: name.clone(),
            limits: sink.limits(),
            sink: sink.clone(),
            ledger,
            max_attempts,
            queue: Queue::default(),
            gate: Gate::default(),
            share: share.clone(),
            calls: JoinSet::new(),
            underway: HashMap::new(),
            report: Report::new(name.clone()),
            closing,
            gone,
        };
        tasks.spawn(worker.run(inbox));
        Self { name, orders, sink, share }
    }

    /// The sink's name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Opens again what a log rotator may have moved away.
    pub fn reopen(&self) {
        self.sink.reopen();
    }

    /// How many events may be on their way into the sink at a time, so that a sink that does not
    /// answer leaves room in the air for the events of others.
    pub fn set_share(&self, events: usize) {
        self.share.store(events.max(1), Ordering::Relaxed);
    }

    /// Hands events over.
    pub async fn deliver(&self, jobs: Vec<Job>) {
        if let Err(error) = self.orders.send(Order::Deliver(jobs)).await
            && let Order::Deliver(jobs) = error.0
        {
            // The lane's task is gone, which only happens when the relay is told to end at once.
            for job in jobs {
                job.settle(Verdict::LEFT);
            }
        }
    }

    /// Gives spooled events that wait back to the spool.
    pub async fn recall(&self) {
        // If the lane's task is gone there is nothing left to give back.
        let _ = self.orders.send(Order::Recall).await;
    }

    /// Leaves all but `keep` of the source's waiting events to VOD, so that a sink that does not
    /// keep up does not hold back the other sinks.
    pub async fn shed(&self, source: &Arc<str>, keep: usize) {
        // If the lane's task is gone there is nothing left to shed.
        let _ = self.orders.send(Order::Shed { source: source.clone(), keep }).await;
    }
}

/// The lane's task.
struct Worker {
    name: Arc<str>,
    sink: Arc<dyn Sink>,
    ledger: Arc<Ledger>,
    max_attempts: Option<u64>,
    limits: Limits,
    queue: Queue,
    gate: Gate,
    share: Arc<AtomicUsize>,
    calls: JoinSet<Vec<Ending>>,
    /// What each call carries, kept here so that a panic in the sink loses nothing.
    underway: HashMap<Id, (Vec<Job>, Instant)>,
    report: Report,
    closing: CancellationToken,
    gone: CancellationToken,
}

impl Worker {
    async fn run(mut self, mut inbox: mpsc::Receiver<Order>) {
        let closing = self.closing.clone();
        let mut open = true;
        let mut told_to_close = false;
        loop {
            self.expire();
            // One instant for both: what is too early for the one is what the other waits for.
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
                () = sleep_until(wake) => {}
                () = closing.cancelled(), if !told_to_close => {
                    told_to_close = true;
                }
            }
        }
    }

    fn take(&mut self, order: Order) {
        match order {
            Order::Deliver(jobs) => jobs.into_iter().for_each(|job| self.queue.push(job)),
            Order::Shed { source, keep } => {
                let underway = self.underway.values().flat_map(|(jobs, _)| jobs);
                let underway = underway.filter(|job| *job.flight.source() == source).count();
                let shed = self.queue.shed(&source, keep.saturating_sub(underway));
                if !shed.is_empty() {
                    let events = shed.len();
                    tracing::debug!(sink.name = %self.name, events, "left to VOD for now");
                }
                shed.iter().for_each(|job| job.settle(Verdict::LEFT));
            }
            Order::Recall => {
                let recalled = self.queue.take_where(|job| job.flight.is_spooled());
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
            for job in self.queue.take_where(|job| down || job.flight.is_spooled()) {
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
            let jobs = self.queue.take(self.limits.batch.min(self.room()));
            if jobs.is_empty() {
                return;
            }
            let (mut jobs, expired): (Vec<_>, Vec<_>) =
                jobs.into_iter().partition(|job| job.time_left(now) > Duration::ZERO);
            expired.iter().for_each(|job| self.leave_expired(job));
            if jobs.is_empty() {
                continue;
            }
            for job in &mut jobs {
                job.attempt += 1;
            }
            let time_left = jobs.iter().map(|job| job.time_left(now)).max().unwrap_or_default();
            let limit = self.limits.timeout.min(time_left);
            let call = Call {
                sink: self.sink.clone(),
                name: self.name.clone(),
                ledger: self.ledger.clone(),
                max_attempts: self.max_attempts,
                flights: jobs.iter().map(|job| (job.flight.clone(), job.attempt)).collect(),
                limit,
                cut_short: limit < self.limits.timeout,
            };
            let id = self.calls.spawn(call.make()).id();
            self.underway.insert(id, (jobs, now));
        }
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
        for (job, ending) in jobs.into_iter().zip(endings) {
            match ending {
                Ending::Delivered => {
                    self.gate.success();
                    self.report.delivered(&job, now - started);
                    job.settle(Verdict::Delivered);
                }
                Ending::Failed { reason, retry_after } => {
                    self.gate.failure(now);
                    self.retry(job, &reason, retry_after, now);
                }
                Ending::Refused { reason, kept } => {
                    // The receiver works; it is the event that it does not want.
                    self.gate.success();
                    self.report.refused(&job, &reason, kept);
                    job.settle(if kept { Verdict::Dead } else { Verdict::LEFT });
                }
                Ending::Closed => {
                    self.gone.cancel();
                    job.settle(Verdict::LEFT);
                }
            }
        }
    }

    fn retry(&mut self, mut job: Job, reason: &str, retry_after: Option<Duration>, now: Instant) {
        let delay = job.delays.next_delay().max(retry_after.unwrap_or_default());
        // A spooled event waits on disk for its next try, so that it holds no other's place.
        let again = !job.flight.is_spooled() && delay < job.time_left(now);
        self.report.failed(&job, reason, again || job.flight.is_spooled());
        if again {
            self.queue.push_later(job, now + delay);
        } else {
            job.settle(Verdict::Left { retry_after });
        }
    }

    /// How many more events may be on their way into the sink.
    fn room(&self) -> usize {
        let underway: usize = self.underway.values().map(|(jobs, _)| jobs.len()).sum();
        self.share.load(Ordering::Relaxed).saturating_sub(underway)
    }

    /// When something is due that no message announces.
    fn wake_at(&self, now: Instant) -> Option<Instant> {
        let wants_to = !self.queue.nothing_ready() && self.calls.len() < self.limits.concurrency;
        let gate = self.gate.opens_at().filter(|_| wants_to);
        let ramp = self.ramp_opens_at(now).filter(|_| wants_to);
        [self.queue.next_change(), gate, ramp].into_iter().flatten().min()
    }

    fn ramp_opens_at(&self, now: Instant) -> Option<Instant> {
        ramp::opens_at(self.underway.values().map(|(_, started)| *started), now)
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
