//! Text for a terminal.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _};

/// How wide the terminal on standard output is; `None` if it is none.
pub(super) fn terminal_width() -> Option<usize> {
    let out = io::stdout();
    let size = out.is_terminal().then(|| rustix::termios::tcgetwinsize(&out).ok()).flatten();
    size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// How many columns of a terminal a text takes; Chinese and its like take two each.
pub(super) fn columns(text: &str) -> usize {
    text.chars().map(|c| if u32::from(c) < 0x1100 { 1 } else { 2 }).sum()
}

/// A text without what would move a terminal's cursor or worse: what came from outside has
/// a stranger's words.
pub(super) fn tame(text: &str) -> Cow<'_, str> {
    if text.contains(char::is_control) {
        text.replace(char::is_control, " ").into()
    } else {
        text.into()
    }
}

/// A text in lines of at most `room` columns; a word that is longer has a line of its own.
pub(super) fn wrapped(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if columns(line) + 1 + columns(word) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_kept_whole_and_counted_in_columns() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(
            wrapped("一二 三 https://a.long.address", 7),
            ["一二 三", "https://a.long.address"]
        );
        assert_eq!(wrapped("", 7), [""]);
        assert_eq!(wrapped("a b", usize::MAX), ["a b"]);
    }
}
