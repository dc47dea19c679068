//! Events in the air: on their way to their sinks, and not yet settled.
//!
//! Most are leased: they come from VOD, keep a place among those of their source, and end with a
//! confirm or are left to VOD. Of a pulled event that is a call, of a posted one the answer. Some are stored: they are confirmed already and come from local disk,
//! where they stay until they are settled.

mod in_flight;
mod lease;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::OwnedSemaphorePermit;

pub use self::in_flight::{InFlight, Parts};
pub use self::lease::{Awaited, Claim, Lease, Reply, SharedHandle};
use crate::event::{Event, EventId};
use crate::time::{self, Instant};

/// A delivered event on its way to be confirmed. It keeps its place among the events in flight.
#[derive(Debug)]
pub struct Delivered {
    /// The event.
    pub id: EventId,
    /// Its leases; more than one if it came again, or twice, while it was being delivered.
    pub leases: Vec<Lease>,
    /// Its place, free again when this is dropped.
    pub place: OwnedSemaphorePermit,
}

/// What became of an event at one sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The sink has it.
    Delivered,
    /// It was settled at the sink before, when it came another way.
    Known,
    /// The sink does not want it, and it is kept as a dead letter.
    Dead,
    /// The sink does not want it, and there is nowhere to keep it: it is left where it comes from.
    Refused,
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

/// How one sink's lane has settled an event.
#[derive(Debug, Clone, Copy)]
pub struct Settled<'a> {
    /// What became of it.
    pub verdict: Verdict,
    /// Whether it was tried at all.
    pub tried: bool,
    /// Why the last try failed, if one did.
    pub reason: Option<&'a str>,
}

/// Told how a stored event was settled.
type Listener = Box<dyn Fn(Settled<'_>) + Send + Sync>;

/// One event in the air, until every sink has said what became of it.
#[derive(Debug)]
pub struct Flight {
    event: Arc<Event>,
    source: Arc<str>,
    received: SystemTime,
    origin: Origin,
}

enum Origin {
    Leased { sky: Arc<InFlight>, state: Mutex<State> },
    Stored(Listener),
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
    /// A leased event; `sinks` is how many sinks are going to say what became of it.
    fn leased(
        event: Event,
        sky: Arc<InFlight>,
        lease: Lease,
        place: OwnedSemaphorePermit,
        sinks: usize,
    ) -> Arc<Self> {
        let state = State { leases: vec![lease], place: Some(place), pending: sinks, left: false };
        let (event, source) = (Arc::new(event), sky.source().clone());
        let origin = Origin::Leased { sky, state: Mutex::new(state) };
        Arc::new(Self { event, source, received: time::wall_clock(), origin })
    }

    /// An event from local disk on its way to one sink. `listener` is told what became of it there.
    pub fn stored(
        event: Event,
        source: Arc<str>,
        received: SystemTime,
        listener: impl Fn(Settled<'_>) + Send + Sync + 'static,
    ) -> Arc<Self> {
        let origin = Origin::Stored(Box::new(listener));
        Arc::new(Self { event: Arc::new(event), source, received, origin })
    }

    /// The event has come again; its new lease joins. `false` if no lease can.
    fn join(&self, lease: &Lease) -> bool {
        let Origin::Leased { state, .. } = &self.origin else { return false };
        let mut state = lock(state);
        // A handle whose lease is over would be refused, and the call that it is in with it.
        let now = time::now();
        state.leases.retain(|old| old.ends > now);
        state.leases.push(lease.clone());
        true
    }

    /// The event.
    pub fn event(&self) -> &Arc<Event> {
        &self.event
    }

    /// The source that the event came from.
    pub fn source(&self) -> &Arc<str> {
        &self.source
    }

    /// When the event came.
    pub fn received(&self) -> SystemTime {
        self.received
    }

    /// Whether the event is on local disk: no lease runs, and it may take as long as it takes.
    pub fn is_stored(&self) -> bool {
        matches!(self.origin, Origin::Stored(_))
    }

    /// Whether VOD posted the event and waits for the answer. A call that is under way when nobody
    /// waits any more may still end: then the ledger meets the next post.
    pub fn is_posted(&self) -> bool {
        matches!(&self.origin, Origin::Leased { sky, .. } if sky.is_posted())
    }

    /// When delivery must have ended, so that the confirm still comes in time; `None` where no
    /// lease runs. It moves on when the event comes again meanwhile.
    pub fn deadline(&self) -> Option<Instant> {
        let Origin::Leased { sky, state } = &self.origin else { return None };
        let ends = lock(state).leases.iter().map(|lease| lease.ends).max();
        Some(
            ends.map_or_else(time::now, |ends| {
                ends.checked_sub(sky.confirm_margin()).unwrap_or(ends)
            }),
        )
    }

    /// One sink says what became of the event. The last one to say it ends the flight: a leased
    /// event goes on to be confirmed if no sink lacks it, and is left to VOD otherwise.
    ///
    /// The delivery is in the ledger by now, so that a redelivery after a lost confirm is
    /// recognised.
    pub fn settle(&self, settled: Settled<'_>) {
        match &self.origin {
            Origin::Leased { sky, state } => self.settle_leased(sky, state, settled.verdict),
            Origin::Stored(listener) => listener(settled),
        }
    }

    fn settle_leased(&self, sky: &Arc<InFlight>, state: &Mutex<State>, verdict: Verdict) {
        let id = self.event.id();
        {
            let mut state = lock(state);
            match verdict {
                Verdict::Delivered => sky.progress().delivered(),
                Verdict::Dead => sky.progress().dead(),
                Verdict::Known => sky.progress().redelivered(),
                Verdict::Refused | Verdict::Left { .. } => state.left = true,
            }
            state.pending = state.pending.saturating_sub(1);
            if state.pending > 0 {
                return;
            }
        }
        // No new lease can join after this, so what is taken below is all there is.
        sky.land(id);
        let mut state = lock(state);
        let Some(place) = state.place.take() else { return };
        let leases = std::mem::take(&mut state.leases);
        if state.left {
            sky.progress().left(id);
        } else {
            sky.confirm(Delivered { id, leases, place });
        }
    }
}

impl std::fmt::Debug for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Leased { .. } => "Leased",
            Self::Stored(_) => "Stored",
        })
    }
}

/// Nothing panics while one of these locks is held, so what it guards is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
