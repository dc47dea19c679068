//! `type = "pull"`: a reliable-callback queue at VOD.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::Url;

use super::count;
use crate::config::credentials::CredentialsConfig;
use crate::config::section::{Section, shown};
use crate::config::spelling::quoted;

/// The keys that only this type has.
pub(super) const KEYS: &[&str] = &[
    "endpoint",
    "region",
    "max_pulls",
    "max_requests_per_second",
    "lease",
    "confirm_margin",
    "credentials",
];

/// Where VOD's API is, for accounts of all regions.
const ENDPOINT: &str = "https://vod.tencentcloudapi.com";
/// How long VOD waits for a confirm before it hands the event out again.
const LEASE: Duration = Duration::from_secs(30);
/// How long before the end of the lease delivery stops, for a lease of 30 s.
const CONFIRM_MARGIN: Duration = Duration::from_secs(5);
const HALF_A_DAY: Duration = Duration::from_secs(12 * 60 * 60);

/// A reliable-callback queue at VOD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullConfig {
    /// Where the API is: scheme, host and port.
    pub endpoint: Url,
    /// `X-TC-Region`.
    pub region: Option<String>,
    /// The most pulls in flight.
    pub max_pulls: usize,
    /// The most requests per second, of `PullEvents` and of `ConfirmEvents` each. VOD's own limit is
    /// 100 per second for each of the two.
    pub max_requests_per_second: u32,
    /// How long one request may take; longer than the 5 s for which VOD holds a pull.
    pub request_timeout: Duration,
    /// How long VOD waits for the confirm.
    pub lease: Duration,
    /// Delivery stops this long before the lease ends.
    pub confirm_margin: Duration,
    /// Who pulls.
    pub credentials: CredentialsConfig,
}

/// How much time a lease leaves.
#[derive(Debug, Clone, Copy)]
pub(in crate::config) struct Times {
    pub(in crate::config) lease: Duration,
    pub(in crate::config) confirm_margin: Duration,
}

/// Reads the keys of this type. The times can be used even after a mistake; the configuration is
/// `None` then.
pub(super) fn read(section: &Section<'_>) -> (Times, Option<PullConfig>) {
    let endpoint = read_endpoint(section);
    let region = read_region(section);
    let max_pulls = section.integer("max_pulls", 8, 1..=64);
    let max_requests_per_second = section.integer("max_requests_per_second", 50, 1..=100_000);
    let request_timeout = section.duration(
        "request_timeout",
        Duration::from_secs(10),
        // A pull that finds nothing is answered after 5 s.
        Duration::from_secs(6)..=Duration::from_secs(5 * 60),
    );
    let lease = section.duration("lease", LEASE, Duration::from_secs(1)..=HALF_A_DAY);
    let confirm_margin = read_confirm_margin(section, lease);
    let credentials = CredentialsConfig::of_source(section);
    let config = endpoint.zip(credentials).map(|(endpoint, credentials)| PullConfig {
        endpoint,
        region,
        max_pulls: count(max_pulls),
        max_requests_per_second: u32::try_from(max_requests_per_second).unwrap_or(u32::MAX),
        request_timeout,
        lease,
        confirm_margin,
        credentials,
    });
    (Times { lease, confirm_margin }, config)
}

fn read_endpoint(section: &Section<'_>) -> Option<Url> {
    let url = section.url("endpoint", Some(ENDPOINT), &["https", "http"])?;
    let problem = if !url.username().is_empty() || url.password().is_some() {
        "holds a user name or a password, which VOD does not take"
    } else if !matches!(url.path(), "" | "/") {
        "holds a path"
    } else if url.query().is_some() || url.fragment().is_some() {
        "holds a query or a fragment"
    } else {
        if url.scheme() == "http" && !is_loopback(&url) {
            let right = "https, unless the way to that host is yours alone";
            section.warn("endpoint", "sends signed requests in the clear", right);
        }
        return Some(url);
    };
    section.mistake("endpoint", problem, &format!("scheme, host and port: \"{ENDPOINT}\""));
    None
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.map_or(host == "localhost", |address| address.is_loopback())
}

fn read_region(section: &Section<'_>) -> Option<String> {
    let region = section.string("region").filter(|region| !region.is_empty())?;
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !region.bytes().all(fits) {
        let problem = format!("{} is not a region", quoted(&region));
        section.mistake("region", &problem, "for example \"ap-guangzhou\"");
    }
    Some(region)
}

/// The margin that is left for the confirm. By default it shrinks with the lease, so that an
/// emulator with scaled times needs one key and not two.
fn read_confirm_margin(section: &Section<'_>, lease: Duration) -> Duration {
    let scaled = Duration::from_millis(u64::try_from(lease.as_millis() / 6).unwrap_or(u64::MAX));
    let default = CONFIRM_MARGIN.min(scaled);
    let least = Duration::from_millis(10);
    let margin = section.duration("confirm_margin", default, least..=HALF_A_DAY);
    if margin >= lease && section.is_right("lease") {
        let problem =
            format!("{} leaves nothing of the lease, which is {}", shown(margin), shown(lease));
        section.mistake("confirm_margin", &problem, &format!("for example {:?}", shown(default)));
    }
    margin
}
