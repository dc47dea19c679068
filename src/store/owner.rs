//! The one process that has a state directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::place::{MODE, Place};
use super::{Ownership, StoreError};

/// How often the lock is tried: a predecessor that is just ending, or a guest that looks at the log,
/// needs it for an instant.
const ATTEMPTS: u32 = 10;

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(50);

/// The lock on a state directory, held until this is dropped, however the process ends.
///
/// The file stays: if it were removed, two processes could each lock a file of that name.
#[derive(Debug)]
pub(super) struct Owner {
    lock: File,
}

impl Owner {
    pub(super) fn of(place: &Place) -> Result<Self, StoreError> {
        let path = place.lock();
        let mut file = open(&path)
            .map_err(|error| StoreError::unusable("open the lock file", &path, &error))?;
        for attempt in 1.. {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if attempt < ATTEMPTS => thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    let pid = read_pid(&mut file);
                    return Err(StoreError::Owned { dir: place.dir().into(), pid });
                }
                Err(TryLockError::Error(error)) => {
                    return Err(StoreError::unusable("lock", &path, &error));
                }
            }
        }
        // The number is for people only, so a disk too full for it is no reason to stay down.
        if let Err(error) = write_pid(&mut file) {
            tracing::debug!("failed to write the process id to {}: {error}", path.display());
        }
        Ok(Self { lock: file })
    }
}

/// Keeps owners away while nobody owns the directory; `None` if somebody does.
pub(super) fn absent(place: &Place) -> Option<Absent> {
    let lock = open(&place.lock()).ok()?;
    lock.try_lock_shared().ok()?;
    Some(Absent { _lock: lock })
}

/// Whether somebody owns the directory, and what keeps owners away if nobody does. Makes no lock
/// file, which might not be the owner's then.
pub(super) fn presence(place: &Place) -> (Ownership, Option<Absent>) {
    let Ok(mut lock) = File::open(place.lock()) else { return (Ownership::Free, None) };
    match lock.try_lock_shared() {
        Err(TryLockError::WouldBlock) => (Ownership::Owned { pid: read_pid(&mut lock) }, None),
        Ok(()) | Err(TryLockError::Error(_)) => (Ownership::Free, Some(Absent { _lock: lock })),
    }
}

/// Nobody owns the directory, until this is dropped.
#[derive(Debug)]
pub(super) struct Absent {
    _lock: File,
}

impl Drop for Owner {
    fn drop(&mut self) {
        // A process that is being started at this moment has a copy of the file, for an instant, and
        // would hold the lock on.
        if let Err(error) = self.lock.unlock() {
            tracing::debug!("failed to unlock the state directory: {error}");
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(MODE).open(path)
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
