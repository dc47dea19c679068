//! The way to the endpoint.

use reqwest::Client;

use super::{Config, IDLE};
use crate::http::{self, ClientError};

/// A client with the certificates that are configured.
pub(super) fn client(config: &Config) -> Result<Client, ClientError> {
    http::client(settings(config)?)
}

/// What the client is for.
pub(super) fn settings(config: &Config) -> Result<http::Settings, ClientError> {
    let mut settings = http::Settings::to(&config.url).idle(IDLE);
    if let Some(ca_file) = &config.ca_file {
        settings = settings.trust(ca_file)?;
    }
    if let Some((cert_file, key_file)) = &config.identity {
        settings = settings.identity(cert_file, key_file)?;
    }
    Ok(settings)
}
