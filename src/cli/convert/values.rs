//! JSON values out of a stream, one after the other: one on each line, several on a line, or one
//! over many lines.

use std::io::{self, BufRead as _, BufReader, Read};

use serde::Deserialize as _;
use serde_json::error::Category;
use serde_json::value::RawValue;

/// How much is asked of the stream at once, in bytes.
const BUFFER: usize = 64 << 10;

/// The values of a stream. At most one of them, and the line it ends on, is in memory.
#[derive(Debug)]
pub(super) struct Values<R> {
    input: BufReader<R>,
    /// The most bytes of one value, and of one line.
    max: usize,
    line: Vec<u8>,
    /// How much of the line has been read.
    at: usize,
    /// The line's number, from 1.
    number: u64,
    /// After a value that could not be read: only at the start of a line can another one begin.
    lost: bool,
}

/// What stands in the stream.
#[derive(Debug)]
pub(super) struct Found {
    /// The number of the line on which it begins.
    pub(super) line: u64,
    /// An object or an array, or why it is neither.
    pub(super) value: Result<Box<RawValue>, String>,
}

enum Line {
    Read,
    TooLong,
    End,
}

impl<R: Read> Values<R> {
    /// The values of `input`, none of them with more than `max` bytes.
    pub(super) fn new(input: R, max: usize) -> Self {
        let input = BufReader::with_capacity(BUFFER, input);
        Self { input, max, line: Vec::new(), at: 0, number: 0, lost: false }
    }

    /// The next value. After one that is malformed the next is looked for at the next line that
    /// begins with a bracket.
    ///
    /// # Errors
    ///
    /// The stream cannot be read.
    pub(super) fn next(&mut self) -> io::Result<Option<Found>> {
        loop {
            while let Some(byte) = self.line.get(self.at).copied() {
                let begins = matches!(byte, b'{' | b'[');
                if self.lost && !(self.at == 0 && begins) {
                    self.at = self.line.len();
                } else if byte.is_ascii_whitespace() {
                    self.at += 1;
                } else {
                    self.lost = false;
                    return self.read(begins).map(Some);
                }
            }
            match self.next_line()? {
                Line::Read => {}
                Line::TooLong if self.lost => {}
                Line::TooLong => {
                    self.lost = true;
                    return Ok(Some(Found { line: self.number, value: Err(self.too_large()) }));
                }
                Line::End => return Ok(None),
            }
        }
    }

    /// Whether there may be another value without waiting for the stream.
    pub(super) fn has_more(&self) -> bool {
        let rest = self.line.get(self.at..).unwrap_or_default();
        !rest.trim_ascii().is_empty() || self.input.buffer().contains(&b'\n')
    }

    fn read(&mut self, begins: bool) -> io::Result<Found> {
        let line = self.number;
        let value = if begins { self.read_value()? } else { Err(self.no_bracket()) };
        if value.is_err() {
            // The line on which a value over several lines went wrong may be the next one's.
            self.at = if self.number == line { self.line.len() } else { 0 };
            self.lost = true;
        }
        Ok(Found { line, value })
    }

    fn read_value(&mut self) -> io::Result<Result<Box<RawValue>, String>> {
        let mut part = Part { left: self.max, too_large: false, values: self };
        let mut reader = serde_json::Deserializer::from_reader(&mut part);
        let error = match Box::<RawValue>::deserialize(&mut reader) {
            Ok(value) => return Ok(Ok(value)),
            Err(error) => error,
        };
        if part.too_large {
            return Ok(Err(self.too_large()));
        }
        Ok(Err(match error.classify() {
            Category::Io => return Err(error.into()),
            Category::Eof => "it is not JSON: it ends too early".to_owned(),
            Category::Syntax | Category::Data => {
                let text = error.to_string();
                let what = text.split(" at line ").next().unwrap_or_default();
                format!("it is not JSON: {what} on line {}", self.number)
            }
        }))
    }

    fn too_large(&self) -> String {
        format!("it is larger than {} MiB", self.max >> 20)
    }

    fn no_bracket(&self) -> String {
        let rest = self.line.get(self.at..).unwrap_or_default();
        let rest = String::from_utf8_lossy(rest.get(..80).unwrap_or(rest));
        let start: String = rest.trim_end().chars().take(20).collect();
        format!("it is no JSON object but starts with {start:?}")
    }

    fn next_line(&mut self) -> io::Result<Line> {
        self.line.clear();
        self.at = 0;
        let limit = u64::try_from(self.max).unwrap_or(u64::MAX).saturating_add(1);
        if self.input.by_ref().take(limit).read_until(b'\n', &mut self.line)? == 0 {
            return Ok(Line::End);
        }
        self.number += 1;
        if self.number == 1 && self.line.starts_with(b"\xef\xbb\xbf") {
            self.line.drain(..3);
        }
        if self.line.len() <= self.max || self.line.ends_with(b"\n") {
            return Ok(Line::Read);
        }
        self.line.clear();
        self.input.skip_until(b'\n')?;
        Ok(Line::TooLong)
    }
}

/// One value's part of the stream.
struct Part<'a, R> {
    values: &'a mut Values<R>,
    left: usize,
    too_large: bool,
}

impl<R: Read> Read for Part<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.values.at == self.values.line.len() {
            match self.values.next_line()? {
                Line::Read => {}
                Line::TooLong => self.left = 0,
                Line::End => return Ok(0),
            }
            if self.left == 0 {
                break;
            }
        }
        if self.left == 0 {
            self.too_large = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let rest = self.values.line.get(self.values.at..).unwrap_or_default();
        let rest = rest.get(..self.left).unwrap_or(rest);
        let read = (&*rest).read(buffer)?;
        self.values.at += read;
        self.left -= read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str, max: usize) -> Vec<(u64, String)> {
        let mut values = Values::new(text.as_bytes(), max);
        let mut all = Vec::new();
        while let Some(Found { line, value }) = values.next().unwrap() {
            all.push((line, value.map_or_else(|error| error, |value| value.get().to_owned())));
        }
        all
    }

    fn expect(text: &str, expected: &[(u64, &str)]) {
        let found = all(text, 100);
        let found: Vec<_> = found.iter().map(|(line, text)| (*line, text.as_str())).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn values_stand_on_lines_beside_each_other_and_over_lines() {
        expect("", &[]);
        expect(
            "\u{feff}{}\r\n\n {\"a\":1}{\"b\":[]}\t[]",
            &[(1, "{}"), (3, r#"{"a":1}"#), (3, r#"{"b":[]}"#), (3, "[]")],
        );
        expect("{\n \"a\":\n1\n}\n{\"b\"\n:2}", &[(1, "{\n \"a\":\n1\n}"), (5, "{\"b\"\n:2}")]);
    }

    #[test]
    fn after_a_malformed_value_the_next_one_is_found() {
        let no_comma = "it is not JSON: expected `,` or `}` on line 2";
        let control = "it is not JSON: control character (\\u0000-\\u001F) found while parsing a \
                       string on line 1";
        let end = "it is not JSON: it ends too early";
        let word = "it is no JSON object but starts with \"x {\\\"a\\\":1}\"";
        expect("{\"a\":1\n{\"b\":2}\n", &[(1, no_comma), (2, r#"{"b":2}"#)]);
        expect("{\"a\":\"x\n{\"b\":2}\n", &[(1, control), (2, r#"{"b":2}"#)]);
        expect("{\"a\":1\n  {\"b\":2}\n},\n{}", &[(1, no_comma), (4, "{}")]);
        expect("x {\"a\":1}\ny\n{}", &[(1, word), (3, "{}")]);
        expect("{}\n{\"a\":[", &[(1, "{}"), (2, end)]);
        expect("{\"a\":[\n1,\n", &[(1, end)]);
    }

    #[test]
    fn a_value_that_is_too_large_is_passed_over() {
        let large = "it is larger than 0 MiB";
        let long = format!("[\"{}\"]", "a".repeat(200));
        expect(&format!("{{}}\n{long}\n{{\"b\":1}}"), &[(1, "{}"), (2, large), (3, r#"{"b":1}"#)]);
        let lines = format!("[\n{}1]\n{{\"b\":1}}", "1,\n".repeat(60));
        expect(&lines, &[(1, large), (63, r#"{"b":1}"#)]);
        expect(&format!("[\n{long}\n]\n{{}}"), &[(1, large), (4, "{}")]);
        let fits = format!("[\"{}\"]", "a".repeat(96));
        expect(&format!("{fits}\n{fits}{{}}"), &[(1, &fits), (2, large)]);
    }

    #[test]
    fn bytes_that_are_no_text_are_told() {
        let mut values = Values::new(&b"{\"a\":\"\xff\"}\n{}"[..], 100);
        assert!(values.next().unwrap().unwrap().value.is_err());
        assert_eq!(values.next().unwrap().unwrap().value.unwrap().get(), "{}");
    }
}
