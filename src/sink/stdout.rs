//! # Delivered when
//!
//! The lines, one per event, are written to standard output. What reads a pipe there may still
//! lose them.

use std::fs::File;
use std::future::ready;
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use super::{
    BoxFuture, Limits, OpenError, Outcome, Parcel, Probed, Refusal, Settings, Sink, json_lines,
    outcomes, write_counted,
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
        Some(Self { format: section.format()?, timeout })
    }
}

impl Settings for Config {
    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn open(&self, name: &str) -> Result<Arc<dyn Sink>, OpenError> {
        Ok(Arc::new(Stdout::open(self, name)?))
    }

    fn probe(&self) -> BoxFuture<'_, Probed> {
        let found = "standard output; nothing to look at".to_owned();
        Box::pin(ready(Probed::Fine { found }))
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
            let (text, rendered) = json_lines(batch, &self.config.format, Vec::new());
            // The lock goes along: a write whose time is over still runs to its end, and the next
            // one waits for it instead of coming in between.
            let mut lines = Arc::clone(&self.lines).lock_owned().await;
            let outcome = spawn_blocking(move || lines.write(&text)).await.unwrap_or_else(|_| {
                Err(Refusal::transient("writing to standard output broke off"))
            });
            outcomes(rendered, &outcome)
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

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex as StdMutex;
    use std::time::SystemTime;

    use super::*;
    use crate::event::Event;

    /// A pipe that takes what its script says: a number of bytes, or an error.
    #[derive(Clone, Default)]
    struct Pipe(Arc<StdMutex<Inner>>);

    #[derive(Default)]
    struct Inner {
        script: VecDeque<io::Result<usize>>,
        written: Vec<Vec<u8>>,
    }

    impl Write for Pipe {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            let mut inner = self.0.lock().unwrap();
            let count = inner.script.pop_front().unwrap_or(Ok(text.len()))?.min(text.len());
            inner.written.push(text[..count].to_vec());
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Pipe {
        fn with(script: impl IntoIterator<Item = io::Result<usize>>) -> Self {
            let (script, written) = (script.into_iter().collect(), Vec::new());
            Self(Arc::new(StdMutex::new(Inner { script, written })))
        }

        fn sink(&self) -> Stdout {
            let config = Config { format: Format::Callback, timeout: Duration::from_secs(10) };
            Stdout::with_writer(config, self.clone())
        }

        fn written(&self) -> Vec<String> {
            let inner = self.0.lock().unwrap();
            inner.written.iter().map(|part| String::from_utf8(part.clone()).unwrap()).collect()
        }
    }

    fn parcel(content: &str) -> Parcel {
        let event = Arc::new(Event::from_content(content.to_owned()));
        Parcel { event, received: SystemTime::UNIX_EPOCH, sub_app_id: None, attempt: 1 }
    }

    #[tokio::test]
    async fn a_batch_is_one_write_of_one_line_per_event() {
        let pipe = Pipe::default();
        let batch = [parcel("{\n  \"a\": 1\n}"), parcel(r#"{"b":"x\ny"}"#)];
        assert_eq!(pipe.sink().deliver(&batch).await, [Ok(()), Ok(())]);
        assert_eq!(pipe.written(), ["{\"a\": 1}\n{\"b\":\"x\\ny\"}\n"]);
    }

    #[tokio::test]
    async fn a_closed_pipe_is_closed_for_the_whole_batch_and_from_then_on() {
        let pipe = Pipe::with([Err(io::ErrorKind::BrokenPipe.into())]);
        let sink = pipe.sink();
        for _ in 0..2 {
            let outcomes = sink.deliver(&[parcel("{}"), parcel("{}")]).await;
            assert_eq!(outcomes, [Err(Refusal::Closed), Err(Refusal::Closed)]);
        }
        assert!(pipe.written().is_empty());
    }

    #[tokio::test]
    async fn a_line_that_was_torn_is_ended_before_the_event_comes_again() {
        let full = || Err(io::ErrorKind::StorageFull.into());
        let pipe = Pipe::with([full(), Ok(3), full()]);
        let sink = pipe.sink();
        let batch = [parcel(r#"{"a":1}"#)];
        for _ in 0..2 {
            let outcome = sink.deliver(&batch).await.remove(0);
            assert!(matches!(outcome, Err(Refusal::Transient { .. })), "{outcome:?}");
        }
        assert_eq!(sink.deliver(&batch).await, [Ok(())]);
        assert_eq!(pipe.written().concat(), "{\"a\n{\"a\":1}\n");
    }
}
