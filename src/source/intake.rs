//! What happens to the events that came together: to the lanes that lack them, or straight to the
//! confirm.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::contract::Parts;
use crate::config::Unrouted;
use crate::crash;
use crate::event::Event;
use crate::fanout::{self, Fanout};
use crate::flight::{Claim, Delivered, InFlight, Lease};
use crate::lane::Job;
use crate::ledger::Ledger;
use crate::quiet::{Quiet, shown};
use crate::spool::Spool;
use crate::store::{Appended, NewSpooled};
use crate::time;

/// How many event types without a sink are remembered, so that each is warned about once.
const UNROUTED_TYPES_MAX: usize = 256;

/// Takes in what comes to a source.
#[derive(Debug)]
pub(super) struct Intake {
    in_flight: Arc<InFlight>,
    ledger: Arc<Ledger>,
    fanout: fanout::Shared,
    /// Where events go first that are confirmed as soon as they are on disk.
    spool: Option<Arc<Spool>>,
    /// Cancelled when another configuration of the source is in force.
    retire: CancellationToken,
    unrouted: Unrouted,
    warned_types: Mutex<HashSet<String>>,
    crowded: Quiet,
    unspooled: Quiet,
}

impl Intake {
    pub(super) fn new(parts: &Parts) -> Self {
        let (warned_types, crowded, unspooled) = Default::default();
        Self {
            in_flight: parts.in_flight.clone(),
            ledger: parts.ledger.clone(),
            fanout: parts.fanout.clone(),
            spool: parts.spool.clone(),
            retire: parts.retire.clone(),
            unrouted: parts.unrouted,
            warned_types,
            crowded,
            unspooled,
        }
    }

    /// Takes in events, with room for them. Whether the local disk took what it was to take.
    pub(super) async fn take(
        &self,
        events: Vec<(Event, Lease)>,
        mut room: OwnedSemaphorePermit,
    ) -> bool {
        let fanout = self.fanout.borrow().clone();
        match &self.spool {
            Some(spool) => self.take_into(spool, events, &fanout, &mut room).await,
            None => {
                self.take_off(events, &fanout, &mut room).await;
                true
            }
        }
    }

    /// Sends events on to the lanes that lack them.
    async fn take_off(
        &self,
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
        &self,
        spool: &Spool,
        events: Vec<(Event, Lease)>,
        fanout: &Fanout,
        room: &mut OwnedSemaphorePermit,
    ) -> bool {
        let (mut new, mut leases) = (Vec::new(), Vec::new());
        // What is here already the spool finds by itself.
        let ids: Vec<_> = events.iter().map(|(event, _)| event.id()).collect();
        let elsewhere = self.ledger.settled_elsewhere(&ids).await;
        let progress = self.in_flight.progress();
        for ((event, lease), elsewhere) in events.into_iter().zip(elsewhere) {
            let Some(place) = self.place(&event, room) else { continue };
            let targets = fanout.targets(self.in_flight.source(), &event);
            if targets.is_empty() {
                self.take_unrouted(&event, lease, place);
                continue;
            }
            let names = targets.into_iter().map(|at| fanout.lanes()[at].name().clone());
            let sinks: Vec<_> = names.filter(|name| !elsewhere.contains(name)).collect();
            let (id, text) = (event.id(), event.text().clone());
            if sinks.is_empty() {
                progress.redelivered();
                self.in_flight.confirm(Delivered { id, leases: vec![lease], place });
                continue;
            }
            new.push(NewSpooled { id, text, sinks, received: time::wall_clock() });
            leases.push((id, lease, place));
        }
        if new.is_empty() {
            return true;
        }
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
                let is_pulled =
                    |(_, lease, _): &(_, Lease, _)| !matches!(lease.claim, Claim::Reply(_));
                let pauses = if leases.iter().any(is_pulled) { ", and pulling pauses" } else { "" };
                if let Some(left_out) = self.unspooled.ask() {
                    tracing::error!(
                        source.name = %self.in_flight.source(),
                        left_out,
                        "events are not confirmed{pauses}: {error}"
                    );
                }
                false
            }
        }
    }

    fn take_one(
        &self,
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
    fn take_unrouted(&self, event: &Event, lease: Lease, place: OwnedSemaphorePermit) {
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
                if self.is_new(shown(event.event_type())) {
                    let then = match &lease.claim {
                        Claim::Handle(_) | Claim::Shared(_) => {
                            "so it is not confirmed and comes again for 4 days"
                        }
                        Claim::Reply(_) => "so VOD is answered 503",
                    };
                    tracing::warn!(
                        source.name = %self.in_flight.source(),
                        event.type = shown(event.event_type()),
                        event.id = %id,
                        "no sink takes this event, {then}; give it a sink, or set unrouted = \
                         \"confirm\" to drop such events"
                    );
                }
            }
        }
    }

    /// Whether nobody was warned about events of this type yet.
    fn is_new(&self, event_type: &str) -> bool {
        let mut warned = self.warned_types.lock().unwrap_or_else(PoisonError::into_inner);
        warned.len() < UNROUTED_TYPES_MAX && warned.insert(event_type.to_owned())
    }
}
