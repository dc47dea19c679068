//! The shapes in which a sink can get an event.

use bytes::Bytes;

use crate::event::Event;

/// A shape of an event. Adding one is a variant here and its name in [`Format::CHOICES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// What VOD's normal callback would POST: the event without its handle, byte for byte.
    Callback,
}

impl Format {
    /// The names that the configuration knows.
    pub const CHOICES: &'static [(&'static str, Format)] = &[("callback", Format::Callback)];

    /// The event in this shape.
    pub fn render(self, event: &Event) -> Bytes {
        match self {
            Self::Callback => event.text().clone(),
        }
    }

    /// The media type of the shape.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Callback => "application/json",
        }
    }
}
