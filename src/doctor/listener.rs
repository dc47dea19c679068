//! Looks at what is to listen: the sources that VOD posts to, and the admin server. Whether VOD can
//! reach them is known only from outside.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;

use reqwest::Url;
use reqwest::header::SERVER;

use super::count;
use super::finding::{Check, Finding, Findings};
use crate::config::{Ack, Admin, CallbackConfig, SourceConfig};
use crate::exit;
use crate::http;
use crate::http::server::PRODUCT;

/// The most time that whatever listens already may take to say what it is.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Looks at the admin server.
pub(super) async fn of_admin(admin: Admin) -> Vec<Finding> {
    let mut findings = Findings::about("admin".to_owned());
    of_address(&mut findings, admin.listen).await;
    findings.all()
}

/// Looks at a source that VOD posts to.
pub(super) async fn of_source(source: SourceConfig, callback: CallbackConfig) -> Vec<Finding> {
    let mut findings = Findings::about(format!("sources.{}", source.name));
    of_address(&mut findings, callback.listen).await;
    of_callers(&mut findings, &callback);
    of_ack(&mut findings, source.ack);
    findings.all()
}

async fn of_address(findings: &mut Findings, listen: SocketAddr) {
    // Let go at once: nobody is to be let in here.
    let error = match TcpListener::bind(listen).map(drop) {
        Ok(()) if listen.port() == 0 => {
            findings.ok(Check::Listen, format!("{}: a free port is picked", listen.ip()));
            return;
        }
        Ok(()) => {
            findings.ok(Check::Listen, format!("{listen} is free"));
            return;
        }
        Err(error) => error,
    };
    let (code, mend) = match error.kind() {
        ErrorKind::AddrInUse if is_served(listen).await => {
            findings.ok(Check::Listen, format!("{listen} is served by a vod-relay that runs"));
            return;
        }
        ErrorKind::AddrInUse => (exit::INTERNAL, "end what listens there, or take another port"),
        ErrorKind::AddrNotAvailable => (exit::INTERNAL, "take an address that this machine has"),
        ErrorKind::PermissionDenied => (
            exit::CONFIG,
            "take a port from 1024 on, or give the user that runs vod-relay the right to it \
             (CAP_NET_BIND_SERVICE)",
        ),
        _ => (exit::INTERNAL, "take another address"),
    };
    findings.error(Check::Listen, code, format!("cannot listen on {listen}: {error}"), mend);
}

/// Whether a vod-relay answers at an address where somebody listens.
async fn is_served(listen: SocketAddr) -> bool {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let Ok(url) = Url::parse(&format!("http://{}/", SocketAddr::new(ip, listen.port()))) else {
        return false;
    };
    let Ok(client) = http::client(http::Settings::to(&url).direct()) else { return false };
    let answer = client.get(url).timeout(ANSWER_MAX).send().await;
    answer.is_ok_and(|answer| answer.headers().get(SERVER).is_some_and(|name| name == PRODUCT))
}

fn of_callers(findings: &mut Findings, callback: &CallbackConfig) {
    let signed = callback.sign_key.as_ref().map(|_| "callbacks must be signed".to_owned());
    let trusted = callback.trusted_addresses.as_ref();
    let trusted =
        trusted.map(|ranges| format!("{} may connect", count(ranges.len(), "address range")));
    let found: Vec<_> = [signed, trusted].into_iter().flatten().collect();
    if !found.is_empty() {
        findings.ok(Check::Callers, found.join("; "));
    } else if callback.listen.ip().is_loopback() {
        let found = "anyone on this machine can pass for VOD, and anyone whom a proxy lets in";
        let mend = "set sign_key to the SignKey of VOD's callback settings";
        findings.note(Check::Callers, found, mend);
    } else {
        let mend = "set sign_key or trusted_addresses, or listen on 127.0.0.1 behind a proxy";
        findings.warning(Check::Callers, "anyone who can connect can pass for VOD", mend);
    }
}

fn of_ack(findings: &mut Findings, ack: Ack) {
    match ack {
        Ack::Spooled => findings.ok(Check::Ack, "an event is taken once it is on local disk"),
        Ack::Delivered => findings.note(
            Check::Ack,
            "an event is taken once every sink has it; VOD waits 5 s and posts it 3 times at most, \
             so what a sink does not take soon is lost",
            "ack = \"spooled\", with a relay.state_dir",
        ),
    }
}
