//! Credentials from the relay's own configuration.

use super::{BoxFuture, Credential, Provider, ProviderError};

/// Credentials that were given and stay as they are until the configuration is read again.
#[derive(Debug)]
pub struct Fixed(pub Credential);

impl Provider for Fixed {
    fn place(&self) -> String {
        "the configuration".to_owned()
    }

    fn fetch(&self) -> BoxFuture<'_, Result<Option<Credential>, ProviderError>> {
        Box::pin(async { Ok(Some(self.0.clone())) })
    }
}
