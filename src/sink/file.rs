//! Events to a file, one per line, with rotation.
//!
//! # Delivered when
//!
//! The lines are written and synced to disk (`fdatasync`); so is the directory after a file was
//! made in it. There is no switch to leave this out. What is not a regular file (a terminal, a
//! FIFO) cannot be synced and has the events when they are written.
//!
//! A batch is one write and one sync. What a failed write left behind is cut off again, or, where
//! that cannot be done, ended with a line feed before the next write; so no event is ever glued to
//! the torn rest of another. Every batch goes to whatever file stands under the path at that
//! moment, whether or not a log rotator said that it moved the last one. The file is locked
//! (`flock`) while a batch is written, so that sinks, or relays, that share a file do not cut off
//! or rotate away each other's events.

mod rotation;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::FlockOperation;
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use tracing::{debug, warn};

use self::rotation::Rotation;
use super::{
    BoxFuture, Limits, OpenError, Outcome, Parcel, Refusal, Sink, json_lines, write_counted,
};
use crate::config::Section;
use crate::format::Format;

/// The most events that share one sync.
const BATCH_MAX: usize = 256;

/// Group members may read what the relay writes, others may not; the umask narrows it further.
const MODE: u32 = 0o640;

/// How often the file is opened again because another relay has just rotated it.
const OPENS_MAX: u32 = 10;

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
        let format = super::format(section);
        Some(Self {
            path: path?.into(),
            rotate_size,
            rotate_keep: u32::try_from(rotate_keep).unwrap_or(u32::MAX),
            format: format?,
            timeout,
        })
    }
}

/// The sink.
#[derive(Debug)]
pub struct LogFile {
    config: Config,
    log: Arc<Mutex<Log>>,
}

impl LogFile {
    /// Opens the file, and makes it if it is not there.
    ///
    /// # Errors
    ///
    /// The file cannot be opened for appending.
    pub(super) fn open(config: &Config, name: &str) -> Result<Self, OpenError> {
        let mut log = Log::new(config, name, Box::new(System));
        // Opening a FIFO waits for its reader, which a start must not.
        let is_fifo = fs::metadata(&config.path).is_ok_and(|meta| is_fifo(&meta));
        if !is_fifo {
            log.current().map_err(|error| OpenError::new(name, log.open_problem(&error)))?;
        }
        Ok(Self { config: config.clone(), log: Arc::new(Mutex::new(log)) })
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
            let lines = json_lines(batch, self.config.format);
            let written =
                Self::with_log(Arc::clone(&self.log), move |log| log.append(&lines)).await;
            let outcome = match written {
                Some(Ok(())) => Ok(()),
                Some(Err(reason)) => Err(Refusal::transient(reason)),
                None => Err(Refusal::transient("writing broke off; the log says why")),
            };
            vec![outcome; batch.len()]
        })
    }

    /// Opens the path again at once, so that a rotated file is let go of even when no event comes.
    fn reopen(&self) {
        let log = Arc::clone(&self.log);
        // Without a runtime there is no hurry: every batch looks for itself.
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(Self::with_log(log, |log| {
            if log.opened.is_some()
                && let Err(error) = log.current()
            {
                warn!(
                    sink = log.name,
                    "{}; trying again with the next event",
                    log.open_problem(&error)
                );
            }
        }));
    }
}

/// What the disk does. Tests put a failing one in its place.
trait Disk: Send + Sync + std::fmt::Debug {
    fn write(&self, file: &File, text: &[u8]) -> io::Result<usize>;
    fn sync(&self, file: &File) -> io::Result<()>;
    fn truncate(&self, file: &File, len: u64) -> io::Result<()>;
}

#[derive(Debug)]
struct System;

impl Disk for System {
    fn write(&self, mut file: &File, text: &[u8]) -> io::Result<usize> {
        file.write(text)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn truncate(&self, file: &File, len: u64) -> io::Result<()> {
        file.set_len(len)
    }
}

/// The file as it is open now, and what is to be done with it.
#[derive(Debug)]
struct Log {
    name: String,
    path: PathBuf,
    rotation: Option<Rotation>,
    opened: Option<Opened>,
    disk: Box<dyn Disk>,
}

#[derive(Debug)]
struct Opened {
    file: Arc<File>,
    /// Device and inode, for a regular file only: what else there is is not looked for again.
    regular: Option<(u64, u64)>,
}

impl Log {
    fn new(config: &Config, name: &str, disk: Box<dyn Disk>) -> Self {
        let keep = config.rotate_keep;
        let rotation = config.rotate_size.map(|size| Rotation::new(&config.path, size, keep));
        let path = config.path.clone();
        Self { name: name.to_owned(), path, rotation, opened: None, disk }
    }

    /// Writes and syncs a batch, or says why it cannot.
    fn append(&mut self, lines: &[u8]) -> Result<(), String> {
        let (file, regular) =
            self.locked(lines.len()).map_err(|error| self.open_problem(&error))?;
        let result = if regular {
            self.append_synced(&file, lines)
        } else {
            write_counted(|rest| self.disk.write(&file, rest), lines).1
        };
        if regular {
            let _ = rustix::fs::flock(&*file, FlockOperation::Unlock);
        } else if result.is_err() {
            // A FIFO without its reader is opened again, which waits for the next one.
            self.opened = None;
        }
        result.map_err(|error| format!("cannot write to {}: {error}", self.path.display()))
    }

    fn append_synced(&self, file: &File, lines: &[u8]) -> io::Result<()> {
        let before = file.metadata()?.len();
        let lines = match ends_whole(file, before)? {
            true => lines.to_vec(),
            false => [b"\n", lines].concat(),
        };
        let (written, result) = write_counted(|rest| self.disk.write(file, rest), &lines);
        result.and_then(|()| self.disk.sync(file)).inspect_err(|_| {
            // Only if all that is behind `before` is our own.
            let length = file.metadata().map(|meta| meta.len()).ok();
            if length == Some(before + written as u64)
                && let Err(error) = self.disk.truncate(file, before)
            {
                debug!(sink = self.name, %error, "cannot cut off a failed write; its line will be ended");
            }
        })
    }

    /// The file to write to, and whether it is a regular one, which then is locked, is certain to
    /// stand under the path, and has room for `more` bytes.
    fn locked(&mut self, more: usize) -> io::Result<(Arc<File>, bool)> {
        for _ in 0..OPENS_MAX {
            let (file, regular) = self.current()?;
            if !regular {
                return Ok((file, false));
            }
            // Where the file system knows no locks the batch goes ahead without one.
            let _ = rustix::fs::flock(&*file, FlockOperation::LockExclusive);
            // Another relay may have rotated the file while this one waited for the lock.
            if !self.is_current() {
                continue;
            }
            let len = file.metadata()?.len();
            let Some(rotation) = self.rotation.as_mut() else { return Ok((file, true)) };
            if !rotation.is_due(len, more) || !rotation.run(&self.name) {
                return Ok((file, true));
            }
        }
        Err(io::Error::other("it is replaced again and again by somebody else"))
    }

    /// The file under the path, opened (again) if the one that was open is no longer there.
    fn current(&mut self) -> io::Result<(Arc<File>, bool)> {
        if !self.is_current() {
            self.opened = None;
        }
        let opened = match self.opened.take() {
            Some(opened) => opened,
            None => Opened::open(&self.path)?,
        };
        let current = (Arc::clone(&opened.file), opened.regular.is_some());
        self.opened = Some(opened);
        Ok(current)
    }

    fn is_current(&self) -> bool {
        match self.opened.as_ref().map(|opened| opened.regular) {
            None => false,
            Some(None) => true,
            Some(ours) => fs::metadata(&self.path).is_ok_and(|meta| ours == Some(identity(&meta))),
        }
    }

    /// What to tell about a file that cannot be opened.
    fn open_problem(&self, error: &io::Error) -> String {
        let path = self.path.display();
        let parent = parent(&self.path);
        let advice = match error.kind() {
            io::ErrorKind::NotFound if !parent.is_dir() => {
                let parent = parent.display();
                return format!(
                    "cannot open {path}: the directory {parent} does not exist; create it, \
                     writable for the user that runs vod-relay"
                );
            }
            io::ErrorKind::IsADirectory => "; give the name of a file",
            io::ErrorKind::PermissionDenied => {
                "; the user that runs vod-relay must be able to read and write it and its directory"
            }
            _ => "",
        };
        format!("cannot open {path}: {error}{advice}")
    }
}

impl Opened {
    fn open(path: &Path) -> io::Result<Self> {
        let special = fs::metadata(path).is_ok_and(|meta| !meta.is_file() && !meta.is_dir());
        if special {
            let file = Arc::new(OpenOptions::new().append(true).open(path)?);
            return Ok(Self { file, regular: None });
        }
        // Read as well: the last byte tells whether a crash left a torn line.
        let options = OpenOptions::new().read(true).append(true).create(true).mode(MODE).clone();
        let file = options.open(path)?;
        let meta = file.metadata()?;
        // The file may be new, and then it is on disk when its directory is.
        rotation::sync_directory(parent(path))?;
        Ok(Self { file: Arc::new(file), regular: Some(identity(&meta)) })
    }
}

/// Whether the file is empty or ends with a line feed.
fn ends_whole(file: &File, len: u64) -> io::Result<bool> {
    let Some(last) = len.checked_sub(1) else { return Ok(true) };
    let mut byte = [0];
    file.read_exact_at(&mut byte, last)?;
    Ok(byte == *b"\n")
}

fn identity(meta: &fs::Metadata) -> (u64, u64) {
    (meta.dev(), meta.ino())
}

fn is_fifo(meta: &fs::Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    meta.file_type().is_fifo()
}

/// The directory of a file; that of a bare name is the current one.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
