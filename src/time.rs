//! The only place that reads a clock.
//!
//! Leases, delays and timeouts use [`now`], the runtime's monotonic clock, which tests can
//! pause. Signatures and headers use [`wall_clock`]. Everything else takes a time as an argument.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use tokio::time::Instant;

/// The monotonic clock of the runtime.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
pub fn now() -> Instant {
    Instant::now()
}

/// The wall clock of this machine, which may be wrong.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
pub fn wall_clock() -> SystemTime {
    SystemTime::now()
}

/// Waits until then; where there is no such time, without end.
pub async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// The time in whole milliseconds, rounded up: fractions of one say nothing to anybody.
pub fn whole_millis(time: Duration) -> Duration {
    Duration::from_millis(u64::try_from(time.as_micros().div_ceil(1000)).unwrap_or(u64::MAX))
}

/// Seconds since the Unix epoch; a time before it counts as the epoch itself.
pub fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// 9999-12-31T23:59:59Z, the last second that has a year of four digits.
const LAST_SECOND: u64 = 253_402_300_799;

/// The time `seconds` after the Unix epoch; beyond the year 9999 its last second.
pub fn from_unix_seconds(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds.min(LAST_SECOND))
}

/// The time in UTC as `2026-11-20T08:00:00.123Z`, cut off after the milliseconds; for times outside the
/// years 1970 to 9999 the nearest.
pub fn rfc3339(time: SystemTime) -> String {
    let time = time.clamp(UNIX_EPOCH, from_unix_seconds(LAST_SECOND));
    humantime::format_rfc3339_millis(time).to_string()
}

/// The UTC date of `time` as `yyyy-mm-dd`; for times outside the years 1970 to 9999 the nearest.
pub fn utc_date(time: SystemTime) -> String {
    let time = from_unix_seconds(unix_seconds(time));
    let mut rfc3339 = humantime::format_rfc3339_seconds(time).to_string();
    rfc3339.truncate("yyyy-mm-dd".len());
    rfc3339
}
