//! The file as it is open at the moment: whole lines in, or nothing.

use std::borrow::Cow;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::FlockOperation;
use tracing::{debug, warn};

use super::Config;
use super::rotation::{self, Rotation};
use crate::crash;
use crate::sink::write_counted;

/// Group members may read what the relay writes, others may not; the umask narrows it further.
const MODE: u32 = 0o640;

/// How often the file is opened again because another relay has just rotated it.
const OPENS_MAX: u32 = 10;

/// What the disk does. Tests put a failing one in its place.
pub(super) trait Disk: Send + Sync + std::fmt::Debug {
    fn write(&self, file: &File, text: &[u8]) -> io::Result<usize>;
    fn sync(&self, file: &File) -> io::Result<()>;
    fn truncate(&self, file: &File, len: u64) -> io::Result<()>;
}

#[derive(Debug)]
pub(super) struct System;

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
pub(super) struct Log {
    name: String,
    path: PathBuf,
    rotation: Option<Rotation>,
    opened: Option<Opened>,
    /// Whether a write to something that is no regular file ended inside a line.
    torn: bool,
    disk: Box<dyn Disk>,
}

#[derive(Debug)]
struct Opened {
    file: Arc<File>,
    /// Device and inode, for a regular file only: what else there is is not looked for again.
    regular: Option<(u64, u64)>,
}

impl Log {
    pub(super) fn new(config: &Config, name: &str, disk: Box<dyn Disk>) -> Self {
        let keep = config.rotate_keep;
        let rotation = config.rotate_size.map(|size| Rotation::new(&config.path, size, keep));
        let path = config.path.clone();
        Self { name: name.to_owned(), path, rotation, opened: None, torn: false, disk }
    }

    /// Opens the file, or says why it cannot be.
    pub(super) fn open_at_start(&mut self) -> Result<(), String> {
        // Opening a FIFO waits for its reader, which a start must not.
        if fs::metadata(&self.path).is_ok_and(|meta| meta.file_type().is_fifo()) {
            return Ok(());
        }
        self.current().map(drop).map_err(|error| self.open_problem(&error))
    }

    /// Lets go of a file that no longer stands under the path.
    pub(super) fn reopen(&mut self) {
        if self.opened.is_some()
            && let Err(error) = self.current()
        {
            let problem = self.open_problem(&error);
            warn!(sink = self.name, "{problem}; trying again with the next event");
        }
    }

    /// Writes and syncs a batch, or says why it cannot.
    pub(super) fn append(&mut self, lines: &[u8]) -> Result<(), String> {
        let (file, regular) =
            self.locked(lines.len()).map_err(|error| self.open_problem(&error))?;
        let result = if regular {
            let result = self.append_synced(&file, lines);
            let _ = rustix::fs::flock(&*file, FlockOperation::Unlock);
            result
        } else {
            self.append_special(&file, lines)
        };
        result.map_err(|error| format!("cannot write to {}: {error}", self.path.display()))
    }

    fn append_synced(&self, file: &File, lines: &[u8]) -> io::Result<()> {
        let before = file.metadata()?.len();
        let lines = whole(lines, ends_whole(file, before)?);
        let (written, result) = write_counted(|rest| self.disk.write(file, rest), &lines);
        crash::point("file-written");
        let synced = result.and_then(|()| self.disk.sync(file));
        crash::point("file-synced");
        synced.inspect_err(|_| {
            // Only if all that is behind `before` is our own.
            let length = file.metadata().map(|meta| meta.len()).ok();
            if length == Some(before + written as u64)
                && let Err(error) = self.disk.truncate(file, before)
            {
                debug!(sink = self.name, %error, "cannot cut off a failed write; its line will be ended");
            }
        })
    }

    fn append_special(&mut self, file: &File, lines: &[u8]) -> io::Result<()> {
        let lines = whole(lines, !self.torn);
        let (written, result) = write_counted(|rest| self.disk.write(file, rest), &lines);
        let end = lines.get(..written).and_then(<[u8]>::last);
        self.torn = end.map_or(self.torn, |end| *end != b'\n');
        if result.is_err() {
            // A FIFO that lost its reader is opened again, which waits for the next reader.
            self.opened = None;
        }
        result
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

/// The lines, behind the end of a torn one if there is one before them.
fn whole(lines: &[u8], after_whole: bool) -> Cow<'_, [u8]> {
    if after_whole { lines.into() } else { [b"\n", lines].concat().into() }
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

/// The directory of a file; that of a bare name is the current one.
pub(super) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use tempfile::TempDir;

    use super::*;
    use crate::format::Format;

    /// A disk that counts, and fails on demand.
    #[derive(Debug, Clone, Default)]
    struct Fake(Arc<Mutex<Faults>>);

    #[derive(Debug, Default)]
    struct Faults {
        /// How many bytes still fit; none: as many as there are.
        room: Option<usize>,
        sync_fails: bool,
        truncate_fails: bool,
        writes: u32,
        syncs: u32,
    }

    impl Disk for Fake {
        fn write(&self, file: &File, text: &[u8]) -> io::Result<usize> {
            let mut faults = self.0.lock().unwrap();
            faults.writes += 1;
            let Some(room) = faults.room else { return System.write(file, text) };
            if room == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let count = room.min(text.len());
            faults.room = Some(room - count);
            System.write(file, &text[..count])
        }

        fn sync(&self, file: &File) -> io::Result<()> {
            let mut faults = self.0.lock().unwrap();
            faults.syncs += 1;
            if faults.sync_fails {
                Err(io::Error::other("input/output error"))
            } else {
                System.sync(file)
            }
        }

        fn truncate(&self, file: &File, len: u64) -> io::Result<()> {
            if self.0.lock().unwrap().truncate_fails {
                return Err(io::Error::other("append only"));
            }
            System.truncate(file, len)
        }
    }

    fn fixture(rotate_size: Option<u64>) -> (TempDir, Fake, Log) {
        let dir = tempfile::tempdir().unwrap();
        let config = Config {
            path: dir.path().join("events.jsonl"),
            rotate_size,
            rotate_keep: 3,
            format: Format::Callback,
            timeout: Duration::from_secs(10),
        };
        let fake = Fake::default();
        let mut log = Log::new(&config, "archive", Box::new(fake.clone()));
        log.open_at_start().unwrap();
        (dir, fake, log)
    }

    fn content(log: &Log) -> String {
        fs::read_to_string(&log.path).unwrap()
    }

    #[test]
    fn a_batch_is_one_write_and_one_sync() {
        let (_dir, fake, mut log) = fixture(None);
        log.append(b"1\n2\n3\n").unwrap();
        let faults = fake.0.lock().unwrap();
        assert_eq!((faults.writes, faults.syncs), (1, 1));
    }

    #[test]
    fn a_full_disk_leaves_nothing_of_the_batch_and_takes_it_whole_later() {
        let (_dir, fake, mut log) = fixture(None);
        log.append(b"first\n").unwrap();
        fake.0.lock().unwrap().room = Some(4);
        let problem = log.append(b"second\n").unwrap_err();
        assert!(
            problem.starts_with("cannot write to /") && problem.contains("no storage space"),
            "{problem}"
        );
        assert_eq!(content(&log), "first\n");
        fake.0.lock().unwrap().room = None;
        log.append(b"second\n").unwrap();
        assert_eq!(content(&log), "first\nsecond\n");
    }

    #[test]
    fn a_failed_write_that_cannot_be_cut_off_ends_its_line() {
        let (_dir, fake, mut log) = fixture(None);
        *fake.0.lock().unwrap() =
            Faults { room: Some(4), truncate_fails: true, ..Faults::default() };
        log.append(b"second\n").unwrap_err();
        fake.0.lock().unwrap().room = None;
        log.append(b"second\n").unwrap();
        assert_eq!(content(&log), "seco\nsecond\n");
    }

    #[test]
    fn a_failed_sync_is_a_failed_batch() {
        let (_dir, fake, mut log) = fixture(None);
        fake.0.lock().unwrap().sync_fails = true;
        let problem = log.append(b"first\n").unwrap_err();
        assert!(problem.contains("input/output error"), "{problem}");
        assert_eq!(content(&log), "");
    }

    #[test]
    fn what_somebody_else_wrote_meanwhile_is_not_cut_off() {
        #[derive(Debug)]
        struct Intruder(PathBuf);
        impl Disk for Intruder {
            fn write(&self, file: &File, text: &[u8]) -> io::Result<usize> {
                System.write(file, text)
            }
            fn sync(&self, _file: &File) -> io::Result<()> {
                let mut file = OpenOptions::new().append(true).open(&self.0)?;
                file.write_all(b"theirs\n")?;
                Err(io::Error::other("input/output error"))
            }
            fn truncate(&self, file: &File, len: u64) -> io::Result<()> {
                System.truncate(file, len)
            }
        }
        let (_dir, _, mut log) = fixture(None);
        log.disk = Box::new(Intruder(log.path.clone()));
        log.append(b"ours\n").unwrap_err();
        assert_eq!(content(&log), "ours\ntheirs\n");
    }

    #[test]
    fn a_line_that_a_crash_tore_is_ended_before_the_next_event() {
        let (_dir, _, mut log) = fixture(None);
        fs::write(&log.path, "whole\nto").unwrap();
        log.append(b"next\n").unwrap();
        assert_eq!(content(&log), "whole\nto\nnext\n");
    }

    #[test]
    fn a_file_that_was_moved_or_deleted_is_made_again() {
        let (dir, _, mut log) = fixture(None);
        log.append(b"1\n").unwrap();
        let moved = dir.path().join("moved");
        fs::rename(&log.path, &moved).unwrap();
        log.append(b"2\n").unwrap();
        fs::remove_file(&log.path).unwrap();
        log.append(b"3\n").unwrap();
        assert_eq!(content(&log), "3\n");
        assert_eq!(fs::read_to_string(moved).unwrap(), "1\n");
    }

    #[test]
    fn a_batch_that_would_outgrow_the_file_rotates_it_first() {
        let (dir, _, mut log) = fixture(Some(4));
        for batch in [&b"1\n"[..], b"2\n", b"3\n", b"longer than a file\n", b"4\n5\n"] {
            log.append(batch).unwrap();
        }
        let rotated =
            |index: u32| fs::read_to_string(dir.path().join(format!("events.jsonl.{index}")));
        assert_eq!(content(&log), "4\n5\n");
        assert_eq!(rotated(1).unwrap(), "longer than a file\n");
        assert_eq!(rotated(2).unwrap(), "3\n");
        assert_eq!(rotated(3).unwrap(), "1\n2\n");
        log.append(b"6\n").unwrap();
        assert_eq!(rotated(3).unwrap(), "3\n");
        assert!(rotated(4).is_err());
    }

    #[test]
    fn a_file_that_cannot_be_rotated_grows_on() {
        let (dir, _, mut log) = fixture(Some(4));
        // A directory that is not empty is in the way of every rename to its name.
        for index in 1..=3 {
            fs::create_dir_all(dir.path().join(format!("events.jsonl.{index}/x"))).unwrap();
        }
        for batch in [b"1\n2\n", b"3\n4\n", b"5\n6\n"] {
            log.append(batch).unwrap();
        }
        let in_the_way = fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(in_the_way, 4);
        assert_eq!(content(&log), "1\n2\n3\n4\n5\n6\n");
    }

    #[test]
    fn errors_say_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let open = |path: PathBuf| {
            let (rotate_size, timeout) = (None, Duration::from_secs(1));
            let config =
                Config { path, rotate_size, rotate_keep: 1, format: Format::Callback, timeout };
            Log::new(&config, "archive", Box::new(System)).open_at_start()
        };
        let problem = open(dir.path().join("missing/events.jsonl")).unwrap_err();
        assert!(problem.contains("missing does not exist; create it"), "{problem}");
        let problem = open(dir.path().to_owned()).unwrap_err();
        assert!(problem.contains("give the name of a file"), "{problem}");
        open(dir.path().join("fine")).unwrap();
    }

    #[test]
    fn a_device_is_written_without_a_sync() {
        let (_dir, fake, mut log) = fixture(None);
        log.path = "/dev/null".into();
        log.append(b"1\n").unwrap();
        assert_eq!(fake.0.lock().unwrap().syncs, 0);
        log.path = "/dev/full".into();
        log.opened = None;
        let problem = log.append(b"1\n").unwrap_err();
        assert!(problem.starts_with("cannot write to /dev/full: No space left"), "{problem}");
    }
}
