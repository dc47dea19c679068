//! Rotation of a file by its size: `events.jsonl` to `events.jsonl.1`, that to `.2`, and so on.
//!
//! Files move by renames into names that are free, from the back to the front; only the oldest of
//! a full row is overwritten. So a crash at any point loses no file: it leaves a gap, which the
//! next rotation fills.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tracing::{info, warn};

use crate::crash;

/// When and how a file is rotated.
#[derive(Debug)]
pub(super) struct Rotation {
    path: PathBuf,
    size: u64,
    keep: u32,
    /// Whether the last try failed, which is told once and not for every batch.
    failing: bool,
}

impl Rotation {
    pub(super) fn new(path: &Path, size: u64, keep: u32) -> Self {
        Self { path: path.to_owned(), size, keep, failing: false }
    }

    /// Whether a file of `len` bytes would outgrow its size with `more` bytes. An empty one has
    /// to take them in any case.
    pub(super) fn is_due(&self, len: u64, more: usize) -> bool {
        len > 0 && len.saturating_add(more as u64) > self.size
    }

    /// Moves the files on, and says whether the path is free for a new one. If it is not, the
    /// file just goes on growing: that is better than to stop the events.
    pub(super) fn run(&mut self, sink: &str) -> bool {
        let path = self.path.display();
        match self.shift() {
            Ok(()) => {
                info!(sink = sink, %path, "rotated the file");
                self.failing = false;
            }
            Err(error) if !self.failing => {
                warn!(sink = sink, %path, %error, "cannot rotate the file, so it grows on");
                self.failing = true;
            }
            Err(_) => {}
        }
        !self.failing
    }

    fn shift(&self) -> io::Result<()> {
        let free = (1..self.keep).find(|index| !exists(&self.numbered(*index)));
        for index in (1..=free.unwrap_or(self.keep)).rev() {
            let from = if index == 1 { self.path.clone() } else { self.numbered(index - 1) };
            fs::rename(from, self.numbered(index))?;
            crash::point("file-rotating");
        }
        sync_directory(super::log::parent(&self.path))
    }

    fn numbered(&self, index: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{index}"));
        name.into()
    }
}

fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Makes what was created and renamed in a directory outlive a crash.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    match File::open(directory)?.sync_all() {
        // Some network file systems cannot sync a directory, and need not.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left in the row, from the newest to the oldest.
    fn row(rotation: &Rotation) -> Vec<String> {
        let names = std::iter::once(rotation.path.clone())
            .chain((1..=rotation.keep + 1).map(|index| rotation.numbered(index)));
        names.filter_map(|name| fs::read_to_string(name).ok()).collect()
    }

    #[test]
    fn a_crash_after_any_rename_loses_no_file_and_no_order() {
        for crash_after in 0..=4 {
            let dir = tempfile::tempdir().unwrap();
            let rotation = Rotation::new(&dir.path().join("f"), 1, 5);
            fs::write(&rotation.path, "0").unwrap();
            for index in 1..=3 {
                fs::write(rotation.numbered(index), index.to_string()).unwrap();
            }
            for index in (1..=4).rev().take(crash_after) {
                let from =
                    if index == 1 { rotation.path.clone() } else { rotation.numbered(index - 1) };
                fs::rename(from, rotation.numbered(index)).unwrap();
            }
            // The next start makes the file if it is not there, and it fills up.
            if !exists(&rotation.path) {
                fs::write(&rotation.path, "new").unwrap();
            }
            rotation.shift().unwrap();
            let mut expected = vec!["0", "1", "2", "3"];
            if crash_after == 4 {
                expected.insert(0, "new");
            }
            assert_eq!(row(&rotation), expected, "crash after {crash_after} renames");
        }
    }

    #[test]
    fn a_full_row_gives_up_its_oldest_file_only() {
        let dir = tempfile::tempdir().unwrap();
        let rotation = Rotation::new(&dir.path().join("f"), 1, 2);
        for content in ["a", "b", "c", "d"] {
            fs::write(&rotation.path, content).unwrap();
            rotation.shift().unwrap();
        }
        assert_eq!(row(&rotation), ["d", "c"]);
    }
}
