//! What `vod-relay check` does: it says what would run, without touching the network.

use std::io::{self, Write};
use std::path::Path;

use super::Config;
use crate::exit;
use crate::tencent::credential::Outside;

/// Checks the file: the effective configuration goes to `out`; where the credentials come from,
/// warnings and mistakes go to `err`.
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
            for source in &config.sources {
                let credentials = source.credentials.open(Outside::of_this_process());
                let places = credentials.map_err(|flaw| flaw.to_string());
                let places = places.and_then(|it| it.preview().map_err(|error| error.to_string()));
                match places {
                    Ok(places) => {
                        writeln!(err, "sources.{}: credentials from {places}", source.name)?
                    }
                    Err(error) => writeln!(err, "warning: sources.{}: {error}", source.name)?,
                }
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
