//! Counts of requests, errors and faults.

use std::collections::BTreeMap;

use super::action::Action;
use super::faults::FaultKind;
use super::issuer::Caller;
use super::state::State;

/// Under which name requests are counted whose secret id has no account. The ids themselves come
/// from outside and could be any number.
const UNKNOWN_ID: &str = "unknown";
/// Under which name requests are counted that are signed with temporary credentials.
const TEMPORARY_ID: &str = "temporary";
/// Under which name requests for unknown actions are counted.
const OTHER_ACTION: &str = "other";

/// Counts of what came and how it was answered.
#[derive(Debug, Default)]
pub(super) struct Tally {
    calls: BTreeMap<&'static str, u64>,
    secret_ids: BTreeMap<String, BTreeMap<&'static str, u64>>,
    errors: BTreeMap<&'static str, u64>,
    faults: BTreeMap<&'static str, u64>,
    refused_confirms: u64,
    refused_calls: u64,
    metadata_requests: u64,
    sts_requests: u64,
    waiting: u64,
}

impl Tally {
    /// A request came; the caller is not checked yet.
    pub(super) fn call(&mut self, action: Option<Action>, caller: Option<&Caller>) {
        let action = action.map_or(OTHER_ACTION, Action::name);
        *self.calls.entry(action).or_default() += 1;
        let secret_id = match caller {
            Some(caller) if caller.temporary => TEMPORARY_ID,
            Some(caller) => &caller.account.secret_id,
            None => UNKNOWN_ID,
        };
        if !self.secret_ids.contains_key(secret_id) {
            self.secret_ids.insert(secret_id.to_owned(), BTreeMap::new());
        }
        if let Some(calls) = self.secret_ids.get_mut(secret_id) {
            *calls.entry(action).or_default() += 1;
        }
    }

    /// A request was answered with an error.
    pub(super) fn error(&mut self, code: &'static str) {
        *self.errors.entry(code).or_default() += 1;
        self.refused_calls += u64::from(code.starts_with("AuthFailure."));
    }

    /// A request to the metadata service came.
    pub(super) fn metadata_request(&mut self) {
        self.metadata_requests += 1;
    }

    /// A request to STS came.
    pub(super) fn sts_request(&mut self) {
        self.sts_requests += 1;
    }

    /// A fault was applied.
    pub(super) fn fault(&mut self, kind: FaultKind) {
        *self.faults.entry(kind.name()).or_default() += 1;
    }

    /// A confirm was refused because of its handles.
    pub(super) fn refused_confirm(&mut self) {
        self.refused_confirms += 1;
    }

    /// A pull begins to wait.
    pub(super) fn wait(&mut self) {
        self.waiting += 1;
    }

    /// A pull waits no more.
    pub(super) fn done_waiting(&mut self) {
        self.waiting = self.waiting.saturating_sub(1);
    }

    /// Writes the counts into a snapshot.
    pub(super) fn write_to(&self, state: &mut State) {
        state.calls = owned(&self.calls);
        state.secret_ids =
            self.secret_ids.iter().map(|(id, calls)| (id.clone(), owned(calls))).collect();
        state.errors = owned(&self.errors);
        state.faults = owned(&self.faults);
        state.refused_confirms = self.refused_confirms;
        state.credentials.refused_calls = self.refused_calls;
        state.credentials.metadata_requests = self.metadata_requests;
        state.credentials.sts_requests = self.sts_requests;
        state.waiting = self.waiting;
    }
}

fn owned(counts: &BTreeMap<&'static str, u64>) -> BTreeMap<String, u64> {
    counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}
