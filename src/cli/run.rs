//! Without a subcommand: run the relay, as a service or once.

use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::crash;
use crate::exit;
use crate::logging;
use crate::progress::Totals;
use crate::relay::Relay;
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
        eprintln!("vod-relay: {error}");
        exit::INTERNAL
    })
}

async fn serve(path: &Path, once: bool) -> u8 {
    // First of all: a signal that comes before this ends the program by itself.
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => {
            eprintln!("vod-relay: cannot listen for signals: {error}");
            return exit::INTERNAL;
        }
    };
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            return exit::CONFIG;
        }
    };
    let status = match logging::start(&config.log) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("vod-relay: {error}");
            return exit::USAGE;
        }
    };
    config.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let stop = CancellationToken::new();
    let relay = match Relay::start(config, once, stop.clone()) {
        Ok(relay) => relay,
        Err(error) => {
            tracing::error!("cannot start: {error}");
            return error.code();
        }
    };
    let totals = relay.totals();
    let (reloads, new_configs) = mpsc::channel(1);
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
                    stop.cancel();
                }
                Request::Reload => reload(path, &reloads),
            },
            () = tokio::time::sleep(REDRAW), if draws => status.show(progress(&totals)),
        }
    };
    if draws {
        status.show(String::new());
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

/// Reads the configuration again. A wrong one changes nothing.
fn reload(path: &Path, reloads: &mpsc::Sender<Config>) {
    match Config::load(path) {
        Ok(config) => {
            config.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
            if reloads.try_send(config).is_err() {
                tracing::warn!("still busy with the reload before; ask again");
            }
        }
        Err(error) => {
            tracing::error!("the old configuration stays in force; the new one is wrong: {error}");
        }
    }
}

fn progress(totals: &Totals) -> String {
    let done = totals.snapshot();
    format!("{} pulled, {} delivered, {} confirmed", done.pulled, done.delivered, done.confirmed)
}
