//! What there is to tell about.

use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

use super::backlog::Backlog;
use crate::config::{Ack, PullConfig, SourceConfig};
use crate::http;
use crate::progress::{Answered, SinkProgress, Totals};
use crate::secret::Secret;
use crate::spool::Spool;
use crate::store::Store;
use crate::tencent::client::Client;
use crate::time::{self, Instant};

/// What the relay puts up for the admin server to read.
#[derive(Debug)]
pub struct Board {
    pub(super) totals: Totals,
    /// Weak, so that a client that is being answered does not keep the store open beyond the
    /// relay's end.
    store: Weak<Store>,
    spool: Weak<Spool>,
    /// The relay stops.
    pub(super) stopping: CancellationToken,
    pub(super) started: Answered,
    shown: watch::Sender<Arc<Shown>>,
    /// Held while the gauges are set and read.
    pub(super) measuring: Mutex<()>,
}

/// What depends on the configuration in force.
#[derive(Debug, Default)]
pub struct Shown {
    /// What a client must show.
    pub token: Option<Secret>,
    /// How often VOD is asked how many events wait there.
    pub backlog_interval: Option<Duration>,
    /// The sources, in the order of the configuration.
    pub sources: Vec<SourceFace>,
    /// The sinks, in the order of the configuration.
    pub sinks: Vec<SinkFace>,
}

/// A source as it is shown.
#[derive(Debug, Clone)]
pub struct SourceFace {
    pub(super) name: String,
    pub(super) sub_app_id: Option<u64>,
    pub(super) ack: Ack,
    /// What may be shown of the address that it pulls from, or that it listens on.
    pub(super) endpoint: String,
    /// How it pulls, if it does.
    pub(super) pull: Option<PullFace>,
}

/// A source that pulls, as it is shown.
#[derive(Debug, Clone)]
pub(super) struct PullFace {
    pub(super) lease: Duration,
    pub(super) request_timeout: Duration,
    pub(super) client: Arc<Client>,
    pub(super) backlog: Arc<Backlog>,
    pub(super) started: Instant,
}

/// A sink as it is shown.
#[derive(Debug, Clone)]
pub struct SinkFace {
    /// Its name.
    pub name: String,
    /// Whether the relay is not ready while it is down.
    pub required: bool,
    /// How it fares.
    pub progress: Arc<SinkProgress>,
}

impl Board {
    /// A board with nothing on it yet. `stopping` is cancelled when the relay stops.
    pub fn new(
        totals: Totals,
        store: Option<&Arc<Store>>,
        spool: Option<&Arc<Spool>>,
        stopping: CancellationToken,
    ) -> Arc<Self> {
        let started = Answered { at: time::now(), wall: time::wall_clock() };
        let store = store.map(Arc::downgrade).unwrap_or_default();
        let spool = spool.map(Arc::downgrade).unwrap_or_default();
        let (shown, measuring) = (watch::Sender::default(), Mutex::default());
        Arc::new(Self { totals, store, spool, stopping, started, shown, measuring })
    }

    /// Puts up what runs from now on.
    pub fn show(&self, shown: Shown) {
        self.shown.send_replace(Arc::new(shown));
    }

    /// What runs now.
    pub fn shown(&self) -> Arc<Shown> {
        self.shown.borrow().clone()
    }

    /// The store, if there is a state directory.
    pub(super) fn store(&self) -> Option<Arc<Store>> {
        self.store.upgrade()
    }

    /// The spool, if there is a state directory.
    pub(super) fn spool(&self) -> Option<Arc<Spool>> {
        self.spool.upgrade()
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Arc<Shown>> {
        self.shown.subscribe()
    }
}

impl SourceFace {
    /// A source that starts to pull now.
    pub fn pulling(config: &SourceConfig, pull: &PullConfig, client: Arc<Client>) -> Self {
        let pulling = PullFace {
            lease: pull.lease,
            request_timeout: pull.request_timeout,
            client,
            backlog: Arc::default(),
            started: time::now(),
        };
        Self { pull: Some(pulling), ..Self::listening(config, http::shown(&pull.endpoint)) }
    }

    /// A source that listens on an address.
    pub fn listening(config: &SourceConfig, address: String) -> Self {
        let SourceConfig { name, sub_app_id, ack, .. } = config;
        Self {
            name: name.clone(),
            sub_app_id: *sub_app_id,
            ack: *ack,
            endpoint: address,
            pull: None,
        }
    }
}

impl PullFace {
    /// When the credentials in use expire, if they do.
    pub(super) fn credentials_expire(&self) -> Option<SystemTime> {
        let left = self.client.credentials_expire()?.saturating_duration_since(time::now());
        Some(time::wall_clock() + left)
    }
}
