//! The getter for the shape in which a sink gets its events.

use super::Section;
use crate::format::Format;

/// The names of the formats.
const FORMATS: [(&str, Shape); 1] = [("callback", Shape::Callback)];

/// A format without its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Callback,
}

impl Section<'_> {
    /// The `format` of a sink, and the keys that go with it.
    pub fn format(&self) -> Option<Format> {
        match self.choice("format", &FORMATS, "callback")? {
            Shape::Callback => Some(Format::Callback),
        }
    }
}
