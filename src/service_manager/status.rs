//! The status: what the relay does, and what is wrong, in one line.

use std::time::SystemTime;

use crate::board::Board;
use crate::progress::TroubleKind;
use crate::spool::Spool;
use crate::time;

/// The most bytes of a status. A message of the service manager's has 4096 at the most.
const BYTES_MAX: usize = 2000;

/// The most bytes of one trouble, so that one does not hide another.
const TROUBLE_BYTES_MAX: usize = 300;

/// What the relay does, and what is wrong; `note` comes last.
pub(super) fn line(
    prefix: &str,
    board: &Board,
    spool: Option<&Spool>,
    note: Option<&str>,
) -> String {
    let done = board.totals.snapshot();
    let mut line = format!(
        "{prefix}{} pulled, {} delivered, {} confirmed, {} in flight",
        done.pulled,
        done.delivered,
        done.confirmed,
        board.totals.in_flight()
    );
    let spooled = spool.map(|spool| spool.stats().events).filter(|events| *events > 0);
    if let Some(events) = spooled {
        line.push_str(&format!(", {events} in the spool"));
    }
    if done.dead > 0 {
        line.push_str(&format!(", {} dead letters", done.dead));
    }
    for trouble in troubles(board).into_iter().chain(note.map(str::to_owned)) {
        line.push_str("; ");
        line.push_str(&trouble);
    }
    line
}

/// What keeps events from coming, and from going.
fn troubles(board: &Board) -> Vec<String> {
    let (shown, vitals) = (board.shown(), board.totals.vitals());
    let mut troubles = Vec::new();
    for source in &shown.sources {
        let Some(pull) = &source.pull else { continue };
        let trouble = match vitals.get(&source.name) {
            None => Some("waits for VOD's first answer".to_owned()),
            Some(vitals) => pull.troubles(vitals).first().map(|trouble| {
                let what = match trouble.kind {
                    TroubleKind::Refused => "VOD refuses",
                    TroubleKind::Failing => "VOD fails",
                    TroubleKind::Unreachable => "VOD cannot be reached",
                    TroubleKind::NoRoom => "pulling pauses",
                };
                format!("{what} since {}: {}", rfc3339(trouble.since.wall), trouble.message)
            }),
        };
        troubles.extend(trouble.map(|trouble| format!("source {}: {trouble}", source.name)));
    }
    for sink in &shown.sinks {
        let vitals = sink.progress.vitals();
        let down = vitals.down(time::now());
        troubles.extend(down.map(|down| {
            format!("sink {}: down since {}: {}", sink.name, rfc3339(down.since), down.reason)
        }));
    }
    troubles.iter().map(|trouble| cut(trouble, TROUBLE_BYTES_MAX)).collect()
}

fn rfc3339(time: SystemTime) -> humantime::Rfc3339Timestamp {
    humantime::format_rfc3339_seconds(time)
}

/// A text as it may stand in a message: one line, and not too long.
pub(super) fn fit(status: &str) -> String {
    let one_line = status.replace(|c: char| c.is_control(), " ");
    cut(&one_line, BYTES_MAX)
}

fn cut(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let mut end = bytes_max;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}...", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_one_line_of_limited_length() {
        assert_eq!(fit("3 pulled\nREADY=1"), "3 pulled READY=1");
        let long = fit(&"事".repeat(4000));
        assert!(long.len() <= BYTES_MAX + 3 && long.ends_with("事..."), "{}", long.len());
    }
}
