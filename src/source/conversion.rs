//! Events of the legacy 2.0 format in their 3.0 form, where the source asks for that.

use std::sync::Arc;

use crate::config::Convert;
use crate::event::Event;
use crate::legacy;
use crate::quiet::{Quiet, shown};

/// Converts a source's events as they come in, before anything else is done with them: their ids
/// and routes are those of what goes on.
#[derive(Debug)]
pub(super) struct Conversion {
    source: Arc<str>,
    convert: Convert,
    without_form: Quiet,
}

impl Conversion {
    pub(super) fn new(source: Arc<str>, convert: Convert) -> Self {
        Self { source, convert, without_form: Quiet::default() }
    }

    /// The event as it goes on. What 3.0 has no form for goes on as it is.
    pub(super) fn apply(&self, event: Event) -> Event {
        if self.convert == Convert::Nothing || !event.is_legacy() {
            return event;
        }
        match legacy::to_v3(&String::from_utf8_lossy(event.text())) {
            Ok(text) => Event::from_content(text),
            Err(none) => {
                if let Some(left_out) = self.without_form.ask() {
                    tracing::warn!(
                        source.name = %self.source,
                        event.id = %event.id(),
                        event.type = shown(event.event_type()),
                        left_out,
                        "passed on in the 2.0 format: {}",
                        none.reason(),
                    );
                }
                event
            }
        }
    }
}
