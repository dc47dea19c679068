//! Findings in print: as a table, or as JSON.

use std::io::{self, IsTerminal as _};

use crate::cli::text::{columns, tame, terminal_width, wrapped};
use crate::doctor::{Finding, Level};
use crate::logging;

/// The least columns for what was found; on a terminal that is narrower its lines run over.
const FOUND_MIN: usize = 30;

/// How a table is laid out.
#[derive(Debug)]
pub(super) struct Table {
    /// How wide the terminal is, if it is one.
    width: Option<usize>,
    coloured: bool,
}

impl Table {
    /// A table for standard output.
    pub(super) fn for_stdout() -> Self {
        let coloured = logging::colours(io::stdout().is_terminal());
        Self { width: terminal_width(), coloured }
    }

    /// The findings, each with what to do below, and their sum.
    pub(super) fn of(&self, findings: &[Finding]) -> String {
        let widest = |of: fn(&Finding) -> &str| {
            findings.iter().map(|finding| columns(of(finding))).max().unwrap_or_default()
        };
        let widths = [
            widest(|finding| finding.level.name()),
            widest(|finding| finding.check.name()),
            widest(|finding| &finding.subject),
        ];
        let mut text = String::new();
        for finding in findings {
            self.row(finding, widths, &mut text);
        }
        text.push_str(&format!("\n{}\n", sum(findings)));
        text
    }

    fn row(&self, finding: &Finding, widths: [usize; 3], text: &mut String) {
        let indent: usize = widths.iter().map(|width| width + 2).sum();
        let room = self.width.map_or(usize::MAX, |all| all.saturating_sub(indent).max(FOUND_MIN));
        let mut lines = wrapped(&tame(&finding.found), room);
        if !finding.mend.is_empty() {
            lines.extend(wrapped(&format!("-> {}", tame(&finding.mend)), room));
        }
        let cells = [finding.level.name(), finding.check.name(), &finding.subject];
        for (at, (cell, width)) in cells.into_iter().zip(widths).enumerate() {
            let cell = tame(cell);
            let space = " ".repeat(width.saturating_sub(columns(&cell)) + 2);
            match colour(finding.level) {
                Some(colour) if at == 0 && self.coloured => {
                    text.push_str(&format!("\x1b[{colour}m{cell}\x1b[0m{space}"));
                }
                _ => text.push_str(&format!("{cell}{space}")),
            }
        }
        text.push_str(&lines.join(&format!("\n{}", " ".repeat(indent))));
        text.push('\n');
    }
}

/// The colour of a level, as terminals number them.
fn colour(level: Level) -> Option<u8> {
    match level {
        Level::Ok => Some(32),
        Level::Note => Some(36),
        Level::Skipped => None,
        Level::Warning => Some(33),
        Level::Error { .. } => Some(31),
    }
}

fn sum(findings: &[Finding]) -> String {
    let count = |name: &str| findings.iter().filter(|finding| finding.level.name() == name).count();
    match (count("error"), count("warning")) {
        (0, 0) => "nothing is wrong".to_owned(),
        (errors, warnings) => format!("errors: {errors}, warnings: {warnings}"),
    }
}

/// A finding as one line of JSON.
pub(super) fn json(finding: &Finding) -> String {
    // Texts and numbers in a struct always serialize.
    serde_json::to_string(finding).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Check;

    fn findings() -> Vec<Finding> {
        let of = |check, level, found: &str, mend: &str| Finding {
            check,
            subject: "sources.main".to_owned(),
            level,
            found: found.to_owned(),
            mend: mend.to_owned(),
        };
        vec![
            of(Check::Dns, Level::Ok, "vod.example.com is 192.0.2.1", ""),
            of(Check::Clock, Level::Error { code: 1 }, "this clock\x1b[2J is 601 s off", "set it"),
        ]
    }

    #[test]
    fn a_table_is_aligned_and_tells_what_to_do() {
        let table = Table { width: None, coloured: false }.of(&findings());
        let expected = "\
ok     dns    sources.main  vod.example.com is 192.0.2.1
error  clock  sources.main  this clock [2J is 601 s off
                            -> set it

errors: 1, warnings: 0
";
        assert_eq!(table, expected);
        let narrow = Table { width: Some(20), coloured: true }.of(&findings());
        assert!(narrow.contains("\x1b[32mok\x1b[0m     dns") && !narrow.contains("[2J\x1b"));
    }

    #[test]
    fn json_has_every_member_on_each_line() {
        let lines: Vec<_> = findings().iter().map(json).collect();
        assert_eq!(
            lines[0],
            "{\"check\":\"dns\",\"subject\":\"sources.main\",\"level\":\"ok\",\
             \"found\":\"vod.example.com is 192.0.2.1\",\"mend\":null,\"exit_code\":0}\n"
        );
        assert!(lines[1].contains("\"mend\":\"set it\",\"exit_code\":1"), "{}", lines[1]);
    }
}
