//! One call of a sink, and what is kept of its outcome before anything else happens.

use std::sync::Arc;
use std::time::Duration;

use super::report::REMEDY;
use crate::application::Applications;
use crate::crash;
use crate::flight::Flight;
use crate::ledger::{Burial, Ledger};
use crate::sink::{Outcome, Parcel, Refusal, Sink};
use crate::store::{DeadLetter, GivenUp};
use crate::time;

/// What a call needs.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) sink: Arc<dyn Sink>,
    pub(super) name: Arc<str>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) applications: Applications,
    /// After how many tries an event is given up.
    pub(super) max_attempts: Option<u64>,
    /// The events, each with the number of this try.
    pub(super) flights: Vec<(Arc<Flight>, u32)>,
    /// The most time for it. It is the sink's own and not what is left of the leases: the sink may
    /// have the events already, and a call that is cut short would never know. What ends later is in
    /// the ledger, where the redelivery finds it, or joined by that.
    pub(super) limit: Duration,
}

/// How the call ended for one event.
#[derive(Debug)]
pub(super) enum Ending {
    /// The sink has it. `noted` says whether the ledger does too.
    Delivered { noted: bool },
    /// Trying again can help.
    Failed { reason: String, retry_after: Option<Duration> },
    /// It failed once too often, and is a dead letter now.
    GivenUp { reason: String },
    /// Trying again cannot help. `kept` says whether it is a dead letter now.
    Refused { reason: String, kept: bool },
    /// Another relay has settled it meanwhile. `noted` says whether the ledger here has it too.
    Elsewhere { noted: bool },
    /// The sink's receiver is gone for good.
    Closed,
}

/// An event that came here so long ago may have been settled elsewhere since.
const LATE: Duration = Duration::from_secs(1);

impl Ending {
    /// Whether the sink has the event.
    pub(super) fn is_delivered(&self) -> bool {
        matches!(self, Self::Delivered { .. })
    }

    /// Whether the sink was there and did what it is for: it has the event, or does not want it.
    pub(super) fn shows_that_the_sink_works(&self) -> bool {
        matches!(self, Self::Delivered { .. } | Self::Refused { .. })
    }

    /// Whether the event is settled, and the ledger says so.
    pub(super) fn is_noted(&self) -> bool {
        match self {
            Self::Delivered { noted } | Self::Elsewhere { noted } => *noted,
            Self::GivenUp { .. } => true,
            Self::Refused { kept, .. } => *kept,
            Self::Failed { .. } | Self::Closed => false,
        }
    }
}

impl Call {
    /// Makes the call. Deliveries are in the ledger and refused events are dead letters when this
    /// returns.
    pub(super) async fn make(mut self) -> Vec<Ending> {
        let elsewhere = self.settled_elsewhere().await;
        let all = std::mem::take(&mut self.flights);
        let (known, open): (Vec<_>, Vec<_>) =
            all.into_iter().zip(&elsewhere).partition(|(_, elsewhere)| **elsewhere);
        self.flights = open.into_iter().map(|(flight, _)| flight).collect();
        let mut known = match known.is_empty() {
            true => Vec::new().into_iter(),
            false => self.note_known(known.into_iter().map(|(flight, _)| flight)).await.into_iter(),
        };
        let mut tried = match self.flights.is_empty() {
            true => Vec::new().into_iter(),
            false => self.try_all().await.into_iter(),
        };
        let next = |elsewhere| if elsewhere { known.next() } else { tried.next() };
        elsewhere.into_iter().filter_map(next).collect()
    }

    /// Which events another relay has settled since they came: those are asked about that were tried
    /// before, or have waited.
    async fn settled_elsewhere(&self) -> Vec<bool> {
        let now = time::wall_clock();
        let is_late = |(flight, attempt): &(Arc<Flight>, u32)| {
            *attempt > 1 || now.duration_since(flight.received()).is_ok_and(|age| age > LATE)
        };
        let late: Vec<_> = self.flights.iter().map(is_late).collect();
        let asked = self.flights.iter().zip(&late).filter(|(_, late)| **late);
        let asked: Vec<_> = asked.map(|((flight, _), _)| flight.event().id()).collect();
        let settled = self.ledger.settled_elsewhere(&asked).await;
        let mut settled = settled.into_iter().map(|sinks| sinks.contains(&self.name));
        late.into_iter().map(|late| late && settled.next().unwrap_or_default()).collect()
    }

    /// Notes what others have settled. What is still in the spool only leaves it with that.
    async fn note_known(&self, known: impl Iterator<Item = (Arc<Flight>, u32)>) -> Vec<Ending> {
        let known: Vec<_> = known.map(|(flight, _)| flight).collect();
        let notes = known.iter().map(|flight| (flight.event().id(), self.name.clone())).collect();
        let noted = self.ledger.record_here(notes).await;
        let ending = |flight: &Arc<Flight>| match flight.is_stored() && !noted {
            true => Ending::Failed {
                reason: "delivered by another relay, but the store could not note it".to_owned(),
                retry_after: None,
            },
            false => Ending::Elsewhere { noted },
        };
        known.iter().map(ending).collect()
    }

    async fn try_all(&self) -> Vec<Ending> {
        let mut outcomes = self.deliver().await;
        // A sink that answered for too few events has not said that it has the rest.
        outcomes.resize_with(self.flights.len(), || {
            Err(Refusal::transient("the sink gave no outcome"))
        });
        let noted = self.record(&outcomes).await;
        let mut endings = Vec::with_capacity(outcomes.len());
        for ((flight, attempt), outcome) in self.flights.iter().zip(outcomes) {
            endings.push(match outcome {
                // What is not noted is still in the spool and will be tried again from there; a
                // leased event can be confirmed all the same.
                Ok(()) if flight.is_stored() && !noted => Ending::Failed {
                    reason: "delivered, but the store could not note it".to_owned(),
                    retry_after: None,
                },
                Ok(()) => Ending::Delivered { noted },
                Err(Refusal::Closed) => Ending::Closed,
                Err(Refusal::Permanent { reason }) => self.refuse(flight, *attempt, reason).await,
                Err(Refusal::Transient { reason, retry_after }) => {
                    self.fail(flight, reason, retry_after).await
                }
            });
        }
        endings
    }

    async fn deliver(&self) -> Vec<Outcome> {
        let parcels: Vec<_> = self
            .flights
            .iter()
            .map(|(flight, attempt)| Parcel {
                event: flight.event().clone(),
                received: flight.received(),
                sub_app_id: self.applications.of(flight.source()),
                attempt: *attempt,
            })
            .collect();
        crash::point("before-sink");
        let delivered = tokio::time::timeout(self.limit, self.sink.deliver(&parcels)).await;
        crash::point("after-sink");
        delivered.unwrap_or_else(|_| {
            let limit = humantime::format_duration(self.limit);
            let now = time::now();
            let is_late =
                |flight: &Flight| flight.deadline().is_some_and(|deadline| deadline <= now);
            let reason = match self.flights.iter().any(|(flight, _)| is_late(flight)) {
                true => format!("no outcome within {limit}, while its lease ran out; {REMEDY}"),
                false => format!("no outcome within {limit}"),
            };
            vec![Err(Refusal::transient(reason)); parcels.len()]
        })
    }

    /// Notes what was delivered: whether the ledger took it.
    async fn record(&self, outcomes: &[Outcome]) -> bool {
        let delivered = self.flights.iter().zip(outcomes).filter(|(_, outcome)| outcome.is_ok());
        let delivered: Vec<_> =
            delivered.map(|((flight, _), _)| (flight.event().id(), self.name.clone())).collect();
        if delivered.is_empty() {
            return true;
        }
        let noted = self.ledger.record(delivered).await;
        crash::point("after-ledger");
        noted
    }

    async fn refuse(&self, flight: &Flight, attempts: u32, reason: String) -> Ending {
        let kept = self.bury(flight, u64::from(attempts), &reason).await;
        Ending::Refused { reason, kept }
    }

    async fn fail(&self, flight: &Flight, reason: String, retry_after: Option<Duration>) -> Ending {
        if let Some(most) = self.max_attempts
            && let Some(attempts) = self.ledger.count_attempt(flight.event().id(), &self.name).await
            && attempts >= most
        {
            let reason = format!("{reason} (given up after {attempts} attempts)");
            if self.bury(flight, attempts, &reason).await {
                return Ending::GivenUp { reason };
            }
        }
        Ending::Failed { reason, retry_after }
    }

    async fn bury(&self, flight: &Flight, attempts: u64, reason: &str) -> bool {
        let first_seen = flight.received();
        let given_up = GivenUp { reason: reason.to_owned(), attempts, first_seen };
        let letter = DeadLetter::of(flight.event(), flight.source(), &self.name, given_up);
        let burial = self.ledger.bury(letter).await;
        crash::point("after-bury");
        burial == Burial::Kept
    }
}
