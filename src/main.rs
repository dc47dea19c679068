//! The `vod-relay` program.

use std::process::ExitCode;

use clap::Parser as _;
use vod_relay::cli::Cli;

fn main() -> ExitCode {
    Cli::parse().run()
}
