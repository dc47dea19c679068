//! What was looked at, and what was found.

use serde::Serialize;
use serde::ser::SerializeStruct as _;

use crate::exit;

/// What was looked at. The names are stable: scripts read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// The configuration file, and who can read the secrets in it.
    Config,
    /// The state directory: there, writable, with room.
    StateDir,
    /// The database in it.
    Store,
    /// Events that a sink refused for good.
    DeadLetters,
    /// The ledger that several relays share.
    SharedLedger,
    /// An address to listen on: whether it can be had.
    Listen,
    /// Who can pass for VOD at a source that listens.
    Callers,
    /// When VOD is told that such a source has an event.
    Ack,
    /// The name of VOD's host.
    Dns,
    /// The way to VOD: TCP, TLS and an answer.
    Connection,
    /// This machine's clock against VOD's.
    Clock,
    /// Who the relay is to VOD.
    Credentials,
    /// Whether they may confirm.
    ConfirmEvents,
    /// Whether they may pull.
    PullEvents,
    /// Whether the application is set to reliable callback.
    Mode,
    /// Which events VOD is switched to tell.
    Switches,
    /// How many events wait at VOD.
    Backlog,
    /// A sink.
    Sink,
}

impl Check {
    /// The name, such as `pull_events`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::StateDir => "state_dir",
            Self::Store => "store",
            Self::DeadLetters => "dead_letters",
            Self::SharedLedger => "shared_ledger",
            Self::Listen => "listen",
            Self::Callers => "callers",
            Self::Ack => "ack",
            Self::Dns => "dns",
            Self::Connection => "connection",
            Self::Clock => "clock",
            Self::Credentials => "credentials",
            Self::ConfirmEvents => "confirm_events",
            Self::PullEvents => "pull_events",
            Self::Mode => "mode",
            Self::Switches => "switches",
            Self::Backlog => "backlog",
            Self::Sink => "sink",
        }
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// As it should be.
    Ok,
    /// Worth knowing; the relay works.
    Note,
    /// Not looked at.
    Skipped,
    /// The relay works for now, or not at its best.
    Warning,
    /// The relay would not work.
    Error {
        /// The exit code of this class of trouble.
        code: u8,
    },
}

impl Level {
    /// The name, such as `warning`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Skipped => "skipped",
            Self::Warning => "warning",
            Self::Error { .. } => "error",
        }
    }

    /// The exit code that this alone asks for.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok | Self::Note | Self::Skipped | Self::Warning => exit::OK,
            Self::Error { code } => code,
        }
    }
}

/// One thing that was looked at.
///
/// As JSON it has the members `check`, `subject`, `level`, `found`, `mend` (null for what is ok) and
/// `exit_code` (0 unless it is an error).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub check: Check,
    /// Of what: `sources.main`, `sinks.app`, a file.
    pub subject: String,
    /// How bad it is.
    pub level: Level,
    /// What was found, without secrets.
    pub found: String,
    /// What to do about it; empty for what is ok, and for nothing else.
    pub mend: String,
}

impl Serialize for Finding {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut finding = serializer.serialize_struct("Finding", 6)?;
        finding.serialize_field("check", self.check.name())?;
        finding.serialize_field("subject", &self.subject)?;
        finding.serialize_field("level", self.level.name())?;
        finding.serialize_field("found", &self.found)?;
        finding.serialize_field("mend", &(!self.mend.is_empty()).then_some(&self.mend))?;
        finding.serialize_field("exit_code", &self.level.code())?;
        finding.end()
    }
}

/// The exit code of all findings together: that of the worst.
pub fn code(findings: &[Finding]) -> u8 {
    findings.iter().fold(exit::OK, |code, finding| exit::worse(code, finding.level.code()))
}

/// Gathers what is found about one subject.
#[derive(Debug)]
pub(super) struct Findings {
    subject: String,
    all: Vec<Finding>,
}

impl Findings {
    pub(super) fn about(subject: String) -> Self {
        Self { subject, all: Vec::new() }
    }

    pub(super) fn ok(&mut self, check: Check, found: impl Into<String>) {
        self.add(check, Level::Ok, found.into(), String::new());
    }

    pub(super) fn note(&mut self, check: Check, found: impl Into<String>, mend: impl Into<String>) {
        self.add(check, Level::Note, found.into(), mend.into());
    }

    pub(super) fn skipped(
        &mut self,
        check: Check,
        found: impl Into<String>,
        mend: impl Into<String>,
    ) {
        self.add(check, Level::Skipped, found.into(), mend.into());
    }

    pub(super) fn warning(
        &mut self,
        check: Check,
        found: impl Into<String>,
        mend: impl Into<String>,
    ) {
        self.add(check, Level::Warning, found.into(), mend.into());
    }

    pub(super) fn error(
        &mut self,
        check: Check,
        code: u8,
        found: impl Into<String>,
        mend: impl Into<String>,
    ) {
        self.add(check, Level::Error { code }, found.into(), mend.into());
    }

    pub(super) fn add(&mut self, check: Check, level: Level, found: String, mend: String) {
        let subject = self.subject.clone();
        self.all.push(Finding { check, subject, level, found, mend });
    }

    /// Everything that was found, in order.
    pub(super) fn all(self) -> Vec<Finding> {
        self.all
    }
}
