//! A source that runs.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::overview::Pulling;
use crate::config::SourceConfig;

/// A source that runs.
#[derive(Debug)]
pub(super) struct Running {
    /// The name as its source uses it; another source of the same name has another one.
    pub(super) name: Arc<str>,
    pub(super) config: SourceConfig,
    pub(super) retire: CancellationToken,
    pub(super) state: State,
    /// What is known of it outside.
    pub(super) pulling: Pulling,
}

/// How VOD has met a source so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Starting,
    Live,
    Refused(u8),
}
