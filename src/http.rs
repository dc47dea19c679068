//! The one constructor of HTTP clients, and what every user of them needs; and a [`server`].
//!
//! The relay's TLS is rustls with the `ring` provider, which must be installed before the first
//! client is built; a client built anywhere else would panic. Shared by all clients: a limit on
//! connecting, no redirects (the caller judges a 3xx), no hidden retries (every attempt is visible
//! to the caller), and proxies from the environment, except to this machine itself.

mod cause;
mod certificate;
mod connect;
mod proxy;
mod reach;
pub mod server;

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Certificate, Client, ClientBuilder, Identity, Response, Url};
use rustls::crypto::{CryptoProvider, ring};

pub use self::cause::{cause, root_cause};
pub use self::certificate::Certified;
pub use self::connect::connect;
pub use self::proxy::proxy;
pub use self::reach::{Reached, reach};

/// How the relay names itself to servers.
pub const USER_AGENT: &str = concat!("vod-relay/", env!("CARGO_PKG_VERSION"));

/// The most time that opening a connection may take. One that takes longer is as good as down,
/// and a lease leaves time for another try.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How often the kernel probes an idle connection for a peer that vanished.
const TCP_KEEPALIVE: Duration = Duration::from_secs(30);

/// Why a client cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A file with certificates or a key cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path} holds {problem}")]
    Pem {
        /// The file or files.
        path: String,
        /// What is wrong with it, and what would be right.
        problem: String,
    },
    /// The TLS stack refuses what it was given.
    #[error("cannot set up TLS: {0}")]
    Tls(String),
}

/// What a client is for. Start with [`Settings::to`].
#[derive(Debug)]
pub struct Settings {
    plain: bool,
    direct: bool,
    gzip: bool,
    idle: Duration,
    roots: Vec<Certificate>,
    identity: Option<Identity>,
    purpose: Purpose,
}

/// What is done with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// Requests are sent on it.
    Requests,
    /// The same, and answers tell about its TLS.
    Inspection,
    /// Nothing: that it can be opened is all that is asked.
    Nothing,
}

impl Settings {
    /// A client that talks to the server of `url` only, with the system's certificate authorities
    /// and, unless that server is this machine, the proxies that the environment names.
    pub fn to(url: &Url) -> Self {
        Self {
            plain: url.scheme() == "http",
            direct: is_loopback(url),
            gzip: false,
            idle: Duration::from_secs(50),
            roots: Vec::new(),
            identity: None,
            purpose: Purpose::Requests,
        }
    }

    /// Asks for compressed answers and unpacks them. Without it answers come as they are.
    #[must_use]
    pub fn gzip(mut self) -> Self {
        self.gzip = true;
        self
    }

    /// Never goes through a proxy, whatever the environment says.
    #[must_use]
    pub fn direct(mut self) -> Self {
        self.direct = true;
        self
    }

    /// How long an unused connection is kept for the next request.
    #[must_use]
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    /// Trusts the certificate authorities in a PEM file, besides those of the system.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or holds no certificate.
    pub fn trust(mut self, ca_file: &Path) -> Result<Self, ClientError> {
        let found = Certificate::from_pem_bundle(&read(ca_file)?).unwrap_or_default();
        if found.is_empty() {
            return Err(ClientError::Pem {
                path: ca_file.display().to_string(),
                problem: "no certificate (a PEM file with BEGIN CERTIFICATE is wanted)".to_owned(),
            });
        }
        self.roots.extend(found);
        Ok(self)
    }

    /// Shows a client certificate to servers that ask for one. Both files are PEM.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or does not hold its half.
    pub fn identity(mut self, cert_file: &Path, key_file: &Path) -> Result<Self, ClientError> {
        let mut pem = read(cert_file)?;
        pem.push(b'\n');
        pem.extend(read(key_file)?);
        let identity = Identity::from_pem(&pem).map_err(|_| ClientError::Pem {
            path: format!("{} with {}", cert_file.display(), key_file.display()),
            problem: "no client certificate with its private key (PEM files are wanted, the key \
                      without a passphrase)"
                .to_owned(),
        })?;
        self.identity = Some(identity);
        Ok(self)
    }
}

/// Builds a client.
///
/// # Errors
///
/// The TLS stack refuses a certificate or a key, or the system has no certificate authorities.
pub fn client(settings: Settings) -> Result<Client, ClientError> {
    install_crypto();
    let Settings { plain, direct, gzip, idle, roots, identity, purpose } = settings;
    let builder = || {
        let builder = Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            // With none allowed it does not even copy each request to have one for a second try.
            .retry(reqwest::retry::never().max_retries_per_request(0))
            .pool_idle_timeout(idle)
            .tcp_keepalive(TCP_KEEPALIVE)
            .gzip(gzip)
            .tls_info(purpose == Purpose::Inspection);
        let builder = if direct { builder.no_proxy() } else { builder };
        match purpose {
            Purpose::Requests | Purpose::Inspection => builder,
            Purpose::Nothing => builder.connector_layer(connect::Only),
        }
    };
    let build = |builder: ClientBuilder| {
        builder.build().map_err(|error| ClientError::Tls(cause(&error, CONNECT_TIMEOUT)))
    };
    if plain && direct {
        // No TLS can come up, so the system's authorities need not be read.
        return build(builder().tls_certs_only([]));
    }
    let mut with_tls = builder().tls_certs_merge(roots);
    if let Some(identity) = identity {
        with_tls = with_tls.identity(identity);
    }
    match build(with_tls) {
        // A bare container has no certificate authorities; plain HTTP works there all the same.
        Err(_) if plain => build(builder().tls_certs_only([])),
        built => built,
    }
}

/// Makes `ring` the cryptography of all TLS in this process. Doing it again changes nothing.
pub fn install_crypto() {
    if CryptoProvider::get_default().is_none() {
        // The error means that another thread was faster, and it installed the same.
        let _ = ring::default_provider().install_default();
    }
}

/// A URL for logs and errors: without what may be secret, its user, password and query.
pub fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    // These fail only for URLs without a host, which have nothing to hide there.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_fragment(None);
    if shown.query().is_some() {
        shown.set_query(Some("..."));
    }
    shown.to_string()
}

/// The longest that a server is left alone because it asks for it. Some say years.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(5 * 60);

/// How long the server asks to be left alone, five minutes at the most: `Retry-After` in seconds or as a date.
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wish = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = httpdate::parse_http_date(text).ok()?;
            date.duration_since(now).unwrap_or_default()
        }
    };
    Some(wish.min(RETRY_AFTER_MAX))
}

/// How much of a body is made room for because the server says how long it is.
const ROOM_MAX: usize = 256 << 10;

/// Reads an answer's body, but no more than about `limit` bytes: the bytes, and whether they are
/// all of it. What is more is left unread, which closes the connection.
///
/// # Errors
///
/// The connection breaks.
pub async fn read_body(
    response: &mut Response,
    limit: usize,
) -> Result<(Vec<u8>, bool), reqwest::Error> {
    let announced = response.content_length().map_or(0, |bytes| bytes.min(ROOM_MAX as u64));
    let mut body = Vec::with_capacity((announced as usize).min(limit));
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > limit {
            body.truncate(limit);
            return Ok((body, false));
        }
    }
    Ok((body, true))
}

fn read(path: &Path) -> Result<Vec<u8>, ClientError> {
    fs::read(path).map_err(|source| ClientError::Read { path: path.display().to_string(), source })
}

/// Whether a URL leads to this machine itself.
pub fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.ends_with(".localhost")
        || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn a_url_is_shown_without_its_secrets() {
        let cases = [
            (
                "https://user:hunter2@app.example.com/a?key=hunter2#x",
                "https://app.example.com/a?...",
            ),
            ("http://[::1]:8080/vod", "http://[::1]:8080/vod"),
            ("https://hunter2@app.example.com", "https://app.example.com/"),
        ];
        for (full, expected) in cases {
            assert_eq!(shown(&url(full)), expected);
        }
    }

    #[test]
    fn this_machine_is_never_reached_through_a_proxy() {
        for local in
            ["http://localhost:1", "http://a.localhost", "http://127.8.0.1", "http://[::1]:9"]
        {
            assert!(Settings::to(&url(local)).direct, "{local}");
        }
        for remote in ["http://localhost.example.com", "http://10.0.0.1", "http://notlocalhost"] {
            assert!(!Settings::to(&url(remote)).direct, "{remote}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Fri, 20 Nov 2026 10:00:00 GMT").unwrap();
        let cases = [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Fri, 20 Nov 2026 10:00:30 GMT", Some(30)),
            ("Fri, 20 Nov 2026 09:00:00 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
            ("99999999999999999999999", None),
        ];
        for (text, seconds) in cases {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            assert_eq!(retry_after(&headers, now), seconds.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn a_client_can_be_built_again_and_again() {
        for _ in 0..2 {
            client(Settings::to(&url("http://127.0.0.1:1")).gzip()).unwrap();
        }
    }

    #[test]
    fn a_file_that_holds_no_certificate_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ca.pem");
        let settings = || Settings::to(&url("https://app.example.com"));
        let error = settings().trust(&file).unwrap_err().to_string();
        assert!(
            error.starts_with("cannot read /") && error.contains("ca.pem: No such file"),
            "{error}"
        );
        fs::write(&file, "not a certificate").unwrap();
        let error = settings().trust(&file).unwrap_err().to_string();
        assert!(error.contains("ca.pem holds no certificate"), "{error}");
        let error = settings().identity(&file, &file).unwrap_err().to_string();
        assert!(error.contains("no client certificate with its private key"), "{error}");
    }
}
