//! `vod-relay demo`: the whole way of an event, without an account.
//!
//! An emulator of VOD, the relay, and a stand-in for the user's application run in this one
//! process and talk HTTP to each other, each exactly as it would with the real others. Every event
//! that reaches the application is printed.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use clap::Args;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::emulator::{self, Account, Emulator};
use crate::event::Event;
use crate::event::procedure::ProcedureTask;
use crate::exit;
use crate::logging;
use crate::relay::Relay;
use crate::signals::{Request, Signals};
use crate::time;

/// Between the events of `--keep`.
const TRICKLE: Duration = Duration::from_secs(1);

/// How often the demo looks whether everything has arrived.
const LOOK: Duration = Duration::from_millis(20);

/// What `vod-relay demo` takes.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// How many sample events to send through
    #[arg(long, value_name = "N", default_value_t = 24)]
    events: u64,

    /// Keep running, with one more event every second, until Ctrl-C
    #[arg(long)]
    keep: bool,
}

/// The stand-in for the user's application.
#[derive(Debug)]
struct Application {
    received: AtomicU64,
    /// Cancelled when there is nobody to print for.
    closed: CancellationToken,
}

/// Runs the demo: the exit code.
pub(super) fn run(args: &DemoArgs) -> u8 {
    match super::block_on(show(args)).flatten() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("vod-relay demo: {error}");
            exit::INTERNAL
        }
    }
}

async fn show(args: &DemoArgs) -> Result<u8, String> {
    let mut signals = Signals::listen().map_err(|error| error.to_string())?;
    let stop = CancellationToken::new();
    let listen = (Ipv4Addr::LOCALHOST, 0).into();
    let options = emulator::Options { listen, ..emulator::Options::default() };
    let emulator = Emulator::bind(options).await.map_err(|error| error.to_string())?;
    let application = Arc::new(Application { received: 0.into(), closed: stop.clone() });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
    let listener = listener.map_err(|error| error.to_string())?;
    let webhook = listener.local_addr().map_err(|error| error.to_string())?;
    let config = config(&emulator.url(), &format!("http://{webhook}/vod"))?;
    logging::start(&config.log)?;
    print(&format!(
        "VOD emulator      {}\nyour application  http://{webhook}/vod\n\n",
        emulator.url()
    ));
    let control = emulator.control();
    for n in 0..args.events {
        control.push(None, &emulator::sample(n)).map_err(|error| error.to_string())?;
    }
    let backstage = CancellationToken::new();
    tokio::spawn(emulator.run(backstage.clone().cancelled_owned()));
    let app = Router::new().route("/vod", post(receive)).with_state(application);
    let serve =
        axum::serve(listener, app).with_graceful_shutdown(backstage.clone().cancelled_owned());
    tokio::spawn(serve.into_future());

    let started = time::now();
    let relay = Relay::start(config, false, stop.clone()).map_err(|error| error.to_string())?;
    let totals = relay.totals();
    let (_no_reloads, reloads) = mpsc::channel(1);
    let running = relay.run(reloads);
    tokio::pin!(running);
    let mut next = args.events;
    let mut trickle = tokio::time::interval_at(started + TRICKLE, TRICKLE);
    let code = loop {
        tokio::select! {
            code = &mut running => break code,
            request = signals.next() => if request == Request::Stop {
                if stop.is_cancelled() {
                    return Ok(exit::INTERNAL);
                }
                stop.cancel();
            },
            _ = trickle.tick(), if args.keep && !stop.is_cancelled() => {
                control.push(None, &emulator::sample(next)).map_err(|error| error.to_string())?;
                next += 1;
            }
            () = tokio::time::sleep(LOOK), if !args.keep && !stop.is_cancelled() => {
                if totals.snapshot().confirmed >= args.events {
                    stop.cancel();
                }
            }
        }
    };
    backstage.cancel();
    let (done, took) = (totals.snapshot(), started.elapsed());
    print(&format!(
        "\n{} pulled, {} delivered, {} confirmed in {:.1} s\n",
        done.pulled,
        done.delivered,
        done.confirmed,
        took.as_secs_f64()
    ));
    Ok(code)
}

/// The configuration that a user would write for this.
fn config(endpoint: &str, webhook: &str) -> Result<Config, String> {
    let Account { secret_id, secret_key, .. } = Account::default();
    let text = format!(
        "[log]\nlevel = \"warn\"\n\n\
         [sources.demo]\ntype = \"pull\"\nendpoint = \"{endpoint}\"\n\n\
         [sources.demo.credentials]\n\
         secret_id = \"{secret_id}\"\nsecret_key = \"{secret_key}\"\n\n\
         [sinks.app]\ntype = \"webhook\"\nurl = \"{webhook}\"\n"
    );
    Config::parse("demo", &text, &|_| None).map_err(|error| error.to_string())
}

/// One delivery reaches the application.
async fn receive(
    State(application): State<Arc<Application>>,
    headers: HeaderMap,
    body: String,
) -> StatusCode {
    let event = Event::from_content(body);
    let number = application.received.fetch_add(1, Ordering::Relaxed) + 1;
    let id = headers.get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
    let line = format!("{number:4}  {id}  {:<22}{}\n", event.event_type(), summary(&event));
    if !print(&line) {
        application.closed.cancel();
    }
    StatusCode::NO_CONTENT
}

/// What the event says, on one line.
fn summary(event: &Event) -> String {
    if let Some(Ok(task)) = ProcedureTask::of(event) {
        return task.summary().to_string();
    }
    let fields = event.fields();
    let known = [("task", &fields.task_id), ("file", &fields.file_id), ("status", &fields.status)];
    let mut summary = String::new();
    for (name, value) in known {
        if let Some(value) = value {
            // Writing to a string cannot fail.
            let _ = write!(summary, "{name} {value} ");
        }
    }
    summary
}

/// Prints to standard output; whether there is still someone to read it.
fn print(text: &str) -> bool {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).is_ok()
}
