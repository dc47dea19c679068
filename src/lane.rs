//! One sink's lane: the events that wait for it, are on their way into it, or wait for another try.
//!
//! A lane is one task that owns all of this, so there is nothing to lock. It always takes what it
//! is given; that it cannot grow without bound is seen to by the places of the sources
//! ([`crate::flight`]) and by [`Lane::shed`]. Whatever happens in the sink (an error, a panic, a
//! call that never ends), each event that came in is settled exactly once.

mod call;
mod gate;
mod job;
mod known;
mod queue;
mod ramp;
mod report;
mod tally;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

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

/// What a lane has of a source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Holding {
    /// Its leased events that wait, for their turn or another try, or are on their way.
    pub events: usize,
    /// Whether none of them waits for its turn, so that the sink could take more of the source.
    pub wants_more: bool,
    /// How many of its leased events have come here so far.
    pub came: u64,
    /// How many events the sink has taken so far, of all sources.
    pub delivered: usize,
}

#[derive(Debug)]
enum Order {
    Deliver(Vec<Job>),
    Look { source: Arc<str>, answer: oneshot::Sender<Holding> },
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
        tasks.spawn(worker.run(inbox));
        Self { name, orders, sink, share, progress }
    }

    /// The sink's name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// How the sink fares.
    pub fn progress(&self) -> &Arc<SinkProgress> {
        &self.progress
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

    /// What the lane has of the source.
    pub async fn holds(&self, source: &Arc<str>) -> Holding {
        let (answer, holding) = oneshot::channel();
        let order = Order::Look { source: source.clone(), answer };
        // A lane whose task is gone has nothing any more, and takes nothing.
        let _ = self.orders.send(order).await;
        holding.await.unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::Semaphore;

    use super::*;
    use crate::event::Event;
    use crate::flight::Flight;
    use crate::progress::Totals;
    use crate::sink::{Limits, Outcome, Parcel, Refusal};
    use crate::store::Store;
    use crate::time;

    /// Answers one call for each permit, and counts its calls.
    #[derive(Debug)]
    struct Counting {
        calls: AtomicUsize,
        gate: Semaphore,
        outcome: fn(&Parcel) -> Outcome,
    }

    impl Sink for Counting {
        fn limits(&self) -> Limits {
            Limits { timeout: Duration::from_secs(60), concurrency: 4, batch: 16 }
        }

        fn deliver<'a>(&'a self, batch: &'a [Parcel]) -> crate::sink::BoxFuture<'a, Vec<Outcome>> {
            Box::pin(async {
                self.calls.fetch_add(1, Ordering::SeqCst);
                self.gate.acquire().await.unwrap().forget();
                batch.iter().map(self.outcome).collect()
            })
        }
    }

    /// A lane into a sink, and what it says of each event.
    struct Scene {
        lane: Lane,
        sink: Arc<Counting>,
        verdicts: (mpsc::Sender<Verdict>, mpsc::Receiver<Verdict>),
        _tasks: JoinSet<()>,
    }

    impl Scene {
        fn new(outcome: fn(&Parcel) -> Outcome, ledger: Ledger) -> Self {
            let (calls, gate) = (AtomicUsize::default(), Semaphore::new(0));
            let sink = Arc::new(Counting { calls, gate, outcome });
            let (closing, gone) = Default::default();
            let (ledger, applications) = (Arc::new(ledger), Applications::default());
            let progress = Totals::new(false).sink("app");
            let parts = Parts { ledger, max_attempts: None, applications, progress, closing, gone };
            let mut tasks = JoinSet::new();
            let lane = Lane::open("app", sink.clone(), parts, &mut tasks);
            Self { lane, sink, verdicts: mpsc::channel(INBOX), _tasks: tasks }
        }

        /// Hands over one of two ways of the same event.
        async fn deliver(&self, source: &str) {
            self.lane.deliver(vec![self.job(source, r#"{"EventType":"A","AEvent":{}}"#)]).await;
        }

        fn job(&self, source: &str, content: &str) -> Job {
            let event = Event::from_content(content.to_owned());
            let told = self.verdicts.0.clone();
            Job::new(Flight::stored(event, source.into(), time::wall_clock(), move |settled| {
                told.try_send(settled.verdict).unwrap();
            }))
        }

        async fn verdict(&mut self) -> Verdict {
            self.verdicts.1.recv().await.unwrap()
        }

        fn calls(&self) -> usize {
            self.sink.calls.load(Ordering::SeqCst)
        }
    }

    #[tokio::test]
    async fn an_event_that_was_delivered_after_the_look_into_the_ledger_is_known() {
        let mut scene = Scene::new(|_| Ok(()), Ledger::in_memory());
        scene.sink.gate.add_permits(2);
        scene.deliver("queue").await;
        assert_eq!(scene.verdict().await, Verdict::Delivered);
        scene.deliver("hook").await;
        assert_eq!(scene.verdict().await, Verdict::Known);
        assert_eq!(scene.calls(), 1);
    }

    #[tokio::test]
    async fn an_event_that_became_a_dead_letter_meanwhile_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::on_disk(Arc::new(Store::open(dir.path()).unwrap()));
        let mut scene = Scene::new(|_| Err(Refusal::permanent("no")), ledger);
        scene.sink.gate.add_permits(2);
        scene.deliver("queue").await;
        assert_eq!(scene.verdict().await, Verdict::Dead);
        scene.deliver("hook").await;
        assert_eq!(scene.verdict().await, Verdict::Known);
        assert_eq!(scene.calls(), 1);
    }

    #[tokio::test]
    async fn what_is_refused_and_not_kept_is_tried_by_each() {
        let mut scene = Scene::new(|_| Err(Refusal::permanent("no")), Ledger::in_memory());
        scene.deliver("queue").await;
        scene.deliver("hook").await;
        scene.sink.gate.add_permits(2);
        assert_eq!(scene.verdict().await, Verdict::Refused);
        assert_eq!(scene.verdict().await, Verdict::Refused);
        assert_eq!(scene.calls(), 2);
    }

    #[tokio::test]
    async fn what_waits_for_the_same_event_is_given_back_when_it_is_recalled() {
        let mut scene = Scene::new(|_| Ok(()), Ledger::in_memory());
        scene.deliver("queue").await;
        scene.deliver("hook").await;
        scene.lane.recall().await;
        assert_eq!(scene.verdict().await, Verdict::LEFT);
        scene.sink.gate.add_permits(1);
        assert_eq!(scene.verdict().await, Verdict::Delivered);
        assert_eq!(scene.calls(), 1);
    }
    #[tokio::test]
    async fn a_sink_that_takes_some_of_a_batch_is_not_down() {
        let one_of_its_own = |parcel: &Parcel| match parcel.event.event_type() {
            "A" => Ok(()),
            _ => Err(Refusal::transient("no queue for it")),
        };
        let mut scene = Scene::new(one_of_its_own, Ledger::in_memory());
        for (event_type, is_shut) in [("A", false), ("B", true)] {
            // The rest are as many as would shut the gate.
            let bad = (0..15).map(|n| format!(r#"{{"EventType":"B","BEvent":{{"N":{n}}}}}"#));
            let first = format!(r#"{{"EventType":"{event_type}","C":{{}}}}"#);
            let batch = [first].into_iter().chain(bad);
            scene.lane.deliver(batch.map(|content| scene.job("queue", &content)).collect()).await;
            scene.sink.gate.add_permits(1);
            for _ in 0..16 {
                scene.verdict().await;
            }
            assert_eq!(scene.lane.progress.vitals().is_shut, is_shut, "with one of {event_type}");
        }
        assert_eq!(scene.calls(), 2);
    }
}
