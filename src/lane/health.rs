//! Whether a sink takes what it is given.

use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use crate::time;

/// Whether a sink counts as down, to be read at any time.
#[derive(Debug, Default)]
pub struct Health(Mutex<Option<Down>>);

/// A sink that counts as down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Down {
    /// Why its last try failed.
    pub reason: String,
    /// Since when it counts as down.
    pub since: SystemTime,
}

impl Health {
    /// What is wrong, if anything is.
    pub fn down(&self) -> Option<Down> {
        self.lock().clone()
    }

    /// The sink takes events.
    pub(super) fn works(&self) {
        *self.lock() = None;
    }

    /// A sink that counts as down has failed.
    pub(super) fn fails(&self, reason: &str) {
        let mut down = self.lock();
        let since = down.as_ref().map_or_else(time::wall_clock, |down| down.since);
        *down = Some(Down { reason: reason.to_owned(), since });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Down>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
