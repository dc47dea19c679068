//! The calls that confirm handles, and what becomes of each.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::Pending;
use crate::crash;
use crate::progress::{Progress, TroubleKind};
use crate::quiet::Quiet;
use crate::retry::Policy;
use crate::tencent::client::Client;
use crate::tencent::error::{CallError, Class};
use crate::time::{self, Instant};

/// Between the tries of one call: the lease is running out, so soon and often.
const RETRY: Policy = Policy { first: Duration::from_millis(100), longest: Duration::from_secs(2) };

/// After this many tries a call that VOD keeps answering with a failure is taken apart: one of its
/// handles may be what VOD stumbles over.
const TRIES_BEFORE_SPLIT: u32 = 3;

/// What the calls of one source share.
#[derive(Debug)]
pub(super) struct Caller {
    client: Arc<Client>,
    progress: Arc<Progress>,
    source: Arc<str>,
    failures: Quiet,
    refusals: Quiet,
    /// Of calls that only a person can mend; beside them no other line is of use.
    errors: Quiet,
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

impl Caller {
    pub(super) fn new(client: Arc<Client>, progress: Arc<Progress>, source: Arc<str>) -> Self {
        let (failures, refusals, errors) = Default::default();
        Self { client, progress, source, failures, refusals, errors }
    }

    /// Confirms handles in one call. Answers with those to be confirmed one by one.
    pub(super) async fn confirm(self: Arc<Self>, batch: Vec<Pending>) -> Vec<Pending> {
        let mut batch = VecDeque::from(batch);
        self.leave_late(&mut batch, time::now());
        let mut batch = Vec::from(batch);
        if batch.is_empty() {
            return batch;
        }
        let failure = match self.call(&batch).await {
            Ok(()) => {
                self.confirmed(&batch);
                return Vec::new();
            }
            Err(failure) => failure,
        };
        if batch.len() == 1 || !failure.may_be_one_handle {
            batch.iter().for_each(|one| self.unconfirmed(one, &failure.error));
            return Vec::new();
        }
        if failure.doubtful {
            // An earlier try, whose answer got lost, may have confirmed them all. The one whose lease
            // lasts longest tells.
            batch.sort_by_key(|one| one.ends);
            let Some(last) = batch.pop() else { return batch };
            let last = [last];
            match self.call(&last).await {
                Ok(()) => self.confirmed(&last),
                Err(failure) if failure.error.class == Class::Parameter => {
                    let all = last.iter().chain(&batch);
                    all.for_each(|one| self.unconfirmed(one, &failure.error));
                    return Vec::new();
                }
                Err(failure) => self.unconfirmed(&last[0], &failure.error),
            }
        }
        batch
    }

    /// Takes out the handles whose lease is over: VOD would refuse them, and others with them.
    pub(super) fn leave_late(&self, handles: &mut VecDeque<Pending>, now: Instant) {
        handles.retain(|one| {
            let is_late = one.over <= now;
            if is_late {
                self.late(one);
            }
            !is_late
        });
    }

    fn late(&self, late: &Pending) {
        self.progress.unconfirmed(late.event, late.over, true);
        if let Some(left_out) = self.refusals.ask() {
            tracing::warn!(
                source.name = %self.source,
                event.id = %late.event,
                left_out,
                "not confirmed in time; it comes again and is confirmed without being delivered again"
            );
        }
    }

    pub(super) async fn confirm_alone(self: Arc<Self>, one: Pending) {
        let one = [one];
        match self.call(&one).await {
            Ok(()) => self.confirmed(&one),
            Err(failure) => self.unconfirmed(&one[0], &failure.error),
        }
    }

    /// Calls until VOD confirms, refuses, or the leases are over. A call of several handles also
    /// ends when VOD keeps answering it with a failure.
    async fn call(&self, batch: &[Pending]) -> Result<(), Failure> {
        let lease_ends = batch.iter().map(|one| one.ends).max();
        let mut delays = RETRY.delays();
        let (mut tries, mut doubtful) = (0, false);
        let handles = || batch.iter().map(|one| &one.handle);
        loop {
            crash::point("before-confirm");
            let asked = time::now();
            let Err(error) = self.client.confirm_events(handles()).await else {
                crash::point("after-confirm");
                self.progress.pulse().confirmed();
                return Ok(());
            };
            tries += 1;
            self.failed(&error, batch.len(), asked);
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
            if refusal(&error).is_none()
                && let Some(left_out) = self.failures.ask()
            {
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

    /// A call failed. Only a person can mend some failures, and is told.
    fn failed(&self, error: &CallError, events: usize, asked: Instant) {
        let pulse = self.progress.pulse();
        let Some(code) = refusal(error) else {
            let was_answered = error.code.is_some();
            let kind = if was_answered { TroubleKind::Failing } else { TroubleKind::Unreachable };
            pulse.unconfirmed(kind, error.to_string(), asked);
            return;
        };
        pulse.unconfirmed(TroubleKind::Refused, error.to_string(), asked);
        self.progress.confirms_refused(code);
        if let Some(left_out) = self.errors.ask() {
            let source = &self.source;
            tracing::error!(source.name = %source, events, left_out, "VOD refuses: {error}");
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

/// The exit code of what only a person can mend. A refused parameter is none of that: it tells of a
/// handle whose lease is over.
fn refusal(error: &CallError) -> Option<u8> {
    error.class.refusal().filter(|_| error.class != Class::Parameter)
}
