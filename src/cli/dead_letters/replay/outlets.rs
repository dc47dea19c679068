//! The ways into the sinks that have dead letters.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Outcome;
use crate::application::Applications;
use crate::cli::dead_letters::say;
use crate::config::{Config, SinkConfig};
use crate::lane::{self, Lane};
use crate::ledger::Ledger;
use crate::metrics::Metrics;
use crate::progress::SinkProgress;
use crate::sink::stdout;

/// A sink that fails so often in a row counts as down, and is spared the rest.
const FAILURES_MAX: u32 = 10;

/// A lane for each sink, opened when its first letter comes.
pub(super) struct Outlets<'a> {
    config: &'a Config,
    applications: Applications,
    by_name: HashMap<Arc<str>, Outlet>,
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

struct Outlet {
    /// The lane, or why there is none.
    lane: Result<Lane, &'static str>,
    /// Makes the lane give back what is not on its way yet.
    closing: CancellationToken,
    /// How many deliveries in a row have failed.
    failures: u32,
    /// Whether its events come out of this command's own standard output.
    is_stdout: bool,
}

impl<'a> Outlets<'a> {
    pub(super) fn new(config: &'a Config, stop: CancellationToken) -> Self {
        let applications = Applications::default();
        applications.learn(config.applications());
        Self { config, applications, by_name: HashMap::new(), tasks: JoinSet::new(), stop }
    }

    /// The lane of a sink, or what stands in the way.
    pub(super) fn of(&mut self, sink: &Arc<str>) -> Result<Lane, &'static str> {
        if !self.by_name.contains_key(sink) {
            let outlet = self.open(sink);
            self.by_name.insert(sink.clone(), outlet);
        }
        self.by_name.get(sink).map_or(Err("there is no way to it"), |outlet| outlet.lane.clone())
    }

    fn open(&mut self, name: &Arc<str>) -> Outlet {
        let closing = self.stop.child_token();
        let config = self.config.sinks.iter().find(|sink| *sink.name == **name);
        let lane = match config {
            Some(config) => self.open_lane(config, closing.clone()),
            None => {
                say(&format!(
                    "the sink {name} is not in the configuration any more: configure it again to \
                     deliver its letters, or drop them"
                ));
                Err("its sink is not configured")
            }
        };
        let is_stdout = config.is_some_and(|sink| sink.kind.is::<stdout::Config>());
        Outlet { lane, closing, failures: 0, is_stdout }
    }

    fn open_lane(
        &mut self,
        config: &SinkConfig,
        closing: CancellationToken,
    ) -> Result<Lane, &'static str> {
        let sink = config.kind.open(&config.name).map_err(|error| {
            say(&error.to_string());
            "its sink cannot be opened"
        })?;
        let parts = lane::Parts {
            // The letter itself is the note of what is still to be done.
            ledger: Arc::new(Ledger::in_memory()),
            progress: Arc::new(SinkProgress::new(Metrics::default().sink(&config.name))),
            applications: self.applications.clone(),
            max_attempts: None,
            closing,
            gone: CancellationToken::new(),
        };
        Ok(Lane::open(&config.name, sink, parts, &mut self.tasks))
    }

    /// Whether the sink's events come out of this command's own standard output.
    pub(super) fn is_stdout(&self, sink: &str) -> bool {
        self.by_name.get(sink).is_some_and(|outlet| outlet.is_stdout)
    }

    /// A letter is settled; a sink that seems to be down gets no more.
    pub(super) fn heard(&mut self, sink: &str, outcome: Outcome) {
        let Some(outlet) = self.by_name.get_mut(sink) else { return };
        match outcome {
            // What refuses an event works.
            Outcome::Delivered | Outcome::Refused => outlet.failures = 0,
            Outcome::Failed => outlet.failures = outlet.failures.saturating_add(1),
            Outcome::NotTried => {}
        }
        if outlet.failures >= FAILURES_MAX && !outlet.closing.is_cancelled() {
            outlet.closing.cancel();
            say(&format!(
                "the sink {sink} seems to be down: {FAILURES_MAX} deliveries in a row have failed, \
                 so the rest of its letters is not tried"
            ));
        }
    }

    /// Why letters for the sink are not tried.
    pub(super) fn obstacle(&self, sink: &str) -> &'static str {
        let is_down = self.by_name.get(sink).is_some_and(|it| it.failures >= FAILURES_MAX);
        if is_down { "its sink seems to be down" } else { "told to stop" }
    }

    /// Lets the lanes end: whether the configuration stood in the way of any letter.
    pub(super) async fn close(mut self) -> bool {
        let misconfigured = self.by_name.values().any(|outlet| outlet.lane.is_err());
        self.by_name.clear();
        while self.tasks.join_next().await.is_some() {}
        misconfigured
    }
}
