//! `type = "callback"`: an HTTP listener for VOD's normal callbacks.

use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::count;
use crate::config::section::Section;
use crate::config::spelling::quoted;
use crate::sign_key::SignKey;

/// The keys that only this type has.
pub(super) const KEYS: &[&str] = &[
    "listen",
    "path",
    "sign_key",
    "sign_key_file",
    "max_body_size",
    "max_connections",
    "reply_timeout",
    "trusted_addresses",
];

/// Where it listens unless told otherwise: for a proxy on the same machine.
const LISTEN: &str = "127.0.0.1:8080";
/// An event of VOD has some kilobytes; those with many results have some hundred.
const BODY_SIZE: u64 = 1 << 20;
const BODY_SIZE_MIN: u64 = 1 << 10;
const BODY_SIZE_MAX: u64 = 16 << 20;

/// A listener for normal callbacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallbackConfig {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The path that VOD posts to.
    pub path: String,
    /// What VOD signs callbacks with; absent means that they need no signature.
    pub sign_key: Option<SignKey>,
    /// The most bytes of a body.
    pub max_body_size: usize,
    /// The most connections at the same time.
    pub max_connections: usize,
    /// How long the head of a request may take, and then its body.
    pub request_timeout: Duration,
    /// How long after a request was received it must be answered.
    pub reply_timeout: Duration,
    /// Who may connect; absent means everybody.
    pub trusted_addresses: Option<Vec<IpNet>>,
}

/// Reads the keys of this type; `None` after a mistake.
pub(super) fn read(section: &Section<'_>) -> Option<CallbackConfig> {
    let listen = section.listen("listen", LISTEN);
    let path = read_path(section);
    let sign_key = section.sign_key();
    let max_body_size = section.size("max_body_size", Some(BODY_SIZE), BODY_SIZE_MIN);
    let max_body_size = max_body_size.unwrap_or(BODY_SIZE);
    if max_body_size > BODY_SIZE_MAX {
        section.mistake("max_body_size", "is more than any event has", "at most \"16 MiB\"");
    }
    let max_connections = count(section.integer("max_connections", 512, 16..=65536));
    let range = Duration::from_millis(100)..=Duration::from_secs(60);
    let request_timeout =
        section.duration("request_timeout", Duration::from_secs(5), range.clone());
    let reply_timeout = section.duration("reply_timeout", Duration::from_secs(4), range);
    let trusted_addresses = section.networks("trusted_addresses");
    if let Some(listen) = listen
        && !listen.ip().is_loopback()
        && section.given_sign_key().is_none()
        && trusted_addresses.is_none()
    {
        let right = "set sign_key or trusted_addresses, or listen on 127.0.0.1 behind a proxy";
        section.warn("listen", "lets anyone who can connect pass for VOD", right);
    }
    Some(CallbackConfig {
        listen: listen?,
        path: path?,
        sign_key,
        max_body_size: count(max_body_size),
        max_connections,
        request_timeout,
        reply_timeout,
        trusted_addresses,
    })
}

fn read_path(section: &Section<'_>) -> Option<String> {
    let path = section.string_or("path", "/");
    let fits = |byte: u8| byte.is_ascii_graphic() && !b"?#\"<>\\^`{|}".contains(&byte);
    if path.starts_with('/') && path.bytes().all(fits) {
        return Some(path);
    }
    if section.is_right("path") {
        let problem = format!("{} is no path of a URL", quoted(&path));
        section.mistake("path", &problem, "for example \"/vod/callback\"");
    }
    None
}
