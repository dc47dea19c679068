//! The connections of a listener, bounded in number and in the bytes that they may hold.
//!
//! A client that is slow on purpose must not keep others out. So when there is no seat left, or no
//! room for more bytes, the connection that has been at its request for longest loses its own; one
//! whose request is here in full and waits for its answer never does.

use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::time::{self, Instant};

/// The most bytes of bodies that one listener holds: of requests that are being received, and of
/// events whose posts wait for their answer.
pub(super) const BODY_BYTES_MAX: usize = 64 << 20;

/// All connections of a listener.
#[derive(Debug)]
pub(super) struct Seats {
    taken: Mutex<HashMap<u64, Arc<Seat>>>,
    next: AtomicU64,
    /// Told when a seat is free, or when its connection may lose it.
    freed: Notify,
    room: Arc<Semaphore>,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Seat {
    peer: IpAddr,
    evicted: CancellationToken,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Since when a request is awaited or received; `None` while one is being answered.
    since: Option<Instant>,
    /// The room for what is received so far.
    room: Option<OwnedSemaphorePermit>,
}

/// A seat that is taken, free again when this is dropped.
#[derive(Debug)]
pub(super) struct Taken {
    seat: Arc<Seat>,
    number: u64,
    seats: Arc<Seats>,
}

/// A connection whose request is being answered, until this is dropped.
#[derive(Debug)]
pub(super) struct Answering<'a>(&'a Taken);

impl Seats {
    pub(super) fn new(body_bytes_max: usize) -> Arc<Self> {
        let (taken, next, freed) = Default::default();
        Arc::new(Self { taken, next, freed, room: Arc::new(Semaphore::new(body_bytes_max)) })
    }

    /// Waits until there is a seat, of `most` in all, or one that can be taken away.
    pub(super) async fn vacant(&self, most: usize) {
        loop {
            let is_full = {
                let taken = lock(&self.taken);
                taken.len() >= most && longest(taken.iter(), |state| state.since).is_none()
            };
            if !is_full {
                return;
            }
            // A seat that was freed meanwhile is told of too.
            self.freed.notified().await;
        }
    }

    /// Waits for a seat, of `most` in all. Another connection may lose its own for it.
    pub(super) async fn take(self: &Arc<Self>, peer: IpAddr, most: usize) -> Taken {
        loop {
            if let Some(taken) = self.try_take(peer, most) {
                return taken;
            }
            self.vacant(most).await;
        }
    }

    fn try_take(self: &Arc<Self>, peer: IpAddr, most: usize) -> Option<Taken> {
        let mut taken = lock(&self.taken);
        if taken.len() >= most {
            let (number, _) = longest(taken.iter(), |state| state.since)?;
            let seat = taken.remove(&number)?;
            seat.evict();
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let state = State { since: Some(time::now()), room: None };
        let evicted = CancellationToken::new();
        let seat = Arc::new(Seat { peer, evicted, state: Mutex::new(state) });
        taken.insert(number, seat.clone());
        Some(Taken { seat, number, seats: self.clone() })
    }
}

/// The seat that has been received on for longest, of those that `since` tells a time for.
fn longest<'a>(
    seats: impl Iterator<Item = (&'a u64, &'a Arc<Seat>)>,
    since: impl Fn(&State) -> Option<Instant>,
) -> Option<(u64, Instant)> {
    let known = seats.filter_map(|(number, seat)| Some((*number, since(&lock(&seat.state))?)));
    known.min_by_key(|(number, since)| (*since, *number))
}

impl Seat {
    /// Who is connected.
    pub(super) fn peer(&self) -> IpAddr {
        self.peer
    }

    /// Waits until the connection has lost its seat.
    pub(super) async fn evicted(&self) {
        self.evicted.cancelled().await;
    }

    fn evict(&self) {
        self.evicted.cancel();
        lock(&self.state).room = None;
    }
}

impl Taken {
    /// A request begins.
    pub(super) fn begin(&self) {
        lock(&self.state).since = Some(time::now());
    }

    /// Makes room for more bytes of the request. `false` if there is none, because all that are
    /// received or answered beside it have been here for less time.
    pub(super) fn hold(&self, bytes: usize) -> bool {
        let Ok(wanted) = u32::try_from(bytes) else { return false };
        loop {
            if let Ok(more) = self.seats.room.clone().try_acquire_many_owned(wanted) {
                let mut state = lock(&self.state);
                match &mut state.room {
                    Some(room) => room.merge(more),
                    none => *none = Some(more),
                }
                return true;
            }
            let mut taken = lock(&self.seats.taken);
            let holding = |state: &State| state.since.filter(|_| state.room.is_some());
            match longest(taken.iter(), holding) {
                Some((number, _)) if number != self.number => {
                    if let Some(seat) = taken.remove(&number) {
                        seat.evict();
                    }
                }
                _ => return false,
            }
        }
    }

    /// The request is here in full, in the room that this answers with. Until it is answered the
    /// connection keeps its seat.
    pub(super) fn answer(&self) -> (Answering<'_>, Option<OwnedSemaphorePermit>) {
        let mut state = lock(&self.state);
        state.since = None;
        (Answering(self), state.room.take())
    }

    /// Lets go of what was received.
    pub(super) fn let_go(&self) {
        lock(&self.state).room = None;
    }
}

impl Deref for Taken {
    type Target = Seat;

    fn deref(&self) -> &Seat {
        &self.seat
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        lock(&self.seats.taken).remove(&self.number);
        self.seats.freed.notify_one();
    }
}

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        self.0.begin();
        self.0.seats.freed.notify_one();
    }
}

/// Nothing panics while one of these locks is held, so what it guards is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    async fn take(seats: &Arc<Seats>, most: usize) -> Taken {
        let taken = seats.take(PEER, most).await;
        tokio::time::advance(Duration::from_millis(1)).await;
        taken
    }

    fn is_evicted(seat: &Taken) -> bool {
        seat.evicted.is_cancelled()
    }

    #[tokio::test(start_paused = true)]
    async fn the_connection_that_has_been_at_it_for_longest_loses_its_seat() {
        let seats = Seats::new(100);
        let (first, second) = (take(&seats, 2).await, take(&seats, 2).await);
        // The first is answered and begins anew.
        drop(first.answer());
        let third = take(&seats, 2).await;
        assert_eq!([is_evicted(&first), is_evicted(&second)], [false, true]);
        let (_answering, _) = first.answer();
        let _fourth = take(&seats, 2).await;
        assert_eq!([is_evicted(&first), is_evicted(&third)], [false, true]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_answered_keeps_its_seat() {
        let seats = Seats::new(100);
        let first = take(&seats, 1).await;
        let (answering, _) = first.answer();
        let mut waiting = Box::pin(seats.take(PEER, 1));
        let soon = Duration::from_secs(1);
        assert!(tokio::time::timeout(soon, &mut waiting).await.is_err());
        drop(answering);
        waiting.await;
        assert!(is_evicted(&first));
    }

    #[tokio::test(start_paused = true)]
    async fn the_bytes_of_all_are_bounded() {
        let seats = Seats::new(100);
        let (first, second) = (take(&seats, 9).await, take(&seats, 9).await);
        let third = take(&seats, 9).await;
        assert!(first.hold(40) && second.hold(40) && third.hold(20));
        assert_eq!(seats.room.available_permits(), 0);
        assert!(third.hold(1));
        assert_eq!([&first, &second, &third].map(is_evicted), [true, false, false]);
        assert_eq!(seats.room.available_permits(), 39);
        // What is being answered is not taken away; the second is then the one that is slowest.
        let (_answering, room) = third.answer();
        assert!(!second.hold(40));
        drop(room);
        assert!(second.hold(40));
        second.let_go();
        assert_eq!(seats.room.available_permits(), 100);
    }
}
