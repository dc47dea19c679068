//! How the sources are started, and what must be there before.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Relay;
use super::running::{Running, State};
use super::start::{StartError, client};
use crate::board::SourceFace;
use crate::config::{Ack, CallbackConfig, Config, PullConfig, SourceConfig, SourceKind};
use crate::confirm::{Confirmer, Replier};
use crate::flight::{self, InFlight};
use crate::source::callback::{self, Door};
use crate::source::{self, Parts, Pulling};
use crate::tencent::client::Client;

/// What a source's events come by, opened and not yet in use.
pub(super) enum Way {
    /// Calls to VOD.
    Pull(Box<PullConfig>, Arc<Client>),
    /// Calls of VOD.
    Callback(Box<CallbackConfig>, Arc<Door>),
}

impl Way {
    /// The door, if it is one.
    pub(super) fn door(&self) -> Option<&Arc<Door>> {
        match self {
            Self::Pull(..) => None,
            Self::Callback(_, door) => Some(door),
        }
    }

    /// How long before the end of a lease delivery stops.
    fn confirm_margin(&self) -> Duration {
        match self {
            Self::Pull(pull, _) => pull.confirm_margin,
            // To answer takes no time.
            Self::Callback(..) => Duration::ZERO,
        }
    }
}

/// A run that ends when the queue is empty has no use for sources without a queue.
pub(super) fn leave_out_callbacks(config: &mut Config) -> Result<(), StartError> {
    config.sources.retain(|source| {
        let pulls = matches!(source.kind, SourceKind::Pull(_));
        if !pulls {
            tracing::warn!(
                source.name = source.name,
                "--once leaves this source out: it waits for callbacks, and has no end"
            );
        }
        pulls
    });
    if config.sources.is_empty() { Err(StartError::NothingToPull) } else { Ok(()) }
}

impl Relay {
    /// Opens what a source needs before it can start. What runs is not touched.
    pub(super) fn open_way(
        &self,
        source: &SourceConfig,
        config: &Config,
    ) -> Result<Way, StartError> {
        match &source.kind {
            SourceKind::Pull(pull) => {
                let client = client(source, pull)?;
                let client = client.counted(self.totals.metrics().calls(&source.name));
                Ok(Way::Pull(pull.clone(), Arc::new(client)))
            }
            SourceKind::Callback(callback) => {
                let door = self.door(&source.name, callback.listen, config)?;
                Ok(Way::Callback(Box::new(callback.clone()), door))
            }
        }
    }

    /// A door that listens where it is to: one that is open already stays open.
    fn door(
        &self,
        name: &str,
        address: SocketAddr,
        config: &Config,
    ) -> Result<Arc<Door>, StartError> {
        let is_here = |running: &&Running| running.door().is_some_and(|(here, _)| here == address);
        // A source that gets another name keeps its socket.
        let renamed = |running: &&Running| {
            let goes_on = |source: &SourceConfig| {
                source.name == *running.name && matches!(source.kind, SourceKind::Callback(_))
            };
            address.port() != 0 && !config.sources.iter().any(goes_on)
        };
        let own = self.sources.get(name).filter(is_here);
        let former = || self.sources.values().filter(is_here).find(renamed);
        if let Some(door) = own.or_else(former).and_then(|running| running.door.clone()) {
            return Ok(door);
        }
        Door::open(address, self.stop.child_token()).map_err(|error| StartError::Listen {
            source_name: name.to_owned(),
            address,
            error,
        })
    }

    /// Starts a source.
    pub(super) fn start_source(&mut self, config: SourceConfig, way: Way) {
        let name: Arc<str> = config.name.as_str().into();
        let retire = CancellationToken::new();
        let (confirms, delivered) = mpsc::channel(config.max_in_flight);
        let progress = self.totals.of(&name);
        let in_flight = InFlight::new(flight::Parts {
            source: name.clone(),
            capacity: u32::try_from(config.max_in_flight).unwrap_or(u32::MAX),
            confirm_margin: way.confirm_margin(),
            posted: way.door().is_some(),
            confirms,
            progress: progress.clone(),
        });
        let parts = Parts {
            in_flight,
            ledger: self.ledger.clone(),
            fanout: self.fanout.subscribe(),
            spool: match config.ack {
                Ack::Delivered => None,
                Ack::Spooled => self.storage.as_ref().map(|storage| storage.spool.clone()),
            },
            unrouted: config.unrouted,
            convert: config.convert,
            news: self.news.0.clone(),
            stop: self.stop.clone(),
            retire: retire.clone(),
        };
        let door = way.door().cloned();
        let face = match &way {
            Way::Pull(pull, client) => SourceFace::pulling(&config, pull, client.clone()),
            Way::Callback(callback, door) => {
                let address = format!("http://{}{}", door.address(), callback.path);
                SourceFace::listening(&config, address)
            }
        };
        let id = match way {
            Way::Pull(pull, client) => {
                let confirmer = Confirmer {
                    client: client.clone(),
                    progress,
                    source: name.clone(),
                    calls_max: pull.max_pulls,
                };
                self.stages.spawn(confirmer.run(delivered));
                let (lease, pulls_max) = (pull.lease, pull.max_pulls);
                let pulling = Pulling { client, lease, pulls_max, once: self.once };
                self.loops.spawn(source::pull(parts, pulling)).id()
            }
            Way::Callback(callback, door) => {
                self.stages.spawn(Replier { progress }.run(delivered));
                self.loops.spawn(callback::receive(parts, door, *callback)).id()
            }
        };
        self.names.insert(id, name.clone());
        let state = State::Starting;
        let running = Running { name, config, door, retire, state, face };
        self.sources.insert(running.config.name.clone(), running);
    }
}
