//! Keeps failures that repeat, and texts from outside, from flooding the log.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::time::{self, Instant};

/// How often the same kind of line may be printed.
const INTERVAL: Duration = Duration::from_secs(10);

/// One kind of log line that may repeat: the first is printed at once, later ones at most every
/// ten seconds with the number of those that were left out.
#[derive(Debug, Default)]
pub struct Quiet(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    printed: Option<Instant>,
    left_out: u64,
}

impl Quiet {
    /// Asks to print a line now. `Some(n)` says yes, and that `n` were left out since the last.
    pub fn ask(&self) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.printed.is_some_and(|printed| printed.elapsed() < INTERVAL) {
            state.left_out += 1;
            return None;
        }
        state.printed = Some(time::now());
        Some(std::mem::take(&mut state.left_out))
    }
}

/// The most bytes that a log line shows of one text from outside. VOD's names and ids have less.
const SHOWN_MAX: usize = 128;

/// The most bytes that a log line shows of what another program says in its own words.
const SAID_MAX: usize = 1024;

/// The start of a text that came from outside, as much of it as a log line shows.
pub fn shown(text: &str) -> &str {
    start(text, SHOWN_MAX)
}

/// A name, a code or an id that came from outside, as much of it as a log line shows, on one line.
pub fn name(text: &str) -> String {
    on_one_line(shown(text))
}

/// What another program says in its own words, as much of it as a log line shows, on one line.
pub fn said(text: &str) -> String {
    let shown = start(text, SAID_MAX);
    let cut = if shown.len() < text.len() { "..." } else { "" };
    on_one_line(shown.trim_end()) + cut
}

fn start(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or_default()]
}

/// A line break in a text from outside could begin what looks like a line of the relay's own, and
/// an escape sequence could do as it likes with a terminal.
fn on_one_line(text: &str) -> String {
    text.replace(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'), " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_from_outside_is_shown_up_to_a_length() {
        assert_eq!(shown("ProcedureStateChanged"), "ProcedureStateChanged");
        assert_eq!(shown(&format!("a{}", "动".repeat(1000))), format!("a{}", "动".repeat(42)));
    }

    #[test]
    fn a_text_from_outside_stays_on_its_line() {
        assert_eq!(name("InternalError.DBError"), "InternalError.DBError");
        assert_eq!(name("a\r\nb\u{1b}[2K\u{85}\u{2028}c\n"), "a  b [2K  c ");
        assert_eq!(name(&"\n".repeat(1000)), " ".repeat(128));
        assert_eq!(said("no\tsuch 动\nthing\n"), "no such 动 thing");
        assert_eq!(said(&"x".repeat(1024)), "x".repeat(1024));
        assert_eq!(said(&"动".repeat(1000)), "动".repeat(341) + "...");
    }

    #[tokio::test(start_paused = true)]
    async fn repeated_lines_are_counted_instead_of_printed() {
        let quiet = Quiet::default();
        assert_eq!(quiet.ask(), Some(0));
        for _ in 0..41 {
            assert_eq!(quiet.ask(), None);
        }
        tokio::time::advance(INTERVAL).await;
        assert_eq!(quiet.ask(), Some(41));
        assert_eq!(quiet.ask(), None);
    }
}
