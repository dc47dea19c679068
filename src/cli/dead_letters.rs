//! `vod-relay dead-letters`: events that a sink refused for good. To look at, to deliver again, to
//! drop, beside a service that runs or without one.

mod print;
mod replay;
mod select;
mod when;

use std::io::{self, Write as _};
use std::path::Path;

use clap::{Args, Subcommand, ValueEnum};

use self::print::Table;
use self::select::{Filters, Name, Named, Selection, Wanted};
use crate::config::Config;
use crate::exit;
use crate::store::{Store, StoreError};

const ABOUT: &str = "\
Dead letters are events that a sink refused for good, or that it could not take in max_attempts \
tries. They are kept in the state_dir of the configuration, count as settled, and wait for a \
person. All of this works while the service runs, and when it does not.";

const REPLAY: &str = "\
Delivers dead letters again, one try each, as the service would: to the sink as it is configured \
now, with the same event id. What was delivered leaves the dead letters; the rest stays.

A sink that fails 10 times in a row counts as down, and the rest of its letters is not tried. \
Ctrl-C ends it in good order.

Ends with 0 if all were delivered and with 75 if some were not.";

/// Look at the events that sinks refused for good, deliver them again, or drop them
#[derive(Debug, Args)]
#[command(long_about = ABOUT)]
pub(super) struct DeadLettersArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List them, oldest first
    List {
        #[command(flatten)]
        filters: Filters,
        #[command(flatten)]
        output: Output,
    },
    /// Show everything about some of them, and the text of their events
    Show {
        #[command(flatten)]
        named: Named,
        #[command(flatten)]
        output: Output,
    },
    /// Deliver them again; what was delivered leaves the dead letters
    #[command(long_about = REPLAY)]
    Replay {
        #[command(flatten)]
        wanted: Wanted,
        #[command(flatten)]
        output: Output,
    },
    /// Remove them; their events are not delivered
    Drop(Wanted),
}

#[derive(Debug, Args)]
struct Output {
    /// Text for people, or JSON with one object on each line
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Why a command came to nothing, and the exit code that goes with it.
#[derive(Debug)]
struct Failure {
    reason: String,
    code: u8,
}

/// Does what is asked for: the exit code.
pub(super) fn run(path: &Path, args: DeadLettersArgs) -> u8 {
    if let Action::Replay { wanted, .. } | Action::Drop(wanted) = &args.action
        && wanted.is_nothing()
    {
        say("say which ones: by their keys or ids, by filters such as --sink NAME, or --all");
        return exit::USAGE;
    }
    let done = Config::load(path)
        .map_err(|error| Failure { reason: error.to_string(), code: exit::CONFIG })
        .and_then(|config| {
            let work = act(config, args);
            let failed = |reason| Failure { reason, code: exit::INTERNAL };
            super::block_on(work).map_err(failed).flatten()
        });
    done.unwrap_or_else(|Failure { reason, code }| {
        say(&reason);
        code
    })
}

async fn act(config: Config, args: DeadLettersArgs) -> Result<u8, Failure> {
    let Some(dir) = &config.relay.state_dir else {
        let reason = "the configuration has no relay.state_dir, so no dead letters are kept; if \
                      the service has it from systemd's StateDirectory=, give the same directory \
                      in $STATE_DIRECTORY";
        return Err(Failure { reason: reason.to_owned(), code: exit::CONFIG });
    };
    let store = Store::attach(dir)?;
    match args.action {
        Action::List { filters, output } => list(&store, filters.into(), output.format).await,
        Action::Show { named, output } => show(&store, named.into(), output.format).await,
        Action::Replay { wanted, output } => {
            replay::run(&config, &store, wanted.into(), output.format).await
        }
        Action::Drop(wanted) => drop_them(&store, wanted.into()).await,
    }
}

async fn list(store: &Store, mut selection: Selection, format: Format) -> Result<u8, Failure> {
    let mut table = Table::new();
    let mut count = 0;
    while let Some(page) = selection.next(store).await? {
        count += page.len();
        let text = match format {
            Format::Text => table.rows(&page),
            Format::Json => page.iter().map(print::json).collect(),
        };
        if !print(&text)? {
            return Ok(exit::OK);
        }
    }
    if count == 0 {
        say("there are no such dead letters");
    }
    Ok(exit::OK)
}

async fn show(store: &Store, mut selection: Selection, format: Format) -> Result<u8, Failure> {
    let mut first = true;
    while let Some(page) = selection.next(store).await? {
        for buried in &page {
            let text = match format {
                Format::Text if first => print::details(buried),
                Format::Text => ["\n".to_owned(), print::details(buried)].concat(),
                Format::Json => print::json(buried),
            };
            first = false;
            if !print(&text)? {
                return Ok(exit::OK);
            }
        }
    }
    Ok(missing(&selection))
}

async fn drop_them(store: &Store, mut selection: Selection) -> Result<u8, Failure> {
    let mut dropped = 0;
    while let Some(page) = selection.next(store).await? {
        dropped += store.drop_letters(page.iter().map(|buried| buried.key).collect()).await?;
    }
    let code = missing(&selection);
    say(&format!("{} dropped", letters(dropped)));
    Ok(code)
}

/// Says what was named and is not there: the exit code for it.
fn missing(selection: &Selection) -> u8 {
    let missing = selection.missing();
    for name in &missing {
        say(&match name {
            Name::Key(key) => format!("there is no dead letter {key}"),
            Name::Event(id) => format!("there is no dead letter of the event {id}"),
        });
    }
    if missing.is_empty() { exit::OK } else { exit::USAGE }
}

/// Prints data: whether anybody still reads it.
fn print(text: &str) -> Result<bool, Failure> {
    super::print(text).map_err(|error| {
        let reason = format!("cannot write to standard output: {error}");
        Failure { reason, code: exit::INTERNAL }
    })
}

/// Says something to the person at the terminal, who may have gone.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "vod-relay dead-letters: {text}");
}

/// A count in words.
fn letters(count: u64) -> String {
    format!("{count} dead letter{}", if count == 1 { "" } else { "s" })
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let code = match error {
            StoreError::Owned { .. }
            | StoreError::Missing { .. }
            | StoreError::Damaged { .. }
            | StoreError::Newer { .. }
            | StoreError::Older { .. }
            | StoreError::Unusable { .. } => exit::CONFIG,
            StoreError::NoSpace { .. }
            | StoreError::LettersFull { .. }
            | StoreError::Failed { .. }
            | StoreError::Gone => exit::INTERNAL,
        };
        Self { reason: error.to_string(), code }
    }
}
