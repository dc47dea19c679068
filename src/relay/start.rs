//! What can go wrong before the relay runs: sinks that cannot be opened, clients that cannot be built.

use std::io;
use std::net::SocketAddr;

use crate::config::{CredentialsConfig, SourceConfig};
use crate::exit;
use crate::http::ClientError;
use crate::sink::OpenError;
use crate::store::StoreError;
use crate::tencent::client::{Client, Settings};
use crate::tencent::credential::{Credential, Credentials, Flawed, Outside};

/// Why the relay cannot start, or cannot take over a new configuration.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store in the state directory cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The state directory is another than the one in use.
    #[error("relay.state_dir cannot change while vod-relay runs; restart it")]
    StateDir,
    /// The admin server's address cannot be had.
    #[error(
        "admin.listen: cannot listen on {listen}: {error}; end what listens there, or give another \
         address"
    )]
    Admin {
        /// The address.
        listen: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// A sink cannot be opened.
    #[error(transparent)]
    Sink(#[from] OpenError),
    /// A client for VOD cannot be built.
    #[error("source {source_name}: {error}")]
    Client {
        /// The source's name.
        source_name: String,
        /// Why.
        error: ClientError,
    },
    /// Credentials that VOD cannot know.
    #[error("source {source_name}: {flaw}")]
    Credentials {
        /// The source's name.
        source_name: String,
        /// What is wrong with them.
        flaw: Flawed,
    },
}

impl StartError {
    /// The exit code that this asks for. What may pass by itself, such as a full disk, is no matter
    /// of the configuration: the service manager is to try again.
    pub fn code(&self) -> u8 {
        match self {
            Self::Store(
                StoreError::NoSpace { .. } | StoreError::Failed { .. } | StoreError::Gone,
            )
            | Self::Admin { .. } => exit::INTERNAL,
            Self::Store(_)
            | Self::StateDir
            | Self::Sink(_)
            | Self::Client { .. }
            | Self::Credentials { .. } => exit::CONFIG,
        }
    }
}

/// The client of a source.
pub(super) fn client(config: &SourceConfig) -> Result<Client, StartError> {
    let source_name = || config.name.clone();
    let credentials = match &config.credentials {
        CredentialsConfig::Fixed { secret_id, secret_key, token } => {
            let credential = Credential::new(secret_id.clone(), secret_key.clone(), token.clone())
                .map_err(|flaw| StartError::Credentials { source_name: source_name(), flaw })?;
            Credentials::fixed(credential)
        }
        CredentialsConfig::Chain => Credentials::usual(Outside::of_this_process()),
    };
    let settings = Settings {
        endpoint: config.endpoint.clone(),
        region: config.region.clone(),
        sub_app_id: config.sub_app_id,
        request_timeout: config.request_timeout,
        max_requests_per_second: config.max_requests_per_second,
    };
    Client::new(settings, credentials)
        .map_err(|error| StartError::Client { source_name: source_name(), error })
}
