//! What happens to the events of one answer: to the lanes that lack them, or straight to the
//! confirm.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use crate::config::Unrouted;
use crate::event::Event;
use crate::fanout::{self, Fanout};
use crate::flight::{Delivered, InFlight, Lease};
use crate::lane::Job;
use crate::ledger::Ledger;
use crate::quiet::Quiet;
use crate::tencent::client::Answer;
use crate::time;

/// How many event types without a sink are remembered, so that each is warned about once.
const UNROUTED_TYPES_MAX: usize = 256;

/// Takes in what a source's pulls bring.
#[derive(Debug)]
pub(super) struct Intake {
    in_flight: Arc<InFlight>,
    ledger: Arc<Ledger>,
    fanout: fanout::Shared,
    lease: Duration,
    unrouted: Unrouted,
    warned_types: HashSet<String>,
    unreadable: Quiet,
    crowded: Quiet,
}

/// What an answer brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Brought {
    /// All elements.
    pub(super) elements: usize,
    /// Events among them that this run has not given up before.
    pub(super) fresh: usize,
}

impl Intake {
    pub(super) fn new(
        in_flight: Arc<InFlight>,
        ledger: Arc<Ledger>,
        fanout: fanout::Shared,
        lease: Duration,
        unrouted: Unrouted,
    ) -> Self {
        let warned_types = HashSet::new();
        let (unreadable, crowded) = (Quiet::default(), Quiet::default());
        Self { in_flight, ledger, fanout, lease, unrouted, warned_types, unreadable, crowded }
    }

    /// Takes in an answer, with the room that its pull had reserved.
    pub(super) async fn take(&mut self, answer: Answer, mut room: OwnedSemaphorePermit) -> Brought {
        let Answer { pulled, sent } = answer;
        self.in_flight.progress().pulled(pulled.events.len(), pulled.unreadable.len());
        if let Some(error) = pulled.unreadable.first()
            && let Some(left_out) = self.unreadable.ask()
        {
            tracing::error!(
                source.name = %self.in_flight.source(),
                request_id = pulled.request_id.as_deref(),
                events = pulled.unreadable.len(),
                left_out,
                "VOD sent an event that cannot be relayed: {error}; the others of its answer go on"
            );
        }
        let elements = pulled.len();
        let mut fresh = 0;
        let fanout = self.fanout.borrow().clone();
        let mut jobs: Vec<Vec<Job>> = fanout.lanes().iter().map(|_| Vec::new()).collect();
        let over = time::now() + self.lease;
        let ids: Vec<_> = pulled.events.iter().map(|(event, _)| event.id()).collect();
        let settled = self.ledger.settled(&ids).await;
        for ((event, handle), settled) in pulled.events.into_iter().zip(settled) {
            let lease = Lease { handle, ends: sent + self.lease, over };
            fresh += usize::from(!self.in_flight.progress().was_left(event.id()));
            self.take_one(event, lease, &settled, &fanout, &mut room, &mut jobs);
        }
        for (lane, jobs) in fanout.lanes().iter().zip(jobs) {
            if !jobs.is_empty() {
                lane.deliver(jobs).await;
            }
        }
        Brought { elements, fresh }
    }

    fn take_one(
        &mut self,
        event: Event,
        lease: Lease,
        settled: &[Arc<str>],
        fanout: &Fanout,
        room: &mut OwnedSemaphorePermit,
        jobs: &mut [Vec<Job>],
    ) {
        let id = event.id();
        let progress = self.in_flight.progress();
        if self.in_flight.join(id, &lease) {
            progress.redelivered();
            return;
        }
        let Some(place) = room.split(1).or_else(|| self.in_flight.try_reserve(1)) else {
            progress.left(id);
            if let Some(left_out) = self.crowded.ask() {
                tracing::warn!(left_out, "VOD sent more events than there is room for");
            }
            return;
        };
        if !settled.is_empty() {
            progress.redelivered();
        }
        let targets = fanout.targets(self.in_flight.source(), &event);
        if targets.is_empty() {
            self.take_unrouted(&event, lease, place);
            return;
        }
        let lanes = fanout.lanes();
        let lacking: Vec<_> =
            targets.into_iter().filter(|at| !settled.contains(lanes[*at].name())).collect();
        if lacking.is_empty() {
            tracing::debug!(event.id = %id, "came again, is settled already");
            self.in_flight.confirm(Delivered { id, leases: vec![lease], place });
            return;
        }
        let flight = self.in_flight.take_off(event, lease, place, lacking.len());
        for at in lacking {
            jobs[at].push(Job::new(flight.clone()));
        }
    }

    /// An event that no sink takes.
    fn take_unrouted(&mut self, event: &Event, lease: Lease, place: OwnedSemaphorePermit) {
        let id = event.id();
        match self.unrouted {
            Unrouted::Confirm => {
                self.in_flight.confirm(Delivered { id, leases: vec![lease], place });
            }
            Unrouted::Leave => {
                self.in_flight.progress().left(id);
                let is_new = !self.warned_types.contains(event.event_type())
                    && self.warned_types.len() < UNROUTED_TYPES_MAX;
                if is_new {
                    self.warned_types.insert(event.event_type().to_owned());
                    tracing::warn!(
                        source.name = %self.in_flight.source(),
                        event.type = event.event_type(),
                        event.id = %id,
                        "no sink takes this event, so it is not confirmed and comes again for 4 \
                         days; give it a sink, or set unrouted = \"confirm\" to drop such events"
                    );
                }
            }
        }
    }
}
