//! The events of one lane that wait: for their turn, or for another try.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::Job;
use crate::time::Instant;

/// Jobs that wait, those whose turn it is in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Queue {
    ready: VecDeque<Job>,
    later: BinaryHeap<Reverse<Later>>,
    /// Jobs whose event is on its way into the sink in another job.
    held: Vec<Job>,
    pushed: u64,
}

/// A job that waits for a time; `number` keeps the order of those that wait for the same.
#[derive(Debug)]
struct Later {
    at: Instant,
    number: u64,
    job: Job,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many jobs wait.
    pub(super) fn len(&self) -> usize {
        self.ready.len() + self.later.len() + self.held.len()
    }

    pub(super) fn nothing_ready(&self) -> bool {
        self.ready.is_empty()
    }

    /// Whether a leased event of a source waits for its turn.
    pub(super) fn has_ready(&self, source: &Arc<str>) -> bool {
        self.ready.iter().any(|job| job.is_leased_from(source))
    }

    pub(super) fn push(&mut self, job: Job) {
        self.ready.push_back(job);
    }

    pub(super) fn push_later(&mut self, job: Job, at: Instant) {
        self.pushed += 1;
        self.later.push(Reverse(Later { at, number: self.pushed, job }));
    }

    /// Keeps a job until the other one of its event is back.
    pub(super) fn hold(&mut self, job: Job) {
        self.held.push(job);
    }

    /// Puts held jobs first in line whose event is back.
    pub(super) fn release(&mut self, is_back: impl Fn(&Job) -> bool) {
        for job in self.held.extract_if(.., |job| is_back(job)) {
            self.ready.push_front(job);
        }
    }

    /// Lines up those whose time has come.
    pub(super) fn wake(&mut self, now: Instant) {
        while self.later.peek().is_some_and(|Reverse(next)| next.at <= now) {
            if let Some(Reverse(next)) = self.later.pop() {
                self.ready.push_back(next.job);
            }
        }
    }

    /// Takes up to `n` jobs out, the first first, or from anywhere: what a sink cannot take may all
    /// stand in front.
    pub(super) fn take(&mut self, n: usize, anywhere: bool) -> Vec<Job> {
        let n = n.min(self.ready.len());
        let start = if anywhere { fastrand::usize(..=self.ready.len() - n) } else { 0 };
        self.ready.drain(start..start + n).collect()
    }

    /// Takes out the jobs whose lease does not last any longer.
    ///
    /// Leases end about in the order in which the events came, so the first tells. A retry among
    /// them may stand behind a fresher one; it is looked at again when its turn comes.
    pub(super) fn take_expired(&mut self, now: Instant) -> Vec<Job> {
        let has_expired = |job: &Job| job.time_left(now) == Duration::ZERO;
        let mut expired: Vec<_> = self.held.extract_if(.., |job| has_expired(job)).collect();
        while self.ready.front().is_some_and(has_expired) {
            expired.extend(self.ready.pop_front());
        }
        expired
    }

    /// Takes out all jobs of a kind.
    pub(super) fn take_where(&mut self, is_meant: impl Fn(&Job) -> bool) -> Vec<Job> {
        let mut taken: Vec<_> = self.held.extract_if(.., |job| is_meant(job)).collect();
        for Reverse(waiting) in std::mem::take(&mut self.later) {
            match is_meant(&waiting.job) {
                true => taken.push(waiting.job),
                false => self.later.push(Reverse(waiting)),
            }
        }
        for job in std::mem::take(&mut self.ready) {
            match is_meant(&job) {
                true => taken.push(job),
                false => self.ready.push_back(job),
            }
        }
        taken
    }

    /// How many leased events of a source wait.
    pub(super) fn count(&self, source: &Arc<str>) -> usize {
        let later = self.later.iter().map(|Reverse(later)| &later.job);
        self.ready
            .iter()
            .chain(later)
            .chain(&self.held)
            .filter(|job| job.is_leased_from(source))
            .count()
    }

    /// Takes out the source's jobs beyond `keep`, those first that have waited longest.
    pub(super) fn shed(&mut self, source: &Arc<str>, keep: usize) -> Vec<Job> {
        let mut excess = self.count(source).saturating_sub(keep);
        let held = self.held.extract_if(.., |job| job.is_leased_from(source));
        let mut shed: Vec<_> = held.take(excess).collect();
        excess -= shed.len();
        // Those that have failed already go before those that were never tried.
        for Reverse(waiting) in std::mem::take(&mut self.later) {
            if excess > 0 && waiting.job.is_leased_from(source) {
                excess -= 1;
                shed.push(waiting.job);
            } else {
                self.later.push(Reverse(waiting));
            }
        }
        for job in std::mem::take(&mut self.ready) {
            if excess > 0 && job.is_leased_from(source) {
                excess -= 1;
                shed.push(job);
            } else {
                self.ready.push_back(job);
            }
        }
        shed
    }

    /// When the next job's time comes, or the lease of the first in line ends.
    pub(super) fn next_change(&self) -> Option<Instant> {
        let later = self.later.peek().map(|Reverse(next)| next.at);
        let next = self.ready.front().into_iter().chain(&self.held);
        let expiry = next.filter_map(|job| job.flight.deadline()).min();
        [later, expiry].into_iter().flatten().min()
    }
}

impl PartialEq for Later {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Later {}

impl PartialOrd for Later {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Later {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}
