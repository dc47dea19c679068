//! Dead letters in print: as rows of a table, in full, or as JSON.

use std::borrow::Cow;
use std::time::SystemTime;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::cli::text::{columns, tame, terminal_width};
use crate::json::on_one_line;
use crate::store::{Buried, LetterKey};

const TITLES: [&str; 7] = ["KEY", "BURIED", "SINK", "TYPE", "EVENT", "ATTEMPTS", "REASON"];

/// A table that grows from page to page, and whose columns never get narrower.
pub(super) struct Table {
    widths: [usize; TITLES.len()],
    /// How wide the terminal is, if it is one.
    line: Option<usize>,
    begun: bool,
}

impl Table {
    /// A table for standard output.
    pub(super) fn new() -> Self {
        Self { widths: TITLES.map(str::len), line: terminal_width(), begun: false }
    }

    /// The rows of these letters, below the titles if they are the first.
    pub(super) fn rows(&mut self, page: &[Buried]) -> String {
        let mut rows: Vec<_> = page.iter().map(row).collect();
        if !self.begun {
            self.begun = true;
            rows.insert(0, TITLES.map(str::to_owned));
        }
        for (width, at) in self.widths.iter_mut().zip(0..) {
            *width = rows.iter().map(|row| columns(&row[at])).fold(*width, usize::max);
        }
        rows.iter().map(|row| self.line(row)).collect()
    }

    fn line(&self, row: &[String; TITLES.len()]) -> String {
        let (reason, others) = row.split_last().unwrap_or((&row[0], &[]));
        let mut line = String::new();
        for (text, width) in others.iter().zip(self.widths) {
            line.push_str(text);
            line.extend(std::iter::repeat_n(' ', width + 2 - columns(text)));
        }
        let room = self.line.map(|width| width.saturating_sub(columns(&line)));
        line.push_str(&cut(reason, room));
        line.push('\n');
        line
    }
}

fn row(buried: &Buried) -> [String; TITLES.len()] {
    let letter = &buried.letter;
    let altered = if buried.intact { "" } else { "[altered by the disk] " };
    [
        buried.key.to_string(),
        humantime::format_rfc3339_seconds(letter.buried).to_string(),
        tame(&letter.sink).into_owned(),
        tame(&letter.event_type).into_owned(),
        letter.id.to_string(),
        letter.attempts.to_string(),
        format!("{altered}{}", tame(&letter.reason)),
    ]
}

/// A text that fits, with dots for what does not.
fn cut(text: &str, room: Option<usize>) -> Cow<'_, str> {
    let Some(room) = room.filter(|room| columns(text) > *room) else { return text.into() };
    let mut cut = String::new();
    for c in text.chars() {
        if columns(&cut) + columns(c.encode_utf8(&mut [0; 4])) + "...".len() > room {
            break;
        }
        cut.push(c);
    }
    format!("{cut}...").into()
}

/// Everything about a letter, and the text of its event below.
pub(super) fn details(buried: &Buried) -> String {
    let letter = &buried.letter;
    let (key, id, attempts) =
        (buried.key.to_string(), letter.id.to_string(), letter.attempts.to_string());
    let (first_seen, since) = (rfc3339(letter.first_seen), rfc3339(letter.buried));
    let mut lines = vec![
        ("key", key.as_str()),
        ("event", &id),
        ("type", &letter.event_type),
        ("task", letter.task_id.as_deref().unwrap_or("-")),
        ("file", letter.file_id.as_deref().unwrap_or("-")),
        ("source", &letter.source),
        ("sink", &letter.sink),
        ("first seen", &first_seen),
        ("buried", &since),
        ("attempts", &attempts),
        ("reason", &letter.reason),
    ];
    let text = String::from_utf8_lossy(&letter.text);
    let text = if buried.intact {
        text
    } else {
        lines.push(("altered", "the disk has altered the text below; it is never delivered"));
        tame(&text).into_owned().into()
    };
    let lines = lines.iter().map(|(name, value)| format!("{name:<12}{}\n", tame(value)));
    format!("{}\n{text}\n", lines.collect::<String>())
}

#[derive(Serialize)]
struct Line<'a> {
    key: LetterKey,
    id: String,
    #[serde(rename = "type")]
    event_type: &'a str,
    task_id: Option<&'a str>,
    file_id: Option<&'a str>,
    source: &'a str,
    sink: &'a str,
    first_seen: String,
    buried: String,
    attempts: u64,
    reason: &'a str,
    intact: bool,
    event: Option<&'a RawValue>,
}

/// A letter as a JSON object on a line of its own. The event stands in it as VOD has written it, or
/// is null if the disk has altered it.
pub(super) fn json(buried: &Buried) -> String {
    let letter = &buried.letter;
    let text = String::from_utf8_lossy(&letter.text);
    let text = on_one_line(&text);
    let line = Line {
        key: buried.key,
        id: letter.id.to_string(),
        event_type: &letter.event_type,
        task_id: letter.task_id.as_deref(),
        file_id: letter.file_id.as_deref(),
        source: &letter.source,
        sink: &letter.sink,
        first_seen: rfc3339(letter.first_seen),
        buried: rfc3339(letter.buried),
        attempts: letter.attempts,
        reason: &letter.reason,
        intact: buried.intact,
        event: serde_json::from_str(&text).ok().filter(|_| buried.intact),
    };
    to_line(&line)
}

/// A value as JSON on a line of its own.
pub(super) fn to_line(value: &impl Serialize) -> String {
    // Texts and numbers only, which cannot fail.
    let mut line = serde_json::to_string(value).unwrap_or_default();
    line.push('\n');
    line
}

fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_cut_to_the_line() {
        assert_eq!(cut("gone", None), "gone");
        assert_eq!(cut("gone for good", Some(13)), "gone for good");
        assert_eq!(cut("gone for good", Some(12)), "gone for ...");
        assert_eq!(cut("动物园动物园", Some(11)), "动物园动...");
        assert_eq!(cut("gone for good", Some(0)), "...");
    }

    #[test]
    fn a_strangers_words_cannot_steer_the_terminal() {
        assert_eq!(tame("HTTP 410\n\u{1b}[2Jgone\u{7}"), "HTTP 410  [2Jgone ");
    }
}
