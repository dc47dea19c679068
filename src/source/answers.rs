//! What the answers of VOD's pulls bring.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use super::contract::Parts;
use super::conversion::Conversion;
use super::intake::Intake;
use crate::event::{Event, Handle};
use crate::flight::{Claim, InFlight, Lease, SharedHandle};
use crate::quiet::Quiet;
use crate::tencent::client::Answer;
use crate::time;

/// Reads answers, and has their events taken in.
#[derive(Debug)]
pub(super) struct Answers {
    in_flight: Arc<InFlight>,
    conversion: Conversion,
    intake: Intake,
    lease: Duration,
    unreadable: Quiet,
    shared: Quiet,
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

impl Answers {
    /// `lease` is how long VOD waits for a confirm.
    pub(super) fn new(parts: &Parts, lease: Duration) -> Self {
        let (unreadable, shared) = Default::default();
        let in_flight = parts.in_flight.clone();
        let conversion = Conversion::new(in_flight.source().clone(), parts.convert);
        Self { in_flight, conversion, intake: Intake::new(parts), lease, unreadable, shared }
    }

    /// Takes in an answer, with the room that its pull had reserved.
    pub(super) async fn take(&self, answer: Answer, room: OwnedSemaphorePermit) -> Brought {
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
        let received = time::now();
        let over = received + self.lease;
        // The lease began between the two. It counts from the earlier, but not beyond its half:
        // where leases are scaled down for an emulator, a long poll may outlast a whole one.
        let ends = (sent + self.lease).max(received + self.lease / 2);
        let shared = self.shared_handles(&pulled.events);
        let mut leased = Vec::with_capacity(pulled.events.len());
        for (event, handle) in pulled.events {
            let event = self.conversion.apply(event);
            self.in_flight.progress().received(event.event_type());
            fresh += usize::from(!self.in_flight.progress().was_left(event.id()));
            let claim = match shared.get(&handle) {
                Some(shared) => Claim::Shared(shared.clone()),
                None => Claim::Handle(handle),
            };
            leased.push((event, Lease { claim, ends, over }));
        }
        let safe = self.intake.take(leased, room).await;
        Brought { elements, fresh, safe }
    }
    /// The handles that more than one event of an answer has. That should not be, but to confirm the
    /// first would be to lose the others.
    fn shared_handles(&self, events: &[(Event, Handle)]) -> HashMap<Handle, SharedHandle> {
        let mut counts: HashMap<&Handle, usize> = HashMap::with_capacity(events.len());
        for (_, handle) in events {
            *counts.entry(handle).or_default() += 1;
        }
        let shared = counts.into_iter().filter(|(_, events)| *events > 1);
        let shared = shared.map(|(handle, events)| {
            if let Some(left_out) = self.shared.ask() {
                tracing::warn!(
                    source.name = %self.in_flight.source(),
                    events,
                    left_out,
                    "VOD gave several events the same handle; it is confirmed when the last is safe"
                );
            }
            (handle.clone(), SharedHandle::new(handle.clone(), events))
        });
        shared.collect()
    }
}
