//! Looks at a source: the way to VOD, then who the relay is there.

use std::time::Duration;

use super::account;
use super::endpoint;
use super::finding::{Check, Finding, Findings};
use crate::config::{Config, PullConfig, SourceConfig};
use crate::exit;
use crate::relay;

/// The most time that one call may take; VOD holds a pull for 5 s.
const CALL_MAX: Duration = Duration::from_secs(10);

/// Whether to ask if the credentials may pull.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pull {
    /// In any case.
    Ask,
    /// Unless VOD says that events wait.
    UnlessEventsWait,
    /// Not beside a relay that pulls.
    RelayRuns,
}

/// What is known of a source before it is looked at.
#[derive(Debug)]
pub(super) struct Examination {
    pub(super) config: SourceConfig,
    /// How it pulls.
    pub(super) queue: PullConfig,
    /// The event types that sinks ask for by name.
    pub(super) wanted: Vec<String>,
    pub(super) pull: Pull,
}

impl Examination {
    pub(super) fn new(
        source: &SourceConfig,
        queue: &PullConfig,
        config: &Config,
        pull: Pull,
    ) -> Self {
        let sinks = config.sinks.iter().filter(|sink| {
            sink.sources.as_ref().is_none_or(|sources| sources.contains(&source.name))
        });
        let wanted = sinks.filter_map(|sink| sink.rule.events.clone()).flatten().collect();
        let request_timeout = queue.request_timeout.min(CALL_MAX);
        let queue = PullConfig { request_timeout, ..queue.clone() };
        Self { config: source.clone(), queue, wanted, pull }
    }

    /// Looks at the source.
    pub(super) async fn run(self) -> Vec<Finding> {
        let mut findings = Findings::about(format!("sources.{}", self.config.name));
        if !endpoint::examine(&mut findings, &self.queue.endpoint).await {
            let mend = "mend the connection first";
            findings.skipped(Check::Credentials, "not looked at without a connection", mend);
            return findings.all();
        }
        match relay::client(&self.config, &self.queue) {
            Ok(client) => account::examine(&mut findings, &self, &client).await,
            Err(error) => {
                let mend = "mend the credentials of this source";
                findings.error(Check::Credentials, exit::CONFIG, error.to_string(), mend);
            }
        }
        findings.all()
    }
}
