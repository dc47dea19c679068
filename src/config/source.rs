//! `[sources.*]`: where events come from.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::Url;

use super::credentials::CredentialsConfig;
use super::section::{Section, shown};
use super::spelling::quoted;

/// Where VOD's API is, for accounts of all regions.
const ENDPOINT: &str = "https://vod.tencentcloudapi.com";
/// How long VOD waits for a confirm before it hands the event out again.
const LEASE: Duration = Duration::from_secs(30);
/// How long before the end of the lease delivery stops, for a lease of 30 s.
const CONFIRM_MARGIN: Duration = Duration::from_secs(5);
const HALF_A_DAY: Duration = Duration::from_secs(12 * 60 * 60);

/// A reliable-callback queue at VOD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceConfig {
    /// The name under `[sources]`.
    pub name: String,
    /// Where the API is: scheme, host and port.
    pub endpoint: Url,
    /// `X-TC-Region`.
    pub region: Option<String>,
    /// The sub-application whose events are pulled.
    pub sub_app_id: Option<u64>,
    /// When VOD is told that it may forget an event.
    pub ack: Ack,
    /// The most pulls in flight.
    pub max_pulls: usize,
    /// The most events held.
    pub max_in_flight: usize,
    /// The most requests per second, of `PullEvents` and of `ConfirmEvents` each. VOD's own limit is
    /// 100 per second for each of the two.
    pub max_requests_per_second: u32,
    /// How long one request may take; longer than the 5 s for which VOD holds a pull.
    pub request_timeout: Duration,
    /// How long VOD waits for the confirm.
    pub lease: Duration,
    /// Delivery stops this long before the lease ends.
    pub confirm_margin: Duration,
    /// What becomes of events that no sink takes.
    pub unrouted: Unrouted,
    /// Who pulls.
    pub credentials: CredentialsConfig,
}

/// When an event is confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ack {
    /// Once every sink that it is routed to has it.
    Delivered,
    /// Once it is on local disk, synced.
    Spooled,
}

/// What becomes of events that no sink takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unrouted {
    /// They are not confirmed; VOD keeps them.
    Leave,
    /// They are confirmed, and gone.
    Confirm,
}

/// A source as far as it could be read.
pub(super) struct Draft<'a> {
    pub(super) section: Section<'a>,
    pub(super) ack: Ack,
    pub(super) lease: Duration,
    pub(super) confirm_margin: Duration,
    /// `None` after a mistake.
    pub(super) config: Option<SourceConfig>,
}

impl<'a> Draft<'a> {
    pub(super) fn read(section: Section<'a>) -> Self {
        read_type(&section);
        let endpoint = read_endpoint(&section);
        let region = read_region(&section);
        let sub_app_id = read_sub_app_id(&section);
        let choices = [("delivered", Ack::Delivered), ("spooled", Ack::Spooled)];
        let ack = section.choice("ack", &choices, "delivered").unwrap_or(Ack::Delivered);
        let max_pulls = section.integer("max_pulls", 8, 1..=64);
        let max_in_flight = section.integer("max_in_flight", 256, 16..=65536);
        let max_requests_per_second = section.integer("max_requests_per_second", 50, 1..=100_000);
        let request_timeout = section.duration(
            "request_timeout",
            Duration::from_secs(10),
            // A pull that finds nothing is answered after 5 s.
            Duration::from_secs(6)..=Duration::from_secs(5 * 60),
        );
        let lease = section.duration("lease", LEASE, Duration::from_secs(1)..=HALF_A_DAY);
        let confirm_margin = read_confirm_margin(&section, lease);
        let choices = [("leave", Unrouted::Leave), ("confirm", Unrouted::Confirm)];
        let unrouted = section.choice("unrouted", &choices, "leave").unwrap_or(Unrouted::Leave);
        let credentials = CredentialsConfig::of_source(&section);
        let name = section.name().to_owned();
        let config = endpoint.zip(credentials).map(|(endpoint, credentials)| SourceConfig {
            name,
            endpoint,
            region,
            sub_app_id,
            ack,
            max_pulls: count(max_pulls),
            max_in_flight: count(max_in_flight),
            max_requests_per_second: u32::try_from(max_requests_per_second).unwrap_or(u32::MAX),
            request_timeout,
            lease,
            confirm_margin,
            unrouted,
            credentials,
        });
        Self { section, ack, lease, confirm_margin, config }
    }

    pub(super) fn finish(self) -> Option<SourceConfig> {
        self.section.finish();
        self.config
    }
}

fn read_type(section: &Section<'_>) {
    match section.string_or("type", "pull").as_str() {
        "pull" => {}
        "callback" => section.mistake(
            "type",
            "\"callback\" is not available in this version of vod-relay",
            "type = \"pull\"",
        ),
        other => {
            let problem = format!("{} is not known here", quoted(other));
            section.mistake("type", &problem, "type = \"pull\"");
        }
    }
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

fn read_sub_app_id(section: &Section<'_>) -> Option<u64> {
    let right = "the number of the sub-application, for example 1500000001";
    let id = section.optional_integer("sub_app_id", right)?;
    if id == 0 {
        section.mistake("sub_app_id", "0 is out of range", right);
    }
    Some(id)
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

fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
