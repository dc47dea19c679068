//! `vod-relay check`: is the configuration right, and what would run?

use std::io;
use std::path::Path;

use crate::config;
use crate::exit;

/// Prints the effective configuration, secrets masked, or every mistake.
pub(super) fn run(path: &Path) -> u8 {
    match config::check(path, &mut io::stdout().lock(), &mut io::stderr().lock()) {
        Ok(code) => code,
        // A reader that has seen enough is no failure.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => exit::OK,
        Err(error) => {
            eprintln!("vod-relay: cannot write to standard output: {error}");
            exit::INTERNAL
        }
    }
}
