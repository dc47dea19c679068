//! Events in the air: on their way to their sinks, and not yet settled.
//!
//! Most are leased: they come from VOD, keep a place among those of their source, and end with a
//! confirm or are left to VOD. Some are spooled: they are confirmed already and come from local disk,
//! where they stay until they are settled.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::event::{Event, EventId, Handle};
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
    /// The sink does not want it, and it is kept as a dead letter.
    Dead,
    /// The sink does not have it; the event comes again, from VOD or from the spool.
    Left {
        /// How long the sink asked to be left alone.
        retry_after: Option<Duration>,
    },
}

impl Verdict {
    /// Left, without a wish for when.
    pub const LEFT: Self = Self::Left { retry_after: None };
}

/// What became of a spooled event at one sink.
#[derive(Debug)]
pub struct SpooledVerdict {
    /// Where the event stands in the spool.
    pub key: i64,
    /// The event.
    pub event: EventId,
    /// The sink.
    pub sink: Arc<str>,
    /// What became of it there.
    pub verdict: Verdict,
    /// Whether it was tried at all.
    pub tried: bool,
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
    /// What became of the source's events.
    pub progress: Arc<Progress>,
}

impl InFlight {
    /// Empty skies over a source.
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts { source, capacity, confirm_margin, confirms, progress } = parts;
        let places = Arc::new(Semaphore::new(capacity as usize));
        let flights = Mutex::default();
        Arc::new(Self { source, confirm_margin, places, capacity, flights, confirms, progress })
    }

    /// The name of the source.
    pub fn source(&self) -> &Arc<str> {
        &self.source
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
        let Origin::Leased { state, .. } = &flight.origin else { return false };
        let mut state = lock(state);
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
        let state = State { leases: vec![lease], place: Some(place), pending: sinks, left: false };
        let origin = Origin::Leased { sky: self.clone(), state: Mutex::new(state) };
        let (event, source) = (Arc::new(event), self.source.clone());
        let flight = Arc::new(Flight { event, source, origin });
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
        lock(&self.flights)
    }
}

/// One event in the air, until every sink has said what became of it.
#[derive(Debug)]
pub struct Flight {
    event: Arc<Event>,
    source: Arc<str>,
    origin: Origin,
}

#[derive(Debug)]
enum Origin {
    Leased { sky: Arc<InFlight>, state: Mutex<State> },
    Spooled { key: i64, verdicts: mpsc::Sender<SpooledVerdict> },
}

#[derive(Debug)]
struct State {
    leases: Vec<Lease>,
    place: Option<OwnedSemaphorePermit>,
    /// How many sinks have not said yet what became of the event.
    pending: usize,
    /// Whether a sink has said that it does not have it.
    left: bool,
}

impl Flight {
    /// An event from the spool on its way to one sink. The verdict goes out by `verdicts`, which
    /// must have room for it.
    pub fn spooled(
        event: Event,
        source: Arc<str>,
        key: i64,
        verdicts: mpsc::Sender<SpooledVerdict>,
    ) -> Arc<Self> {
        let origin = Origin::Spooled { key, verdicts };
        Arc::new(Self { event: Arc::new(event), source, origin })
    }

    /// The event.
    pub fn event(&self) -> &Arc<Event> {
        &self.event
    }

    /// The source that the event came from.
    pub fn source(&self) -> &Arc<str> {
        &self.source
    }

    /// Whether the event is on local disk: no lease runs, and it may take as long as it takes.
    pub fn is_spooled(&self) -> bool {
        matches!(self.origin, Origin::Spooled { .. })
    }

    /// When delivery must have ended, so that the confirm still comes in time; `None` where no
    /// lease runs. It moves on when the event comes again meanwhile.
    pub fn deadline(&self) -> Option<Instant> {
        let Origin::Leased { sky, state } = &self.origin else { return None };
        let ends = lock(state).leases.iter().map(|lease| lease.ends).max();
        Some(
            ends.map_or_else(time::now, |ends| {
                ends.checked_sub(sky.confirm_margin).unwrap_or(ends)
            }),
        )
    }

    /// One sink says what became of the event. The last one to say it ends the flight: a leased
    /// event goes on to be confirmed if no sink lacks it, and is left to VOD otherwise.
    ///
    /// The delivery is in the ledger by now, so that a redelivery after a lost confirm is
    /// recognised.
    pub fn settle(&self, sink: &Arc<str>, verdict: Verdict, tried: bool) {
        match &self.origin {
            Origin::Leased { sky, state } => self.settle_leased(sky, state, verdict),
            Origin::Spooled { key, verdicts } => {
                let (key, event, sink) = (*key, self.event.id(), sink.clone());
                // There is room for every event that the spool has sent out. If nobody listens any
                // more the relay is ending at once, and the event is still in the spool.
                let _ = verdicts.try_send(SpooledVerdict { key, event, sink, verdict, tried });
            }
        }
    }

    fn settle_leased(&self, sky: &Arc<InFlight>, state: &Mutex<State>, verdict: Verdict) {
        let id = self.event.id();
        {
            let mut state = lock(state);
            match verdict {
                Verdict::Delivered => sky.progress.delivered(),
                Verdict::Dead => sky.progress.dead(),
                Verdict::Left { .. } => state.left = true,
            }
            state.pending = state.pending.saturating_sub(1);
            if state.pending > 0 {
                return;
            }
        }
        // Once it is out of the list no new lease can join, so what is taken below is all there is.
        sky.flights().remove(&id);
        let mut state = lock(state);
        let Some(place) = state.place.take() else { return };
        let leases = std::mem::take(&mut state.leases);
        if state.left {
            sky.progress.left(id);
        } else {
            sky.confirm(Delivered { id, leases, place });
        }
    }
}

/// Nothing panics while one of these locks is held, so what it guards is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
