//! # Delivered when
//!
//! The HTTP endpoint answers the event's POST with a 2xx status. The answer's body does not matter,
//! however long, late or broken it is.
//!
//! Every request carries `webhook-id`, the event's id, the same on every retry, redelivery and
//! replay: the receiver can drop what it has already seen. `webhook-timestamp` is the time of the
//! attempt. With signing secrets there is also `webhook-signature`, made anew for each attempt over
//! these two and the body as it is sent, one signature for each secret. (All three are as in Standard
//! Webhooks, <https://www.standardwebhooks.com/>.)
//!
//! Another try can mend 408, 425, 429, all 5xx and every fault of the network. What remains is
//! permanent, redirects among it: they are not followed, because a POST that turns into a GET
//! somewhere else delivers nothing.

mod client;
mod header;
mod probe;
mod quote;
pub mod signature;

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, USER_AGENT};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use tracing::{info, warn};

use self::client::client;
use self::probe::probe;
use self::quote::quote;
use self::signature::Signer;
use super::{BoxFuture, Limits, OpenError, Outcome, Parcel, Probed, Refusal, Settings, Sink};
use crate::config::Section;
use crate::event::EventId;
use crate::format::{Format, Rendered};
use crate::http;
use crate::secret::Secret;
use crate::time;
use crate::tls;

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// Below the 5 s and more after which common servers (Node.js, Apache httpd) close an idle
/// connection, so that a request seldom meets a connection that is just being closed.
const IDLE: Duration = Duration::from_secs(4);

/// The most that is read of an answer. All of a short one, so that the connection can serve again.
const BODY_MAX: usize = 4 * 1024;

/// The most time to wait for an answer's body once its status is known.
const BODY_PATIENCE: Duration = Duration::from_millis(500);

/// What `[sinks.NAME]` with `type = "webhook"` says.
#[derive(Clone, PartialEq)]
pub struct Config {
    /// Where to POST. A user and password in it become basic authentication.
    pub url: Url,
    /// Headers to add. Their values may be secrets, and are marked so.
    pub headers: HeaderMap,
    /// What requests are signed with, each serialised as in Standard Webhooks (`whsec_...`). Several
    /// while one takes the place of another; none: requests are not signed.
    pub signing_secrets: Vec<Secret>,
    /// Certificate authorities to trust besides those of the system.
    pub ca_file: Option<PathBuf>,
    /// A client certificate and its private key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The most requests at the same time.
    pub max_concurrency: usize,
    /// The shape of the body.
    pub format: Format,
    /// The most time that one request may take.
    pub timeout: Duration,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { url, headers, signing_secrets, ca_file, identity, .. } = self;
        let Self { max_concurrency, format, timeout, .. } = self;
        f.debug_struct("Config")
            .field("url", &http::shown(url))
            .field("headers", headers)
            .field("signing_secrets", signing_secrets)
            .field("ca_file", ca_file)
            .field("identity", identity)
            .field("max_concurrency", max_concurrency)
            .field("format", format)
            .field("timeout", timeout)
            .finish()
    }
}

impl Config {
    /// Reads the sink's keys.
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let url = section.url("url", None, &["http", "https"]);
        let format = section.format_of_webhook();
        let headers = header::read(section, format.as_ref());
        let signing_secrets = signature::read(section);
        let tls::Files { ca_file, identity } = section.tls_files();
        let max_concurrency = section.integer("max_concurrency", 128, 1..=4096);
        let timeout = super::timeout(section, Duration::from_secs(10));
        Some(Self {
            url: url?,
            headers,
            signing_secrets,
            ca_file,
            identity,
            max_concurrency: usize::try_from(max_concurrency).unwrap_or(usize::MAX),
            format: format?,
            timeout,
        })
    }
}

impl Settings for Config {
    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn open(&self, name: &str) -> Result<Arc<dyn Sink>, OpenError> {
        Ok(Arc::new(Webhook::open(self, name)?))
    }

    fn probe(&self) -> BoxFuture<'_, Probed> {
        Box::pin(probe(self))
    }
}

/// The sink.
#[derive(Debug)]
pub struct Webhook {
    name: String,
    config: Config,
    /// What errors call the endpoint: method and URL, without secrets.
    target: String,
    signer: Signer,
    client: RwLock<Client>,
}

impl Webhook {
    /// Makes the client, with the certificates that are configured.
    ///
    /// # Errors
    ///
    /// A certificate, key or signing secret cannot be used.
    pub(super) fn open(config: &Config, name: &str) -> Result<Self, OpenError> {
        let client = client(config).map_err(|error| OpenError::new(name, error.to_string()))?;
        let signer = Signer::new(&config.signing_secrets)
            .map_err(|flaw| OpenError::new(name, format!("a signing secret {flaw}")))?;
        Ok(Self {
            name: name.to_owned(),
            config: config.clone(),
            target: format!("POST {}", http::shown(&config.url)),
            signer,
            client: RwLock::new(client),
        })
    }

    async fn post(&self, parcel: &Parcel) -> Outcome {
        let started = time::now();
        let mut response = match self.request(parcel)?.send().await {
            Ok(response) => response,
            Err(error) => {
                let cause = http::cause(&error, self.config.timeout);
                return Err(Refusal::transient(format!("{}: {cause}", self.target)));
            }
        };
        // An answer that arrived in the last moment is not lost for the sake of its body.
        let left = self.config.timeout.saturating_sub(started.elapsed());
        let body = tokio::time::timeout(
            BODY_PATIENCE.min(left / 2),
            http::read_body(&mut response, BODY_MAX),
        );
        // A body that is late or broken has no say: the status does.
        let body = body.await.ok().and_then(Result::ok).map(|(body, _)| body).unwrap_or_default();
        if response.status().is_success() {
            return Ok(());
        }
        Err(self.refusal(&response, &body))
    }

    fn request(&self, parcel: &Parcel) -> Result<RequestBuilder, Refusal> {
        let Config { url, headers, format, timeout, .. } = &self.config;
        let Rendered { body, content_type, headers: of_format } = parcel.render(format)?;
        let client = self.client.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut all = HeaderMap::with_capacity(headers.len() + of_format.len() + 4);
        all.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        all.insert(USER_AGENT, HeaderValue::from_static(http::USER_AGENT));
        all.extend(headers.clone());
        let (id, timestamp) = (parcel.event.id(), time::unix_seconds(time::wall_clock()));
        all.insert(WEBHOOK_ID, id_value(id));
        all.insert(WEBHOOK_TIMESTAMP, timestamp.into());
        if let Some(signature) = self.signer.sign(id, timestamp, &body) {
            all.insert(WEBHOOK_SIGNATURE, signature);
        }
        for (name, value) in of_format {
            // What a format gives fits into a header.
            if let Ok(value) = HeaderValue::try_from(value) {
                all.insert(HeaderName::from_static(name), value);
            }
        }
        Ok(client.post(url.clone()).timeout(*timeout).headers(all).body(body))
    }

    fn refusal(&self, response: &Response, body: &[u8]) -> Refusal {
        let status = response.status();
        let name = status.canonical_reason().unwrap_or_default();
        let answered = format!("{} answered {} {name}", self.target, status.as_u16());
        let mut reason = answered.trim_end().to_owned();
        if status.is_redirection() {
            let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            let location = location.and_then(|text| self.config.url.join(text).ok());
            let location = location.map_or("nowhere".to_owned(), |url| http::shown(&url));
            reason.push_str(&format!(
                ", a redirect to {location}, which is not followed; configure the final URL"
            ));
        }
        let quoted = quote(body, &self.config);
        if !quoted.is_empty() {
            reason.push_str(&format!(": {quoted}"));
        }
        if is_transient(status) {
            let retry_after = http::retry_after(response.headers(), time::wall_clock());
            Refusal::Transient { reason, retry_after }
        } else {
            Refusal::permanent(reason)
        }
    }
}

impl Sink for Webhook {
    fn limits(&self) -> Limits {
        let Config { timeout, max_concurrency: concurrency, .. } = self.config;
        Limits { timeout, concurrency, batch: 1 }
    }

    fn deliver<'a>(&'a self, batch: &'a [Parcel]) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(async move {
            let mut outcomes = Vec::with_capacity(batch.len());
            for parcel in batch {
                outcomes.push(self.post(parcel).await);
            }
            outcomes
        })
    }

    /// Reads the certificates again, which may have been renewed under the same names.
    fn reopen(&self) {
        if self.config.ca_file.is_none() && self.config.identity.is_none() {
            return;
        }
        match client(&self.config) {
            Ok(client) => {
                *self.client.write().unwrap_or_else(PoisonError::into_inner) = client;
                info!(sink = self.name, "read the certificates again");
            }
            Err(error) => warn!(sink = self.name, %error, "keeping the old certificates"),
        }
    }
}

fn id_value(id: EventId) -> HeaderValue {
    // An id is hexadecimal, so there is always a value.
    HeaderValue::try_from(id.to_string()).unwrap_or(HeaderValue::from_static(""))
}

fn is_transient(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_shows_no_secrets() {
        let (name, value) = header::check("Authorization", "Bearer hunter2").unwrap();
        let config = Config {
            url: "https://user:hunter2@app.example.com/?key=hunter2".parse().unwrap(),
            headers: HeaderMap::from_iter([(name, value)]),
            signing_secrets: vec![Secret::from(format!("whsec_{}", "hunter2x".repeat(4)))],
            ca_file: None,
            identity: None,
            max_concurrency: 1,
            format: Format::Callback,
            timeout: Duration::from_secs(10),
        };
        assert!(!format!("{config:?}").contains("hunter2"), "{config:?}");
        let sink = Webhook::open(&config, "app").unwrap();
        assert!(!format!("{sink:?}").contains("hunter2"), "{sink:?}");
    }
}
