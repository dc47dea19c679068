//! Standard error where it is the systemd journal.
//!
//! Each record begins with its priority, as `<4>`, which the journal takes off and files the record
//! under (`SyslogLevelPrefix=` of systemd.exec(5), on by default). The journal's own socket would
//! take fields as well, but then the log would have two ways out: one of them is missing in many
//! sandboxes, and `log.format` would not apply to it. The fields are there with the format `json`.

use std::io;

use rustix::fs::fstat;
use tracing::Level;

/// Says which device and inode the journal's end of the stream is.
const VARIABLE: &str = "JOURNAL_STREAM";

/// Whether standard error goes to the journal, and nowhere else.
pub(super) fn is_stderr() -> bool {
    let Ok(stream) = std::env::var(VARIABLE) else { return false };
    fstat(io::stderr()).is_ok_and(|stat| stream == format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// What a record of this level begins with, by the numbers of syslog(3).
pub(super) fn prefix(level: Level) -> &'static str {
    match level {
        Level::ERROR => "<3>",
        Level::WARN => "<4>",
        Level::INFO => "<6>",
        Level::DEBUG | Level::TRACE => "<7>",
    }
}

/// A line as one record: what would break it into several is written as in a quoted text.
pub(super) fn record(priority: &str, line: &[u8]) -> Vec<u8> {
    let text = line.trim_ascii();
    let mut record = Vec::with_capacity(priority.len() + text.len() + 1);
    record.extend_from_slice(priority.as_bytes());
    for byte in text {
        match byte {
            b'\n' => record.extend_from_slice(b"\\n"),
            b'\r' => record.extend_from_slice(b"\\r"),
            other => record.push(*other),
        }
    }
    record.push(b'\n');
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_line_with_its_priority() {
        let cases = [
            (" INFO delivered\n", "<6>INFO delivered\n"),
            ("ERROR wrong:\n  one\r\n  two\n", "<6>ERROR wrong:\\n  one\\r\\n  two\n"),
            ("", "<6>\n"),
        ];
        for (line, expected) in cases {
            let record = record(prefix(Level::INFO), line.as_bytes());
            assert_eq!(String::from_utf8(record).unwrap(), expected);
        }
    }
}
