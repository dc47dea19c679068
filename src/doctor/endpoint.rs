//! Looks at the way to VOD: name, connection, certificate, clock.

use std::time::Duration;

use reqwest::Url;
use tokio::net::lookup_host;

use super::finding::{Check, Findings};
use crate::exit;
use crate::http::{self, Certified, Reached};
use crate::time;

/// The most time that looking a name up may take.
const DNS_MAX: Duration = Duration::from_secs(10);

/// The most time that an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// A certificate that ends sooner than this is worth a warning.
const CERTIFICATE_MIN: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// Beyond this the clock is worth a warning.
const CLOCK_OFF_S: u64 = 60;

/// VOD refuses signatures that are further off.
const CLOCK_MAX_S: u64 = 5 * 60;

/// Looks at the way to VOD: whether it answers.
pub(super) async fn examine(findings: &mut Findings, endpoint: &Url) -> bool {
    let proxy = http::proxy(endpoint);
    match &proxy {
        Some(proxy) => findings.ok(Check::Dns, format!("left to the proxy {proxy}")),
        None if !look_up(findings, endpoint).await => return false,
        None => {}
    }
    let shown = http::shown(endpoint);
    let way = proxy.map(|proxy| format!(" through the proxy {proxy}")).unwrap_or_default();
    match http::reach(endpoint, ANSWER_MAX).await {
        Ok(reached) => {
            of_answer(findings, &format!("{shown}{way}"), &reached);
            of_clock(findings, reached.clock_ahead_s);
            true
        }
        Err(cause) => {
            let found = format!("{shown}{way}: {cause}");
            findings.error(Check::Connection, exit::UNREACHABLE, found, mend(&cause));
            false
        }
    }
}

/// Looks the host's name up: whether it has an address.
async fn look_up(findings: &mut Findings, endpoint: &Url) -> bool {
    let host = endpoint.host_str().unwrap_or_default();
    let port = endpoint.port_or_known_default().unwrap_or_default();
    let name = host.trim_start_matches('[').trim_end_matches(']');
    let found = tokio::time::timeout(DNS_MAX, lookup_host((name, port))).await;
    let problem = match found {
        Ok(Ok(addresses)) => {
            let mut addresses: Vec<_> = addresses.map(|address| address.ip().to_string()).collect();
            addresses.dedup();
            if addresses.iter().any(|address| address == name) {
                findings.ok(Check::Dns, format!("{host} is an address"));
                return true;
            }
            if !addresses.is_empty() {
                findings.ok(Check::Dns, format!("{host} is {}", addresses.join(", ")));
                return true;
            }
            "has no address".to_owned()
        }
        Ok(Err(error)) => format!("cannot be looked up: {error}"),
        Err(_) => format!("was not looked up within {}", humantime::format_duration(DNS_MAX)),
    };
    findings.error(
        Check::Dns,
        exit::UNREACHABLE,
        format!("{host} {problem}"),
        "mend the endpoint, or this machine's name servers (/etc/resolv.conf)",
    );
    false
}

fn of_answer(findings: &mut Findings, way: &str, reached: &Reached) {
    let Reached { peer, certificate, status, round_trip, .. } = reached;
    let from = peer.map(|peer| format!(" from {peer}")).unwrap_or_default();
    let mut found = format!("{way} answers{from} in {} ms", round_trip.as_millis());
    if let Some(Certified { subject, issuer, until }) = certificate {
        let until_date = time::utc_date(*until);
        found.push_str(&format!("; certificate of {subject} by {issuer}, until {until_date}"));
        if *until < time::wall_clock() + CERTIFICATE_MIN {
            let mend = "renew it, if the server is yours; nothing connects when it has run out";
            findings.warning(Check::Connection, found, mend);
            return;
        }
    }
    if status.is_success() {
        findings.ok(Check::Connection, found);
    } else {
        let mend = "mend the endpoint, or the proxy: VOD answers everything with HTTP 200";
        findings.warning(Check::Connection, format!("{found}, but with HTTP {status}"), mend);
    }
}

fn of_clock(findings: &mut Findings, ahead_s: Option<i64>) {
    let Some(ahead_s) = ahead_s else {
        let mend = "compare this machine's clock with another by hand";
        findings.note(Check::Clock, "the answer does not tell the time", mend);
        return;
    };
    let off = ahead_s.unsigned_abs();
    let which = if ahead_s > 0 { "behind" } else { "ahead of" };
    let found = format!("this machine's clock is {off} s {which} VOD's");
    if off <= CLOCK_OFF_S {
        findings.ok(Check::Clock, format!("within {CLOCK_OFF_S} s of VOD's"));
    } else if off <= CLOCK_MAX_S {
        let mend = "set the clock, for example with NTP; VOD refuses what is 5 minutes off";
        findings.warning(Check::Clock, found, mend);
    } else {
        let mend = "set the clock, for example with NTP; until then the relay signs with VOD's";
        findings.error(Check::Clock, exit::INTERNAL, found, mend);
    }
}

/// What to do about a cause, as [`http::cause`] words it.
fn mend(cause: &str) -> &'static str {
    if cause.contains("certificate") {
        "let this machine trust who made the certificate (ca-certificates), or find out who is in \
         the way; look at the clock if the certificate has run out"
    } else if cause.contains("tunnel") {
        "mend the proxy that HTTPS_PROXY names, or except the host with NO_PROXY"
    } else {
        "mend the endpoint, or let the firewall pass it, or name a proxy in HTTPS_PROXY"
    }
}
