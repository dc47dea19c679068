//! `vod-relay peek`: what waits at VOD, without taking it away.

use std::collections::HashSet;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, PullConfig, SourceConfig};
use crate::event::{Event, EventId};
use crate::exit;
use crate::json::on_one_line;
use crate::relay;
use crate::signals::{Request, Signals};
use crate::tencent::client::{Answer, Client};
use crate::tencent::error::{CallError, Class};
use crate::time;

const ABOUT: &str = "\
Pulls events and prints them, one per line, byte for byte as a sink would get them. Nothing is \
confirmed, so VOD hands them out again when their lease is over, after 30 s; a relay that runs gets \
them only then.

VOD hands out up to 16 at a time, and what was pulled beyond --max waits for its lease too. It ends \
when --max events are printed, when the queue is empty, or when the first lease is over.";

/// Pull and print events without confirming them: they come back when their lease is over
#[derive(Debug, Args)]
#[command(long_about = ABOUT)]
pub(super) struct PeekArgs {
    /// The most events to print
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..))]
    max: u32,

    /// The source to pull from; needed if there are several
    #[arg(long, value_name = "NAME")]
    source: Option<String>,

    /// Print each event with its id, as {"id":"vod_...","event":{...}}
    #[arg(long)]
    with_ids: bool,
}

/// Why there are no more events, if it is not that there are enough.
#[derive(Debug)]
struct Failure {
    reason: String,
    code: u8,
}

/// Prints what waits: the exit code.
pub(super) fn run(path: &Path, args: &PeekArgs) -> u8 {
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            return exit::CONFIG;
        }
    };
    let outcome = choose(&config, args.source.as_deref()).and_then(|source| {
        let peeked = super::block_on(peek(source, args));
        peeked.map_err(|reason| Failure { reason, code: exit::INTERNAL }).flatten()
    });
    match outcome {
        Ok(()) => exit::OK,
        Err(Failure { reason, code }) => {
            say(&reason);
            code
        }
    }
}

/// A source that pulls, and how.
type Chosen<'a> = (&'a SourceConfig, &'a PullConfig);

fn choose<'a>(config: &'a Config, name: Option<&str>) -> Result<Chosen<'a>, Failure> {
    let pulling = config.sources.iter().filter_map(|source| Some((source, source.pull()?)));
    let pulling: Vec<Chosen<'_>> = pulling.collect();
    let names = || {
        let names: Vec<_> = pulling.iter().map(|(source, _)| source.name.as_str()).collect();
        names.join(", ")
    };
    let usage = |reason| Failure { reason, code: exit::USAGE };
    match (name, pulling.as_slice()) {
        (_, []) => Err(usage("no source has type = \"pull\"".to_owned())),
        (None, [source]) => Ok(*source),
        (None, _) => Err(usage(format!("there are several sources; --source with {}", names()))),
        (Some(name), sources) => sources
            .iter()
            .find(|(source, _)| source.name == name)
            .copied()
            .ok_or_else(|| usage(format!("there is no source {name:?}; there is {}", names()))),
    }
}

async fn peek((source, config): Chosen<'_>, args: &PeekArgs) -> Result<(), Failure> {
    let client = relay::client(source, config);
    let client =
        client.map_err(|error| Failure { reason: error.to_string(), code: error.code() })?;
    let internal = |error: io::Error| Failure { reason: error.to_string(), code: exit::INTERNAL };
    let mut signals = Signals::listen().map_err(internal)?;
    let stop = CancellationToken::new();
    let mut print = Printing { left: args.max, seen: HashSet::new(), with_ids: args.with_ids };
    let mut pulled = 0;
    let outcome = {
        let pulls = pull(&client, config.lease, &stop, &mut print, &mut pulled);
        tokio::pin!(pulls);
        loop {
            tokio::select! {
                outcome = &mut pulls => break outcome,
                request = signals.next() => match request {
                    // What VOD has begun to answer is still printed, unless nobody reads it.
                    Request::Stop if !stop.is_cancelled() => stop.cancel(),
                    Request::Stop => break Ok(()),
                    Request::Reload => {}
                },
            }
        }
    };
    let lease = humantime::format_duration(config.lease);
    match pulled {
        0 if outcome.is_ok() && !stop.is_cancelled() => say("there is nothing to pull"),
        0 => {}
        n => say(&format!(
            "{n} event{} pulled and none confirmed: VOD hands them out again within {lease}, to a \
             relay that runs only then",
            if n == 1 { "" } else { "s" }
        )),
    }
    outcome
}

/// Pulls and prints until there is enough, nothing new, or no time left. `pulled` counts the leases.
async fn pull(
    client: &Client,
    lease: Duration,
    stop: &CancellationToken,
    print: &mut Printing,
    pulled: &mut usize,
) -> Result<(), Failure> {
    let mut first_lease_ends = None;
    while print.left > 0 && first_lease_ends.is_none_or(|end| time::now() < end) {
        let Answer { pulled: answer, sent } = match client.pull_events(stop).await {
            Ok(answer) => answer,
            Err(error) if error.class == Class::Cancelled => return Ok(()),
            Err(error) => return Err(failure(&error)),
        };
        first_lease_ends.get_or_insert(sent + lease);
        *pulled += answer.len();
        for error in &answer.unreadable {
            say(&format!("an element of the answer is left out: {error}"));
        }
        let (lines, new) = print.lines(answer.events.iter().map(|(event, _)| event));
        match write(lines).await {
            Ok(()) if new > 0 => {}
            Ok(()) => break,
            // A reader that has seen enough is no failure.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
            Err(error) => {
                let reason = format!("cannot write to standard output: {error}");
                return Err(Failure { reason, code: exit::INTERNAL });
            }
        }
    }
    Ok(())
}

fn failure(error: &CallError) -> Failure {
    let code = error.class.refusal().unwrap_or(exit::UNREACHABLE);
    Failure { reason: error.to_string(), code }
}

/// Writes to standard output, on a thread of its own: a reader that does not read must not keep
/// signals from being heard.
async fn write(lines: String) -> io::Result<()> {
    let written = tokio::task::spawn_blocking(move || {
        let mut out = io::stdout().lock();
        out.write_all(lines.as_bytes()).and_then(|()| out.flush())
    });
    written.await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// What is printed, and how much of it.
#[derive(Debug)]
struct Printing {
    /// How many events may still be printed.
    left: u32,
    seen: HashSet<EventId>,
    with_ids: bool,
}

#[derive(Serialize)]
struct WithId<'a> {
    id: String,
    event: &'a RawValue,
}

impl Printing {
    /// The lines of those events that are new, as far as they may be printed, and how many are new.
    fn lines<'a>(&mut self, events: impl Iterator<Item = &'a Event>) -> (String, usize) {
        let (mut lines, mut new) = (String::new(), 0);
        for event in events {
            if !self.seen.insert(event.id()) {
                continue;
            }
            new += 1;
            if self.left > 0 {
                self.left -= 1;
                lines.push_str(&line(event, self.with_ids));
                lines.push('\n');
            }
        }
        (lines, new)
    }
}

fn line(event: &Event, with_id: bool) -> String {
    let text = String::from_utf8_lossy(event.text());
    let text = on_one_line(&text);
    if !with_id {
        return text.into_owned();
    }
    let id = event.id().to_string();
    // An event came as JSON, so its text is JSON.
    let line =
        serde_json::from_str(&text).and_then(|event| serde_json::to_string(&WithId { id, event }));
    line.unwrap_or_else(|_| text.into_owned())
}

/// Says something to the person at the terminal, who may have gone.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "vod-relay peek: {text}");
}
