//! `vod-relay check`: is the configuration right, and what would run?

use std::io::{self, Write as _};
use std::path::Path;

use crate::config::Config;
use crate::exit;

/// Prints the effective configuration, secrets masked, or every mistake.
pub(super) fn run(path: &Path) -> u8 {
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            return exit::CONFIG;
        }
    };
    for warning in &config.warnings {
        eprintln!("warning: {warning}");
    }
    match io::stdout().write_all(config.effective().as_bytes()) {
        // A reader that has seen enough is no failure.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("vod-relay: cannot write to standard output: {error}");
            exit::INTERNAL
        }
        _ => exit::OK,
    }
}
