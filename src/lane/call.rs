//! One call of a sink, and what is kept of its outcome before anything else happens.

use std::sync::Arc;
use std::time::Duration;

use super::report::REMEDY;
use crate::flight::Flight;
use crate::ledger::Ledger;
use crate::sink::{Outcome, Parcel, Refusal, Sink};

/// What a call needs.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) sink: Arc<dyn Sink>,
    pub(super) name: Arc<str>,
    pub(super) ledger: Arc<Ledger>,
    /// The events, each with the number of this try.
    pub(super) flights: Vec<(Arc<Flight>, u32)>,
    /// The most time for it.
    pub(super) limit: Duration,
    /// Whether that is the lease's limit, shorter than the sink's own.
    pub(super) cut_short: bool,
}

impl Call {
    /// Makes the call. Deliveries are in the ledger when this returns.
    pub(super) async fn make(self) -> Vec<Outcome> {
        let parcels: Vec<_> = self
            .flights
            .iter()
            .map(|(flight, attempt)| Parcel { event: flight.event().clone(), attempt: *attempt })
            .collect();
        let deliver = tokio::time::timeout(self.limit, self.sink.deliver(&parcels));
        let mut outcomes = deliver.await.unwrap_or_else(|_| {
            let limit = humantime::format_duration(self.limit);
            let reason = match self.cut_short {
                false => format!("no outcome within {limit}"),
                true => format!("no outcome within {limit}, as long as the lease lasted; {REMEDY}"),
            };
            vec![Err(Refusal::transient(reason)); parcels.len()]
        });
        // A sink that answered for too few events has not said that it has the rest.
        outcomes.resize_with(parcels.len(), || Err(Refusal::transient("the sink gave no outcome")));
        let delivered = self.flights.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_ok());
        let delivered: Vec<_> = delivered
            .filter(|((flight, _), _)| !flight.is_spooled())
            .map(|((flight, _), _)| (flight.event().id(), self.name.clone()))
            .collect();
        if !delivered.is_empty() {
            self.ledger.record(delivered).await;
        }
        outcomes
    }
}
