//! # Delivered when
//!
//! The lines, one per event, are written to the file and synced to disk (`fdatasync`); so is the
//! directory after a file was made in it. There is no switch to leave this out. What is not a
//! regular file (a terminal, a FIFO) cannot be synced and has the events when they are written.
//!
//! A batch is one write and one sync. What a failed write left behind is cut off again, or, where
//! that cannot be done, ended with a line feed before the next write; so no event is ever glued to
//! the torn rest of another. Every batch goes to whatever file stands under the path at that
//! moment, whether or not a log rotator said that it moved the last one. The file is locked
//! (`flock`) while a batch is written, so that sinks, or relays, that share a file do not cut off
//! or rotate away each other's events.

mod log;
mod probe;
mod rotation;

use std::path::PathBuf;
use std::sync::{self, Arc};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use self::log::{Log, System};
use self::probe::probe;
use super::{
    BoxFuture, Limits, OpenError, Outcome, Parcel, Probed, Refusal, Settings, Sink, json_lines,
    outcomes,
};
use crate::config::Section;
use crate::format::Format;

/// The most events that share one sync.
const BATCH_MAX: usize = 1024;

/// How large a buffer is kept from one batch to the next.
const SPARE_MAX: usize = 2 << 20;

/// What `[sinks.NAME]` with `type = "file"` says.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The file.
    pub path: PathBuf,
    /// The size that the file must not outgrow; none: it is never rotated by this program.
    pub rotate_size: Option<u64>,
    /// How many rotated files are kept.
    pub rotate_keep: u32,
    /// The shape of each line.
    pub format: Format,
    /// The most time that writing one batch may take.
    pub timeout: Duration,
}

impl Config {
    /// Reads the sink's keys.
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let path = section.required_string("path", "/var/lib/vod-relay/events.jsonl");
        let rotate_size = section.size("rotate_size", None, 4096);
        let rotate_keep = section.integer("rotate_keep", 10, 1..=1000);
        let timeout = super::timeout(section, Duration::from_secs(10));
        let format = section.format();
        Some(Self {
            path: path?.into(),
            rotate_size,
            rotate_keep: u32::try_from(rotate_keep).unwrap_or(u32::MAX),
            format: format?,
            timeout,
        })
    }
}

impl Settings for Config {
    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn open(&self, name: &str) -> Result<Arc<dyn Sink>, OpenError> {
        Ok(Arc::new(LogFile::open(self, name)?))
    }

    fn probe(&self) -> BoxFuture<'_, Probed> {
        Box::pin(async { probe(self) })
    }
}

/// The sink.
#[derive(Debug)]
pub struct LogFile {
    config: Config,
    log: Arc<Mutex<Log>>,
    /// What the last batch was written from, for the next one.
    spare: sync::Mutex<Vec<u8>>,
}

impl LogFile {
    /// Opens the file, and makes it if it is not there.
    ///
    /// # Errors
    ///
    /// The file cannot be opened for appending.
    pub(super) fn open(config: &Config, name: &str) -> Result<Self, OpenError> {
        let mut log = Log::new(config, name, Box::new(System));
        log.open_at_start().map_err(|problem| OpenError::new(name, problem))?;
        let (log, spare) = (Arc::new(Mutex::new(log)), sync::Mutex::default());
        Ok(Self { config: config.clone(), log, spare })
    }

    fn spare(&self) -> sync::MutexGuard<'_, Vec<u8>> {
        self.spare.lock().unwrap_or_else(sync::PoisonError::into_inner)
    }

    /// Runs blocking work on the file. The lock goes along: work whose caller has given up still
    /// runs to its end, and the next work waits for it instead of coming in between.
    async fn with_log<T: Send + 'static>(
        log: Arc<Mutex<Log>>,
        work: impl FnOnce(&mut Log) -> T + Send + 'static,
    ) -> Option<T> {
        let mut log = log.lock_owned().await;
        spawn_blocking(move || work(&mut log)).await.ok()
    }
}

impl Sink for LogFile {
    fn limits(&self) -> Limits {
        Limits { timeout: self.config.timeout, concurrency: 1, batch: BATCH_MAX }
    }

    fn deliver<'a>(&'a self, batch: &'a [Parcel]) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(async move {
            let buffer = std::mem::take(&mut *self.spare());
            let (lines, rendered) = json_lines(batch, &self.config.format, buffer);
            let append = move |log: &mut Log| (log.append(&lines), lines);
            let outcome = match Self::with_log(Arc::clone(&self.log), append).await {
                Some((written, mut lines)) => {
                    lines.clear();
                    lines.shrink_to(SPARE_MAX);
                    *self.spare() = lines;
                    written.map_err(Refusal::transient)
                }
                None => Err(Refusal::transient("writing broke off; the log says why")),
            };
            outcomes(rendered, &outcome)
        })
    }

    /// Opens the path again at once, so that a rotated file is let go of even when no event comes.
    fn reopen(&self) {
        let log = Arc::clone(&self.log);
        // Without a runtime there is no hurry: every batch looks for itself.
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(Self::with_log(log, Log::reopen));
    }
}
