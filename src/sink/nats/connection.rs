//! A connection to a server of the cluster, which ends when it breaks.
//!
//! The client could reconnect by itself, but then messages would wait in it for a server that may
//! come back when nobody wants them any more, and why it cannot connect would be lost. So it looks
//! once through the servers after a break, and then the next call connects anew.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::context::ContextBuilder;
use async_nats::{ConnectError, ConnectErrorKind, ConnectOptions, Event, ServerAddr, ServerError};
use rustls::ClientConfig;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::settings::{Auth, Config};
use super::{BATCH, CONCURRENCY};
use crate::http;
use crate::secret::Secret;
use crate::sink::link::Connection;
use crate::tls;

/// The longest that one server may take to let the relay in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// How often the server is asked for a sign of life; the second one that is missing ends the
/// connection.
const PING_INTERVAL: Duration = Duration::from_secs(10);

/// How a server names what it does not permit.
const DENIAL: &str = "permissions violation";

/// What is read from files: TLS, and credentials.
#[derive(Clone)]
pub(super) struct Keys {
    /// None where the system has no certificate authorities and nothing asks for TLS.
    tls: Option<Arc<ClientConfig>>,
    credentials: Option<Secret>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

impl Keys {
    /// Reads the files; the error says which cannot be used.
    pub(super) fn read(config: &Config) -> Result<Self, String> {
        let wants_tls =
            !config.tls.is_empty() || config.servers.iter().any(|server| server.scheme() == "tls");
        let tls = match tls::client_config(&config.tls) {
            Ok(tls) => Some(tls),
            Err(_) if !wants_tls => None,
            Err(error) => return Err(error.to_string()),
        };
        let credentials = match &config.auth {
            Auth::Credentials(file) => Some(credentials(file)?),
            Auth::None | Auth::User(..) | Auth::Token(_) => None,
        };
        Ok(Self { tls, credentials })
    }
}

fn credentials(file: &Path) -> Result<Secret, String> {
    let shown = file.display();
    let text =
        std::fs::read_to_string(file).map_err(|error| format!("cannot read {shown}: {error}"))?;
    // The error would say what the file holds.
    match ConnectOptions::with_credentials(&text) {
        Ok(_) => Ok(Secret::from(text)),
        Err(_) => {
            Err(format!("{shown} holds no credentials (a JWT and a seed, as nsc writes them)"))
        }
    }
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) struct Refused {
    /// What happened, to what.
    pub(super) reason: String,
    /// Whether the server answered, and does not let the relay in.
    pub(super) by_server: bool,
}

/// A connection that works, or did.
pub(super) struct Session {
    pub(super) context: Context,
    /// Cancelled when it breaks.
    pub(super) gone: CancellationToken,
    /// What the server last said of a missing permission. It does not say which message it was.
    denial: watch::Receiver<Option<String>>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("gone", &self.gone.is_cancelled()).finish_non_exhaustive()
    }
}

impl Connection for Session {
    fn is_alive(&self) -> bool {
        !self.gone.is_cancelled()
    }
}

impl Session {
    /// Connects to one of the servers.
    pub(super) async fn open(config: &Config, keys: &Keys) -> Result<Self, Refused> {
        let failed = |problem: String| Refused {
            reason: format!("{}: {problem}", config.shown),
            by_server: false,
        };
        let gone = CancellationToken::new();
        let (denied, denial) = watch::channel(None);
        let heard = gone.clone();
        let mut options = options(config, keys).map_err(failed)?.event_callback(move |event| {
            let (gone, denied) = (heard.clone(), denied.clone());
            async move {
                match event {
                    Event::Disconnected | Event::Closed => gone.cancel(),
                    Event::ServerError(ServerError::Other(text)) if is_denial(&text) => {
                        denied.send_replace(Some(text));
                    }
                    _ => {}
                }
            }
        });
        if let Some(tls) = &keys.tls {
            options = options
                .tls_client_config(ClientConfig::clone(tls))
                // Who names a file wants it, whatever the server asks for.
                .require_tls(!config.tls.is_empty());
        }
        let servers = config.servers.iter().map(|url| ServerAddr::from_url(bare(url)));
        let servers = servers.collect::<Result<Vec<_>, _>>().map_err(|e| failed(e.to_string()))?;
        let client = options.connect(servers).await.map_err(|error| refused(&error, config))?;
        // A call that is cut short leaves its places taken until they are answered or late.
        let context = ContextBuilder::new()
            .timeout(config.timeout)
            .ack_timeout(config.timeout)
            .max_ack_inflight(2 * CONCURRENCY * BATCH)
            .build(client);
        Ok(Self { context, gone, denial })
    }

    /// Waits until the server says that the relay may not publish to the subject, or not hear of
    /// acknowledgements: the server's words.
    pub(super) async fn denied(&self, subject: &str) -> String {
        let quoted = format!("\"{subject}\"");
        let mut denial = self.denial.clone();
        let concerns = |text: &Option<String>| {
            text.as_ref().is_some_and(|text| text.contains(&quoted) || text.contains("ubscription"))
        };
        let told = denial.wait_for(concerns).await.map(|text| text.clone().unwrap_or_default());
        match told {
            Ok(text) => text,
            // Nobody is left to tell.
            Err(_) => std::future::pending().await,
        }
    }
}

fn options(config: &Config, keys: &Keys) -> Result<ConnectOptions, String> {
    let options = match (&config.auth, &keys.credentials) {
        (_, Some(credentials)) => ConnectOptions::with_credentials(credentials.expose())
            .map_err(|_| "the credentials cannot be used".to_owned())?,
        (Auth::User(user, password), None) => {
            ConnectOptions::with_user_and_password(user.clone(), password.expose().to_owned())
        }
        (Auth::Token(token), None) => ConnectOptions::with_token(token.expose().to_owned()),
        (Auth::None | Auth::Credentials(_), None) => ConnectOptions::new(),
    };
    Ok(options
        .name("vod-relay")
        .connection_timeout(CONNECT_TIMEOUT.min(config.timeout / 2))
        .request_timeout(Some(CONNECT_TIMEOUT.min(config.timeout)))
        .ping_interval(PING_INTERVAL)
        .client_capacity(CONCURRENCY * BATCH)
        .max_reconnects(config.servers.len()))
}

/// The address alone.
fn bare(url: &reqwest::Url) -> reqwest::Url {
    let mut bare = url.clone();
    // These fail only for URLs without a host.
    let _ = bare.set_username("");
    let _ = bare.set_password(None);
    bare
}

fn is_denial(text: &str) -> bool {
    text.to_lowercase().contains(DENIAL)
}

fn refused(error: &ConnectError, config: &Config) -> Refused {
    let shown = &config.shown;
    let who = match &config.auth {
        Auth::None => "wants credentials, and refuses the relay without",
        Auth::User(..) => "refuses the user or its password",
        Auth::Token(_) => "refuses the token",
        Auth::Credentials(_) => "refuses the credentials of the file",
    };
    match error.kind() {
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
            Refused { reason: format!("{shown} {who}"), by_server: true }
        }
        ConnectErrorKind::TimedOut => {
            Refused { reason: format!("{shown}: no connection in time"), by_server: false }
        }
        _ => match said(error) {
            Some(words) => Refused { reason: format!("{shown} {who} ({words})"), by_server: true },
            None => {
                let cause = http::root_cause(error);
                Refused { reason: format!("{shown}: {cause}"), by_server: false }
            }
        },
    }
}

/// What the server itself said of who tried to connect.
fn said(error: &ConnectError) -> Option<String> {
    let source = std::error::Error::source(error)?;
    let words = source.downcast_ref::<ServerError>()?.to_string();
    words.to_lowercase().contains("auth").then_some(words)
}
