//! What can be asked of a relay while it runs.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::watch;

use super::Relay;
use crate::config::PullConfig;
use crate::flight::InFlight;
use crate::progress::{SinkProgress, Totals};
use crate::spool::Spool;
use crate::store::SpoolStats;
use crate::time::{self, Instant};

/// A look at a relay from outside. Holding one keeps no part of the relay from ending, but for the
/// files of the state directory.
#[derive(Debug, Clone)]
pub struct Overview {
    totals: Totals,
    spool: Option<Arc<Spool>>,
    roster: watch::Receiver<Roster>,
}

/// What takes part at the moment.
#[derive(Debug, Default)]
pub struct Roster {
    /// Whether any source has been live since the start.
    pub served: bool,
    /// The sources that pull, in no order.
    pub pulling: Vec<Pulling>,
    /// The sinks, in the order of their names.
    pub sinks: Vec<(Arc<str>, Arc<SinkProgress>)>,
    /// How long a stop may take.
    pub shutdown_grace: Duration,
}

/// A source that pulls.
#[derive(Debug, Clone)]
pub struct Pulling {
    /// Its name.
    pub name: Arc<str>,
    /// When it was started.
    pub since: Instant,
    /// How long one of its requests may take.
    pub request_timeout: Duration,
    /// Its events in the air, for as long as there may be any.
    pub in_flight: Weak<InFlight>,
}

impl Relay {
    /// A look at the relay while it runs.
    pub fn overview(&self) -> Overview {
        let spool = self.storage.as_ref().map(|storage| storage.spool.clone());
        Overview { totals: self.totals(), spool, roster: self.roster.subscribe() }
    }

    /// Brings the roster up to date.
    pub(super) fn show_roster(&self) {
        let pulling = self.sources.values().filter_map(|running| running.pulling.clone()).collect();
        let (sinks, shutdown_grace) = (self.outlets.progresses(), self.config.relay.shutdown_grace);
        self.roster.send_modify(|roster| {
            *roster = Roster { served: roster.served, pulling, sinks, shutdown_grace };
        });
    }
}

impl Pulling {
    /// A source that starts now.
    pub(super) fn of(config: &PullConfig, in_flight: &Arc<InFlight>) -> Self {
        Self {
            name: in_flight.source().clone(),
            since: time::now(),
            request_timeout: config.request_timeout,
            in_flight: Arc::downgrade(in_flight),
        }
    }
}

impl Overview {
    /// What became of the events of all sources, and how the sources fare.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// What takes part now.
    pub fn roster(&self) -> watch::Ref<'_, Roster> {
        self.roster.borrow()
    }

    /// Waits until the roster is another one than when this was last called; without end once the
    /// relay has ended.
    pub async fn changed(&mut self) {
        if self.roster.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// How many events are in the air.
    pub fn in_flight(&self) -> usize {
        let roster = self.roster.borrow();
        let events = |source: &Pulling| Some(source.in_flight.upgrade()?.events());
        roster.pulling.iter().filter_map(events).sum()
    }

    /// What is in the spool, if there is one.
    pub fn spool(&self) -> Option<SpoolStats> {
        self.spool.as_ref().map(|spool| spool.stats())
    }
}
