//! Points at which the process can be made to die, so that a test can prove what a crash there
//! leaves behind.
//!
//! Only builds with debug assertions have them; in a release build [`point`] is nothing. There
//! `VOD_RELAY_CRASH_AT=after-sink` aborts the process when it first passes that point, and
//! `VOD_RELAY_CRASH_AT=after-sink:3` when it passes it for the third time. An abort runs no
//! destructor and flushes nothing: to the outside it is a SIGKILL at exactly that instant.

use std::env;
use std::process;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The variable that arms a point.
pub const VARIABLE: &str = "VOD_RELAY_CRASH_AT";

/// All points, in the order of an event's way, and what is true at each.
pub const POINTS: [(&str, &str); 16] = [
    ("after-pull", "an answer of VOD is read; nothing is done about its events"),
    ("after-intake", "its events are in the air, and no lane has them"),
    ("before-sink", "a lane is about to hand events to its sink"),
    ("after-sink", "the sink has said what became of them, and nobody has noted it"),
    ("before-commit", "the store's writer has done its work, and nothing of it is on disk"),
    ("after-commit", "the store's writer has it on disk, and nobody has been told"),
    ("after-ledger", "a delivery is in the ledger, and its confirm is not queued"),
    ("after-bury", "a refused event is a dead letter, and its confirm is not queued"),
    ("after-spool", "the events of an answer are in the spool, and no confirm is queued"),
    ("before-confirm", "a confirm is about to be sent"),
    ("after-confirm", "VOD has confirmed, and nobody has noted it"),
    ("file-written", "lines are written to the file and not synced"),
    ("file-synced", "lines are written to the file and synced, and nobody has been told"),
    ("file-rotating", "a rotation has moved one more file"),
    ("reload-retired", "a reload has retired the old sources and started no new one"),
    ("stop-drained", "a stop has settled everything, and nothing is closed"),
];

/// The armed point and how often it is still to be passed.
static ARMED: LazyLock<Option<(String, AtomicU64)>> = LazyLock::new(|| {
    let (name, passings) = parse(&env::var(VARIABLE).ok()?).ok()?;
    Some((name, AtomicU64::new(passings)))
});

/// Dies here if the environment says so.
#[inline]
pub fn point(name: &'static str) {
    if !cfg!(debug_assertions) {
        return;
    }
    debug_assert!(is_known(name), "{name} is missing in the list of points");
    if let Some((armed, passings)) = &*ARMED
        && armed == name
        && passings.fetch_sub(1, Ordering::Relaxed) == 1
    {
        eprintln!("vod-relay: crash point {name}");
        process::abort();
    }
}

/// Looks at the variable, so that a mistake in it is told at the start.
///
/// # Errors
///
/// There is no such point, or this build has none.
pub fn check() -> Result<(), String> {
    match env::var(VARIABLE) {
        Ok(_) if !cfg!(debug_assertions) => {
            Err(format!("{VARIABLE} is set, but a release build has no crash points"))
        }
        Ok(text) => parse(&text).map(drop),
        Err(_) => Ok(()),
    }
}

fn parse(text: &str) -> Result<(String, u64), String> {
    let (name, passings) = text.split_once(':').unwrap_or((text, "1"));
    if !is_known(name) {
        let known = POINTS.map(|(name, _)| name).join(", ");
        return Err(format!("{VARIABLE} names {name:?}; there are {known}"));
    }
    match passings.parse() {
        Ok(passings @ 1..) => Ok((name.to_owned(), passings)),
        _ => Err(format!("{VARIABLE} is {text:?}; for the third time it is {name}:3")),
    }
}

fn is_known(name: &str) -> bool {
    POINTS.iter().any(|(known, _)| *known == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_may_say_at_which_passing() {
        assert_eq!(parse("after-pull"), Ok(("after-pull".to_owned(), 1)));
        assert_eq!(parse("after-pull:3"), Ok(("after-pull".to_owned(), 3)));
    }

    #[test]
    fn mistakes_are_told() {
        assert!(parse("after-lunch").unwrap_err().contains("there are after-pull, after-intake"));
        for wrong in ["after-pull:", "after-pull:0", "after-pull:-1", "after-pull:1:2"] {
            assert!(parse(wrong).unwrap_err().contains("after-pull:3"), "{wrong}");
        }
    }
}
