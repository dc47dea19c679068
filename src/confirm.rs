//! Confirms delivered events, the last step of each.
//!
//! Handles are gathered for a few milliseconds, over events and pulls, into calls of up to 16. A
//! call that fails is tried again while the leases last. A call that is refused holds a handle
//! whose lease is over, and VOD does not say which, so its handles are confirmed one by one; one
//! that is refused alone has run out, and the ledger meets its redelivery.
//!
//! Posted events have a [`Replier`] instead.

mod replier;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinSet;

pub use self::replier::Replier;
use crate::crash;
use crate::event::{EventId, Handle};
use crate::flight::{Claim, Delivered, Lease};
use crate::progress::Progress;
use crate::quiet::Quiet;
use crate::retry::Policy;
use crate::tencent::client::Client;
use crate::tencent::error::{CallError, Class};
use crate::time::{self, Instant};

/// The most handles that `ConfirmEvents` takes.
const HANDLES_MAX: usize = 16;

/// How long a handle waits for others to share its call.
const GATHER: Duration = Duration::from_millis(5);

/// Between the tries of one call: the lease is running out, so soon and often.
const RETRY: Policy = Policy { first: Duration::from_millis(100), longest: Duration::from_secs(2) };

/// After this many tries a call that VOD keeps answering with a failure is taken apart: one of its
/// handles may be what VOD stumbles over.
const TRIES_BEFORE_SPLIT: u32 = 3;

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

/// What the calls of one source share.
#[derive(Debug)]
struct Caller {
    client: Arc<Client>,
    progress: Arc<Progress>,
    source: Arc<str>,
    failures: Quiet,
    refusals: Quiet,
}

/// Why a call was given up.
struct Failure {
    /// The last failure.
    error: CallError,
    /// Whether an earlier try may have worked, its answer being lost.
    doubtful: bool,
    /// Whether it may be a single handle that VOD does not take.
    may_be_one_handle: bool,
}

impl Confirmer {
    /// Confirms what comes in until all senders are gone and everything is settled.
    pub async fn run(self, mut inbox: mpsc::Receiver<Delivered>) {
        let Self { client, progress, source, calls_max } = self;
        let (failures, refusals) = (Quiet::default(), Quiet::default());
        let caller = Arc::new(Caller { client, progress, source, failures, refusals });
        let mut waiting: VecDeque<Pending> = VecDeque::new();
        let mut calls = JoinSet::new();
        let mut arrived = Vec::with_capacity(HANDLES_MAX);
        let mut open = true;
        while open || !waiting.is_empty() || !calls.is_empty() {
            let now = time::now();
            while calls.len() < calls_max.max(1) && is_due(&waiting, now, open) {
                let batch = take_batch(&mut waiting);
                calls.spawn(caller.clone().confirm(batch));
            }
            let may_call = calls.len() < calls_max.max(1);
            let gathered = waiting.front().filter(|_| may_call).map(|first| first.since + GATHER);
            tokio::select! {
                n = inbox.recv_many(&mut arrived, HANDLES_MAX), if open => {
                    open = n > 0;
                    arrived.drain(..).for_each(|delivered| line_up(&mut waiting, delivered));
                }
                Some(call) = calls.join_next() => {
                    if let Err(error) = call {
                        tracing::error!("a confirm broke down, its events come again: {error}");
                    }
                }
                () = tokio::time::sleep_until(gathered.unwrap_or(now)), if gathered.is_some() => {}
            }
        }
    }
}

/// Whether the next call should not wait for more handles.
fn is_due(waiting: &VecDeque<Pending>, now: Instant, open: bool) -> bool {
    waiting.len() >= HANDLES_MAX
        || waiting.front().is_some_and(|first| !open || first.since + GATHER <= now)
}

fn line_up(waiting: &mut VecDeque<Pending>, delivered: Delivered) {
    let Delivered { id, leases, place } = delivered;
    let (since, place) = (time::now(), Arc::new(place));
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

impl Caller {
    async fn confirm(self: Arc<Self>, mut batch: Vec<Pending>) {
        let now = time::now();
        // VOD would refuse these, and the others with them.
        for late in batch.extract_if(.., |one| one.over <= now) {
            self.progress.unconfirmed(late.event, late.over, true);
            if let Some(left_out) = self.refusals.ask() {
                tracing::warn!(
                    source.name = %self.source,
                    event.id = %late.event,
                    left_out,
                    "not confirmed in time; it comes again and is confirmed without being \
                     delivered again"
                );
            }
        }
        if batch.is_empty() {
            return;
        }
        match self.call(&batch).await {
            Ok(()) => self.confirmed(&batch),
            Err(failure) if batch.len() > 1 && failure.may_be_one_handle => {
                self.confirm_apart(batch, failure.doubtful).await;
            }
            Err(failure) => batch.iter().for_each(|one| self.unconfirmed(one, &failure.error)),
        }
    }

    /// Confirms the handles of a refused call one by one.
    async fn confirm_apart(self: Arc<Self>, mut batch: Vec<Pending>, doubtful: bool) {
        if doubtful {
            // An earlier try, whose answer got lost, may have confirmed them all. The one whose lease
            // lasts longest tells.
            batch.sort_by_key(|one| one.ends);
            let Some(last) = batch.pop() else { return };
            let last = [last];
            match self.call(&last).await {
                Ok(()) => self.confirmed(&last),
                Err(failure) if failure.error.class == Class::Parameter => {
                    let all = last.iter().chain(&batch);
                    all.for_each(|one| self.unconfirmed(one, &failure.error));
                    return;
                }
                Err(failure) => self.unconfirmed(&last[0], &failure.error),
            }
        }
        // All at once: one that VOD keeps stumbling over must not use up the time of the others'
        // leases. The rate limit holds for these calls too.
        let mut calls = JoinSet::new();
        for one in batch {
            calls.spawn(self.clone().confirm_alone(one));
        }
        while calls.join_next().await.is_some() {}
    }

    async fn confirm_alone(self: Arc<Self>, one: Pending) {
        let one = [one];
        match self.call(&one).await {
            Ok(()) => self.confirmed(&one),
            Err(failure) => self.unconfirmed(&one[0], &failure.error),
        }
    }

    /// Calls until VOD confirms, refuses, or the leases are over. A call of several handles also
    /// ends when VOD keeps answering it with a failure.
    async fn call(&self, batch: &[Pending]) -> Result<(), Failure> {
        let handles: Vec<Handle> = batch.iter().map(|one| one.handle.clone()).collect();
        let lease_ends = batch.iter().map(|one| one.ends).max();
        let mut delays = RETRY.delays();
        let (mut tries, mut doubtful) = (0, false);
        loop {
            crash::point("before-confirm");
            let Err(error) = self.client.confirm_events(&handles).await else {
                crash::point("after-confirm");
                return Ok(());
            };
            tries += 1;
            // VOD's wish is honoured as far as the lease allows.
            let wish = error.retry_after.unwrap_or_default().min(RETRY.longest);
            let delay = delays.next_delay().max(wish);
            let is_over = lease_ends.is_none_or(|ends| time::now() + delay >= ends);
            let split = batch.len() > 1
                && error.code.is_some()
                && error.class == Class::Transient
                && tries >= TRIES_BEFORE_SPLIT;
            let gives_up = match error.class {
                Class::Parameter | Class::Permanent | Class::Cancelled => true,
                Class::Throttled => is_over,
                Class::Transient | Class::Clock | Class::Token | Class::Credentials => {
                    is_over || split
                }
            };
            if gives_up {
                let may_be_one_handle = error.class == Class::Parameter || (split && !is_over);
                return Err(Failure { error, doubtful, may_be_one_handle });
            }
            doubtful |= error.may_have_worked();
            if let Some(left_out) = self.failures.ask() {
                tracing::warn!(
                    source.name = %self.source,
                    events = batch.len(),
                    left_out,
                    "not confirmed: {error}; trying again"
                );
            }
            tokio::time::sleep(delay).await;
        }
    }

    fn confirmed(&self, batch: &[Pending]) {
        for one in batch {
            tracing::debug!(source.name = %self.source, event.id = %one.event, "confirmed");
            self.progress.confirmed(one.event);
        }
    }

    fn unconfirmed(&self, one: &Pending, error: &CallError) {
        let refused = error.class == Class::Parameter;
        self.progress.unconfirmed(one.event, one.over, refused);
        if let Some(left_out) = self.refusals.ask() {
            let then = if refused {
                "its lease was over, or it is confirmed already"
            } else {
                "no confirm while its lease lasted"
            };
            tracing::warn!(
                source.name = %self.source,
                event.id = %one.event,
                left_out,
                "not confirmed: {error}; {then}; should it come again, it is confirmed without \
                 being delivered again"
            );
        }
    }
}
