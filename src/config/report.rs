//! What reading a configuration found: its mistakes, and its effective values.

use std::fmt;
use std::ops::Range;

/// One thing that is wrong in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The key path, such as `sinks.app.url`; empty for a fault of the TOML itself.
    pub path: String,
    /// What is wrong.
    pub problem: String,
    /// What would be right.
    pub right: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.line, self.column)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{}", self.problem)?;
        if !self.right.is_empty() {
            write!(f, " ({})", self.right)?;
        }
        Ok(())
    }
}

/// Gathers mistakes and effective values while a file is read.
#[derive(Debug, Default)]
pub(super) struct Report {
    found: Vec<Found>,
    sections: Vec<(String, Vec<(String, toml::Value)>)>,
}

#[derive(Debug)]
struct Found {
    span: Range<usize>,
    path: String,
    problem: String,
    right: String,
    missing: bool,
}

impl Report {
    pub(super) fn mistake(&mut self, span: Range<usize>, path: String, problem: &str, right: &str) {
        let (problem, right) = (problem.to_owned(), right.to_owned());
        self.found.push(Found { span, path, problem, right, missing: false });
    }

    pub(super) fn missing(&mut self, span: Range<usize>, path: String, right: &str) {
        let (problem, right) = ("is missing".to_owned(), right.to_owned());
        self.found.push(Found { span, path, problem, right, missing: true });
    }

    pub(super) fn effective_section(&mut self, path: &str) {
        if !self.sections.iter().any(|(known, _)| known == path) {
            self.sections.push((path.to_owned(), Vec::new()));
        }
    }

    pub(super) fn effective(&mut self, section: &str, key: &str, value: toml::Value) {
        self.effective_section(section);
        let entries = self.sections.iter_mut().find(|(known, _)| known == section);
        if let Some((_, entries)) = entries {
            entries.retain(|(known, _)| known != key);
            entries.push((key.to_owned(), value));
        }
    }

    /// The mistakes in the order of the file. When the TOML itself is broken, keys that seem to be
    /// missing may stand in the broken part, so those are not held against it.
    pub(super) fn mistakes(&self, text: &str, broken: bool) -> Vec<Mistake> {
        let mut found: Vec<_> =
            self.found.iter().filter(|found| !(broken && found.missing)).collect();
        found.sort_by_key(|found| found.span.start);
        found
            .into_iter()
            .map(|found| {
                let (line, column) = position(text, found.span.start);
                let (path, problem) = (found.path.clone(), found.problem.clone());
                Mistake { line, column, path, problem, right: found.right.clone() }
            })
            .collect()
    }

    /// The effective configuration as TOML.
    pub(super) fn to_toml(&self) -> String {
        let mut text = String::new();
        for (path, entries) in &self.sections {
            if entries.is_empty() {
                continue;
            }
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&format!("[{path}]\n"));
            for (key, value) in entries {
                text.push_str(&format!("{key} = {value}\n"));
            }
        }
        text
    }
}

/// The line and the column, both from 1, of a byte in a text.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}
