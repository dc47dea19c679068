//! How many events wait at VOD.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What VOD last said of one source.
#[derive(Debug, Default)]
pub struct Backlog(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    events: Option<u64>,
    /// Whether the log has it that VOD refuses to say.
    told: bool,
}

impl Backlog {
    /// How many events wait, if VOD said so when it was last asked.
    pub fn events(&self) -> Option<u64> {
        self.state().events
    }

    /// VOD has answered.
    pub fn answered(&self, events: Option<u64>) {
        *self.state() = State { events, told: false };
    }

    /// Nothing is known any more.
    pub fn unknown(&self) {
        self.state().events = None;
    }

    /// VOD refuses to say: whether that is news.
    pub fn refused(&self) -> bool {
        let mut state = self.state();
        state.events = None;
        !std::mem::replace(&mut state.told, true)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
