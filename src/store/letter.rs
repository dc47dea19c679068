//! One dead letter.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use crate::event::{Event, EventId};
use crate::time;

/// An event that a sink refused for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The event's id.
    pub id: EventId,
    /// Its type, `EventType`.
    pub event_type: Box<str>,
    /// Its task, `TaskId`.
    pub task_id: Option<Box<str>>,
    /// Its media file, `FileId`.
    pub file_id: Option<Box<str>>,
    /// The source that it came from.
    pub source: Arc<str>,
    /// The sink that refused it.
    pub sink: Arc<str>,
    /// Why, in the sink's words; what goes beyond 4 KiB is cut off.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u64,
    /// When it came first.
    pub first_seen: SystemTime,
    /// When it was given up.
    pub buried: SystemTime,
    /// The event, byte for byte.
    pub text: Bytes,
}

impl DeadLetter {
    /// A letter of this event, given up now.
    pub fn of(event: &Event, source: &Arc<str>, sink: &Arc<str>, given_up: GivenUp) -> Self {
        let GivenUp { reason, attempts, first_seen } = given_up;
        let fields = event.fields();
        Self {
            id: event.id(),
            event_type: event.event_type().into(),
            task_id: fields.task_id,
            file_id: fields.file_id,
            source: source.clone(),
            sink: sink.clone(),
            reason,
            attempts,
            first_seen,
            buried: time::wall_clock(),
            text: event.text().clone(),
        }
    }
}

/// Why and after how much an event was given up.
#[derive(Debug, Clone)]
pub struct GivenUp {
    /// Why, in the sink's words.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u64,
    /// When it came first.
    pub first_seen: SystemTime,
}
