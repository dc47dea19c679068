//! What the answers of VOD's pulls bring.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use super::contract::Parts;
use super::conversion::Conversion;
use super::intake::Intake;
use crate::flight::{Claim, InFlight, Lease};
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
        let (in_flight, unreadable) = (parts.in_flight.clone(), Quiet::default());
        let conversion = Conversion::new(in_flight.source().clone(), parts.convert);
        Self { in_flight, conversion, intake: Intake::new(parts), lease, unreadable }
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
        let mut leased = Vec::with_capacity(pulled.events.len());
        for (event, handle) in pulled.events {
            let event = self.conversion.apply(event);
            self.in_flight.progress().received(event.event_type());
            fresh += usize::from(!self.in_flight.progress().was_left(event.id()));
            leased.push((event, Lease { claim: Claim::Handle(handle), ends, over }));
        }
        let safe = self.intake.take(leased, room).await;
        Brought { elements, fresh, safe }
    }
}
