//! Logs to standard error, as text or JSON.
//!
//! On a terminal a status line can stand below the log. It is wiped before each line of the log and
//! drawn again after it.
//!
//! Where standard error is the systemd journal, each record carries its priority.

mod journal;

use std::fmt;
use std::io::{self, IsTerminal as _, Write};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layered, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry, reload};

use crate::config::{Log, LogFormat};

/// The environment variable that overrides `log.level`.
pub const LEVEL_VARIABLE: &str = "VOD_RELAY_LOG";

/// Wipes the line that the cursor stands on.
const WIPE: &str = "\r\x1b[2K";

/// The line below the log of a terminal.
#[derive(Debug, Clone, Default)]
pub struct StatusLine(Arc<Mutex<String>>);

impl StatusLine {
    /// Shows a text, instead of the one before; an empty text shows nothing.
    pub fn show(&self, text: String) {
        let mut status = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut terminal = io::stderr().lock();
        *status = text;
        // A terminal that is gone cannot be told so.
        let _ = write!(terminal, "{WIPE}{status}").and_then(|()| terminal.flush());
    }
}

/// Where lines go.
#[derive(Debug, Clone)]
struct Output {
    status: StatusLine,
    to_journal: bool,
}

/// Writes one line, above the status line.
#[derive(Debug)]
struct LineWriter {
    status: StatusLine,
    /// Set if it goes to the journal.
    priority: Option<&'static str>,
}

impl Write for LineWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Some(priority) = self.priority {
            io::stderr().lock().write_all(&journal::record(priority, line))?;
            return Ok(line.len());
        }
        let status = self.status.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut terminal = io::stderr().lock();
        if status.is_empty() {
            terminal.write_all(line)?;
        } else {
            let whole = [WIPE.as_bytes(), line, status.as_bytes()].concat();
            terminal.write_all(&whole)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl<'a> MakeWriter<'a> for Output {
    type Writer = LineWriter;

    fn make_writer(&'a self) -> LineWriter {
        LineWriter { status: self.status.clone(), priority: None }
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> LineWriter {
        let priority = self.to_journal.then(|| journal::prefix(*meta.level()));
        LineWriter { priority, ..self.make_writer() }
    }
}

type Filter = reload::Layer<Targets, Registry>;
type Lines = Box<dyn Layer<Layered<Filter, Registry>> + Send + Sync>;

/// Logging that runs, to be changed while it does.
pub struct Logging {
    output: Output,
    filter: reload::Handle<Targets, Registry>,
    lines: reload::Handle<Lines, Layered<Filter, Registry>>,
}

/// Whether to print in colours, to a terminal or not: only to one, and not if `NO_COLOR` is set.
pub fn colours(terminal: bool) -> bool {
    terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Starts logging; the level that the environment asks for comes before the configuration's.
///
/// # Errors
///
/// What the environment asks for is no level.
pub fn start(log: &Log) -> Result<Logging, String> {
    let output = Output { status: StatusLine::default(), to_journal: journal::is_stderr() };
    let (filter, filter_handle) = reload::Layer::new(filter(log)?);
    let (lines, lines_handle) = reload::Layer::new(lines(log.format, &output));
    // A second start, as in tests that run several relays, keeps the first one's settings.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
    Ok(Logging { output, filter: filter_handle, lines: lines_handle })
}

impl fmt::Debug for Logging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logging").field("output", &self.output).finish_non_exhaustive()
    }
}

impl Logging {
    /// The line below the log.
    pub fn status(&self) -> &StatusLine {
        &self.output.status
    }

    /// Goes on with other settings; the level that the environment asks for still comes first.
    ///
    /// # Errors
    ///
    /// What the environment asks for is no level.
    pub fn change(&self, log: &Log) -> Result<(), String> {
        let filter = filter(log)?;
        // Neither fails but where another start was first, whose settings stay.
        let _ = self.filter.reload(filter);
        let _ = self.lines.reload(lines(log.format, &self.output));
        Ok(())
    }
}

/// Libraries that tell of what the sinks tell in words of their own, or even of what is in an event.
/// They are heard only where the level names them.
const QUIET: [&str; 5] = ["async_nats", "lapin", "rdkafka", "rumqttc", "rumqttc_core"];

/// A library that prints a password at its finest level, among the bytes of what it sends: it is heard
/// up to this level.
const INDISCREET: (&str, LevelFilter) = ("lapin", LevelFilter::DEBUG);

/// What is logged.
fn filter(log: &Log) -> Result<Targets, String> {
    let level = match level_of_environment() {
        Some(wish) => log
            .with_level(&wish)
            .map(|log| log.level)
            .map_err(|error| format!("{LEVEL_VARIABLE}: {error}"))?,
        None => log.level.clone(),
    };
    let targets = level.parse::<Targets>().map_err(|error| format!("log.level: {error}"))?;
    let quiet = QUIET.into_iter().filter(|library| !level.contains(library));
    let targets =
        quiet.fold(targets, |targets, library| targets.with_target(library, LevelFilter::OFF));
    Ok(discreet(targets))
}

/// The same without what would show a secret.
fn discreet(targets: Targets) -> Targets {
    let (library, most) = INDISCREET;
    let others = targets.default_level().unwrap_or(LevelFilter::OFF);
    // What names only a part of it leaves the rest to the default. A later level for a name replaces an
    // earlier one.
    let rest = (library.to_owned(), others);
    let limited = std::iter::once(rest).chain(targets).map(|(target, level)| {
        let most = if target.starts_with(library) { most } else { LevelFilter::TRACE };
        (target, level.min(most))
    });
    limited.collect::<Targets>().with_default(others)
}

/// The level that the environment asks for.
pub fn level_of_environment() -> Option<String> {
    std::env::var(LEVEL_VARIABLE).ok().filter(|wish| !wish.is_empty())
}

/// How it looks.
fn lines(format: LogFormat, output: &Output) -> Lines {
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(output.clone())
        .with_ansi(colours(io::stderr().is_terminal()))
        .log_internal_errors(false);
    match format {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        // The journal has a time of its own for each record.
        LogFormat::Text if output.to_journal => lines.with_target(false).without_time().boxed(),
        LogFormat::Text => lines.with_target(false).boxed(),
    }
}

/// Prints an error where there is no log yet, each of its lines with its priority if it goes to
/// the journal.
pub fn complain(error: &str) {
    match journal::is_stderr() {
        true => error.lines().for_each(|line| eprintln!("{}{line}", journal::prefix(Level::ERROR))),
        false => eprintln!("{error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_heard_only_where_the_level_names_them() {
        let hears = |level: &str, library: &str| {
            filter(&Log { format: LogFormat::Text, level: level.to_owned() })
                .unwrap()
                .would_enable(&format!("{library}::connection"), &Level::ERROR)
        };
        for library in QUIET {
            assert!(!hears("trace", library), "{library}");
            assert!(hears(&format!("info,{library}=warn"), library), "{library}");
        }
        assert!(hears("info", "vod_relay"));
    }

    #[test]
    fn no_level_has_a_library_print_what_it_sends() {
        let log = |level: &str| Log { format: LogFormat::Text, level: level.to_owned() };
        for level in
            ["trace,lapin=trace", "lapin::io_loop=trace", "lapin", "trace,lapin::channel=debug"]
        {
            let filter = filter(&log(level)).unwrap();
            assert!(!filter.would_enable("lapin::io_loop", &Level::TRACE), "{level}");
            assert!(filter.would_enable("lapin::io_loop", &Level::DEBUG), "{level}");
        }
        assert!(filter(&log("trace,lapin=debug")).unwrap().would_enable("hyper", &Level::TRACE));
    }
}
