//! The getters for single values.

use std::ops::RangeInclusive;
use std::time::Duration;

use bytesize::ByteSize;
use toml::de::DeValue;

use super::super::spelling::{closest, quoted};
use super::Section;

/// The largest whole number that TOML can write.
const LARGEST: u64 = i64::MAX as u64;

impl Section<'_> {
    /// The text under `key`, with variables replaced.
    pub fn string(&self, key: &str) -> Option<String> {
        let text = self.text(key)?;
        self.effective(key, text.clone());
        Some(text)
    }

    /// The text under `key`, which must be there and not empty.
    pub fn required_string(&self, key: &str, example: &str) -> Option<String> {
        let right = format!("for example {key} = \"{example}\"");
        if !self.has(key) {
            // The key is known all the same.
            let _ = self.value(key);
            self.missing(key, &right);
        }
        let text = self.string(key)?;
        if text.is_empty() {
            self.mistake(key, "is empty", &right);
            return None;
        }
        Some(text)
    }

    /// The text under `key`, or the default.
    pub fn string_or(&self, key: &str, default: &str) -> String {
        let text = self.text(key).unwrap_or_else(|| default.to_owned());
        self.effective(key, text.clone());
        text
    }

    /// One of a few words. With an empty default the key must be there.
    pub fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)], default: &str) -> Option<T> {
        let words: Vec<_> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let words = format!("one of {}", words.join(", "));
        let known = self.value(key).is_some();
        let word = match self.text(key) {
            Some(word) => word,
            None if default.is_empty() => {
                if !known {
                    self.missing(key, &words);
                }
                return None;
            }
            None => default.to_owned(),
        };
        self.effective(key, word.clone());
        let chosen = choices.iter().find(|(name, _)| *name == word).map(|(_, value)| *value);
        if chosen.is_none() {
            let near = closest(&word, choices.iter().map(|(name, _)| *name));
            let right =
                near.map_or(words.clone(), |near| format!("did you mean \"{near}\"? {words}"));
            self.mistake(key, &format!("{} is not known here", quoted(&word)), &right);
        }
        chosen
    }

    /// A truth value.
    pub fn boolean(&self, key: &str, default: bool) -> bool {
        let right = "true or false, without quotes";
        let written = match self.value(key) {
            None => None,
            Some((_, DeValue::Boolean(value))) => Some(*value),
            // A variable can only come as text.
            Some((_, DeValue::String(_))) => self.text(key).and_then(|text| {
                let value = text.parse().ok();
                if value.is_none() {
                    self.mistake(key, &format!("{} is no truth value", quoted(&text)), right);
                }
                value
            }),
            Some((_, other)) => {
                self.wrong_type(key, other, right);
                None
            }
        };
        let value = written.unwrap_or(default);
        self.effective(key, value);
        value
    }

    /// A whole number within a range.
    pub fn integer(&self, key: &str, default: u64, range: RangeInclusive<u64>) -> u64 {
        let right = format!("a whole number from {} to {}", range.start(), range.end());
        let value = match self.number(key, &right) {
            Some(number) if range.contains(&number) => number,
            Some(number) => {
                self.mistake(key, &format!("{number} is out of range"), &right);
                default
            }
            None => default,
        };
        self.effective(key, i64::try_from(value).unwrap_or(i64::MAX));
        value
    }

    /// A whole number that need not be there and has no default. An empty text, such as a variable
    /// with an empty default leaves, counts as absent.
    pub fn optional_integer(&self, key: &str, right: &str) -> Option<u64> {
        if let Some((_, DeValue::String(_))) = self.value(key)
            && self.text(key)?.is_empty()
        {
            return None;
        }
        let number = self.number(key, right)?;
        match i64::try_from(number) {
            Ok(shown) => self.effective(key, shown),
            Err(_) => self.mistake(key, &format!("{number} is out of range"), right),
        }
        Some(number)
    }

    /// A duration such as `"10s"` or `"1m 30s"`, within a range.
    pub fn duration(
        &self,
        key: &str,
        default: Duration,
        range: RangeInclusive<Duration>,
    ) -> Duration {
        let right = format!(
            "a duration from {} to {}, for example \"{}\"",
            shown(*range.start()),
            shown(*range.end()),
            shown(default)
        );
        let written = match self.value(key) {
            None => None,
            Some((_, DeValue::String(_))) => self.text(key),
            Some((_, other)) => {
                self.wrong_type(key, other, &right);
                None
            }
        };
        let value = match written.as_deref().map(humantime::parse_duration) {
            None => default,
            Some(Ok(parsed)) if range.contains(&parsed) => parsed,
            Some(Ok(parsed)) => {
                self.mistake(key, &format!("{} is out of range", shown(parsed)), &right);
                default
            }
            Some(Err(error)) => {
                let text = quoted(&written.unwrap_or_default());
                self.mistake(key, &format!("{text} is not a duration: {error}"), &right);
                default
            }
        };
        if value != default {
            self.context.report.borrow_mut().change(self.path_of(key));
        }
        self.effective(key, shown(value));
        value
    }

    /// A size such as `"100 MiB"` or a number of bytes; no default means no limit.
    pub fn size(&self, key: &str, default: Option<u64>, at_least: u64) -> Option<u64> {
        let right = format!("a size of at least {}, for example \"100 MiB\"", ByteSize(at_least));
        let written = match self.value(key) {
            None => None,
            Some((_, DeValue::String(_))) => self.text(key).and_then(|text| {
                let size = text.parse::<ByteSize>().ok();
                if size.is_none() {
                    self.mistake(key, &format!("{} is not a size", quoted(&text)), &right);
                }
                size.map(|ByteSize(bytes)| bytes)
            }),
            Some((_, DeValue::Integer(_))) => self.number(key, &right),
            Some((_, other)) => {
                self.wrong_type(key, other, &right);
                None
            }
        };
        let value = match written {
            Some(bytes) if (at_least..=LARGEST).contains(&bytes) => Some(bytes),
            Some(bytes) => {
                self.mistake(key, &format!("{} is out of range", ByteSize(bytes)), &right);
                default
            }
            None => default,
        };
        if let Some(bytes) = value {
            self.effective(key, i64::try_from(bytes).unwrap_or(i64::MAX));
        }
        value
    }

    /// A whole number as a number, or as text, which is all that a variable can give.
    fn number(&self, key: &str, right: &str) -> Option<u64> {
        match self.value(key)? {
            (_, DeValue::Integer(number)) => {
                let value = u64::from_str_radix(number.as_str(), number.radix()).ok();
                if value.is_none() {
                    self.mistake(key, &format!("{number} is out of range"), right);
                }
                value
            }
            (_, DeValue::String(_)) => {
                let text = self.text(key)?;
                let value = text.trim().parse().ok();
                if value.is_none() {
                    self.mistake(key, &format!("{} is no whole number", quoted(&text)), right);
                }
                value
            }
            (_, other) => {
                self.wrong_type(key, other, right);
                None
            }
        }
    }
}

/// A duration as the configuration writes it.
pub(in crate::config) fn shown(time: Duration) -> String {
    humantime::format_duration(time).to_string()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::config::fixture::{effective, read};

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn texts() {
        assert_eq!(read("k = 'a ${NAME}'", |s| s.string("k")).0.as_deref(), Some("a value"));
        assert_eq!(read("", |s| s.string("k")), (None, String::new()));
        assert_eq!(read("", |s| s.string_or("k", "d")).0, "d");
        assert_eq!(effective("", |s| s.string_or("k", "d")), "k = \"d\"\n");
        let cases = [
            ("k = 1", "2:5: sinks.app.k: is a whole number (text in quotes)"),
            ("k = ''", "2:5: sinks.app.k: is empty (for example k = \"x\")"),
            ("", "1:1: sinks.app.k: is missing (for example k = \"x\")"),
            (
                "k = '${GONE}'",
                "2:5: sinks.app.k: needs the environment variable GONE, which is empty or not set \
                 (set GONE, or give a default: ${GONE:-default})",
            ),
        ];
        for (keys, mistakes) in cases {
            assert_eq!(read(keys, |s| s.required_string("k", "x")), (None, mistakes.to_owned()));
        }
    }

    #[test]
    fn choices() {
        let choices = [("fast", 1), ("slow", 2)];
        assert_eq!(read("k = 'slow'", |s| s.choice("k", &choices, "fast")).0, Some(2));
        assert_eq!(read("", |s| s.choice("k", &choices, "fast")).0, Some(1));
        assert_eq!(effective("", |s| s.choice("k", &choices, "fast")), "k = \"fast\"\n");
        let cases = [
            (
                "k = 'other'",
                "2:5: sinks.app.k: \"other\" is not known here (one of \"fast\", \"slow\")",
            ),
            (
                "k = 'Fast'",
                "2:5: sinks.app.k: \"Fast\" is not known here (did you mean \"fast\"? \
                 one of \"fast\", \"slow\")",
            ),
            ("", "1:1: sinks.app.k: is missing (one of \"fast\", \"slow\")"),
            ("k = 1", "2:5: sinks.app.k: is a whole number (text in quotes)"),
        ];
        for (keys, mistakes) in cases {
            assert_eq!(read(keys, |s| s.choice("k", &choices, "")), (None, mistakes.to_owned()));
        }
    }

    #[test]
    fn truth_values() {
        for (keys, value) in [("", true), ("k = false", false), ("k = '${GONE:-false}'", false)] {
            assert_eq!(read(keys, |s| s.boolean("k", true)), (value, String::new()), "{keys}");
        }
        let cases = [
            ("k = 0", "2:5: sinks.app.k: is a whole number (true or false, without quotes)"),
            (
                "k = 'no'",
                "2:5: sinks.app.k: \"no\" is no truth value (true or false, without quotes)",
            ),
        ];
        for (keys, mistakes) in cases {
            assert_eq!(read(keys, |s| s.boolean("k", true)).1, mistakes);
        }
    }

    #[test]
    fn whole_numbers() {
        let get = |keys: &str| read(keys, |s| s.integer("k", 8, 1..=64));
        for (keys, value) in
            [("", 8), ("k = 1", 1), ("k = 0x40", 64), ("k = '${GONE:-7}'", 7), ("k = 6_4", 64)]
        {
            assert_eq!(get(keys), (value, String::new()), "{keys}");
        }
        let right = "(a whole number from 1 to 64)";
        for (keys, problem) in [
            ("k = 65", "65 is out of range"),
            ("k = -1", "-1 is out of range"),
            ("k = 99999999999999999999", "99999999999999999999 is out of range"),
            ("k = 1.5", "is a number with a fraction"),
            ("k = true", "is a truth value"),
            ("k = 'many'", "\"many\" is no whole number"),
            ("k = ''", "\"\" is no whole number"),
        ] {
            assert_eq!(get(keys), (8, format!("2:5: sinks.app.k: {problem} {right}")));
        }
        let optional = |keys| read(keys, |s| s.optional_integer("k", "a number"));
        for (keys, value) in [("", None), ("k = '${GONE:-}'", None), ("k = 5", Some(5))] {
            assert_eq!(optional(keys), (value, String::new()), "{keys}");
        }
        assert_eq!(effective("k = '5'", |s| s.optional_integer("k", "")), "k = 5\n");
    }

    #[test]
    fn durations() {
        let get = |keys: &str| read(keys, |s| s.duration("k", 10 * SECOND, SECOND..=300 * SECOND));
        let cases = [("", 10_000), ("k = '1m 30s'", 90_000), ("k = '1500ms'", 1500)];
        for (keys, millis) in cases {
            assert_eq!(get(keys), (Duration::from_millis(millis), String::new()), "{keys}");
        }
        let right = "(a duration from 1s to 5m, for example \"10s\")";
        for (keys, problem) in [
            ("k = '6m'", "6m is out of range"),
            ("k = '0s'", "0s is out of range"),
            ("k = 10", "is a whole number"),
        ] {
            assert_eq!(get(keys), (10 * SECOND, format!("2:5: sinks.app.k: {problem} {right}")));
        }
        for text in ["10 apples", "10", "", "-1s", "99999999999999999999y"] {
            let keys = format!("k = \"{text}\"");
            let (value, mistakes) = get(&keys);
            assert_eq!(value, 10 * SECOND);
            let start = format!("2:5: sinks.app.k: \"{text}\" is not a duration: ");
            assert!(mistakes.starts_with(&start) && mistakes.ends_with(right), "{mistakes}");
        }
    }

    #[test]
    fn sizes() {
        let get = |keys: &str| read(keys, |s| s.size("k", None, 1024));
        for (keys, bytes) in [("", None), ("k = '1 MiB'", Some(1 << 20)), ("k = 2048", Some(2048))]
        {
            assert_eq!(get(keys), (bytes, String::new()), "{keys}");
        }
        assert_eq!(effective("k = '2 KiB'", |s| s.size("k", None, 1)), "k = 2048\n");
        let right = "(a size of at least 1.0 KiB, for example \"100 MiB\")";
        for (keys, problem) in [
            ("k = 1023", "1023 B is out of range"),
            ("k = '9 apples'", "\"9 apples\" is not a size"),
            ("k = ''", "\"\" is not a size"),
            ("k = []", "is a list"),
        ] {
            assert_eq!(get(keys), (None, format!("2:5: sinks.app.k: {problem} {right}")));
        }
    }

    #[test]
    fn file_names() {
        assert_eq!(read("k = '/a'", |s| s.path("k")).0, Some(PathBuf::from("/a")));
        let empty = "2:5: sinks.app.k: is empty (the name of a file)";
        assert_eq!(read("k = ''", |s| s.path("k")), (None, empty.to_owned()));
    }
}
