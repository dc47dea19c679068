//! What VOD's normal callback would POST.

use super::Rendered;
use crate::event::Event;

/// The event as VOD wrote it.
pub(super) fn plain(event: &Event) -> Rendered {
    Rendered::json(event.text().clone())
}
