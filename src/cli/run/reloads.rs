//! SIGHUP: the configuration is read again and handed to the relay that runs.

use std::path::{Path, PathBuf};

use tokio::sync::{mpsc, oneshot};

use crate::config::{Config, Log};
use crate::logging::{self, Logging};
use crate::relay::{Changes, Reload, StartError};
use crate::service_manager::ServiceManager;

/// What became of a configuration; `None` when the relay has ended without a look at it.
pub(super) type Outcome = Option<Result<Changes, StartError>>;

/// The reloads of a running relay, one at a time.
#[derive(Debug)]
pub(super) struct Reloads {
    path: PathBuf,
    requests: mpsc::Sender<Reload>,
    underway: Option<Underway>,
    /// Whether somebody has asked again meanwhile.
    again: bool,
}

#[derive(Debug)]
struct Underway {
    answer: oneshot::Receiver<Result<Changes, StartError>>,
    log: Log,
}

impl Reloads {
    pub(super) fn new(path: &Path, requests: mpsc::Sender<Reload>) -> Self {
        Self { path: path.to_owned(), requests, underway: None, again: false }
    }

    /// Reads the configuration again; a wrong one changes nothing. While another reload is underway
    /// it is put off until that is over.
    pub(super) fn begin(&mut self, manager: &mut ServiceManager) {
        if self.underway.is_some() {
            self.again = true;
            return;
        }
        manager.reloading();
        let config = match Config::load(&self.path) {
            Ok(config) => config,
            Err(error) => {
                let kept = "the old configuration stays in force; the new one is wrong";
                tracing::error!("{kept}: {error}");
                manager.reload_refused(&error.to_string());
                return;
            }
        };
        config.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        let (answer, outcome) = oneshot::channel();
        self.underway = Some(Underway { answer: outcome, log: config.log.clone() });
        // There is room for one, which is the one underway. Without a relay that listens the answer
        // is that there is none.
        let _ = self.requests.try_send(Reload { config, answer });
    }

    /// Waits until the relay has said what became of the configuration; without end if none is
    /// underway. Safe to be dropped while it waits.
    pub(super) async fn ended(&mut self) -> Outcome {
        match &mut self.underway {
            Some(underway) => (&mut underway.answer).await.ok(),
            None => std::future::pending().await,
        }
    }

    /// The relay has said it.
    pub(super) fn finish(
        &mut self,
        outcome: Outcome,
        manager: &mut ServiceManager,
        logging: &Logging,
    ) {
        let Some(Underway { log, .. }) = self.underway.take() else { return };
        let Some(outcome) = outcome else { return };
        if let Ok(changes) = &outcome
            && changes.keys.iter().any(|key| key.starts_with("log."))
        {
            change_log(logging, &log, changes);
        }
        manager.reloaded(&outcome);
        if std::mem::take(&mut self.again) {
            self.begin(manager);
        }
    }
}

fn change_log(logging: &Logging, log: &Log, changes: &Changes) {
    match logging.change(log) {
        Ok(()) => tracing::info!("the log has changed"),
        Err(error) => tracing::error!("the log stays as it is: {error}"),
    }
    let variable = logging::LEVEL_VARIABLE;
    if changes.keys.contains(&"log.level") && logging::level_of_environment().is_some() {
        tracing::warn!("log.level has changed, but the variable {variable} overrides it");
    }
}
