//! Looks whether the program could be started.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::{env, ffi::OsStr};

use rustix::fs::{Access, AtFlags, CWD};

use super::Config;
use crate::exit;
use crate::sink::Probed;

/// The most of a script's first line that the kernel reads.
const FIRST_LINE_MAX: u64 = 256;

/// Looks for the program, and for the interpreter that its first line names. Nothing is run.
pub(super) fn probe(config: &Config) -> Probed {
    let program = &config.program;
    let failing = |problem: String, mend: String| {
        let found = format!("{program}: {problem}");
        Probed::Failing { found, mend, code: exit::CONFIG }
    };
    let Some(path) = find(program) else {
        let problem = match program.contains('/') {
            true => "there is no such file",
            false => "there is no such program in the directories of PATH",
        };
        let mend = "install it, or give its full path in command".to_owned();
        return failing(problem.into(), mend);
    };
    if !is_executable(&path) {
        let mend = format!("chmod +x {}, and let the user of vod-relay run it", path.display());
        return failing("it may not be executed".into(), mend);
    }
    match interpreter(&path) {
        Some(interpreter) if !is_executable(&interpreter) => {
            let (problem, mend) = (
                format!("its first line names {}, which cannot be run", interpreter.display()),
                "install that interpreter, or mend the line".to_owned(),
            );
            failing(problem, mend)
        }
        _ => Probed::Fine { found: format!("{} can be started", path.display()) },
    }
}

/// The program's file: a path as it is, a bare name in the directories of `PATH`.
fn find(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|path| path.exists());
    }
    let directories = env::var_os("PATH")?;
    let files: Vec<_> = env::split_paths(&directories)
        .map(|dir| dir.join(program))
        .filter(|f| f.is_file())
        .collect();
    // One that may not be executed is passed over for one that may.
    files.iter().find(|file| is_executable(file)).or(files.first()).cloned()
}

fn is_executable(path: &Path) -> bool {
    let executable = rustix::fs::accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS);
    path.is_file() && executable.is_ok()
}

/// What the first line of a script names; `None` for what is no script or cannot be read.
fn interpreter(path: &Path) -> Option<PathBuf> {
    let mut start = Vec::new();
    File::open(path).ok()?.take(FIRST_LINE_MAX).read_to_end(&mut start).ok()?;
    let line = start.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let name = line.trim_ascii().split(u8::is_ascii_whitespace).next()?;
    (!name.is_empty()).then(|| PathBuf::from(OsStr::from_bytes(name)))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Duration;

    use super::*;
    use crate::format::Format;

    fn look(program: &str) -> Result<String, String> {
        let probed = probe(&Config {
            program: program.to_owned(),
            arguments: Vec::new(),
            max_concurrency: 1,
            format: Format::Callback,
            timeout: Duration::from_secs(1),
        });
        match probed {
            Probed::Fine { found } => Ok(found),
            Probed::Doubtful { found, .. } | Probed::Failing { found, .. } => Err(found),
        }
    }

    #[test]
    fn a_program_and_its_interpreter_are_looked_for_and_not_run() {
        let dir = tempfile::tempdir().unwrap();
        let script = |name: &str, text: &str, mode| {
            let path = dir.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let ran = dir.path().join("ran");
        let good = script("good", &format!("#! /bin/sh -e\ntouch {}\n", ran.display()), 0o755);
        assert!(look("sh").unwrap().ends_with("/sh can be started"));
        assert!(look(&good).is_ok());
        assert!(!ran.exists());
        let plain = script("plain", "#!/bin/sh\n", 0o644);
        let orphan = script("orphan", "#!/opt/gone/python3 -u\n", 0o755);
        for (program, problem) in [
            ("vod-relay-no-such-program", "no such program in the directories of PATH"),
            ("./no-such-file", "no such file"),
            (&plain, "may not be executed"),
            (dir.path().to_str().unwrap(), "may not be executed"),
            (&orphan, "names /opt/gone/python3"),
        ] {
            let found = look(program).unwrap_err();
            assert!(found.contains(problem), "{found}");
        }
    }
}
