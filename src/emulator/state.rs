//! What the emulator saw and did, for tests and for people.

use std::collections::BTreeMap;

use serde::ser::{SerializeMap as _, SerializeSeq as _};
use serde::{Serialize, Serializer};

use crate::event::EventId;

/// A snapshot of everything that happened so far; the JSON has the same names.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct State {
    /// How many events are where.
    pub counts: Counts,
    /// How many requests came, by action; `other` for actions that the emulator does not know.
    pub calls: BTreeMap<String, u64>,
    /// How many requests came with each secret id, by action; `unknown` for ids without account,
    /// `temporary` for temporary credentials.
    pub secret_ids: BTreeMap<String, BTreeMap<String, u64>>,
    /// How many requests were answered with each error code.
    pub errors: BTreeMap<String, u64>,
    /// How often each fault was applied.
    pub faults: BTreeMap<String, u64>,
    /// How many confirms were refused because of a late or unknown handle.
    pub refused_confirms: u64,
    /// What became of credentials.
    pub credentials: CredentialCounts,
    /// How many pulls wait for an event right now.
    pub waiting: u64,
    /// The queues that hold or held events; `sub_app_id` is null for requests that name none.
    pub queues: Vec<QueueState>,
    /// The events that are not confirmed, in the order in which they were pushed.
    #[serde(serialize_with = "ids")]
    pub open_ids: Vec<EventId>,
    /// The events that are confirmed, in the order of the confirms; of many, the last million.
    #[serde(serialize_with = "ids")]
    pub confirmed_ids: Vec<EventId>,
    /// The events that were handed out more than once, and how often.
    #[serde(serialize_with = "times")]
    pub redelivered_ids: Vec<(EventId, u32)>,
}

/// How many events are where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Counts {
    /// Ever pushed.
    pub pushed: u64,
    /// Not confirmed.
    pub open: usize,
    /// Of the open ones, those that no application has pulled yet and that were pushed for none.
    pub unclaimed: usize,
    /// Of the open ones, those that are handed out and can be confirmed.
    pub leased: usize,
    /// Ever confirmed.
    pub confirmed: u64,
    /// Deliveries: an event that was handed out twice counts twice.
    pub handed_out: u64,
    /// Deliveries of an event that had been handed out before.
    pub redelivered: u64,
    /// From the first delivery to the last confirm, in microseconds; 0 before a confirm.
    pub busy_micros: u64,
}

/// What became of credentials.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CredentialCounts {
    /// Requests to the metadata service.
    pub metadata_requests: u64,
    /// Requests to STS.
    pub sts_requests: u64,
    /// Temporary credentials ever given out.
    pub issued: u64,
    /// Calls that were refused with an error `AuthFailure`.
    pub refused_calls: u64,
}

/// The queue of one application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct QueueState {
    /// The application; `None` for requests that name none.
    pub sub_app_id: Option<u64>,
    /// Events that can be pulled.
    pub ready: usize,
    /// Events that are handed out and can be confirmed.
    pub leased: usize,
    /// Events ever confirmed.
    pub confirmed: u64,
}

fn ids<S: Serializer>(ids: &[EventId], serializer: S) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(Some(ids.len()))?;
    for id in ids {
        list.serialize_element(&id.to_string())?;
    }
    list.end()
}

fn times<S: Serializer>(events: &[(EventId, u32)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(events.len()))?;
    for (id, times) in events {
        map.serialize_entry(&id.to_string(), times)?;
    }
    map.end()
}
