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

/// The start of a text that came from outside, as much of it as a log line shows.
pub fn shown(text: &str) -> &str {
    let end = (0..=SHOWN_MAX.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_from_outside_is_shown_up_to_a_length() {
        assert_eq!(shown("ProcedureStateChanged"), "ProcedureStateChanged");
        assert_eq!(shown(&format!("a{}", "动".repeat(1000))), format!("a{}", "动".repeat(42)));
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
