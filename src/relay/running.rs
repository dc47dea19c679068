//! A source that runs.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::Relay;
use crate::board::SourceFace;
use crate::config::{SourceConfig, SourceKind};
use crate::exit::worse;
use crate::source::News;
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
    /// What others see of it.
    pub(super) face: SourceFace,
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

impl Relay {
    /// Hears what a source has to say. If VOD has refused every source since the start, nobody is
    /// served by going on: the exit code. A source that is refused beside others that work, or
    /// later, goes on trying, so that one account's trouble does not stop another's events.
    pub(super) fn hear(&mut self, news: News) -> Option<u8> {
        let (News::Live { source } | News::Refused { source, .. }) = &news;
        // A source that was retired meanwhile has no say any more.
        let running = self.sources.get_mut(&**source)?;
        if !Arc::ptr_eq(&running.name, source) {
            return None;
        }
        match news {
            News::Live { source } => {
                if running.door.is_none() {
                    tracing::info!(source.name = %source, "VOD answers");
                }
                running.state = State::Live;
                self.board.serve();
                None
            }
            News::Refused { code, .. } => {
                if running.state != State::Live {
                    running.state = State::Refused(code);
                }
                let refused = self.sources.values().map(|running| match running.state {
                    State::Refused(code) => Some(code),
                    State::Starting | State::Live => None,
                });
                let all = refused.reduce(|a, b| Some(worse(a?, b?))).flatten();
                all.filter(|_| !*self.board.served().borrow())
            }
        }
    }
}
