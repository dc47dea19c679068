//! The events of one source that are in the air.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::{Delivered, Flight, Lease, lock};
use crate::event::{Event, EventId, IdMap};
use crate::progress::Progress;

/// All events of one source that are in the air, bounded in number.
#[derive(Debug)]
pub struct InFlight {
    source: Arc<str>,
    confirm_margin: Duration,
    posted: bool,
    places: Arc<Semaphore>,
    capacity: u32,
    flights: Mutex<IdMap<Arc<Flight>>>,
    confirms: mpsc::Sender<Delivered>,
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
    /// Whether VOD posts the events rather than having them pulled.
    pub posted: bool,
    /// Where delivered events go; it must have room for `capacity` of them.
    pub confirms: mpsc::Sender<Delivered>,
    /// What became of the source's events.
    pub progress: Arc<Progress>,
}

impl InFlight {
    /// Empty skies over a source.
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts { source, capacity, confirm_margin, posted, confirms, progress } = parts;
        let places = Arc::new(Semaphore::new(capacity as usize));
        let flights = Mutex::default();
        Arc::new(Self {
            source,
            confirm_margin,
            posted,
            places,
            capacity,
            flights,
            confirms,
            progress,
        })
    }

    /// The name of the source.
    pub fn source(&self) -> &Arc<str> {
        &self.source
    }

    /// How long before the end of a lease delivery stops.
    pub(super) fn confirm_margin(&self) -> Duration {
        self.confirm_margin
    }

    /// Whether VOD posts the events.
    pub(super) fn is_posted(&self) -> bool {
        self.posted
    }

    /// The most events in the air.
    pub fn capacity(&self) -> usize {
        self.capacity as usize
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
        flight.join(lease)
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
        let flight = Flight::leased(event, self.clone(), lease, place, sinks);
        if self.flights().insert(id, flight.clone()).is_none() {
            self.progress.took_off();
        }
        flight
    }

    /// Confirms an event that all its sinks have.
    pub fn confirm(&self, delivered: Delivered) {
        let Delivered { id, leases, place } = delivered;
        let leases: Vec<_> = leases.into_iter().filter_map(Lease::safe).collect();
        if leases.is_empty() {
            self.progress.shares_its_confirm(id);
            return;
        }
        let delivered = Delivered { id, leases, place };
        // There is room for every event in flight, so this fails only when the confirming stage is
        // gone: the relay was told to end at once.
        if let Err(error) = self.confirms.try_send(delivered) {
            let delivered = error.into_inner();
            for lease in &delivered.leases {
                self.progress.unconfirmed(delivered.id, lease.over, false);
            }
        }
    }

    /// Takes an event off the list. From now on no new lease can join it.
    pub(super) fn land(&self, id: EventId) {
        if self.flights().remove(&id).is_some() {
            self.progress.landed();
        }
    }

    fn flights(&self) -> MutexGuard<'_, IdMap<Arc<Flight>>> {
        lock(&self.flights)
    }
}
