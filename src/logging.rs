//! Logs to standard error, as text or JSON.
//!
//! On a terminal a status line can stand below the log. It is wiped before each line of the log and
//! drawn again after it.

use std::io::{self, IsTerminal as _, Write};
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

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

/// Writes lines above the status line.
#[derive(Debug)]
pub struct AboveStatus(StatusLine);

impl Write for AboveStatus {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let status = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
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

impl<'a> MakeWriter<'a> for StatusLine {
    type Writer = AboveStatus;

    fn make_writer(&'a self) -> AboveStatus {
        AboveStatus(self.clone())
    }
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
pub fn start(log: &Log) -> Result<StatusLine, String> {
    let wish = std::env::var(LEVEL_VARIABLE).ok().filter(|wish| !wish.is_empty());
    let log = match wish {
        Some(wish) => {
            log.with_level(&wish).map_err(|error| format!("{LEVEL_VARIABLE}: {error}"))?
        }
        None => log.clone(),
    };
    let filter: Targets = log.level.parse().map_err(|error| format!("log.level: {error}"))?;
    let status = StatusLine::default();
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(status.clone())
        .with_ansi(colours(io::stderr().is_terminal()))
        .log_internal_errors(false);
    let registry = tracing_subscriber::registry().with(filter);
    // A second start, as in tests that run several relays, keeps the first one's settings.
    let _ = match log.format {
        LogFormat::Text => registry.with(lines.with_target(false)).try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
    Ok(status)
}
