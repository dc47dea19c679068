//! What an event in the air is held by, and what ends that.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::event::Handle;
use crate::time::Instant;

/// A claim on an event, and the time for which it lasts.
#[derive(Debug, Clone)]
pub struct Lease {
    /// What tells VOD that it may forget the event.
    pub claim: Claim,
    /// The end as it is reckoned with: not later than VOD's own.
    pub ends: Instant,
    /// When the lease is over for sure: counted from the moment the answer was here.
    pub over: Instant,
}

/// What tells VOD that it may forget an event.
#[derive(Debug, Clone)]
pub enum Claim {
    /// The handle of a pulled event confirms it while its lease lasts.
    Handle(Handle),
    /// VOD gave several events of one answer the same handle, which confirms them all.
    Shared(SharedHandle),
    /// A posted event waits for an answer.
    Reply(Reply),
}

/// A handle that confirms several events, so it may be used only when the last of them is safe.
#[derive(Debug, Clone)]
pub struct SharedHandle {
    handle: Handle,
    /// How many of the events are not safe yet.
    open: Arc<AtomicUsize>,
}

impl SharedHandle {
    /// A handle of so many events.
    pub fn new(handle: Handle, events: usize) -> Self {
        Self { handle, open: Arc::new(AtomicUsize::new(events)) }
    }

    /// One more of its events is safe: the handle, if that was the last.
    fn safe(&self) -> Option<Handle> {
        (self.open.fetch_sub(1, Ordering::Relaxed) == 1).then(|| self.handle.clone())
    }
}

impl Lease {
    /// The event is safe. The lease with which VOD may be told so now; none if its handle has to wait
    /// for other events.
    pub(super) fn safe(self) -> Option<Self> {
        let claim = match self.claim {
            Claim::Shared(shared) => Claim::Handle(shared.safe()?),
            claim => claim,
        };
        Some(Self { claim, ..self })
    }
}

/// The answer that a posted event waits for. When every copy of it is dropped without a word, the
/// event was not taken.
#[derive(Debug, Clone)]
pub struct Reply {
    taken: mpsc::Sender<()>,
    /// The room for the event's text, free again when every copy is dropped.
    _room: Arc<OwnedSemaphorePermit>,
}

/// Where a [`Reply`] arrives.
#[derive(Debug)]
pub struct Awaited(mpsc::Receiver<()>);

impl Reply {
    /// A reply to an event whose text takes up `room`.
    pub fn new(room: OwnedSemaphorePermit) -> (Self, Awaited) {
        let (taken, awaited) = mpsc::channel(1);
        (Self { taken, _room: Arc::new(room) }, Awaited(awaited))
    }

    /// Says that the event is taken.
    pub fn taken(&self) {
        // Whoever asked may have stopped waiting; then VOD sends the event again.
        let _ = self.taken.try_send(());
    }
}

impl Awaited {
    /// Whether the event was taken.
    pub async fn taken(mut self) -> bool {
        self.0.recv().await.is_some()
    }
}
