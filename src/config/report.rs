//! What reading a configuration found: mistakes, warnings, and the effective values.

use std::fmt;
use std::ops::Range;

/// One thing that is wrong in the file, or worth a warning.
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

/// What is known of a mistake while the file is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    /// Where it stands, in bytes.
    pub(super) span: Range<usize>,
    /// The key path.
    pub(super) path: String,
    /// What is wrong.
    pub(super) problem: String,
    /// What would be right.
    pub(super) right: String,
}

/// Gathers findings and effective values while a file is read.
#[derive(Debug, Default)]
pub(super) struct Report {
    faults: Vec<Finding>,
    mistakes: Vec<Finding>,
    absences: Vec<Finding>,
    warnings: Vec<Finding>,
    inline_secrets: Vec<(Range<usize>, String, String)>,
    sections: Vec<(String, Vec<(String, toml::Value)>)>,
    changed: Vec<String>,
}

impl Report {
    /// The TOML itself is broken here.
    pub(super) fn fault(&mut self, span: Range<usize>, problem: &str, right: &str) {
        let (path, problem, right) = (String::new(), problem.to_owned(), right.to_owned());
        self.faults.push(Finding { span, path, problem, right });
    }

    /// Something is wrong. Two getters may stumble over the same value: it is reported once.
    pub(super) fn mistake(&mut self, finding: Finding) {
        if !self.mistakes.contains(&finding) {
            self.mistakes.push(finding);
        }
    }

    /// Whether something is wrong at this key path.
    pub(super) fn has_mistake(&self, path: &str) -> bool {
        self.mistakes.iter().any(|mistake| mistake.path == path)
    }

    /// Something that should be there is not. In a file that could not be read whole it may stand
    /// in the broken part.
    pub(super) fn absence(&mut self, finding: Finding) {
        self.absences.push(finding);
    }

    /// Something is allowed but hardly meant.
    pub(super) fn warning(&mut self, finding: Finding) {
        self.warnings.push(finding);
    }

    /// A secret is written in the file itself; `instead` is how another file would be named.
    pub(super) fn inline_secret(&mut self, span: Range<usize>, path: String, instead: String) {
        self.inline_secrets.push((span, path, instead));
    }

    /// Warns of every secret written in the file itself, which `readers` can read.
    pub(super) fn expose_inline_secrets(&mut self, file: &str, readers: &str) {
        for (span, path, instead) in std::mem::take(&mut self.inline_secrets) {
            let problem = format!("is written in a file that {readers} can read");
            let right = format!("{instead}, or chmod 600 {file}");
            self.warning(Finding { span, path, problem, right });
        }
    }

    /// The key at this path has another value than its default.
    pub(super) fn change(&mut self, path: String) {
        self.changed.push(path);
    }

    /// Whether the key at this path has another value than its default.
    pub(super) fn is_changed(&self, path: &str) -> bool {
        self.changed.iter().any(|changed| changed == path)
    }

    /// Makes room for a section in the order in which sections are to be shown.
    pub(super) fn effective_section(&mut self, section: &str) {
        if !self.sections.iter().any(|(known, _)| known == section) {
            self.sections.push((section.to_owned(), Vec::new()));
        }
    }

    /// Notes the value that a key has, be it written or a default.
    pub(super) fn effective(&mut self, section: &str, key: &str, value: toml::Value) {
        self.effective_section(section);
        let Some((_, entries)) = self.sections.iter_mut().find(|(known, _)| known == section)
        else {
            return;
        };
        match entries.iter_mut().find(|(known, _)| known == key) {
            Some((_, known)) => *known = value,
            None => entries.push((key.to_owned(), value)),
        }
    }

    /// The mistakes in the order of the file.
    ///
    /// When its TOML is broken, what seems to be absent is not held against it, nor is what was
    /// made of a broken line: it may be anything, a secret too.
    pub(super) fn mistakes(&self, text: &str) -> Vec<Mistake> {
        if self.faults.is_empty() {
            return in_order(text, self.mistakes.iter().chain(&self.absences));
        }
        let line = |at: usize| position(text.as_bytes(), at).0;
        let broken: Vec<_> = self.faults.iter().map(|fault| line(fault.span.start)).collect();
        let stands = |finding: &&Finding| {
            // A list without its end goes on over the lines that follow.
            let lines = line(finding.span.start)..=line(finding.span.end);
            // The parser gives no place to a value that it made up.
            !finding.span.is_empty() && !broken.iter().any(|broken| lines.contains(broken))
        };
        in_order(text, self.faults.iter().chain(self.mistakes.iter().filter(stands)))
    }

    /// The warnings in the order of the file.
    pub(super) fn warnings(&self, text: &str) -> Vec<Mistake> {
        in_order(text, self.warnings.iter())
    }

    /// The effective configuration as TOML.
    pub(super) fn to_toml(&self) -> String {
        let filled = self.sections.iter().filter(|(_, entries)| !entries.is_empty());
        let sections = filled.map(|(path, entries)| {
            let lines = entries.iter().map(|(key, value)| format!("{key} = {value}\n"));
            format!("[{path}]\n{}", lines.collect::<String>())
        });
        sections.collect::<Vec<_>>().join("\n")
    }
}

fn in_order<'a>(text: &str, findings: impl Iterator<Item = &'a Finding>) -> Vec<Mistake> {
    let mut findings: Vec<_> = findings.cloned().collect();
    findings.sort_by_key(|finding| finding.span.start);
    let located = findings.into_iter().map(|Finding { span, path, problem, right }| {
        let (line, column) = position(text.as_bytes(), span.start);
        Mistake { line, column, path, problem, right }
    });
    located.collect()
}

/// The line and the column in characters, both from 1, of a byte in a text.
pub(super) fn position(text: &[u8], at: usize) -> (usize, usize) {
    let before = &text[..at.min(text.len())];
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = String::from_utf8_lossy(&before[line_start..]).chars().count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters() {
        let text = "a = 1\r\n名 = 2\n";
        let cases = [(0, (1, 1)), (4, (1, 5)), (7, (2, 1)), (11, (2, 3)), (999, (3, 1))];
        for (at, expected) in cases {
            assert_eq!(position(text.as_bytes(), at), expected, "{at}");
        }
        assert_eq!(position(b"", 0), (1, 1));
    }
}
