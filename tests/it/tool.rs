//! Tools of the system that tests ask for their opinion.

use std::io::{self, Write as _};
use std::process::{Command, Output};

/// What a tool says that may not be installed; in CI every one is.
pub fn installed(command: &mut Command) -> Option<Output> {
    match command.output() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let tool = command.get_program().to_string_lossy().into_owned();
            // Past the test runner, which would keep it for itself.
            let _ = writeln!(io::stderr(), "skipped: there is no {tool} on this machine");
            assert!(std::env::var_os("CI").is_none(), "in CI nothing is skipped");
            None
        }
        Err(error) => panic!("cannot run {command:?}: {error}"),
    }
}
