//! For how long credentials are good.

use std::time::{Duration, SystemTime};

use reqwest::header::{DATE, HeaderMap};

use crate::time::{self, Instant};

/// How often credentials in files are looked at for a change: a few lines on a local disk.
const LOOK: Duration = Duration::from_secs(3);

/// How long after a change of a file was taken back the file is looked at again.
const LOOK_AFTER_REFUSAL: Duration = Duration::from_secs(60);

/// A service that gives the same credentials again and again is asked no more often than this.
const SPACING: Duration = Duration::from_secs(1);

/// Nobody issues credentials that live longer; the vendor's most is 12 hours.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// How much later than a server's clock this machine's may show for the two to agree: the time that
/// the answer was on its way, and the part of a second that `Date` leaves out.
const AGREEMENT: Duration = Duration::from_secs(2);

/// For how long credentials are good, by the clock that nobody can set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    /// When it is time to look for others, while these still serve. `None`: when they are refused.
    renew: Option<Instant>,
    /// When VOD stops accepting them; `None` if nobody knows or never.
    expires: Option<Instant>,
}

impl Term {
    /// When VOD stops accepting them; `None` if nobody knows or never.
    pub fn expires(&self) -> Option<Instant> {
        self.expires
    }

    /// Good until they are refused.
    pub fn endless() -> Self {
        Self { renew: None, expires: None }
    }

    /// Good until they are refused or the files that they came from have changed.
    pub fn watched() -> Self {
        Self { renew: Some(time::now() + LOOK), expires: None }
    }

    /// Good for so long, and to be fetched anew by this margin before their end.
    pub fn ending(left: Duration, margin: Duration) -> Self {
        let (now, left) = (time::now(), left.min(LONGEST));
        let renew = left.saturating_sub(margin).max(SPACING);
        Self { renew: Some(now + renew), expires: Some(now + left) }
    }

    /// Whether VOD still accepts them, as far as is known.
    pub(super) fn is_valid_at(self, now: Instant) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }

    /// Whether it is time to look for others.
    pub(super) fn is_due_at(self, now: Instant) -> bool {
        self.renew.is_some_and(|renew| renew <= now)
    }

    /// Whether they end by themselves.
    pub(super) fn ends(self) -> bool {
        self.expires.is_some()
    }

    /// The same, but left alone for a while, because what came after them was refused.
    pub(super) fn reinstated(self) -> Self {
        Self { renew: Some(time::now() + LOOK_AFTER_REFUSAL), ..self }
    }
}

/// How much time is left until `end`, in seconds since 1970 by the clock of the server whose answer
/// had these headers. `None`: nothing. This machine's clock counts only where it agrees.
pub(super) fn left_until(end: u64, headers: &HeaderMap) -> Option<Duration> {
    let here = time::wall_clock();
    let there = headers.get(DATE).and_then(|date| date.to_str().ok());
    let there = there.and_then(|date| httpdate::parse_http_date(date).ok());
    let now = there.map_or(here, |there| clock(here, there));
    let left = time::from_unix_seconds(end).duration_since(now).ok()?;
    Some(left).filter(|left| !left.is_zero())
}

/// The server's clock, where `there` is what it showed to the second.
fn clock(here: SystemTime, there: SystemTime) -> SystemTime {
    match here.duration_since(there) {
        Ok(later) if later < AGREEMENT => here,
        // At the latest.
        Ok(_) | Err(_) => there + Duration::from_secs(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[tokio::test(start_paused = true)]
    async fn renewal_comes_before_the_end_and_not_at_once() {
        let now = time::now();
        let term = Term::ending(seconds(7200), seconds(300));
        assert!(!term.is_due_at(now + seconds(6899)) && term.is_due_at(now + seconds(6900)));
        assert!(term.is_valid_at(now + seconds(7199)) && !term.is_valid_at(now + seconds(7200)));
        let last = Term::ending(Duration::from_millis(10), Duration::from_millis(5));
        assert!(!last.is_due_at(now + Duration::from_millis(999)));
        assert!(Term::ending(Duration::MAX, seconds(1)).ends());
        assert!(Term::endless().is_valid_at(now + seconds(1 << 30)));
        assert!(!Term::endless().is_due_at(now + seconds(1 << 30)));
    }

    #[test]
    fn what_is_left_is_measured_with_the_servers_clock() {
        let here = time::wall_clock();
        let left = |by_seconds: i64, end: u64| {
            let shows = time::unix_seconds(here).saturating_add_signed(by_seconds);
            let date = httpdate::fmt_http_date(time::from_unix_seconds(shows));
            let headers = HeaderMap::from_iter([(DATE, date.parse().unwrap())]);
            left_until(shows + end, &headers)
        };
        for by_seconds in [-86_400, -30, 0, 30, 86_400] {
            let found = left(by_seconds, 60).unwrap();
            assert!(found > seconds(55) && found <= seconds(60), "{by_seconds}: {found:?}");
        }
        assert_eq!(left(-86_400, 1), None);
        assert_eq!(left_until(time::unix_seconds(here) - 1, &HeaderMap::new()), None);
        assert!(left_until(u64::MAX, &HeaderMap::new()).is_some());
    }
}
