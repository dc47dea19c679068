//! The sinks that run: a lane for each, and its feed from the spool.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::application::Applications;
use crate::config::{Config, SinkConfig};
use crate::fanout::Fanout;
use crate::lane::{self, Lane};
use crate::ledger::Ledger;
use crate::progress::{SinkProgress, Totals};
use crate::sink::{Kind, OpenError, Sink};
use crate::spool::{self, Feed, Spool};

/// What all outlets share.
#[derive(Debug, Clone)]
pub(super) struct Common {
    pub(super) ledger: Arc<Ledger>,
    pub(super) spool: Option<Arc<Spool>>,
    pub(super) totals: Totals,
    /// The relay stops.
    pub(super) stop: CancellationToken,
    /// Nothing more comes into the spool: what is in it is tried once more.
    pub(super) drain: CancellationToken,
    /// A sink's receiver has closed its end.
    pub(super) gone: CancellationToken,
}

/// The sinks that run, by name.
#[derive(Debug)]
pub(super) struct Outlets {
    common: Common,
    applications: Applications,
    by_name: HashMap<String, Outlet>,
    /// Feeds that are ending; a new one of the same sink waits for them.
    ending: HashMap<String, oneshot::Receiver<()>>,
}

#[derive(Debug)]
struct Outlet {
    kind: Kind,
    max_attempts: Option<u64>,
    lane: Lane,
    feed: Option<RunningFeed>,
}

#[derive(Debug)]
struct RunningFeed {
    retire: CancellationToken,
    ended: oneshot::Receiver<()>,
}

/// Sinks that a new configuration needs, opened and not yet in use.
pub(super) struct Opened(HashMap<String, Arc<dyn Sink>>);

impl Outlets {
    pub(super) fn new(common: Common) -> Self {
        let applications = Applications::default();
        Self { common, applications, by_name: HashMap::new(), ending: HashMap::new() }
    }

    /// Opens what is new or different in a configuration. What runs is not touched.
    pub(super) fn open(&self, config: &Config) -> Result<Opened, OpenError> {
        let mut opened = HashMap::new();
        for sink in &config.sinks {
            if !self.by_name.get(&sink.name).is_some_and(|outlet| outlet.is_of(sink)) {
                opened.insert(sink.name.clone(), sink.kind.open(&sink.name)?);
            }
        }
        Ok(Opened(opened))
    }

    /// Makes what runs match the configuration, and says where events go from now on. A lane that
    /// is no longer named ends when what is in it is settled.
    pub(super) fn adopt(
        &mut self,
        config: &Config,
        Opened(mut opened): Opened,
        tasks: &mut JoinSet<()>,
    ) -> Fanout {
        self.applications.learn(config.applications());
        let mut before = std::mem::take(&mut self.by_name);
        for sink in &config.sinks {
            let former = before.remove(&sink.name);
            let outlet = match (opened.remove(&sink.name), former) {
                (None, Some(outlet)) => {
                    outlet.lane.reopen();
                    outlet
                }
                (Some(new), former) => {
                    self.retire(&sink.name, former);
                    self.start(sink, new, tasks)
                }
                (None, None) => continue,
            };
            self.by_name.insert(sink.name.clone(), outlet);
        }
        for (name, outlet) in before {
            self.retire(&name, Some(outlet));
        }
        let share = share(config);
        self.by_name.values().for_each(|outlet| outlet.lane.set_share(share));
        let lanes = config.sinks.iter().filter_map(|sink| self.by_name.get(&sink.name));
        Fanout::new(config.router(), lanes.map(|outlet| outlet.lane.clone()).collect())
    }

    /// How the sink of this name fares.
    pub(super) fn progress(&self, name: &str) -> Option<&Arc<SinkProgress>> {
        self.by_name.get(name).map(|outlet| outlet.lane.progress())
    }

    /// Ends the feed of a sink that is not used any more. Its lane ends by itself.
    fn retire(&mut self, name: &str, outlet: Option<Outlet>) {
        if let Some(feed) = outlet.and_then(|outlet| outlet.feed) {
            feed.retire.cancel();
            self.ending.insert(name.to_owned(), feed.ended);
        }
    }

    fn start(
        &mut self,
        config: &SinkConfig,
        sink: Arc<dyn Sink>,
        tasks: &mut JoinSet<()>,
    ) -> Outlet {
        let Common { ledger, spool, totals, stop, drain, gone } = self.common.clone();
        let parts = lane::Parts {
            ledger: ledger.clone(),
            progress: totals.sink(&config.name),
            applications: self.applications.clone(),
            max_attempts: config.max_attempts,
            closing: stop.clone(),
            gone,
        };
        let lane = Lane::open(&config.name, sink, parts, tasks);
        let after = self.ending.remove(&config.name);
        let feed = spool.map(|spool| {
            let (retire, (ended, has_ended)) = (stop.child_token(), oneshot::channel());
            let (lane, retire_feed) = (lane.clone(), retire.clone());
            let feed = Feed::new(spool::Parts {
                spool,
                lane,
                ledger,
                totals,
                retire: retire_feed,
                drain,
                after,
                ended,
            });
            tasks.spawn(feed.run());
            RunningFeed { retire, ended: has_ended }
        });
        let (kind, max_attempts) = (config.kind.clone(), config.max_attempts);
        Outlet { kind, max_attempts, lane, feed }
    }
}

impl Outlet {
    /// Whether it is what the configuration asks for.
    fn is_of(&self, config: &SinkConfig) -> bool {
        self.kind == config.kind && self.max_attempts == config.max_attempts
    }
}

/// How many events one sink may keep busy when there are others: an equal part for each and one
/// to spare.
fn share(config: &Config) -> usize {
    let room = config.sources.iter().map(|source| source.max_in_flight).min();
    match (room, config.sinks.len()) {
        (Some(room), sinks @ 2..) => room / (sinks + 1),
        _ => usize::MAX,
    }
}
