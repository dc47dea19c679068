//! `[relay]`: the relay as a whole.

use std::time::Duration;

use super::section::Section;

/// The relay as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relay {
    /// How long a stop may take to finish what is in flight.
    pub shutdown_grace: Duration,
}

impl Relay {
    pub(super) fn read(section: Section<'_>) -> Self {
        section.unavailable("state_dir", "remove the key; the ledger is in memory");
        let range = Duration::ZERO..=Duration::from_secs(60 * 60);
        let relay = Self {
            shutdown_grace: section.duration("shutdown_grace", Duration::from_secs(25), range),
        };
        section.finish();
        relay
    }
}
