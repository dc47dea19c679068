//! Looks at the state directory.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use bytesize::ByteSize;
use rustix::fs::{Access, AtFlags, CWD};

use super::count;
use super::finding::{Check, Finding, Findings};
use crate::config::{Ack, Config};
use crate::exit;
use crate::store::{Database, Examined, Ownership, Store, StoreError};

/// Less free space than this is worth a warning.
const FREE_MIN: u64 = 100 << 20;

/// The most time that looking at the disk may take; the search for damage ends after 5 s by itself.
const LOOK_MAX: Duration = Duration::from_secs(20);

/// Looks at the state directory: what is found, and whether a relay runs with it.
pub(super) async fn examine(config: &Config) -> (Vec<Finding>, bool) {
    let Some(dir) = config.relay.state_dir.clone() else {
        let mut findings = Findings::about("relay.state_dir".to_owned());
        findings.note(
            Check::StateDir,
            "not set: a restart forgets what is delivered, and there are no dead letters",
            "give [relay] a state_dir, unless that does not matter",
        );
        return (findings.all(), false);
    };
    let mut findings = Findings::about(dir.display().to_string());
    let spools = config.sources.iter().any(|source| source.ack == Ack::Spooled);
    let room = if spools { config.relay.spool_max_size } else { 0 };
    let looked = tokio::task::spawn_blocking(move || {
        let relay_runs = look(&mut findings, &dir, room);
        (findings.all(), relay_runs)
    });
    match tokio::time::timeout(LOOK_MAX, looked).await {
        Ok(Ok(looked)) => looked,
        Ok(Err(error)) => (broken(&format!("looking at it broke down: {error}")), false),
        Err(_) => (broken("its disk does not answer"), false),
    }
}

fn broken(found: &str) -> Vec<Finding> {
    let mut findings = Findings::about("relay.state_dir".to_owned());
    findings.error(Check::StateDir, exit::INTERNAL, found, "look at the disk and its mount");
    findings.all()
}

/// Looks at the directory: whether a relay runs with it. `room` is what the spool may take.
fn look(findings: &mut Findings, dir: &Path, room: u64) -> bool {
    if let Err(error) = fs::read_dir(dir) {
        cannot_be_read(findings, dir, &error, room);
        return false;
    }
    if let Err(error) = writable(dir) {
        findings.error(
            Check::StateDir,
            exit::CONFIG,
            format!("cannot be written to: {error}"),
            "let the user that runs vod-relay write to it, and run doctor as that user",
        );
        return false;
    }
    match Store::examine(dir) {
        Ok(examined) => {
            of_dir(findings, &examined, room);
            match examined.database {
                Some(database) => of_database(findings, database),
                None => findings.ok(Check::Store, "none yet; it is made at the first start"),
            }
            examined.ownership != Ownership::Free
        }
        Err(error) => {
            let (code, mend) = match &error {
                StoreError::Damaged { .. } => (exit::INTERNAL, "as it says; keep the files"),
                StoreError::Newer { .. } => (exit::CONFIG, "install that version again"),
                StoreError::Unusable { .. } => (
                    exit::CONFIG,
                    "run doctor as the user that runs vod-relay; mend the permissions",
                ),
                StoreError::Owned { .. }
                | StoreError::Missing { .. }
                | StoreError::Older { .. }
                | StoreError::NoSpace { .. }
                | StoreError::LettersFull { .. }
                | StoreError::Failed { .. }
                | StoreError::Gone => (exit::INTERNAL, "look at the disk"),
            };
            findings.error(Check::Store, code, error.to_string(), mend);
            false
        }
    }
}

fn cannot_be_read(findings: &mut Findings, dir: &Path, error: &io::Error, room: u64) {
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    if error.kind() != io::ErrorKind::NotFound {
        let mend = "give the user that runs vod-relay a directory that it may read and write";
        findings.error(Check::StateDir, exit::CONFIG, error.to_string(), mend);
    } else if !parent.is_dir() {
        let found = format!("is not there, and neither is {}", parent.display());
        let mend = format!("make {}, or mend relay.state_dir", parent.display());
        findings.error(Check::StateDir, exit::CONFIG, found, mend);
    } else if let Err(error) = writable(parent) {
        let found = format!("is not there and cannot be made in {}: {error}", parent.display());
        let mend = "make it, writable for the user that runs vod-relay";
        findings.error(Check::StateDir, exit::CONFIG, found, mend);
    } else {
        let disk = rustix::fs::statvfs(parent).ok();
        let free = disk.map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
        of_room(findings, "is not there yet", free, room, "; it is made at the first start");
    }
}

fn writable(dir: &Path) -> rustix::io::Result<()> {
    rustix::fs::accessat(CWD, dir, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)
}

fn of_dir(findings: &mut Findings, examined: &Examined, room: u64) {
    let used_by = match examined.ownership {
        Ownership::Free => String::new(),
        Ownership::Owned { pid: None } => "; a relay runs with it".to_owned(),
        Ownership::Owned { pid: Some(pid) } => format!("; a relay runs with it (pid {pid})"),
    };
    // What the spool holds already has its room.
    let spooled = examined.database.map_or(0, |database| database.spool.bytes);
    of_room(findings, "writable", examined.free_bytes, room.saturating_sub(spooled), &used_by);
}

/// Tells of a disk that is to take `room` and what belongs to it. What is known of the directory
/// stands around that.
fn of_room(findings: &mut Findings, before: &str, free: Option<u64>, room: u64, after: &str) {
    let wanted = room.max(FREE_MIN);
    let Some(free) = free else {
        findings.ok(Check::StateDir, format!("{before}{after}"));
        return;
    };
    let found = format!("{before}, {} free{after}", ByteSize(free));
    if free < wanted {
        let mend = format!(
            "free {} at least, or choose another disk, or a lower relay.spool_max_size",
            ByteSize(wanted - free)
        );
        findings.warning(Check::StateDir, found, mend);
    } else {
        findings.ok(Check::StateDir, found);
    }
}

fn of_database(findings: &mut Findings, database: Database) {
    let Database { version, is_older, dead_letters, spool } = database;
    let events = |n| count(usize::try_from(n).unwrap_or(usize::MAX), "event");
    if is_older {
        findings.note(
            Check::Store,
            format!("schema version {version}, of an older vod-relay"),
            "nothing: the next start brings it up to date",
        );
    } else {
        let spooled = events(spool.entries);
        let found = format!("sound; schema version {version}; {spooled} in the spool");
        findings.ok(Check::Store, found);
    }
    if dead_letters.entries > 0 {
        let found = format!("{} refused for good", events(dead_letters.entries));
        let mend = "vod-relay dead-letters list; replay them, or drop them";
        findings.note(Check::DeadLetters, found, mend);
    }
}
