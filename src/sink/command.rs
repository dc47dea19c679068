//! # Delivered when
//!
//! The program, which runs once per event, exits with status 0. Status 65 (`EX_DATAERR` of
//! sysexits.h) refuses the event for good; any other status, a signal, or a start that fails is
//! worth another try.
//!
//! The event comes on standard input; a program that does not read it is fine. The environment has
//! `VOD_RELAY_EVENT_ID`, `VOD_RELAY_EVENT_TYPE`, `VOD_RELAY_TASK_ID`, `VOD_RELAY_FILE_ID`,
//! `VOD_RELAY_STATUS` and `VOD_RELAY_ATTEMPT`; what an event does not have is empty. What the
//! program prints goes to the log, within limits.
//!
//! When its time is over the program ends with everything that it started: its process group gets
//! SIGTERM, and SIGKILL two seconds later. Processes that it left in the background when it exited
//! by itself are none of the relay's business; nobody listens to them any more.

mod output;
mod probe;
mod process;

use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::{ChildStdin, Command};

use self::output::Output;
use self::probe::probe;
use self::process::Group;
use super::{BoxFuture, Limits, OpenError, Outcome, Parcel, Probed, Refusal, Settings, Sink};
use crate::config::Section;
use crate::format::Format;

/// The exit status by which a program refuses an event for good: `EX_DATAERR` of sysexits.h.
const REFUSED: i32 = 65;

/// How long to go on reading what a program printed after it has exited. More than enough for
/// what is in the pipe; a process left in the background may keep the pipe open for ever.
const OUTPUT_PATIENCE: Duration = Duration::from_millis(200);

/// The most bytes of one environment variable. The kernel's limit is 128 KiB, beyond which the
/// program could not be started at all.
const ENV_VALUE_MAX: usize = 4 * 1024;

/// Variables of systemd that speak to this process alone.
const OURS_ALONE: [&str; 6] = [
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
];

/// What `[sinks.NAME]` with `type = "command"` says.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The program.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// The most runs at the same time.
    pub max_concurrency: usize,
    /// The shape of the event on standard input.
    pub format: Format,
    /// The most time that one run may take.
    pub timeout: Duration,
}

impl Config {
    /// Reads the sink's keys.
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let right = "for example command = [\"/usr/local/bin/on-event\", \"--verbose\"]";
        let command = section.arguments("command", right);
        if !section.has("command") {
            section.missing("command", right);
        } else if command.as_ref().is_some_and(|all| all.first().is_none_or(String::is_empty)) {
            section.mistake("command", "names no program", right);
        }
        let mut command = command.unwrap_or_default().into_iter();
        let program = command.next();
        let max_concurrency = section.integer("max_concurrency", 4, 1..=256);
        let timeout = super::timeout(section, Duration::from_secs(20));
        let format = section.format();
        Some(Self {
            program: program.filter(|program| !program.is_empty())?,
            arguments: command.collect(),
            max_concurrency: usize::try_from(max_concurrency).unwrap_or(usize::MAX),
            format: format?,
            timeout,
        })
    }
}

impl Settings for Config {
    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn open(&self, name: &str) -> Result<Arc<dyn Sink>, OpenError> {
        Ok(Arc::new(Runner::open(self, name)))
    }

    fn probe(&self) -> BoxFuture<'_, Probed> {
        Box::pin(async { probe(self) })
    }
}

/// The sink.
#[derive(Debug)]
pub struct Runner {
    name: String,
    config: Config,
}

impl Runner {
    /// Nothing is started yet, and a program that is missing now may be there when it is needed.
    pub(super) fn open(config: &Config, name: &str) -> Self {
        Self { name: name.to_owned(), config: config.clone() }
    }

    async fn run(&self, parcel: &Parcel) -> Outcome {
        let Config { program, format, .. } = &self.config;
        let input = parcel.render(format)?.body;
        let mut child = self.command(parcel).spawn().map_err(|error| {
            Refusal::transient(format!(
                "cannot start {program}: {error} (check that it, and the interpreter that its \
                 first line names, exist and may be executed)"
            ))
        })?;
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let mut group = Group::new(child);
        let mut printed = Output::new(&self.name, parcel.event.id(), "stdout");
        let mut complained = Output::new(&self.name, parcel.event.id(), "stderr");
        let status = {
            let talk = async {
                let input = feed(stdin, &input);
                tokio::join!(input, printed.follow(stdout), complained.follow(stderr));
            };
            tokio::pin!(talk);
            // To its end the talk may never come: a process in the background can hold the pipes.
            let ended = tokio::select! {
                status = group.wait() => Some(status),
                () = &mut talk => None,
            };
            match ended {
                Some(status) => {
                    let _ = tokio::time::timeout(OUTPUT_PATIENCE, talk).await;
                    status
                }
                None => group.wait().await,
            }
        };
        printed.finish();
        complained.finish();
        match status {
            Ok(status) => judge(program, status, complained.last_line()),
            Err(error) => Err(Refusal::transient(format!("cannot wait for {program}: {error}"))),
        }
    }

    fn command(&self, parcel: &Parcel) -> Command {
        let event = &parcel.event;
        let fields = event.fields();
        let mut command = Command::new(&self.config.program);
        command.args(&self.config.arguments);
        for name in OURS_ALONE {
            command.env_remove(name);
        }
        command
            .env("VOD_RELAY_EVENT_ID", event.id().to_string())
            .env("VOD_RELAY_EVENT_TYPE", env_value(Some(event.event_type())))
            .env("VOD_RELAY_TASK_ID", env_value(fields.task_id.as_deref()))
            .env("VOD_RELAY_FILE_ID", env_value(fields.file_id.as_deref()))
            .env("VOD_RELAY_STATUS", env_value(fields.status.as_deref()))
            .env("VOD_RELAY_ATTEMPT", parcel.attempt.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        command
    }
}

impl Sink for Runner {
    fn limits(&self) -> Limits {
        let Config { timeout, max_concurrency: concurrency, .. } = self.config;
        Limits { timeout, concurrency, batch: 1 }
    }

    fn deliver<'a>(&'a self, batch: &'a [Parcel]) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(async move {
            let mut outcomes = Vec::with_capacity(batch.len());
            for parcel in batch {
                outcomes.push(self.run(parcel).await);
            }
            outcomes
        })
    }
}

/// Gives the event to the program. If it does not read, its exit status still counts.
async fn feed(stdin: Option<ChildStdin>, event: &[u8]) {
    if let Some(mut stdin) = stdin {
        // The only failure is a closed pipe.
        let _ = stdin.write_all(event).await;
    }
}

fn judge(program: &str, status: ExitStatus, last_line: &str) -> Outcome {
    let ended = match (status.code(), status.signal()) {
        (Some(0), _) => return Ok(()),
        (Some(code), _) => format!("{program} exited with status {code}"),
        (None, Some(signal)) => format!("{program} was ended by signal {signal}"),
        (None, None) => format!("{program} ended: {status}"),
    };
    let reason = if last_line.is_empty() { ended } else { format!("{ended}: {last_line}") };
    match status.code() {
        Some(REFUSED) => Err(Refusal::permanent(reason)),
        _ => Err(Refusal::transient(reason)),
    }
}

/// A text as an environment variable can hold it: without NUL, and not too long to start with.
fn env_value(text: Option<&str>) -> String {
    let mut value = text.unwrap_or_default().replace('\0', "");
    let end = (0..=ENV_VALUE_MAX).rev().find(|end| value.is_char_boundary(*end));
    value.truncate(end.unwrap_or_default());
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_value_never_keeps_the_program_from_starting() {
        assert_eq!(env_value(None), "");
        assert_eq!(env_value(Some("a\0b")), "ab");
        assert_eq!(env_value(Some(&"动".repeat(100_000))).len(), ENV_VALUE_MAX - 1);
    }

    #[test]
    fn the_exit_status_is_the_answer() {
        let exited = |code: i32| judge("app", ExitStatus::from_raw(code << 8), "no such video");
        assert_eq!(exited(0), Ok(()));
        let reason = "app exited with status 65: no such video";
        assert_eq!(exited(65), Err(Refusal::permanent(reason)));
        let reason = "app exited with status 1: no such video";
        assert_eq!(exited(1), Err(Refusal::transient(reason)));
        let killed = judge("app", ExitStatus::from_raw(9), "");
        assert_eq!(killed, Err(Refusal::transient("app was ended by signal 9")));
    }
}
