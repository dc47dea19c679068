//! Taking over another configuration while the relay runs.

use tokio::sync::oneshot;

use super::Relay;
use super::changes::Changes;
use super::running::Running;
use super::start::StartError;
use crate::config::{Ack, Config, SourceKind};

/// A configuration that is to take the place of the one in force.
#[derive(Debug)]
pub struct Reload {
    /// The new configuration.
    pub config: Config,
    /// Told what became of it. Whoever asks may stop listening.
    pub answer: oneshot::Sender<Result<Changes, StartError>>,
}

impl Relay {
    /// Takes over a configuration, or keeps the old one and says why.
    pub(super) fn reload(&mut self, Reload { config, answer }: Reload) {
        let outcome = self.replace(config);
        match &outcome {
            Ok(changes) => {
                tracing::info!("the new configuration is in force: {changes}");
                changes.left.iter().for_each(|left| tracing::warn!("{left}"));
            }
            Err(error) => tracing::error!("the old configuration stays in force: {error}"),
        }
        // The one who asked has ended, and nobody needs to know any more.
        let _ = answer.send(outcome);
    }

    fn replace(&mut self, mut config: Config) -> Result<Changes, StartError> {
        let mut left = Vec::new();
        if config.relay.state_dir != self.config.relay.state_dir {
            if self.storage.is_none() && needs_state_dir(&config) {
                return Err(StartError::StateDir);
            }
            // The store in use holds the spool and the ledger of what is under way: all of it stays
            // where it is until the relay has settled or left it in an orderly end.
            config.relay.state_dir.clone_from(&self.config.relay.state_dir);
            left.push(
                "relay.state_dir cannot change while vod-relay runs, and the old one stays in use; \
                 restart vod-relay to apply it (what is in the old one does not move along)"
                    .to_owned(),
            );
        }
        left.extend(self.keep_ledger(&mut config));
        left.extend(self.keep_admin_address(&mut config));
        left.extend(self.keep_listen_addresses(&mut config));
        let changes = Changes { left, ..Changes::between(&self.config, &config) };
        self.adopt(config)?;
        Ok(changes)
    }

    /// Keeps the shared ledger: what was delivered is noted there, and other relays look there.
    fn keep_ledger(&self, config: &mut Config) -> Option<String> {
        let kept = &self.config.relay.ledger;
        if config.relay.ledger == *kept {
            return None;
        }
        config.relay.ledger.clone_from(kept);
        Some(
            "relay.ledger cannot change while vod-relay runs, and relay.ledger_name cannot change \
             either: the old one stays in use; restart vod-relay to apply it"
                .to_owned(),
        )
    }

    /// Keeps every source that listens where it listens: the requests that are on their way there
    /// must not find the door closed. Everything else of the source changes.
    fn keep_listen_addresses(&self, config: &mut Config) -> Vec<String> {
        let mut left = Vec::new();
        for source in &mut config.sources {
            let running = self.sources.get(&source.name).and_then(Running::door);
            if let (Some((kept, _)), SourceKind::Callback(callback)) = (running, &mut source.kind)
                && callback.listen != kept
            {
                callback.listen = kept;
                left.push(format!(
                    "sources.{}.listen cannot change while vod-relay runs, and stays {kept}; \
                     restart vod-relay to apply it",
                    source.name
                ));
            }
        }
        left
    }
}

/// Whether anything in the configuration would not do what it says without a state directory.
fn needs_state_dir(config: &Config) -> bool {
    config.sources.iter().any(|source| source.ack == Ack::Spooled)
        || config.sinks.iter().any(|sink| sink.max_attempts.is_some())
}
