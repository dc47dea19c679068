//! Events in the air: pulled, and not yet confirmed or given up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::event::{Event, EventId, Handle};
use crate::ledger::Ledger;
use crate::progress::Progress;
use crate::time::{self, Instant};

/// A handle, and the instant after which VOD hands the event out again.
#[derive(Debug, Clone)]
pub struct Lease {
    /// What confirms the event while the lease lasts.
    pub handle: Handle,
    /// The end: counted from the moment the pull was sent, so never later than VOD's own.
    pub ends: Instant,
    /// When the lease is over for sure: counted from the moment the answer was here.
    pub over: Instant,
}

/// A delivered event on its way to be confirmed. It keeps its place among the events in flight.
#[derive(Debug)]
pub struct Delivered {
    /// The event.
    pub id: EventId,
    /// Its handles; more than one if it came again, or twice, while it was being delivered.
    pub leases: Vec<Lease>,
    /// Its place, free again when this is dropped.
    pub place: OwnedSemaphorePermit,
}

/// What became of an event at one sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The sink has it.
    Delivered,
    /// The sink does not have it; VOD hands the event out again.
    Left,
}

/// All events of one source that are in the air, bounded in number.
#[derive(Debug)]
pub struct InFlight {
    source: Arc<str>,
    confirm_margin: Duration,
    places: Arc<Semaphore>,
    capacity: u32,
    flights: Mutex<HashMap<EventId, Arc<Flight>>>,
    confirms: mpsc::Sender<Delivered>,
    ledger: Arc<Ledger>,
    progress: Arc<Progress>,
}

/// What an [`InFlight`] is made of.
#[derive(Debug)]
pub struct Parts {
    /// The name of the source.
    pub source: Arc<str>,
    /// The most events in the air.
    pub capacity: u32,
    /// How long before the end of a lease delivery stops.
    pub confirm_margin: Duration,
    /// Where delivered events go; it must have room for `capacity` of them.
    pub confirms: mpsc::Sender<Delivered>,
    /// What is delivered already.
    pub ledger: Arc<Ledger>,
    /// What became of the source's events.
    pub progress: Arc<Progress>,
}

impl InFlight {
    /// Empty skies over a source.
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts { source, capacity, confirm_margin, confirms, ledger, progress } = parts;
        let places = Arc::new(Semaphore::new(capacity as usize));
        let flights = Mutex::default();
        Arc::new(Self {
            source,
            confirm_margin,
            places,
            capacity,
            flights,
            confirms,
            ledger,
            progress,
        })
    }

    /// The name of the source.
    pub fn source(&self) -> &Arc<str> {
        &self.source
    }

    /// The most events in the air.
    pub fn capacity(&self) -> usize {
        self.capacity as usize
    }

    /// What is delivered already.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What became of the source's events.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Waits for places for `n` events, `capacity` at the most. The places are never closed, so
    /// this never answers `None`.
    pub async fn reserve(&self, n: u32) -> Option<OwnedSemaphorePermit> {
        self.places.clone().acquire_many_owned(n.min(self.capacity)).await.ok()
    }

    /// Takes places for `n` events if they are free.
    pub fn try_reserve(&self, n: u32) -> Option<OwnedSemaphorePermit> {
        self.places.clone().try_acquire_many_owned(n.min(self.capacity)).ok()
    }

    /// Waits until nothing is in the air and nothing waits to be confirmed.
    pub async fn idle(&self) {
        let _all_places = self.reserve(self.capacity).await;
    }

    /// How many places are taken: by events in the air, and by pulls for what they may bring.
    pub fn places_taken(&self) -> usize {
        self.capacity().saturating_sub(self.places.available_permits())
    }

    /// If the event is being delivered right now, its new lease joins that delivery.
    pub fn join(&self, id: EventId, lease: &Lease) -> bool {
        let flights = self.flights();
        let Some(flight) = flights.get(&id) else { return false };
        let mut state = flight.state();
        // A handle whose lease is over would be refused, and the call that it is in with it.
        let now = time::now();
        state.leases.retain(|old| old.ends > now);
        state.leases.push(lease.clone());
        true
    }

    /// Takes an event into the air. `sinks` is how many sinks are going to say what became of it.
    pub fn take_off(
        self: &Arc<Self>,
        event: Event,
        lease: Lease,
        place: OwnedSemaphorePermit,
        sinks: usize,
    ) -> Arc<Flight> {
        let id = event.id();
        let state = State {
            leases: vec![lease],
            place: Some(place),
            sinks_pending: sinks,
            verdict: Verdict::Delivered,
        };
        let (event, sky) = (Arc::new(event), self.clone());
        let flight = Arc::new(Flight { event, sky, state: Mutex::new(state) });
        self.flights().insert(id, flight.clone());
        flight
    }

    /// Confirms an event that all its sinks have.
    pub fn confirm(&self, delivered: Delivered) {
        // There is room for every event in flight, so this fails only when the confirming stage is
        // gone: the relay was told to end at once.
        if let Err(error) = self.confirms.try_send(delivered) {
            let delivered = error.into_inner();
            for lease in &delivered.leases {
                self.progress.unconfirmed(delivered.id, lease.over, false);
            }
        }
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<EventId, Arc<Flight>>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One event in the air, until every sink has said what became of it.
#[derive(Debug)]
pub struct Flight {
    event: Arc<Event>,
    sky: Arc<InFlight>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    leases: Vec<Lease>,
    place: Option<OwnedSemaphorePermit>,
    sinks_pending: usize,
    verdict: Verdict,
}

impl Flight {
    /// The event.
    pub fn event(&self) -> &Arc<Event> {
        &self.event
    }

    /// The source that the event came from.
    pub fn source(&self) -> &Arc<str> {
        &self.sky.source
    }

    /// When delivery must have ended, so that the confirm still comes in time. It moves on when the
    /// event comes again meanwhile.
    pub fn deadline(&self) -> Option<Instant> {
        let ends = self.state().leases.iter().map(|lease| lease.ends).max()?;
        ends.checked_sub(self.sky.confirm_margin)
    }

    /// One sink says what became of the event. The last one to say it ends the flight: the event
    /// goes on to be confirmed if every sink has it, and is left to VOD otherwise.
    pub fn settle(&self, sink: &Arc<str>, verdict: Verdict) {
        let id = self.event.id();
        match verdict {
            Verdict::Delivered => {
                // Before the confirm, so that a redelivery after a lost confirm is recognised.
                self.sky.ledger.record(id, sink);
                self.sky.progress.delivered();
            }
            Verdict::Left => self.state().verdict = Verdict::Left,
        }
        {
            let mut state = self.state();
            state.sinks_pending = state.sinks_pending.saturating_sub(1);
            if state.sinks_pending > 0 {
                return;
            }
        }
        // From here on no new lease can join, so what is taken out below is all there is.
        self.sky.flights().remove(&id);
        let mut state = self.state();
        let Some(place) = state.place.take() else { return };
        let leases = std::mem::take(&mut state.leases);
        match state.verdict {
            Verdict::Delivered => self.sky.confirm(Delivered { id, leases, place }),
            Verdict::Left => self.sky.progress.left(id),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
