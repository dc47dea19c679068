//! Looks at everything that a relay with some configuration needs, and says what is wrong and how to
//! mend it.
//!
//! # What it leaves alone
//!
//! It looks at the real thing without using it: no event is sent to a sink, no sink's file is
//! made or changed, no program is run, and nothing is confirmed (VOD is asked to confirm a handle that
//! does not exist). It may run beside a relay.
//!
//! One thing cannot be known for certain without doing it, which is whether these credentials may
//! pull. `PullEvents` leases what waits, and VOD hands it out again only when the lease is over. So
//! that is asked only where nobody loses time by it: not if a relay runs with the same state
//! directory, and not if VOD says that events wait. [`Pull::Always`] asks all the same.
//!
//! # How
//!
//! Each look gives a [`Finding`]. Sources and sinks are looked at all at once, each for a limited
//! time, and one that breaks down does not keep the others from being told. The findings come in the
//! order of the configuration.

mod account;
mod endpoint;
mod finding;
mod ledger;
mod listener;
mod rights;
mod source;
mod state;

use std::path::Path;
use std::time::Duration;

use crate::config::{Config, ConfigError, SourceKind};
use crate::exit;
use crate::sink::Probed;

use self::finding::Findings;
pub use self::finding::{Check, Finding, Level, code};
use self::source::Examination;

/// The most time that looking at one sink may take: two attempts at a connection.
const SINK_MAX: Duration = Duration::from_secs(20);

/// When to ask whether the credentials may pull.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pull {
    /// When no event is delayed by it, as far as can be known.
    IfHarmless,
    /// In any case: up to 16 events come only when their lease is over.
    Always,
}

/// Looks at everything that the configuration names. `path` is the file that it was read from.
pub async fn examine(config: &Config, path: &Path, pull: Pull) -> Vec<Finding> {
    let mut findings = of_config(config, path);
    let (of_state, relay_runs) = state::examine(config).await;
    findings.extend(of_state);
    let pull = match pull {
        Pull::Always => source::Pull::Ask,
        Pull::IfHarmless if relay_runs => source::Pull::RelayRuns,
        Pull::IfHarmless => source::Pull::UnlessEventsWait,
    };
    let mut looks = Vec::new();
    if let Some(settings) = config.relay.ledger.clone() {
        let look = tokio::spawn(ledger::examine(settings));
        looks.push((Check::SharedLedger, "relay.ledger".to_owned(), look));
    }
    if let Some(admin) = config.admin.clone() {
        let look = tokio::spawn(listener::of_admin(admin));
        looks.push((Check::Listen, "admin".to_owned(), look));
    }
    for source in &config.sources {
        let subject = format!("sources.{}", source.name);
        looks.push(match &source.kind {
            SourceKind::Pull(queue) => {
                let examination = Examination::new(source, queue, config, pull);
                (Check::Connection, subject, tokio::spawn(examination.run()))
            }
            SourceKind::Callback(callback) => {
                let look = listener::of_source(source.clone(), callback.clone());
                (Check::Listen, subject, tokio::spawn(look))
            }
        });
    }
    for sink in &config.sinks {
        let (kind, subject) = (sink.kind.clone(), format!("sinks.{}", sink.name));
        let look = of_sink(subject.clone(), async move { kind.probe().await });
        looks.push((Check::Sink, subject, tokio::spawn(look)));
    }
    for (check, subject, look) in looks {
        match look.await {
            Ok(found) => findings.extend(found),
            Err(error) => {
                let mut broken = Findings::about(subject);
                let found = format!("looking at it broke down: {error}");
                broken.error(check, exit::INTERNAL, found, "this is a defect of vod-relay");
                findings.extend(broken.all());
            }
        }
    }
    findings
}

/// What is found of a configuration that cannot be used: one finding for each mistake.
pub fn of_mistakes(error: &ConfigError) -> Vec<Finding> {
    match error {
        ConfigError::Unreadable { path, reason } => {
            let mut findings = Findings::about(path.display().to_string());
            let mend = "name the file with --config FILE or VOD_RELAY_CONFIG";
            findings.error(Check::Config, exit::CONFIG, format!("cannot be read: {reason}"), mend);
            findings.all()
        }
        ConfigError::Wrong { file, mistakes } => {
            let mut findings = Findings::about(file.clone());
            for mistake in mistakes {
                let mend = match mistake.right.as_str() {
                    "" => "mend this line",
                    right => right,
                };
                let place = format!("{}:{}: {}", mistake.line, mistake.column, mistake.path);
                let found = format!("{} {}", place.trim_end_matches(": "), mistake.problem);
                findings.error(Check::Config, exit::CONFIG, found, mend);
            }
            findings.all()
        }
    }
}

fn of_config(config: &Config, path: &Path) -> Vec<Finding> {
    let mut findings = Findings::about(path.display().to_string());
    for warning in &config.warnings {
        let mend = "change that line as its brackets say";
        findings.warning(Check::Config, warning.clone(), mend);
    }
    let (sources, sinks) = (config.sources.len(), config.sinks.len());
    let found = format!("no mistakes; {}, {}", count(sources, "source"), count(sinks, "sink"));
    findings.ok(Check::Config, found);
    findings.all()
}

async fn of_sink(subject: String, probe: impl Future<Output = Probed>) -> Vec<Finding> {
    let mut findings = Findings::about(subject);
    match tokio::time::timeout(SINK_MAX, probe).await {
        Ok(Probed::Fine { found }) => findings.ok(Check::Sink, found),
        Ok(Probed::Doubtful { found, mend }) => findings.warning(Check::Sink, found, mend),
        Ok(Probed::Failing { found, mend, code }) => findings.error(Check::Sink, code, found, mend),
        Err(_) => {
            let found = format!("no outcome within {}", humantime::format_duration(SINK_MAX));
            findings.error(Check::Sink, exit::UNREACHABLE, found, "look at the network");
        }
    }
    findings.all()
}

fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}
