//! The exit codes of every subcommand, in one place.
//!
//! docs/exit-codes.md lists the same table, and which command ends with which; `tests/it/readme.rs`
//! keeps them in step.

/// All is well. With `--once`: every event that was pulled is delivered and confirmed.
pub const OK: u8 = 0;
/// An internal failure: something this program did not foresee. From `convert`: there is something
/// that could not be converted.
pub const INTERNAL: u8 = 1;
/// Wrong usage of the command line.
pub const USAGE: u8 = 2;
/// VOD could not be reached; for `doctor`, a webhook neither.
pub const UNREACHABLE: u8 = 69;
/// `--once` left events undelivered or unconfirmed; VOD hands them out again.
pub const LEFT_OVER: u8 = 75;
/// VOD refused the credentials.
pub const CREDENTIALS: u8 = 77;
/// The configuration is wrong.
pub const CONFIG: u8 = 78;

/// What each code means to a user: the words of `--help` and of the manual page.
pub const MEANINGS: [(u8, &str); 7] = [
    (OK, "all is well; with --once: every event pulled was delivered and confirmed"),
    (INTERNAL, "an internal failure. There is something that convert could not convert"),
    (USAGE, "wrong usage"),
    (UNREACHABLE, "VOD could not be reached (--once, peek, doctor), or a webhook (doctor)"),
    (
        LEFT_OVER,
        "--once left events undelivered or unconfirmed; they come again. A replay left dead letters",
    ),
    (CREDENTIALS, "VOD refused the credentials"),
    (CONFIG, "the configuration is wrong"),
];

/// Of two exit codes the one that tells more: what a person must mend comes first.
pub fn worse(a: u8, b: u8) -> u8 {
    const ORDER: [u8; 7] = [CREDENTIALS, CONFIG, INTERNAL, UNREACHABLE, LEFT_OVER, USAGE, OK];
    ORDER.into_iter().find(|code| *code == a || *code == b).unwrap_or(INTERNAL)
}
