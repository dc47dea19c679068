//! Looks whether the file could be written to.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD};

use super::Config;
use super::log::parent;
use crate::exit;
use crate::sink::Probed;

/// Less free space than this is worth a warning.
const FREE_MIN: u64 = 100 << 20;

/// Looks at the file and its directory. A file that is not there is not made.
pub(super) fn probe(config: &Config) -> Probed {
    let (path, dir) = (&config.path, parent(&config.path));
    let shown = path.display();
    let failing = |problem: String, mend: String| Probed::Failing {
        found: format!("{shown}: {problem}"),
        mend,
        code: exit::CONFIG,
    };
    let found = match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => {
            return failing("it is a directory".into(), "give the name of a file in path".into());
        }
        Ok(meta) if !meta.is_file() => {
            return Probed::Fine { found: format!("{shown} is there; it is no regular file") };
        }
        Ok(_) => match OpenOptions::new().read(true).append(true).open(path) {
            Ok(_) => "can be appended to",
            Err(error) => return failing(error.to_string(), may_write("the file")),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => "is made with the first event",
        Err(error) => return failing(error.to_string(), may_write("the file")),
    };
    if !dir.is_dir() {
        let (problem, dir) = ("its directory does not exist", dir.display());
        let mend = format!("make {dir}, writable for the user that runs vod-relay");
        return failing(problem.into(), mend);
    }
    let is_new = !path.exists();
    if (is_new || config.rotate_size.is_some())
        && let Err(error) = writable(dir)
    {
        let problem = format!("its directory {} cannot be written to: {error}", dir.display());
        return failing(problem, may_write("the directory"));
    }
    match free_bytes(dir) {
        Some(free) if free < FREE_MIN => Probed::Doubtful {
            found: format!("{shown} {found}, but only {} is free", bytesize::ByteSize(free)),
            mend: "free some space, or choose another disk".into(),
        },
        Some(free) => {
            let free = bytesize::ByteSize(free);
            Probed::Fine { found: format!("{shown} {found}; {free} free") }
        }
        None => Probed::Fine { found: format!("{shown} {found}") },
    }
}

fn may_write(what: &str) -> String {
    format!("let the user that runs vod-relay write to {what}, or choose another path")
}

fn writable(dir: &Path) -> rustix::io::Result<()> {
    rustix::fs::accessat(CWD, dir, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)
}

fn free_bytes(dir: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(dir).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::format::Format;

    #[test]
    fn a_look_makes_no_file_and_finds_what_would_keep_it_from_being_made() {
        let dir = tempfile::tempdir().unwrap();
        let look = |path: &Path| {
            probe(&Config {
                path: path.into(),
                rotate_size: Some(4096),
                rotate_keep: 1,
                format: Format::Callback,
                timeout: Duration::from_secs(1),
            })
        };
        let path = dir.path().join("events.jsonl");
        let found = |probed: Probed| match probed {
            Probed::Fine { found } | Probed::Doubtful { found, .. } => found,
            Probed::Failing { found, .. } => panic!("{found}"),
        };
        assert!(found(look(&path)).contains("is made with the first event"));
        assert!(!path.exists());
        fs::write(&path, "x").unwrap();
        assert!(found(look(&path)).contains("can be appended to"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "x");
        for (wrong, problem) in [
            (dir.path().to_owned(), "is a directory"),
            (dir.path().join("missing/events.jsonl"), "its directory does not exist"),
            (path.join("events.jsonl"), "Not a directory"),
        ] {
            let Probed::Failing { found, code, .. } = look(&wrong) else { panic!("{problem}") };
            assert!(found.contains(problem) && code == exit::CONFIG, "{found}");
        }
    }
}
