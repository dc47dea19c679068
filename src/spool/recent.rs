//! The events that came into the spool a moment ago.
//!
//! Most events leave the spool as soon as they came. Their texts need not be read from disk again,
//! only their places: what is to be delivered is what the store says.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use crate::store::{SpoolKey, Spooled};

/// The most bytes of texts that are kept.
const BYTES_MAX: usize = 2 << 20;

/// The latest events, those that came first leave first.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    events: HashMap<SpoolKey, Spooled>,
    oldest_first: VecDeque<SpoolKey>,
    bytes: usize,
}

impl Recent {
    /// Keeps events that are on disk.
    pub(super) fn keep(&self, events: impl IntoIterator<Item = Spooled>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = &mut *kept;
        for event in events {
            kept.bytes += event.text.len();
            kept.oldest_first.push_back(event.key);
            kept.events.insert(event.key, event);
        }
        while kept.bytes > BYTES_MAX
            && let Some(oldest) = kept.oldest_first.pop_front()
        {
            let gone = kept.events.remove(&oldest);
            kept.bytes -= gone.map_or(0, |event| event.text.len());
        }
    }

    /// The events at these places, if all of them are here.
    pub(super) fn all(&self, keys: &[SpoolKey]) -> Option<Vec<Spooled>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.iter().map(|key| kept.events.get(key).cloned()).collect()
    }
}
