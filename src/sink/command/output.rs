//! What a program prints, line by line to the log, within limits.

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tracing::info;

use crate::event::EventId;

/// What log filters call this.
const TARGET: &str = "vod_relay::sink::command";

/// The most bytes of a line that are logged.
const LINE_MAX: usize = 1024;

/// The most lines of one stream of one run that are logged.
const LINES_MAX: u32 = 100;

/// How much is read at a time.
const CHUNK: usize = 4 * 1024;

/// The log of one stream of one run.
#[derive(Debug)]
pub(super) struct Output<'a> {
    sink: &'a str,
    event: EventId,
    stream: &'static str,
    /// The line that is being read, cut at [`LINE_MAX`].
    line: Vec<u8>,
    cut: bool,
    last: String,
    logged: u32,
    dropped: u64,
}

impl<'a> Output<'a> {
    pub(super) fn new(sink: &'a str, event: EventId, stream: &'static str) -> Self {
        let (line, last) = (Vec::new(), String::new());
        Self { sink, event, stream, line, cut: false, last, logged: 0, dropped: 0 }
    }

    /// Reads to the end, also what is not logged, so that the program never blocks on a full pipe.
    pub(super) async fn follow(&mut self, stream: Option<impl AsyncRead + Unpin>) {
        let Some(mut stream) = stream else { return };
        let mut chunk = vec![0; CHUNK];
        while let Ok(count @ 1..) = stream.read(&mut chunk).await {
            self.take(&chunk[..count]);
        }
    }

    /// Logs what is left when the program has ended.
    pub(super) fn finish(&mut self) {
        self.end_line();
        if self.dropped > 0 {
            let (stream, dropped) = (self.stream, self.dropped);
            info!(
                target: TARGET,
                sink = self.sink, event.id = %self.event, stream, dropped,
                "left out {dropped} more lines that the command printed"
            );
        }
    }

    /// The last line that was not empty.
    pub(super) fn last_line(&self) -> &str {
        &self.last
    }

    fn take(&mut self, text: &[u8]) {
        for part in text.split_inclusive(|byte| *byte == b'\n') {
            let content = part.strip_suffix(b"\n").unwrap_or(part);
            let room = LINE_MAX.saturating_sub(self.line.len());
            self.cut |= content.len() > room;
            self.line.extend_from_slice(&content[..content.len().min(room)]);
            if content.len() < part.len() {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        let mut line = printable(&self.line);
        if self.cut {
            line.push_str("...");
        }
        self.line.clear();
        self.cut = false;
        if line.is_empty() {
            return;
        }
        if self.logged < LINES_MAX {
            self.logged += 1;
            info!(
                target: TARGET,
                sink = self.sink, event.id = %self.event, stream = self.stream,
                "{line}"
            );
        } else {
            self.dropped += 1;
        }
        self.last = line;
    }
}

/// A line without what could control a terminal.
fn printable(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    text.trim_end().chars().map(|c| if c.is_control() && c != '\t' { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn followed(printed: &[u8]) -> Output<'_> {
        let event = EventId::of("", "{}");
        let mut output = Output::new("notify", event, "stderr");
        output.follow(Some(printed)).await;
        output.finish();
        output
    }

    #[tokio::test]
    async fn the_last_line_counts_even_without_its_end() {
        assert_eq!(followed(b"one\n\ntwo").await.last_line(), "two");
        assert_eq!(followed(b"one\ntwo\n\n").await.last_line(), "two");
        assert_eq!(followed(b"\x1b[31mred\r\n").await.last_line(), " [31mred");
        assert_eq!(followed(b"").await.last_line(), "");
    }

    #[tokio::test]
    async fn lines_and_their_number_are_bounded() {
        let long = [b"x".repeat(3 * CHUNK), b"\n".to_vec()].concat();
        assert_eq!(followed(&long).await.last_line(), format!("{}...", "x".repeat(LINE_MAX)));
        let lines: String = (1..=150).map(|number| format!("{number}\n")).collect();
        let output = followed(lines.as_bytes()).await;
        assert_eq!((output.logged, output.dropped), (100, 50));
        assert_eq!(output.last_line(), "150");
    }
}
