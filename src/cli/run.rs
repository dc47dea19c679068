//! Without a subcommand: run the relay, as a service or once.

mod reloads;

use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::reloads::Reloads;
use crate::config::Config;
use crate::crash;
use crate::exit;
use crate::logging;
use crate::progress::Totals;
use crate::relay::Relay;
use crate::service_manager::ServiceManager;
use crate::signals::{Request, Signals};

/// How often the progress of `--once` is drawn on a terminal.
const REDRAW: Duration = Duration::from_millis(200);

/// Runs the relay to its end: the exit code.
pub(super) fn run(path: &Path, once: bool) -> u8 {
    if let Err(error) = crash::check() {
        eprintln!("vod-relay: {error}");
        return exit::USAGE;
    }
    super::block_on(serve(path, once)).unwrap_or_else(|error| {
        logging::complain(&format!("vod-relay: {error}"));
        exit::INTERNAL
    })
}

async fn serve(path: &Path, once: bool) -> u8 {
    // First of all: a signal that comes before this ends the program by itself.
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => {
            logging::complain(&format!("vod-relay: cannot listen for signals: {error}"));
            return exit::INTERNAL;
        }
    };
    let mut manager = ServiceManager::of_this_process(once);
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(error) => {
            let error = error.to_string();
            logging::complain(&error);
            manager.failed(&error);
            return exit::CONFIG;
        }
    };
    let logging = match logging::start(&config.log) {
        Ok(logging) => logging,
        Err(error) => {
            logging::complain(&format!("vod-relay: {error}"));
            manager.failed(&error);
            return exit::USAGE;
        }
    };
    config.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let stop = CancellationToken::new();
    let relay = match Relay::start(config, once, stop.clone()) {
        Ok(relay) => relay,
        Err(error) => {
            tracing::error!("cannot start: {error}");
            manager.failed(&format!("cannot start: {error}"));
            return error.code();
        }
    };
    let totals = relay.totals();
    manager.watch(relay.board());
    let (requests, new_configs) = mpsc::channel(1);
    let mut reloads = Reloads::new(path, requests);
    let running = relay.run(new_configs);
    tokio::pin!(running);
    let draws = once && io::stderr().is_terminal();
    let code = loop {
        tokio::select! {
            code = &mut running => break code,
            request = signals.next() => match request {
                Request::Stop if stop.is_cancelled() => {
                    tracing::warn!("told to stop again; ending at once");
                    return exit::INTERNAL;
                }
                Request::Stop => {
                    tracing::info!("stopping: no more pulls, finishing what is in flight");
                    manager.stopping();
                    stop.cancel();
                }
                Request::Reload => reloads.begin(&mut manager),
            },
            outcome = reloads.ended() => reloads.finish(outcome, &mut manager, &logging),
            () = manager.turn() => {}
            () = tokio::time::sleep(REDRAW), if draws => logging.status().show(progress(&totals)),
        }
    };
    manager.ended();
    if draws {
        logging.status().show(String::new());
    }
    let done = totals.snapshot();
    tracing::info!(
        pulled = done.pulled,
        posted = done.posted,
        redelivered = done.redelivered,
        delivered = done.delivered,
        dead_letters = done.dead,
        confirmed = done.confirmed,
        left = done.left,
        code,
        "ended"
    );
    code
}

fn progress(totals: &Totals) -> String {
    let done = totals.snapshot();
    format!("{} pulled, {} delivered, {} confirmed", done.pulled, done.delivered, done.confirmed)
}
