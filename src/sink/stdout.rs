//! Events to standard output, one per line.
//!
//! # Delivered when
//!
//! The lines are written to standard output. What reads a pipe there may still lose them.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use super::{
    BoxFuture, Limits, OpenError, Outcome, Parcel, Refusal, Sink, json_lines, write_counted,
};
use crate::config::Section;
use crate::format::Format;

/// The most events that share one write.
const BATCH_MAX: usize = 64;

/// What `[sinks.NAME]` with `type = "stdout"` says.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The shape of each line.
    pub format: Format,
    /// The most time that one write may take.
    pub timeout: Duration,
}

impl Config {
    /// Reads the sink's keys.
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let timeout = super::timeout(section, Duration::from_secs(10));
        Some(Self { format: super::format(section)?, timeout })
    }
}

/// The sink.
pub struct Stdout {
    config: Config,
    lines: Arc<Mutex<Lines>>,
}

impl std::fmt::Debug for Stdout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stdout").field("config", &self.config).finish_non_exhaustive()
    }
}

/// The writer and the state it was left in.
struct Lines {
    writer: Box<dyn Write + Send>,
    state: State,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    /// The next write starts a line.
    Whole,
    /// A write failed half-way, so the next one must end that line first.
    Torn,
    /// Nobody reads any more.
    Closed,
}

impl Stdout {
    /// Writes to the standard output of this process.
    ///
    /// # Errors
    ///
    /// Standard output cannot be used.
    pub(super) fn open(config: &Config, name: &str) -> Result<Self, OpenError> {
        // Past the standard library's buffer: what a failed write leaves in there would come out
        // again in front of the next line.
        let fd = io::stdout().as_fd().try_clone_to_owned().map_err(|error| {
            OpenError::new(name, format!("cannot use standard output: {error}"))
        })?;
        Ok(Self::with_writer(config.clone(), Process(File::from(fd))))
    }

    /// Writes to `writer` in the place of standard output.
    pub fn with_writer(config: Config, writer: impl Write + Send + 'static) -> Self {
        let lines = Lines { writer: Box::new(writer), state: State::Whole };
        Self { config, lines: Arc::new(Mutex::new(lines)) }
    }
}

impl Sink for Stdout {
    fn limits(&self) -> Limits {
        Limits { timeout: self.config.timeout, concurrency: 1, batch: BATCH_MAX }
    }

    fn deliver<'a>(&'a self, batch: &'a [Parcel]) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(async move {
            let text = json_lines(batch, self.config.format);
            // The lock goes along: a write whose time is over still runs to its end, and the next
            // one waits for it instead of coming in between.
            let mut lines = Arc::clone(&self.lines).lock_owned().await;
            let outcome = spawn_blocking(move || lines.write(&text)).await.unwrap_or_else(|_| {
                Err(Refusal::transient("writing to standard output broke off"))
            });
            vec![outcome; batch.len()]
        })
    }
}

impl Lines {
    fn write(&mut self, text: &[u8]) -> Outcome {
        let closing: &[u8] = match self.state {
            State::Whole => b"",
            State::Torn => b"\n",
            State::Closed => return Err(Refusal::Closed),
        };
        let text = [closing, text].concat();
        let (written, result) = write_counted(|rest| self.writer.write(rest), &text);
        let end = text.get(..written).and_then(<[u8]>::last);
        if end.is_some() {
            self.state = if end == Some(&b'\n') { State::Whole } else { State::Torn };
        }
        match result.and_then(|()| self.writer.flush()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.state = State::Closed;
                Err(Refusal::Closed)
            }
            Err(error) => {
                Err(Refusal::transient(format!("cannot write to standard output: {error}")))
            }
        }
    }
}

/// Standard output of this process, for one batch at a time even if two sinks write to it.
struct Process(File);

impl Write for Process {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let _others = io::stdout().lock();
        self.0.write(text)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
