//! The configuration file, read and checked.
//!
//! A [`Config`] cannot be wrong: it exists only when the whole file is right. All mistakes are
//! reported at once, each with its place in the file, what is wrong and what would be right.

mod admin;
mod check;
mod credentials;
mod error;
mod interpolate;
mod log;
mod relay;
mod report;
mod rules;
mod section;
mod sink;
mod source;
mod spelling;

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use toml::de::DeTable;

pub use admin::Admin;
pub use check::check;
pub use credentials::{CredentialsConfig, Endpoints};
pub use error::ConfigError;
pub use log::{Log, LogFormat};
pub use relay::Relay;
pub use report::Mistake;
pub use section::Section;
#[cfg(test)]
pub(crate) use section::fixture;
pub use sink::SinkConfig;
pub use source::{Ack, CallbackConfig, Convert, PullConfig, SourceConfig, SourceKind, Unrouted};

use crate::route::Router;
use report::{Report, position};
use section::Context;
use spelling::quoted;

/// The most that is read of a configuration file; a larger one is something else.
const LARGEST_FILE: u64 = 1024 * 1024;

/// The configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The relay as a whole.
    pub relay: Relay,
    /// What is logged, and how.
    pub log: Log,
    /// The server that tells how the relay fares; absent means none.
    pub admin: Option<Admin>,
    /// Where events come from, in the order of the file. There is at least one.
    pub sources: Vec<SourceConfig>,
    /// Where events go, in the order of the file. There is at least one.
    pub sinks: Vec<SinkConfig>,
    /// What is allowed but hardly meant, one line each: `config.toml:12:9: sources.main...`.
    pub warnings: Vec<String>,
    effective: String,
}

impl Config {
    /// Reads and checks a file, with variables from the environment.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or holds mistakes.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let name = path.display().to_string();
        let (bytes, mode) = read(path).map_err(|error| ConfigError::Unreadable {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        let text = std::str::from_utf8(&bytes).map_err(|error| {
            let (line, column) = position(&bytes, error.valid_up_to());
            let (problem, right) = ("is not UTF-8 text".into(), "save the file as UTF-8".into());
            let mistake = Mistake { line, column, path: String::new(), problem, right };
            ConfigError::Wrong { file: name.clone(), mistakes: vec![mistake] }
        })?;
        Self::read(&name, text, &|variable| std::env::var(variable).ok(), readers(mode))
    }

    /// Checks the text of a file. Its name is for messages; `variables` stands for the
    /// environment.
    ///
    /// # Errors
    ///
    /// The text holds mistakes.
    pub fn parse(
        file_name: &str,
        text: &str,
        variables: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        Self::read(file_name, text, variables, None)
    }

    /// The configuration as it applies, as TOML: every default is shown, every secret is masked.
    pub fn effective(&self) -> &str {
        &self.effective
    }

    /// The rule that picks the sinks of an event, by their place in `sinks`.
    pub fn router(&self) -> Router {
        Router::new(self.sinks.iter().map(|sink| (sink.sources.clone(), sink.rule.clone())))
    }

    /// The name and the `SubAppId` of each source.
    pub fn applications(&self) -> impl Iterator<Item = (&str, Option<u64>)> {
        self.sources.iter().map(|source| (&*source.name, source.sub_app_id))
    }

    /// `readers` says who else can read the file, if anyone can.
    fn read(
        file: &str,
        text: &str,
        variables: &dyn Fn(&str) -> Option<String>,
        readers: Option<&str>,
    ) -> Result<Self, ConfigError> {
        // A byte order mark at the start is no part of the first line.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let report = RefCell::new(Report::default());
        let (document, faults) = DeTable::parse_recoverable(text);
        for fault in &faults {
            let span = fault.span().unwrap_or(0..0);
            let named = text.get(span.clone()).filter(|_| fault.message() == "duplicate key");
            match named {
                Some(key) => report.borrow_mut().fault(
                    span,
                    &format!("has the key {} twice", quoted(key)),
                    "each key and each table stands once",
                ),
                None => report.borrow_mut().fault(span, fault.message(), ""),
            }
        }
        let root = Section::root(document.get_ref(), Context { report: &report, variables });
        let Tables { relay, log, admin, sources, sinks } = read_root(root);
        let mut report = report.into_inner();
        let mistakes = report.mistakes(text);
        if !mistakes.is_empty() {
            return Err(ConfigError::Wrong { file: file.to_owned(), mistakes });
        }
        if let Some(readers) = readers {
            report.expose_inline_secrets(file, readers);
        }
        let warnings = report.warnings(text);
        let warnings = warnings.iter().map(|warning| format!("{file}:{warning}")).collect();
        let effective = report.to_toml();
        Ok(Self { relay, log, admin, sources, sinks, warnings, effective })
    }
}

/// What stands in all tables.
struct Tables {
    relay: Relay,
    log: Log,
    admin: Option<Admin>,
    sources: Vec<SourceConfig>,
    sinks: Vec<SinkConfig>,
}

/// Reads all tables. What a mistake made unreadable is left out.
fn read_root(root: Section<'_>) -> Tables {
    let section = root.subsection_or_empty("relay");
    let relay = Relay::read(&section);
    section.finish();
    let log = Log::read(root.subsection_or_empty("log"));
    let admin = root.subsection("admin").and_then(Admin::read);
    let sources = tables(&root, "sources", "for example [sources.main]");
    let sources: Vec<_> = sources.into_iter().map(source::Draft::read).collect();
    let sinks = tables(&root, "sinks", "for example [sinks.app]");
    let sinks: Vec<_> = sinks.into_iter().map(sink::Draft::read).collect();
    rules::check(relay.state_dir.is_some(), &sources, &sinks);
    root.finish();
    let sources = sources.into_iter().filter_map(source::Draft::finish).collect();
    let sinks = sinks.into_iter().filter_map(sink::Draft::finish).collect();
    Tables { relay, log, admin, sources, sinks }
}

/// The tables under `key`, of which there must be one at least.
fn tables<'a>(root: &Section<'a>, key: &str, right: &str) -> Vec<Section<'a>> {
    if !root.has(key) {
        root.missing(key, right);
    }
    let Some(section) = root.subsection(key) else { return Vec::new() };
    if section.is_empty() {
        section.absence_here("is empty", right);
    }
    section.subsections()
}

/// The bytes of the file, and its permissions.
fn read(path: &Path) -> io::Result<(Vec<u8>, u32)> {
    let file = File::open(path)?;
    let mode = file.metadata()?.permissions().mode();
    let mut bytes = Vec::new();
    file.take(LARGEST_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(io::Error::other("it is larger than 1 MiB, which no configuration is"));
    }
    Ok((bytes, mode))
}

/// Who, besides its owner, can read a file.
fn readers(mode: u32) -> Option<&'static str> {
    match (mode & 0o004, mode & 0o040) {
        (0, 0) => None,
        (0, _) => Some("its group"),
        _ => Some("every user"),
    }
}
