//! Whether a server answers, and what its answer tells about the way there.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use reqwest::header::DATE;
use reqwest::tls::TlsInfo;
use reqwest::{StatusCode, Url};

use super::{Certified, Purpose, Settings, cause, client, read_body};
use crate::time;

/// The most of an answer that is read; errors of an API are short.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// A server that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// The address at the other end: the server's, or the proxy's.
    pub peer: Option<SocketAddr>,
    /// What its certificate says; `None` without TLS.
    pub certificate: Option<Certified>,
    /// The status of its answer.
    pub status: StatusCode,
    /// How long an answer takes on a connection that is open.
    pub round_trip: Duration,
    /// How far its clock is ahead of this machine's, in seconds; `None` if it does not say.
    pub clock_ahead_s: Option<i64>,
}

/// Sends a GET without any credentials, twice: on a new connection, and on the same one. Any answer
/// will do.
///
/// # Errors
///
/// There is no answer, with the cause in words; or the TLS stack cannot be set up.
pub async fn reach(url: &Url, limit: Duration) -> Result<Reached, String> {
    let settings = Settings { purpose: Purpose::Inspection, ..Settings::to(url) };
    let client = client(settings).map_err(|error| error.to_string())?;
    let get = async || {
        let mut response = client.get(url.clone()).timeout(limit).send().await?;
        let info = response.extensions().get::<TlsInfo>();
        let certificate = info.and_then(TlsInfo::peer_certificate).and_then(Certified::read);
        let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| httpdate::parse_http_date(date).ok());
        let (peer, status) = (response.remote_addr(), response.status());
        // Read to its end, so that the connection can serve again.
        read_body(&mut response, ANSWER_BYTES_MAX).await?;
        Ok((peer, certificate, status, date))
    };
    let failed = |error: reqwest::Error| cause(&error, limit);
    get().await.map_err(failed)?;
    let (started, before) = (time::now(), time::wall_clock());
    let (peer, certificate, status, date) = get().await.map_err(failed)?;
    let round_trip = started.elapsed();
    let clock_ahead_s = date.map(|date| ahead(date, before, before + round_trip));
    Ok(Reached { peer, certificate, status, round_trip, clock_ahead_s })
}

/// How far a clock that showed `theirs`, in whole seconds, at some time between two of ours is ahead:
/// 0 unless there must be a difference.
fn ahead(theirs: SystemTime, before: SystemTime, after: SystemTime) -> i64 {
    let seconds = |time| i64::try_from(time::unix_seconds(time)).unwrap_or(i64::MAX);
    let (theirs, before, after) = (seconds(theirs), seconds(before), seconds(after));
    if theirs > after {
        theirs - after
    } else if theirs < before {
        theirs - before
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use crate::time::from_unix_seconds;

    #[test]
    fn a_clock_is_off_only_by_what_a_slow_answer_does_not_explain() {
        let ahead = |theirs, before, after| {
            super::ahead(
                from_unix_seconds(theirs),
                from_unix_seconds(before),
                from_unix_seconds(after),
            )
        };
        assert_eq!(ahead(1_000, 995, 1_003), 0);
        assert_eq!(ahead(1_600, 995, 1_000), 600);
        assert_eq!(ahead(395, 995, 1_000), -600);
    }
}
