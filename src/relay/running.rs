//! A source that runs.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::overview::Pulling;
use crate::config::{SourceConfig, SourceKind};
use crate::source::callback::Door;

/// A source that runs.
#[derive(Debug)]
pub(super) struct Running {
    /// The name as its source uses it; another source of the same name has another one.
    pub(super) name: Arc<str>,
    pub(super) config: SourceConfig,
    /// Where its events come in, if they are posted.
    pub(super) door: Option<Arc<Door>>,
    pub(super) retire: CancellationToken,
    pub(super) state: State,
    /// What is known of it outside, if it pulls.
    pub(super) pulling: Option<Pulling>,
}

/// How VOD has met a source so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Starting,
    Live,
    Refused(u8),
}

impl Running {
    /// The door of a source that listens, with the address that was asked for.
    pub(super) fn door(&self) -> Option<(SocketAddr, &Arc<Door>)> {
        match &self.config.kind {
            SourceKind::Pull(_) => None,
            SourceKind::Callback(callback) => Some((callback.listen, self.door.as_ref()?)),
        }
    }

    /// Lets the source end. Its door closes too unless it is one of those that stay open.
    pub(super) fn end<'a>(&self, mut stay_open: impl Iterator<Item = &'a Arc<Door>>) {
        if let Some(door) = &self.door
            && !stay_open.any(|other| Arc::ptr_eq(other, door))
        {
            door.closing().cancel();
        }
        self.retire.cancel();
    }
}
