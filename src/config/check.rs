//! What `vod-relay check` does: it says what would run, without touching the network.

use std::io::{self, Write};
use std::path::Path;

use super::Config;
use crate::exit;

/// Checks the file: the effective configuration goes to `out`, warnings and mistakes go to `err`.
/// Answers with the exit code.
///
/// # Errors
///
/// `out` or `err` cannot be written to.
pub fn check(path: &Path, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    match Config::load(path) {
        Ok(config) => {
            for warning in &config.warnings {
                writeln!(err, "warning: {warning}")?;
            }
            out.write_all(config.effective().as_bytes())?;
            out.flush()?;
            Ok(exit::OK)
        }
        Err(error) => {
            writeln!(err, "{error}")?;
            Ok(exit::CONFIG)
        }
    }
}
