//! `[relay]`: the relay as a whole.

use std::path::PathBuf;
use std::time::Duration;

use super::section::Section;

/// The least that the spool may be limited to: a few answers full of events.
const SPOOL_SIZE_MIN: u64 = 1 << 20;
/// What the spool is limited to by default.
const SPOOL_SIZE: u64 = 1 << 30;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const TEN_YEARS: Duration = Duration::from_secs(10 * 31_557_600);

/// The relay as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relay {
    /// The directory of ledger, dead letters and spool; without it the ledger is in memory, and
    /// there is no other.
    pub state_dir: Option<PathBuf>,
    /// The most bytes of events in the spool; pulling pauses when they are reached.
    pub spool_max_size: u64,
    /// How long the spool tries to deliver an event before it becomes a dead letter.
    pub spool_max_age: Option<Duration>,
    /// How long a stop may take to finish what is in flight.
    pub shutdown_grace: Duration,
}

impl Relay {
    pub(super) fn read(section: &Section<'_>) -> Self {
        let range = Duration::ZERO..=Duration::from_secs(60 * 60);
        Self {
            state_dir: section.state_dir("state_dir"),
            spool_max_size: section
                .size("spool_max_size", Some(SPOOL_SIZE), SPOOL_SIZE_MIN)
                .unwrap_or(SPOOL_SIZE),
            spool_max_age: section.optional_duration(
                "spool_max_age",
                DAY * 14,
                Duration::from_secs(1)..=TEN_YEARS,
            ),
            shutdown_grace: section.duration("shutdown_grace", Duration::from_secs(25), range),
        }
    }
}
