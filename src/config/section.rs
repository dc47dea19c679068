//! Reads one table of the configuration key by key, and goes on after a mistake.
//!
//! Each getter takes a key, checks its value and answers with something usable even when the value
//! is wrong, so that one run finds every mistake. What was read, defaults included, is kept as the
//! effective configuration that `vod-relay check` prints. Secrets are masked there and never
//! quoted in a mistake.
//!
//! [`Section::finish`] comes last: a key that no getter asked for is a mistake.

mod address;
mod collection;
#[cfg(test)]
pub(crate) mod fixture;
mod format;
mod optional;
mod scalar;
mod secret;
mod sign_key;
mod tls;
mod url;

pub(super) use scalar::shown;

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::interpolate::{Variables, interpolate};
use super::report::{Finding, Report};
use super::spelling::closest;

/// What all sections of one file share.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    /// Where findings and effective values go.
    pub(super) report: &'a RefCell<Report>,
    /// Where variables come from.
    pub(super) variables: &'a Variables<'a>,
}

/// One table of the configuration, such as `[sinks.app]`.
pub struct Section<'a> {
    /// The key path of the table, `sinks.app`; empty for the whole file.
    path: String,
    name: String,
    /// The table as written; an absent one reads as if it were empty.
    table: Option<&'a DeTable<'a>>,
    span: Range<usize>,
    known: RefCell<Vec<String>>,
    context: Context<'a>,
}

impl fmt::Debug for Section<'_> {
    // The values stay out: they may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Section").field("path", &self.path).finish_non_exhaustive()
    }
}

impl<'a> Section<'a> {
    /// The whole file as a section.
    pub(super) fn root(table: &'a DeTable<'a>, context: Context<'a>) -> Self {
        let (path, name) = (String::new(), String::new());
        Self { path, name, table: Some(table), span: 0..0, known: RefCell::default(), context }
    }

    /// The name of the section: the last part of its key path.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key path of a key in this section, such as `sinks.app.url`.
    pub(super) fn path_of(&self, key: &str) -> String {
        let key = as_written(key);
        if self.path.is_empty() { key } else { format!("{}.{key}", self.path) }
    }

    /// Whether the key stands in the file.
    pub fn has(&self, key: &str) -> bool {
        self.at(key).is_some()
    }

    /// Whether no key stands in it.
    pub(super) fn is_empty(&self) -> bool {
        self.keys().is_empty()
    }

    /// The table under `key`, if it is there.
    pub fn subsection(&self, key: &str) -> Option<Section<'a>> {
        match self.value(key)? {
            (span, DeValue::Table(table)) => Some(self.child(key, Some(table), span)),
            (_, other) => {
                self.wrong_type(key, other, &format!("a table: [{}]", self.path_of(key)));
                None
            }
        }
    }

    /// The table under `key`; one that is absent, or no table, reads as an empty one.
    pub(super) fn subsection_or_empty(&self, key: &str) -> Section<'a> {
        self.subsection(key).unwrap_or_else(|| self.child(key, None, self.span.clone()))
    }

    /// All tables under this section, `[sinks.a]` and `[sinks.b]` for `sinks`, in the order of the
    /// file.
    pub fn subsections(&self) -> Vec<Section<'a>> {
        self.keys().into_iter().filter_map(|(_, key)| self.subsection(key)).collect()
    }

    /// Reports a wrong value at `key`: what is wrong, and what would be right.
    ///
    /// Together they read as one line: `sinks.app.url: has no host (for example "https://...")`.
    pub fn mistake(&self, key: &str, problem: &str, right: &str) {
        self.mistake_at(self.span_of(key), key, problem, right);
    }

    /// Reports a key that should be there.
    pub fn missing(&self, key: &str, right: &str) {
        self.absence(key, "is missing", right);
    }

    /// Reports something that the rest of the file may yet make right: it is withheld when the
    /// file could not be read whole.
    pub(super) fn absence(&self, key: &str, problem: &str, right: &str) {
        let finding = self.finding(self.span_of(key), key, problem, right);
        self.context.report.borrow_mut().absence(finding);
    }

    /// Warns of a value at `key` that is allowed but hardly meant.
    pub fn warn(&self, key: &str, problem: &str, right: &str) {
        let finding = self.finding(self.span_of(key), key, problem, right);
        self.context.report.borrow_mut().warning(finding);
    }

    /// Reports the section itself, by its own key path.
    pub(super) fn mistake_here(&self, problem: &str, right: &str) {
        let finding = self.finding_here(problem, right);
        self.context.report.borrow_mut().mistake(finding);
    }

    /// Reports the section itself for something that the rest of the file may yet make right.
    pub(super) fn absence_here(&self, problem: &str, right: &str) {
        let finding = self.finding_here(problem, right);
        self.context.report.borrow_mut().absence(finding);
    }

    /// Warns of the section itself.
    pub(super) fn warn_here(&self, problem: &str, right: &str) {
        let finding = self.finding_here(problem, right);
        self.context.report.borrow_mut().warning(finding);
    }

    /// Whether nothing wrong was found at `key`, so that other values may be measured by it.
    pub(super) fn is_right(&self, key: &str) -> bool {
        !self.context.report.borrow().has_mistake(&self.path_of(key))
    }

    /// Whether the duration under `key` is another than its default.
    pub(super) fn is_changed(&self, key: &str) -> bool {
        self.context.report.borrow().is_changed(&self.path_of(key))
    }

    /// Reports a key that is right in itself, but not here.
    pub(super) fn misplaced(&self, key: &str, problem: &str, right: &str) {
        // Known from here on, but not among the keys that a typing slip is told of.
        let _ = self.value(key);
        self.mistake(key, problem, right);
    }

    /// Reports every key that no getter asked for.
    pub fn finish(self) {
        let known = self.known.borrow();
        for (span, name) in self.keys() {
            if known.iter().any(|asked| asked == name) {
                continue;
            }
            let right = match closest(name, known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("known here: {}", known.join(", ")),
            };
            self.mistake_at(span, name, "is not a known key", &right);
        }
    }

    fn child(&self, key: &str, table: Option<&'a DeTable<'a>>, span: Range<usize>) -> Section<'a> {
        let path = self.path_of(key);
        let Context { report, .. } = self.context;
        report.borrow_mut().effective_section(&path);
        let name = key.to_owned();
        Section { path, name, table, span, known: RefCell::default(), context: self.context }
    }

    /// The keys in the order of the file, with their places.
    fn keys(&self) -> Vec<(Range<usize>, &'a str)> {
        let keys = self.table.into_iter().flat_map(|table| table.keys());
        let mut keys: Vec<_> = keys.map(|key| (key.span(), key.get_ref().as_ref())).collect();
        keys.sort_by_key(|(span, _)| span.start);
        keys
    }

    fn at(&self, key: &str) -> Option<(Range<usize>, &'a DeValue<'a>)> {
        let value = self.table?.get(key)?;
        Some((value.span(), value.get_ref()))
    }

    /// The value under `key`, which is known from now on.
    fn value(&self, key: &str) -> Option<(Range<usize>, &'a DeValue<'a>)> {
        let mut known = self.known.borrow_mut();
        if !known.iter().any(|asked| asked == key) {
            known.push(key.to_owned());
        }
        self.at(key)
    }

    /// The text under `key`, with variables replaced.
    fn text(&self, key: &str) -> Option<String> {
        let (span, value) = self.value(key)?;
        match value {
            DeValue::String(text) => self.interpolated(key, text, span),
            other => {
                self.wrong_type(key, other, "text in quotes");
                None
            }
        }
    }

    fn interpolated(&self, key: &str, text: &str, span: Range<usize>) -> Option<String> {
        match interpolate(text, self.context.variables) {
            Ok(text) => Some(text),
            Err(error) => {
                self.mistake_at(span, key, &error.problem, &error.right);
                None
            }
        }
    }

    fn wrong_type(&self, key: &str, found: &DeValue<'_>, right: &str) {
        self.mistake(key, &format!("is {}", kind_of(found)), right);
    }

    fn mistake_at(&self, span: Range<usize>, key: &str, problem: &str, right: &str) {
        let finding = self.finding(span, key, problem, right);
        self.context.report.borrow_mut().mistake(finding);
    }

    fn finding(&self, span: Range<usize>, key: &str, problem: &str, right: &str) -> Finding {
        let (problem, right) = (problem.to_owned(), right.to_owned());
        Finding { span, path: self.path_of(key), problem, right }
    }

    fn finding_here(&self, problem: &str, right: &str) -> Finding {
        let (problem, right) = (problem.to_owned(), right.to_owned());
        Finding { span: self.span.clone(), path: self.path.clone(), problem, right }
    }

    fn span_of(&self, key: &str) -> Range<usize> {
        self.at(key).map_or_else(|| self.span.clone(), |(span, _)| span)
    }

    fn effective(&self, key: &str, value: impl Into<toml::Value>) {
        let mut report = self.context.report.borrow_mut();
        report.effective(&self.path, &as_written(key), escaped(value.into()));
    }
}

/// The value with its dollar signs doubled: read again, they begin no variable.
fn escaped(value: toml::Value) -> toml::Value {
    match value {
        toml::Value::String(text) => text.replace('$', "$$").into(),
        toml::Value::Array(list) => list.into_iter().map(escaped).collect::<Vec<_>>().into(),
        toml::Value::Table(table) => {
            let entries = table.into_iter().map(|(key, value)| (key, escaped(value)));
            entries.collect::<toml::Table>().into()
        }
        other => other,
    }
}

/// A key as TOML writes it: in quotes if it needs them.
fn as_written(key: &str) -> String {
    let bare = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    if !key.is_empty() && key.chars().all(bare) { key.to_owned() } else { format!("{key:?}") }
}

/// What a value is, for a message.
fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "a truth value",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
