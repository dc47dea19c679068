//! One sink's lane: the events that wait for it, are on their way into it, or wait for another try.
//!
//! A lane is one task that owns all of this, so there is nothing to lock. It always takes what it
//! is given; that it cannot grow without bound is seen to by the places of the sources
//! ([`crate::flight`]) and by [`Lane::shed`]. Whatever happens in the sink (an error, a panic, a
//! call that never ends), each event that came in is settled exactly once.

mod call;
mod gate;
mod health;
mod job;
mod queue;
mod ramp;
mod report;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use self::health::{Down, Health};
pub use self::job::Job;
use self::worker::Worker;
use crate::application::Applications;
use crate::flight::Verdict;
use crate::ledger::Ledger;
use crate::progress::SinkProgress;
use crate::sink::Sink;

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
    progress: Arc<SinkProgress>,
    health: Arc<Health>,
}

/// What a lane needs beside its sink.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Where deliveries are noted.
    pub ledger: Arc<Ledger>,
    /// Told what becomes of events at the sink.
    pub progress: Arc<SinkProgress>,
    /// What the sub-application of an event is asked from.
    pub applications: Applications,
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
    Count { source: Arc<str>, answer: oneshot::Sender<usize> },
    Shed { source: Arc<str>, keep: usize },
    Recall,
}

impl Lane {
    /// Opens a lane to a sink, and starts its task among `tasks`.
    pub fn open(name: &str, sink: Arc<dyn Sink>, parts: Parts, tasks: &mut JoinSet<()>) -> Self {
        let name: Arc<str> = name.into();
        let (orders, inbox) = mpsc::channel(INBOX);
        let share = Arc::new(AtomicUsize::new(usize::MAX));
        let progress = parts.progress.clone();
        let worker = Worker::new(name.clone(), sink.clone(), share.clone(), parts);
        let health = worker.health.clone();
        tasks.spawn(worker.run(inbox));
        Self { name, orders, sink, share, health, progress }
    }

    /// The sink's name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// How the sink fares.
    pub fn progress(&self) -> &Arc<SinkProgress> {
        &self.progress
    }

    /// Whether the sink takes what it is given.
    pub fn health(&self) -> &Arc<Health> {
        &self.health
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

    /// How many of the source's leased events the lane has.
    pub async fn holds(&self, source: &Arc<str>) -> usize {
        let (answer, count) = oneshot::channel();
        let order = Order::Count { source: source.clone(), answer };
        // A lane whose task is gone has nothing any more.
        let _ = self.orders.send(order).await;
        count.await.unwrap_or_default()
    }

    /// Gives stored events that wait back to where they come from.
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
