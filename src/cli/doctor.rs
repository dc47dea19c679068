//! `vod-relay doctor`: would it work here, and if not, what is to be done?

mod print;

use std::io::{self, Write as _};
use std::path::Path;

use clap::{Args, ValueEnum};

use self::print::Table;
use crate::config::{Config, ConfigError};
use crate::doctor::{self, Finding, Pull};
use crate::exit;
use crate::signals::{Request, Signals};

const ABOUT: &str = "\
Looks at the real thing, and says how to mend what is wrong: the configuration and who can read its \
secrets, the state directory, the way to VOD with its name, certificate and proxy, this machine's \
clock, the credentials and their rights, the application's mode and switches, and every sink.

It sends no event to a sink, makes no file, runs no program and confirms nothing, and it may run \
beside the relay. Whether the credentials may pull is asked only where that delays no event: not if \
a relay runs with the same state directory, and not if VOD says that events wait; --pull asks in any \
case.

Run it as the user that runs the relay, with the same environment.

The exit code is 0, or that of the worst error: 69 for what cannot be reached, 77 for credentials and \
rights, 78 for the configuration, 1 for this machine: its clock, a disk that fails, a damaged store.";

/// Look at the real thing (VOD, credentials, rights, state directory, every sink), and say how to mend
/// what is wrong
#[derive(Debug, Args)]
#[command(long_about = ABOUT)]
pub(super) struct DoctorArgs {
    /// Ask whether the credentials may pull even if events wait: up to 16 of them then come only when
    /// their lease is over, after 30 s
    #[arg(long)]
    pull: bool,

    /// A table for people, or JSON with one finding per line: `check`, `subject`, `level` (ok, note,
    /// skipped, warning, error), `found`, `mend` (null if ok), `exit_code`
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table
    Text,
    /// JSON Lines
    Json,
}

/// Prints what is found: the exit code.
pub(super) fn run(path: &Path, args: &DoctorArgs) -> u8 {
    let findings = match Config::load(path) {
        Ok(config) => {
            let pull = if args.pull { Pull::Always } else { Pull::IfHarmless };
            match super::block_on(until_stopped(doctor::examine(&config, path, pull))).flatten() {
                Ok(findings) => findings,
                Err(error) => {
                    eprintln!("vod-relay doctor: {error}");
                    return exit::INTERNAL;
                }
            }
        }
        Err(error) => return wrong(&error, args.format),
    };
    print(&findings, args.format).unwrap_or_else(|| doctor::code(&findings))
}

/// The findings, unless a signal comes first: nothing has begun that needs an end.
async fn until_stopped(
    examine: impl Future<Output = Vec<Finding>>,
) -> Result<Vec<Finding>, String> {
    let mut signals = Signals::listen().map_err(|error| error.to_string())?;
    let stopped = async { while signals.next().await != Request::Stop {} };
    tokio::select! {
        findings = examine => Ok(findings),
        () = stopped => Err("told to stop; what was found until then is left out".to_owned()),
    }
}

/// A configuration that is wrong is told as `check` tells it.
fn wrong(error: &ConfigError, format: Format) -> u8 {
    eprintln!("{error}");
    let printed = match format {
        Format::Text => None,
        Format::Json => print(&doctor::of_mistakes(error), format),
    };
    printed.unwrap_or(exit::CONFIG)
}

/// Prints findings. A code in the place of theirs if they cannot be printed; a reader that has seen
/// enough is no failure.
fn print(findings: &[Finding], format: Format) -> Option<u8> {
    let text = match format {
        Format::Text => Table::for_stdout().of(findings),
        Format::Json => findings.iter().map(print::json).collect(),
    };
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => None,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => None,
        Err(error) => {
            eprintln!("vod-relay doctor: cannot write to standard output: {error}");
            Some(exit::INTERNAL)
        }
    }
}
