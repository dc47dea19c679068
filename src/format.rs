//! The shapes in which a sink can get an event.

mod callback;

use std::time::SystemTime;

use bytes::Bytes;

use crate::event::Event;

/// A shape of an event, with its settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Format {
    /// What VOD's normal callback would POST: the event without its handle, byte for byte.
    #[default]
    Callback,
}

/// What a shape is made of.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The event.
    pub event: &'a Event,
    /// When the relay got it first.
    pub received: SystemTime,
    /// The sub-application that it belongs to.
    pub sub_app_id: Option<u64>,
    /// The moment of this attempt, for signatures.
    pub now: SystemTime,
}

/// An event in one shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// UTF-8 text.
    pub body: Bytes,
    /// The body's media type.
    pub content_type: &'static str,
    /// What stands beside the body, as HTTP header names in lower case and values of printable
    /// ASCII. Empty but for shapes that need headers.
    pub headers: Vec<(&'static str, String)>,
}

/// Why an event has no such shape: what is missing, and what to do. Trying again cannot help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unrenderable(String);

impl Format {
    /// The event in this shape.
    ///
    /// # Errors
    ///
    /// The event has no such shape.
    pub fn render(&self, input: Input<'_>) -> Result<Rendered, Unrenderable> {
        match self {
            Self::Callback => Ok(callback::plain(input.event)),
        }
    }
}

impl Rendered {
    /// Plain JSON.
    fn json(body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), content_type: "application/json", headers: Vec::new() }
    }
}
