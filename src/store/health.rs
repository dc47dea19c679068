//! Whether the store takes what it is given.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::StoreError;
use crate::time::{self, Instant};

/// For so long a refusal for want of room counts: whatever was refused comes again sooner, from VOD
/// or from whoever has it, and is refused again if there is still no room.
const ROOM_LOOKED_FOR: Duration = Duration::from_secs(60);

/// How the last writes ended.
#[derive(Debug, Default)]
pub(super) struct Health(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Why the last transaction failed, if it did.
    failed: Option<StoreError>,
    /// Why there was no room for something new when it was last looked for, and when that was.
    no_room: Option<(StoreError, Instant)>,
}

impl Health {
    /// A transaction has ended.
    pub(super) fn wrote(&self, error: Option<&StoreError>) {
        self.state().failed = error.cloned();
    }

    /// Room for something new was looked for.
    pub(super) fn looked_for_room(&self, refused: Option<StoreError>) {
        self.state().no_room = refused.map(|error| (error, time::now()));
    }

    /// What is wrong, if anything is.
    pub(super) fn trouble(&self) -> Option<StoreError> {
        let state = self.state();
        let no_room = state.no_room.as_ref().filter(|(_, at)| at.elapsed() < ROOM_LOOKED_FOR);
        state.failed.clone().or_else(|| no_room.map(|(error, _)| error.clone()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_space() -> StoreError {
        StoreError::NoSpace { dir: "/state".into(), reason: "the disk is full".into() }
    }

    #[tokio::test(start_paused = true)]
    async fn trouble_lasts_until_it_is_over_or_nobody_meets_it_any_more() {
        let health = Health::default();
        assert!(health.trouble().is_none());
        health.wrote(Some(&no_space()));
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert!(health.trouble().is_some());
        health.wrote(None);
        assert!(health.trouble().is_none());
        health.looked_for_room(Some(no_space()));
        health.wrote(None);
        assert!(health.trouble().is_some(), "what is stored can be settled without more room");
        health.looked_for_room(None);
        assert!(health.trouble().is_none());
        health.looked_for_room(Some(no_space()));
        tokio::time::advance(ROOM_LOOKED_FOR).await;
        assert!(health.trouble().is_none());
    }
}
