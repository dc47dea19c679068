//! How VOD answers confirms, and what the relay makes of the answers.

use crate::state::{EventState, Handle, Handles, Vod};

/// One call with all handles that wait.
pub(crate) fn confirm_all(events: &mut [EventState], good_ones_count: bool) {
    let all_good = events.iter().all(|event| !event.memory.confirms.stale);
    for event in events {
        let handles = event.memory.confirms;
        if !all_good {
            // VOD does not say which one was bad, so each is confirmed alone.
            event.memory.alone.add_all(handles);
        }
        event.memory.confirms = Handles::default();
        if handles.current && (all_good || good_ones_count) {
            confirm_at_vod(event, Handle::Current);
        }
    }
}

/// VOD judges a handle.
pub(crate) fn confirm_at_vod(event: &mut EventState, handle: Handle) {
    if handle == Handle::Stale || event.vod != Vod::Leased {
        return;
    }
    event.vod = Vod::Confirmed;
    event.truth.promised = event.truth.owed;
    event.age();
}
