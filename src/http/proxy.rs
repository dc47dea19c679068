//! The proxy on the way to a server.

use std::sync::LazyLock;

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::Url;

use super::Settings;

/// What the environment says, read as the HTTP client reads it.
static SYSTEM: LazyLock<Matcher> = LazyLock::new(Matcher::from_system);

/// The proxy that clients of this process go through to the server of `url`, without its user and
/// password; `None` if they connect directly.
pub fn proxy(url: &Url) -> Option<String> {
    if Settings::to(url).direct {
        return None;
    }
    let proxy = SYSTEM.intercept(&url.as_str().parse().ok()?)?;
    let scheme = proxy.uri().scheme_str().unwrap_or("http");
    let host = proxy.uri().host()?;
    let port = proxy.uri().port_u16().map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{scheme}://{host}{port}"))
}
