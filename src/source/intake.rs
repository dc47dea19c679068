//! What happens to the events of one answer: to the lanes that lack them, or straight to the
//! confirm.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use crate::config::Unrouted;
use crate::crash;
use crate::event::Event;
use crate::fanout::{self, Fanout};
use crate::flight::{Delivered, InFlight, Lease};
use crate::lane::Job;
use crate::ledger::Ledger;
use crate::quiet::Quiet;
use crate::spool::Spool;
use crate::store::{Appended, NewSpooled};
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
    /// Where events go first that are confirmed as soon as they are on disk.
    spool: Option<Arc<Spool>>,
    /// Cancelled when another configuration of the source is in force.
    retire: CancellationToken,
    lease: Duration,
    unrouted: Unrouted,
    warned_types: HashSet<String>,
    unreadable: Quiet,
    crowded: Quiet,
    unspooled: Quiet,
}

/// What an answer brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Brought {
    /// All elements.
    pub(super) elements: usize,
    /// Events among them that this run has not given up before.
    pub(super) fresh: usize,
    /// Whether the local disk took what it was to take; if not, pulling more is of no use now.
    pub(super) safe: bool,
}

impl Intake {
    pub(super) fn new(
        in_flight: Arc<InFlight>,
        ledger: Arc<Ledger>,
        fanout: fanout::Shared,
        spool: Option<Arc<Spool>>,
        retire: CancellationToken,
        lease: Duration,
        unrouted: Unrouted,
    ) -> Self {
        let warned_types = HashSet::new();
        let (unreadable, crowded, unspooled) = Default::default();
        Self {
            in_flight,
            ledger,
            fanout,
            spool,
            retire,
            lease,
            unrouted,
            warned_types,
            unreadable,
            crowded,
            unspooled,
        }
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
        let received = time::now();
        let over = received + self.lease;
        // The lease began between the two. It counts from the earlier, but not beyond its half:
        // where leases are scaled down for an emulator, a long poll may outlast a whole one.
        let ends = (sent + self.lease).max(received + self.lease / 2);
        let mut leased = Vec::with_capacity(pulled.events.len());
        for (event, handle) in pulled.events {
            self.in_flight.progress().received(event.event_type());
            fresh += usize::from(!self.in_flight.progress().was_left(event.id()));
            leased.push((event, Lease { handle, ends, over }));
        }
        let safe = match self.spool.clone() {
            Some(spool) => self.take_into(&spool, leased, &fanout, &mut room).await,
            None => {
                self.take_off(leased, &fanout, &mut room).await;
                true
            }
        };
        Brought { elements, fresh, safe }
    }

    /// Sends events on to the lanes that lack them.
    async fn take_off(
        &mut self,
        events: Vec<(Event, Lease)>,
        fanout: &Fanout,
        room: &mut OwnedSemaphorePermit,
    ) {
        // Joining comes before the ledger is read: a delivery that ends in between is then in it.
        let progress = self.in_flight.progress();
        let mut rest = Vec::with_capacity(events.len());
        for (event, lease) in events {
            match self.in_flight.join(event.id(), &lease) {
                true => progress.redelivered(),
                false => rest.push((event, lease)),
            }
        }
        let ids: Vec<_> = rest.iter().map(|(event, _)| event.id()).collect();
        let settled = self.ledger.settled(&ids).await;
        let mut jobs: Vec<Vec<Job>> = fanout.lanes().iter().map(|_| Vec::new()).collect();
        for ((event, lease), settled) in rest.into_iter().zip(settled) {
            self.take_one(event, lease, &settled, fanout, room, &mut jobs);
        }
        crash::point("after-intake");
        for (lane, jobs) in fanout.lanes().iter().zip(jobs) {
            if !jobs.is_empty() {
                lane.deliver(jobs).await;
            }
        }
    }

    /// Puts events on disk, from where they are delivered, and confirms them. Whether they are on
    /// disk.
    async fn take_into(
        &mut self,
        spool: &Spool,
        events: Vec<(Event, Lease)>,
        fanout: &Fanout,
        room: &mut OwnedSemaphorePermit,
    ) -> bool {
        let (mut new, mut leases) = (Vec::new(), Vec::new());
        for (event, lease) in events {
            let Some(place) = self.place(&event, room) else { continue };
            let targets = fanout.targets(self.in_flight.source(), &event);
            if targets.is_empty() {
                self.take_unrouted(&event, lease, place);
                continue;
            }
            let sinks = targets.into_iter().map(|at| fanout.lanes()[at].name().clone()).collect();
            let (id, text) = (event.id(), event.text().clone());
            new.push(NewSpooled { id, text, sinks, received: time::wall_clock() });
            leases.push((id, lease, place));
        }
        if new.is_empty() {
            return true;
        }
        let progress = self.in_flight.progress();
        match spool.append(self.in_flight.source().clone(), new).await {
            Ok(appended) => {
                crash::point("after-spool");
                for ((id, lease, place), appended) in leases.into_iter().zip(appended) {
                    if !matches!(appended, Appended::Added { .. }) {
                        progress.redelivered();
                    }
                    self.in_flight.confirm(Delivered { id, leases: vec![lease], place });
                }
                true
            }
            Err(error) => {
                leases.iter().for_each(|(id, _, _)| progress.left(*id));
                if let Some(left_out) = self.unspooled.ask() {
                    tracing::error!(
                        source.name = %self.in_flight.source(),
                        left_out,
                        "events are not confirmed, and pulling pauses: {error}"
                    );
                }
                false
            }
        }
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
        let Some(place) = self.place(&event, room) else { return };
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

    /// A place in the air for an event, out of the room that its pull had reserved.
    fn place(
        &self,
        event: &Event,
        room: &mut OwnedSemaphorePermit,
    ) -> Option<OwnedSemaphorePermit> {
        let place = room.split(1).or_else(|| self.in_flight.try_reserve(1));
        if place.is_none() {
            self.in_flight.progress().left(event.id());
            if let Some(left_out) = self.crowded.ask() {
                tracing::warn!(left_out, "VOD sent more events than there is room for");
            }
        }
        place
    }

    /// An event that no sink takes.
    fn take_unrouted(&mut self, event: &Event, lease: Lease, place: OwnedSemaphorePermit) {
        let id = event.id();
        // The routes are those of now. With a configuration that is not in force any more, nobody has
        // said that what they leave out may go.
        let unrouted = match self.retire.is_cancelled() {
            true => Unrouted::Leave,
            false => self.unrouted,
        };
        match unrouted {
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
