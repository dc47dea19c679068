//! A section out of a text, for the tests of whatever reads one.

use std::cell::RefCell;

use toml::de::DeTable;

use super::{Context, Section};
use crate::config::report::Report;

/// Reads the table `[sinks.app]` with the given keys. Answers with what `read` made of it, and the
/// mistakes, one per line, with the lines of `keys` counted from 2.
///
/// There is one variable, `NAME`, which is `value`.
pub(crate) fn read<T>(keys: &str, read: impl FnOnce(&Section<'_>) -> T) -> (T, String) {
    let (answer, mistakes, _) = read_all(keys, read);
    (answer, mistakes)
}

/// The effective configuration that `read` leaves behind, without its header.
pub(crate) fn effective<T>(keys: &str, read: impl FnOnce(&Section<'_>) -> T) -> String {
    let (_, _, effective) = read_all(keys, read);
    effective.strip_prefix("[sinks.app]\n").unwrap_or_default().to_owned()
}

fn read_all<T>(keys: &str, read: impl FnOnce(&Section<'_>) -> T) -> (T, String, String) {
    let text = format!("[sinks.app]\n{keys}\n");
    let (document, faults) = DeTable::parse_recoverable(&text);
    assert!(faults.is_empty(), "{faults:?}");
    let report = RefCell::new(Report::default());
    let variables = |name: &str| (name == "NAME").then(|| "value".to_owned());
    let context = Context { report: &report, variables: &variables };
    let root = Section::root(document.get_ref(), context);
    let section = root.subsection("sinks").unwrap().subsection("app").unwrap();
    let answer = read(&section);
    section.finish();
    let report = report.into_inner();
    let mistakes: Vec<_> = report.mistakes(&text).iter().map(ToString::to_string).collect();
    (answer, mistakes.join("\n"), report.to_toml())
}
