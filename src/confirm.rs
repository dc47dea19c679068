//! Confirms delivered events, the last step of each.
//!
//! Handles are gathered for a few milliseconds, over events and pulls, into calls of up to 16. A
//! call that fails is tried again while the leases last. A call that is refused holds a handle
//! whose lease is over, and VOD does not say which, so its handles are confirmed one by one; one
//! that is refused alone has run out, and the ledger meets its redelivery.
//!
//! Posted events have a [`Replier`] instead.

mod caller;
mod replier;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::{JoinError, JoinSet};

use self::caller::Caller;
pub use self::replier::Replier;
use crate::event::{EventId, Handle};
use crate::flight::{Claim, Delivered, Lease};
use crate::progress::Progress;
use crate::tencent::client::Client;
use crate::time::{self, Instant};

/// The most handles that `ConfirmEvents` takes.
const HANDLES_MAX: usize = 16;

/// How long a handle waits for others to share its call.
const GATHER: Duration = Duration::from_millis(5);

/// The confirming stage of one source.
#[derive(Debug)]
pub struct Confirmer {
    /// Makes the calls.
    pub client: Arc<Client>,
    /// Told what was confirmed.
    pub progress: Arc<Progress>,
    /// The source's name, for logs.
    pub source: Arc<str>,
    /// The most calls at the same time.
    pub calls_max: usize,
}

/// A handle on its way to be confirmed. The event's place is free once its last handle is done.
#[derive(Debug, Clone)]
struct Pending {
    event: EventId,
    handle: Handle,
    /// The end of the lease as it is reckoned with, and for sure.
    ends: Instant,
    over: Instant,
    since: Instant,
    _place: Arc<OwnedSemaphorePermit>,
}

impl Confirmer {
    /// Confirms what comes in until all senders are gone and everything is settled.
    pub async fn run(self, mut inbox: mpsc::Receiver<Delivered>) {
        let Self { client, progress, source, calls_max } = self;
        // What a source of this name could not confirm before a reload says nothing about this one.
        progress.pulse().confirmed();
        let caller = Arc::new(Caller::new(client, progress, source));
        let mut waiting: VecDeque<Pending> = VecDeque::new();
        let mut calls = JoinSet::new();
        // The handles of refused calls, to be confirmed one by one.
        let mut apart = Apart { calls_max: calls_max.div_ceil(2), ..Apart::default() };
        let mut arrived = Vec::with_capacity(HANDLES_MAX);
        let mut open = true;
        while open || !waiting.is_empty() || !calls.is_empty() || !apart.is_done() {
            let now = time::now();
            while calls.len() < calls_max.max(1) && is_due(&waiting, now, open) {
                let batch = take_batch(&mut waiting);
                calls.spawn(caller.clone().confirm(batch));
            }
            if waiting.is_empty() {
                apart.start(&caller, now);
            }
            let may_call = calls.len() < calls_max.max(1);
            let gathered = waiting.front().filter(|_| may_call).map(|first| first.since + GATHER);
            tokio::select! {
                n = inbox.recv_many(&mut arrived, HANDLES_MAX), if open => {
                    open = n > 0;
                    let since = time::now();
                    arrived.drain(..).for_each(|delivered| line_up(&mut waiting, delivered, since));
                }
                Some(call) = calls.join_next() => match call {
                    Ok(refused) => apart.waiting.extend(refused),
                    Err(error) => broke_down(&error),
                },
                Some(call) = apart.calls.join_next() => if let Err(error) = call {
                    broke_down(&error);
                },
                () = tokio::time::sleep_until(gathered.unwrap_or(now)), if gathered.is_some() => {}
            }
        }
    }
}

/// Handles that are confirmed one by one, because VOD refused the call that they were in.
///
/// They come after the calls of many, which do more with each of the calls that the rate limit
/// allows: or a few refused calls could make all others late, and those be refused in their turn.
#[derive(Default)]
struct Apart {
    waiting: VecDeque<Pending>,
    calls: JoinSet<()>,
    /// The most at the same time: one that VOD keeps stumbling over must not use up the time of the
    /// others' leases.
    calls_max: usize,
}

impl Apart {
    fn is_done(&self) -> bool {
        self.waiting.is_empty() && self.calls.is_empty()
    }

    fn start(&mut self, caller: &Arc<Caller>, now: Instant) {
        caller.leave_late(&mut self.waiting, now);
        while self.calls.len() < self.calls_max.max(1)
            && let Some(one) = self.waiting.pop_front()
        {
            self.calls.spawn(caller.clone().confirm_alone(one));
        }
    }
}

fn broke_down(error: &JoinError) {
    tracing::error!("a confirm broke down, its events come again: {error}");
}

/// Whether the next call should not wait for more handles.
fn is_due(waiting: &VecDeque<Pending>, now: Instant, open: bool) -> bool {
    waiting.len() >= HANDLES_MAX
        || waiting.front().is_some_and(|first| !open || first.since + GATHER <= now)
}

fn line_up(waiting: &mut VecDeque<Pending>, delivered: Delivered, since: Instant) {
    let Delivered { id, leases, place } = delivered;
    let place = Arc::new(place);
    for Lease { claim, ends, over } in leases {
        // Pulled events have no other claims.
        let Claim::Handle(handle) = claim else { continue };
        waiting.push_back(Pending { event: id, handle, ends, over, since, _place: place.clone() });
    }
}

/// Takes up to 16 handles that are all different; one that is there already stays for later.
fn take_batch(waiting: &mut VecDeque<Pending>) -> Vec<Pending> {
    let mut batch: Vec<Pending> = Vec::with_capacity(HANDLES_MAX);
    let mut twins = Vec::new();
    while batch.len() < HANDLES_MAX
        && let Some(next) = waiting.pop_front()
    {
        if batch.iter().any(|taken| taken.handle == next.handle) {
            twins.push(next);
        } else {
            batch.push(next);
        }
    }
    twins.into_iter().rev().for_each(|twin| waiting.push_front(twin));
    batch
}
