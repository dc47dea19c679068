//! `[relay]`: the relay as a whole.

use std::path::PathBuf;
use std::time::Duration;

use super::section::Section;
use crate::ledger;

/// The least that the spool may be limited to: a few answers full of events.
const SPOOL_SIZE_MIN: u64 = 1 << 20;
/// What the spool is limited to by default.
const SPOOL_SIZE: u64 = 1 << 30;
/// What the shared ledger is called on its server.
const LEDGER_NAME: &str = "vod_relay_ledger";
/// What it may look like.
const LEDGER_EXAMPLE: &str = "for example \"redis://redis.example.com:6379/0\" or \
                              \"postgres://relay@db.example.com/vod\"";
/// The longest name: PostgreSQL cuts off what is longer than 63, and an index has a longer one.
const NAME_MAX: usize = 48;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const TEN_YEARS: Duration = Duration::from_secs(10 * 31_557_600);

/// The relay as a whole.
#[derive(Debug, Clone, PartialEq)]
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
    /// The ledger that other relays share; absent means none.
    pub ledger: Option<ledger::Settings>,
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
            ledger: read_ledger(section),
        }
    }
}

fn read_ledger(section: &Section<'_>) -> Option<ledger::Settings> {
    let name = section.string_or("ledger_name", LEDGER_NAME);
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let begins = name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
    if section.is_right("ledger_name")
        && !(begins && name.len() <= NAME_MAX && name.bytes().all(fits))
    {
        let problem = "has a name that cannot be used";
        let right = format!("1 to {NAME_MAX} of a-z 0-9 _, not beginning with a digit");
        section.mistake("ledger_name", problem, &right);
    }
    let (key, url) = section.url_or_file("ledger", LEDGER_EXAMPLE)?;
    match ledger::Settings::new(&url, name) {
        Ok(settings) => Some(settings),
        Err(ledger::Flaw { problem, right }) => {
            section.mistake(&key, &problem, &right);
            None
        }
    }
}
