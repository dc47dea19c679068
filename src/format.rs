//! The shapes in which a sink can get an event.

mod callback;
mod callback_v2;
mod cloudevents;

use std::time::SystemTime;

use bytes::Bytes;

use crate::event::Event;
use crate::sign_key::SignKey;

/// A shape of an event, with its settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Format {
    /// What VOD's normal callback would POST: the event without its handle, byte for byte.
    #[default]
    Callback,
    /// The same with VOD's callback signature, `Sign` and `T`, made with this key.
    SignedCallback(SignKey),
    /// What VOD's callback in the legacy 2.0 format would POST.
    CallbackV2 {
        /// Whether an event that 2.0 does not have goes out as [`Format::Callback`] has it, instead of
        /// not at all.
        fallback: bool,
    },
    /// CloudEvents 1.0 in structured mode: one JSON object, with the event as its `data`.
    CloudEvents,
    /// CloudEvents 1.0 in binary mode: the event as it is, with attributes as HTTP headers.
    CloudEventsBinary,
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
            Self::SignedCallback(key) => callback::signed(input.event, key, input.now),
            Self::CallbackV2 { fallback } => callback_v2::render(input.event, *fallback),
            Self::CloudEvents => cloudevents::structured(input),
            Self::CloudEventsBinary => Ok(cloudevents::binary(input)),
        }
    }

    /// Whether the body's media type is part of the shape, so that no other may stand in its place.
    pub fn owns_content_type(&self) -> bool {
        match self {
            Self::Callback | Self::SignedCallback(_) | Self::CallbackV2 { .. } => false,
            Self::CloudEvents | Self::CloudEventsBinary => true,
        }
    }
}

impl Rendered {
    /// Plain JSON.
    fn json(body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), content_type: "application/json", headers: Vec::new() }
    }
}
