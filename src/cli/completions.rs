//! `vod-relay completions`: the command line, completed by the user's shell.

use clap::{Args, CommandFactory as _, ValueEnum};
use clap_complete::aot;

use super::Cli;

/// What `vod-relay completions` takes.
#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell that is to read it
    shell: Shell,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// The script for the shell that is asked for.
pub(super) fn script(args: &CompletionsArgs) -> String {
    let shell = match args.shell {
        Shell::Bash => aot::Shell::Bash,
        Shell::Zsh => aot::Shell::Zsh,
        Shell::Fish => aot::Shell::Fish,
    };
    let mut script = Vec::new();
    aot::generate(shell, &mut Cli::command(), "vod-relay", &mut script);
    let script = String::from_utf8_lossy(&script);
    // The bash script calls a program with a hyphen by one name where it looks up what a subcommand
    // takes, and by another everywhere else: https://github.com/clap-rs/clap/issues/6421.
    script.replace("vod__subcmd__relay", "vod__relay")
}
