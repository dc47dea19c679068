//! What can go wrong before the relay runs: sinks that cannot be opened, clients that cannot be built.

use std::io;
use std::net::SocketAddr;

use crate::config::{PullConfig, SourceConfig};
use crate::exit;
use crate::http::ClientError;
use crate::sink::OpenError;
use crate::store::StoreError;
use crate::tencent::client::{Client, Settings};
use crate::tencent::credential::{Flawed, Outside};

/// Why the relay cannot start, or cannot take over a new configuration.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store in the state directory cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is to talk to the shared ledger cannot be made.
    #[error("relay.ledger: {0}")]
    Ledger(String),
    /// What needs a state directory came with a reload, and the relay runs without one.
    #[error(
        "ack = \"spooled\" and max_attempts need relay.state_dir, which cannot change while \
         vod-relay runs; restart vod-relay to apply it"
    )]
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
    /// There is no listening at the address.
    #[error("source {source_name}: cannot listen on {address}: {error}")]
    Listen {
        /// The source's name.
        source_name: String,
        /// The address.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// A run that ends when the queue is empty, and there is no queue.
    #[error(
        "--once pulls until the queue is empty, and no source has type = \"pull\"; leave --once \
         out, or add such a source"
    )]
    NothingToPull,
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
    /// The exit code that this asks for. What may pass by itself, such as a full disk or a port that
    /// is taken, is no matter of the configuration: the service manager is to try again.
    pub fn code(&self) -> u8 {
        match self {
            Self::Store(
                StoreError::NoSpace { .. } | StoreError::Failed { .. } | StoreError::Gone,
            )
            | Self::Admin { .. } => exit::INTERNAL,
            Self::Listen { error, .. } if error.kind() != io::ErrorKind::PermissionDenied => {
                exit::INTERNAL
            }
            Self::NothingToPull => exit::USAGE,
            Self::Store(_)
            | Self::Ledger(_)
            | Self::StateDir
            | Self::Sink(_)
            | Self::Client { .. }
            | Self::Listen { .. }
            | Self::Credentials { .. } => exit::CONFIG,
        }
    }
}

/// The client of a source that pulls.
///
/// # Errors
///
/// The TLS stack cannot be set up, or VOD cannot know the credentials.
pub(crate) fn client(config: &SourceConfig, pull: &PullConfig) -> Result<Client, StartError> {
    let source_name = || config.name.clone();
    let credentials = pull.credentials.open(Outside::of_this_process());
    let credentials =
        credentials.map_err(|flaw| StartError::Credentials { source_name: source_name(), flaw })?;
    let settings = Settings {
        endpoint: pull.endpoint.clone(),
        region: pull.region.clone(),
        sub_app_id: config.sub_app_id,
        request_timeout: pull.request_timeout,
        max_requests_per_second: pull.max_requests_per_second,
    };
    Client::new(settings, credentials)
        .map_err(|error| StartError::Client { source_name: source_name(), error })
}
