//! Puts the stages together, and ends them in order.
//!
//! ```text
//! source ──► event ──► route ──► lanes (sinks) ──► confirm
//! ```
//!
//! Nothing else starts tasks that live long. The order of the end: stop pulling, let what is in the
//! air be delivered and confirmed, close the lanes, all within the grace of the configuration.

mod changes;
mod end;
mod outlets;
mod reload;
mod running;
mod show;
mod sources;
mod start;
mod storage;

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

pub use self::changes::{Changes, Tables};
use self::outlets::{Common, Outlets};
pub use self::reload::Reload;
use self::running::Running;
pub use self::start::StartError;
pub(crate) use self::start::client;
use self::storage::Storage;
use crate::board::Board;
use crate::config::Config;
use crate::crash;
use crate::exit::{self, worse};
use crate::fanout::Fanout;
use crate::ledger::Ledger;
use crate::progress::Totals;
use crate::source::{End, News};

/// How many pieces of news may wait; each source rarely has any.
const NEWS: usize = 64;

/// A relay that runs.
#[derive(Debug)]
pub struct Relay {
    config: Config,
    once: bool,
    ledger: Arc<Ledger>,
    storage: Option<Storage>,
    outlets: Outlets,
    sources: HashMap<String, Running>,
    totals: Totals,
    board: Arc<Board>,
    /// The admin server and what belongs to it, which end with the relay.
    servers: JoinSet<()>,
    fanout: watch::Sender<Arc<Fanout>>,
    /// The sources' loops.
    loops: JoinSet<End>,
    names: HashMap<Id, Arc<str>>,
    /// Lanes, feeds and confirmers, which end by themselves once nobody uses them.
    stages: JoinSet<()>,
    news: (mpsc::Sender<News>, mpsc::Receiver<News>),
    /// Stop pulling now.
    stop: CancellationToken,
    /// Nothing more comes into the spool.
    drain: CancellationToken,
    /// A sink's receiver has closed its end.
    gone: CancellationToken,
}

impl Relay {
    /// Opens all sinks and starts all sources. `once` lets each source end when its queue is empty;
    /// cancelling `stop` ends them all in good order.
    ///
    /// # Errors
    ///
    /// A sink or a client cannot be opened. Nothing has been pulled then.
    pub fn start(config: Config, once: bool, stop: CancellationToken) -> Result<Self, StartError> {
        let storage = Storage::open(&config.relay)?;
        let totals = Totals::new(once);
        let ledger = Storage::ledger(storage.as_ref(), &config.relay, &totals)?;
        let (drain, gone) = (CancellationToken::new(), CancellationToken::new());
        let common = Common {
            ledger: ledger.clone(),
            spool: storage.as_ref().map(|storage| storage.spool.clone()),
            totals: totals.clone(),
            stop: stop.clone(),
            drain: drain.clone(),
            gone: gone.clone(),
        };
        let mut relay = Self {
            board: storage::board(storage.as_ref(), &ledger, &totals, &stop),
            servers: JoinSet::new(),
            config: config.clone(),
            once,
            ledger,
            storage,
            outlets: Outlets::new(common),
            sources: HashMap::new(),
            totals,
            fanout: watch::Sender::new(Arc::default()),
            loops: JoinSet::new(),
            names: HashMap::new(),
            stages: JoinSet::new(),
            news: mpsc::channel(NEWS),
            stop,
            drain,
            gone,
        };
        relay.serve()?;
        relay.adopt(config)?;
        if let Some(storage) = &relay.storage {
            relay.stages.spawn(storage.upkeep(relay.drain.clone()));
        }
        if relay.config.relay.ledger.is_some() {
            relay.stages.spawn(storage::maintain_shared(relay.ledger.clone(), relay.drain.clone()));
        }
        Ok(relay)
    }

    /// The counts of all sources.
    pub fn totals(&self) -> Totals {
        self.totals.clone()
    }

    /// What others may see of it.
    pub fn board(&self) -> Arc<Board> {
        self.board.clone()
    }

    /// Runs until all sources have ended or the relay is told to stop: the exit code. Each
    /// configuration that comes in by `reloads` takes the place of the one before.
    pub async fn run(mut self, mut reloads: mpsc::Receiver<Reload>) -> u8 {
        let mut code = exit::OK;
        let mut reloadable = true;
        while !self.loops.is_empty() {
            tokio::select! {
                () = self.stop.cancelled() => return self.finish(code).await,
                () = self.gone.cancelled() => {
                    tracing::info!("standard output was closed; stopping");
                    self.stop.cancel();
                }
                Some(ended) = self.loops.join_next_with_id() => {
                    code = worse(code, self.ended(ended));
                }
                Some(ended) = self.stages.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!("a part of the relay broke down: {error}");
                        self.stop.cancel();
                        code = exit::INTERNAL;
                    }
                }
                Some(news) = self.news.1.recv() => {
                    if let Some(refused) = self.hear(news) {
                        self.stop.cancel();
                        code = worse(code, refused);
                    }
                }
                reload = reloads.recv(), if reloadable => match reload {
                    Some(reload) => self.reload(reload),
                    None => reloadable = false,
                },
            }
        }
        self.finish(code).await
    }

    /// Makes what runs match the configuration. What has not changed is left alone, so that its
    /// events are not touched. On an error everything stays as it was.
    fn adopt(&mut self, mut config: Config) -> Result<(), StartError> {
        if self.once {
            sources::leave_out_callbacks(&mut config)?;
        }
        let mut changed = Vec::new();
        for source in &config.sources {
            if self.sources.get(&source.name).is_none_or(|running| running.config != *source) {
                changed.push((source.clone(), self.open_way(source, &config)?));
            }
        }
        let opened = self.outlets.open(&config)?;
        // From here on nothing can fail.
        // The old sources retire first: what they still pull is not judged by their settings and the
        // new routes together.
        let stays = |name: &str| config.sources.iter().any(|source| source.name == name);
        let changes = |name: &str| changed.iter().any(|(source, _)| source.name == name);
        self.sources.retain(|name, running| {
            let keep = stays(name) && !changes(name);
            if !keep {
                running.end(changed.iter().filter_map(|(_, way)| way.door()));
            }
            keep
        });
        let fanout = self.outlets.adopt(&config, opened, &mut self.stages);
        self.fanout.send_replace(Arc::new(fanout));
        if let Some(storage) = &self.storage {
            let sinks = config.sinks.iter().map(|sink| sink.name.clone()).collect();
            storage.spool.set_bounds(storage::bounds(&config.relay));
            self.stages.spawn(Storage::warn_of_strays(storage.spool.clone(), sinks));
        }
        crash::point("reload-retired");
        for (source, way) in changed {
            self.start_source(source, way);
        }
        self.config = config;
        self.show();
        Ok(())
    }

    /// A source's loop has ended: the exit code that this asks for.
    fn ended(&mut self, ended: Result<(Id, End), tokio::task::JoinError>) -> u8 {
        let (id, end) = match ended {
            Ok((id, end)) => (id, Ok(end)),
            Err(error) => (error.id(), Err(error)),
        };
        let name = self.names.remove(&id);
        let name = name.as_deref().unwrap_or_default();
        match end {
            Ok(end) => end.code(),
            Err(error) => {
                tracing::error!(source.name = name, "the source broke down: {error}");
                self.stop.cancel();
                exit::INTERNAL
            }
        }
    }
}
