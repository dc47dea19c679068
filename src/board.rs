//! What others may see of a relay: what runs, and how it fares. The admin server and the service
//! manager are told by it.

mod backlog;

use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

pub use self::backlog::Backlog;
use crate::config::{Ack, PullConfig, SourceConfig};
use crate::http;
use crate::ledger::{self, Ledger};
use crate::progress::{Answered, SinkProgress, Totals, Trouble, Vitals};
use crate::secret::Secret;
use crate::spool::Spool;
use crate::store::Store;
use crate::tencent::client::Client;
use crate::time::{self, Instant};

/// VOD answers a pull of an empty queue after 5 s. With no good answer for so long, or for two
/// thirds of a lease where times are scaled down, a source counts as cut off. So does one whose
/// confirms have all failed for so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the relay puts up for others to read. Holding it keeps no part of the relay from ending.
#[derive(Debug)]
pub struct Board {
    /// What became of the events, and how the sources fare.
    pub totals: Totals,
    /// Weak, so that a client that is being answered does not keep the store open beyond the
    /// relay's end.
    store: Weak<Store>,
    spool: Weak<Spool>,
    ledger: Weak<Ledger>,
    /// The relay stops.
    pub stopping: CancellationToken,
    /// When it was put up.
    pub started: Answered,
    served: watch::Sender<bool>,
    shown: watch::Sender<Arc<Shown>>,
    /// Held while the gauges are set and read.
    pub measuring: Mutex<()>,
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
    /// How long a stop may take.
    pub shutdown_grace: Duration,
}

/// A source as it is shown.
#[derive(Debug, Clone)]
pub struct SourceFace {
    /// Its name.
    pub name: String,
    /// The sub-application that it belongs to.
    pub sub_app_id: Option<u64>,
    /// When its events are acknowledged.
    pub ack: Ack,
    /// What may be shown of the address that it pulls from, or that it listens on.
    pub endpoint: String,
    /// How it pulls, if it does.
    pub pull: Option<PullFace>,
}

/// A source that pulls, as it is shown.
#[derive(Debug, Clone)]
pub struct PullFace {
    /// For how long its events are hidden from others.
    pub lease: Duration,
    /// How long one of its requests may take.
    pub request_timeout: Duration,
    /// What calls VOD.
    pub client: Arc<Client>,
    /// How many events wait at VOD.
    pub backlog: Arc<Backlog>,
    /// When it was started.
    pub started: Instant,
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
        ledger: Option<&Arc<Ledger>>,
        stopping: CancellationToken,
    ) -> Arc<Self> {
        let started = Answered { at: time::now(), wall: time::wall_clock() };
        let store = store.map(Arc::downgrade).unwrap_or_default();
        let spool = spool.map(Arc::downgrade).unwrap_or_default();
        let ledger = ledger.map(Arc::downgrade).unwrap_or_default();
        let (served, shown, measuring) = Default::default();
        Arc::new(Self { totals, store, spool, ledger, stopping, started, served, shown, measuring })
    }

    /// Puts up what runs from now on.
    pub fn show(&self, shown: Shown) {
        self.shown.send_replace(Arc::new(shown));
    }

    /// Events have begun to come from a source.
    pub fn serve(&self) {
        self.served.send_if_modified(|served| !std::mem::replace(served, true));
    }

    /// Whether events have come, or could have, from any source since the start.
    pub fn served(&self) -> watch::Receiver<bool> {
        self.served.subscribe()
    }

    /// What runs now.
    pub fn shown(&self) -> Arc<Shown> {
        self.shown.borrow().clone()
    }

    /// The store, if there is a state directory.
    pub fn store(&self) -> Option<Arc<Store>> {
        self.store.upgrade()
    }

    /// The spool, if there is a state directory.
    pub fn spool(&self) -> Option<Arc<Spool>> {
        self.spool.upgrade()
    }

    /// How the shared ledger fares, if there is one.
    pub fn shared_ledger(&self) -> Option<ledger::Vitals> {
        self.ledger.upgrade()?.shared()
    }

    /// Follows what runs.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Shown>> {
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
    /// For how long no good answer may come, and no confirm work.
    pub fn patience(&self) -> Duration {
        (self.lease * 2 / 3).min(PATIENCE)
    }

    /// All that is wrong between the source and VOD, the worst first.
    pub fn troubles<'a>(&self, vitals: &'a Vitals) -> Vec<&'a Trouble> {
        vitals.troubles(self.patience(), time::now())
    }

    /// When the credentials in use expire, if they do.
    pub fn credentials_expire(&self) -> Option<SystemTime> {
        let left = self.client.credentials_expire()?.saturating_duration_since(time::now());
        Some(time::wall_clock() + left)
    }
}

#[cfg(test)]
pub(crate) mod fixture {
    use super::*;
    use crate::config::Config;
    use crate::tencent::client::Settings;
    use crate::tencent::credential::Credentials;

    /// A source that starts to pull now, with the defaults.
    pub(crate) fn source(name: &str) -> SourceFace {
        let text = format!("[sources.{name}]\n[sinks.app]\ntype = \"stdout\"\n");
        let config = Config::parse("config.toml", &text, &|_| None).unwrap().sources.remove(0);
        let pull = config.pull().unwrap();
        let settings = Settings {
            endpoint: pull.endpoint.clone(),
            region: None,
            sub_app_id: None,
            request_timeout: pull.request_timeout,
            max_requests_per_second: 1,
        };
        let client = Client::new(settings, Credentials::new(Vec::new())).unwrap();
        SourceFace::pulling(&config, pull, Arc::new(client))
    }
}
