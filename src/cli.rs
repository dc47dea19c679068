//! The command line: what each subcommand takes, and which exit code it ends with.
//!
//! Data goes to standard output, everything else to standard error.

mod check;
mod completions;
mod convert;
mod dead_letters;
mod demo;
mod doctor;
mod emulate;
mod man;
mod peek;
mod run;
mod text;

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::LazyLock;

use clap::{Parser, Subcommand};
use tokio::runtime::Builder;

use crate::exit;
use crate::signals::{Request, Signals};
use crate::sink;

/// The version, and what is part of this build.
static LONG_VERSION: LazyLock<String> = LazyLock::new(|| {
    let built: Vec<_> = sink::built().collect();
    let mut text = format!("{}\nsinks: {}", env!("CARGO_PKG_VERSION"), built.join(", "));
    let left_out: Vec<_> = sink::left_out().collect();
    if !left_out.is_empty() {
        text.push_str(&format!("\nnot in this build: {}", left_out.join(", ")));
    }
    text
});

/// Where the configuration is unless the command line or the environment says otherwise.
const CONFIG_PATH: &str = "/etc/vod-relay/config.toml";

/// Relays the events of Tencent Cloud VOD's reliable callback to your own systems: at least once,
/// confirmed only when they are safe there.
#[derive(Debug, Parser)]
#[command(
    version,
    long_version = LONG_VERSION.as_str(),
    after_long_help = exit_codes(),
    max_term_width = 100
)]
pub struct Cli {
    /// The configuration file
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "VOD_RELAY_CONFIG",
        default_value = CONFIG_PATH
    )]
    config: PathBuf,

    /// Run until the queue is empty, then exit (for cron)
    #[arg(long)]
    once: bool,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Validate the configuration without touching the network, and print what would run
    Check,
    Doctor(doctor::DoctorArgs),
    Peek(peek::PeekArgs),
    DeadLetters(dead_letters::DeadLettersArgs),
    Convert(convert::ConvertArgs),
    /// Emulate the VOD event API on this machine, to develop and test against
    Emulate(Box<emulate::EmulateArgs>),
    /// See it work without an account: an emulator, the relay and an application in one process
    Demo(demo::DemoArgs),
    /// Print the script that completes this command line in a shell
    Completions(completions::CompletionsArgs),
    /// Print the manual page: vod-relay man | man -l -
    Man,
}

/// The most threads of an emulator, which has many clients.
const EMULATOR_THREADS_MAX: usize = 4;

impl Cli {
    /// Runs what the command line asks for.
    pub fn run(self) -> ExitCode {
        let code = match self.command {
            None => run::run(&self.config, self.once),
            Some(_) if self.once => {
                eprintln!("vod-relay: --once goes with no subcommand");
                exit::USAGE
            }
            Some(Command::Check) => check::run(&self.config),
            Some(Command::Doctor(args)) => doctor::run(&self.config, &args),
            Some(Command::Peek(args)) => peek::run(&self.config, &args),
            Some(Command::DeadLetters(args)) => dead_letters::run(&self.config, args),
            Some(Command::Convert(args)) => convert::run(args),
            Some(Command::Emulate(args)) => emulate(*args),
            Some(Command::Demo(args)) => demo::run(&args),
            Some(Command::Completions(args)) => say(&completions::script(&args)),
            Some(Command::Man) => say(&man::page()),
        };
        ExitCode::from(code)
    }
}

/// The table of exit codes below the long help.
fn exit_codes() -> String {
    let mut table = "Exit codes:".to_owned();
    for (code, meaning) in exit::MEANINGS {
        // Writing to a string cannot fail.
        let _ = write!(table, "\n  {code:2}  {meaning}");
    }
    table
}

/// Prints all that a command has to say: its exit code.
fn say(text: &str) -> u8 {
    match print(text) {
        // A reader that has seen enough is no failure.
        Ok(true | false) => exit::OK,
        Err(error) => {
            eprintln!("vod-relay: cannot write to standard output: {error}");
            exit::INTERNAL
        }
    }
}

/// Prints data to standard output: whether anybody still reads it.
///
/// # Errors
///
/// Standard output takes nothing, for another reason than that it is closed.
fn print(text: &str) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}

/// Runs a command's future on this thread.
///
/// Its work is waiting, not computing: one thread does far more than VOD's limits let through, and
/// another would mostly be woken up to take over what the first has just begun. What waits for a disk
/// has threads of its own.
///
/// # Errors
///
/// The system gives no threads.
fn block_on<T>(command: impl Future<Output = T>) -> Result<T, String> {
    block_on_runtime(&mut Builder::new_current_thread(), command)
}

/// The same on a runtime of this kind.
fn block_on_runtime<T>(kind: &mut Builder, command: impl Future<Output = T>) -> Result<T, String> {
    let runtime =
        kind.enable_all().build().map_err(|error| format!("cannot start the runtime: {error}"))?;
    let outcome = runtime.block_on(command);
    // What blocks in the background, such as a write to a disk that hangs, must not hold the end up.
    runtime.shutdown_background();
    Ok(outcome)
}

/// Runs the emulator until a signal ends it.
fn emulate(args: emulate::EmulateArgs) -> u8 {
    let emulate = async {
        let mut signals = Signals::listen().map_err(|error| error.to_string())?;
        let stop = async { while signals.next().await != Request::Stop {} };
        emulate::run(args, stop).await
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut runtime = Builder::new_multi_thread();
    runtime.worker_threads(cores.min(EMULATOR_THREADS_MAX));
    match block_on_runtime(&mut runtime, emulate).flatten() {
        Ok(()) => exit::OK,
        Err(error) => {
            eprintln!("vod-relay emulate: {error}");
            exit::INTERNAL
        }
    }
}
