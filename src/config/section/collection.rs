//! The getters for lists and tables of values.

use std::ops::Range;

use toml::de::DeValue;

use super::{Section, as_written, kind_of};
use crate::secret::{MASK, Secret};

/// A text in a list.
pub(super) struct Item<'a> {
    pub(super) span: Range<usize>,
    /// As it stands in the file.
    pub(super) written: &'a str,
    /// With variables replaced.
    pub(super) text: String,
}

impl<'a> Section<'a> {
    /// A list of texts.
    pub fn strings(&self, key: &str, example: &str) -> Option<Vec<String>> {
        let items = self.items(key, example)?;
        let texts: Vec<_> = items.into_iter().map(|item| item.text).collect();
        self.effective(key, texts.clone());
        Some(texts)
    }

    /// A list of texts that may have secrets in them: they are shown as they are written, so a variable
    /// by its name.
    pub fn arguments(&self, key: &str, example: &str) -> Option<Vec<String>> {
        let items = self.items(key, example)?;
        let written: Vec<_> = items.iter().map(|item| item.written.into()).collect();
        let mut report = self.context.report.borrow_mut();
        report.effective(&self.path, &as_written(key), toml::Value::Array(written));
        Some(items.into_iter().map(|item| item.text).collect())
    }

    /// The texts in a list, as far as they are right.
    pub(super) fn items(&self, key: &str, example: &str) -> Option<Vec<Item<'a>>> {
        let (_, value) = self.value(key)?;
        let Some(items) = value.as_array() else {
            self.wrong_type(key, value, example);
            return None;
        };
        let mut texts = Vec::new();
        for item in items.iter() {
            let span = item.span();
            match item.get_ref() {
                DeValue::String(written) => {
                    let text = self.interpolated(key, written, span.clone());
                    texts.extend(text.map(|text| Item { span, written, text }));
                }
                other => {
                    let problem = format!("holds {} where text is wanted", kind_of(other));
                    self.mistake_at(span, key, &problem, example);
                }
            }
        }
        Some(texts)
    }

    /// A table of names and texts, such as headers, in the order of their names. Its values may be
    /// secrets and are masked.
    pub fn masked_map(&self, key: &str, example: &str) -> Vec<(String, Secret)> {
        let Some(table) = self.inner_table(key, example) else { return Vec::new() };
        let mut pairs = Vec::new();
        let mut effective = toml::Table::new();
        for name in table.names() {
            let Some((span, value)) = table.at(name) else { continue };
            match value {
                DeValue::String(text) => {
                    if let Some(text) = table.interpolated(name, text, span) {
                        effective.insert(name.to_owned(), MASK.into());
                        pairs.push((name.to_owned(), Secret::from(text)));
                    }
                }
                other => table.wrong_type(name, other, "text in quotes"),
            }
        }
        self.effective(key, effective);
        pairs
    }

    /// A table of names, each with one of a few words, in the order of the names.
    pub fn words<T: Copy>(
        &self,
        key: &str,
        words: &[(&str, T)],
        example: &str,
    ) -> Vec<(String, T)> {
        let Some(table) = self.inner_table(key, example) else { return Vec::new() };
        let mut pairs = Vec::new();
        for name in table.names() {
            pairs.extend(table.choice(name, words, "").map(|word| (name.to_owned(), word)));
        }
        pairs
    }

    /// A table of conditions: each name with the texts that it may be equal to, in the order of
    /// the names, so that the same conditions are equal however they are written.
    pub fn conditions(&self, key: &str) -> Vec<(String, Vec<String>)> {
        let right = "for example { Status = \"FINISH\" } or { Status = [\"FINISH\", \"FAIL\"] }";
        let Some(table) = self.inner_table(key, right) else { return Vec::new() };
        let mut conditions = Vec::new();
        let mut effective = toml::Table::new();
        for name in table.names() {
            let texts = table.alternatives(name, right);
            effective.insert(name.to_owned(), texts.clone().into());
            conditions.push((name.to_owned(), texts));
        }
        if !effective.is_empty() {
            self.effective(key, effective);
        }
        conditions
    }

    /// The texts that one condition allows: a single value or a list of them.
    fn alternatives(&self, name: &str, right: &str) -> Vec<String> {
        let Some((_, value)) = self.at(name) else { return Vec::new() };
        let listed = value.as_array().map(|list| list.iter());
        let values: Vec<_> = match listed {
            Some(list) => list.map(|item| (item.span(), item.get_ref())).collect(),
            None => vec![(self.span_of(name), value)],
        };
        if values.is_empty() {
            self.mistake(name, "has no value to be equal to", right);
        }
        let mut texts = Vec::new();
        for (span, value) in values {
            match value {
                DeValue::String(text) => texts.extend(self.interpolated(name, text, span)),
                DeValue::Integer(number) if number.radix() == 10 => {
                    texts.push(number.as_str().to_owned());
                }
                DeValue::Float(number) => texts.push(number.as_str().to_owned()),
                DeValue::Boolean(truth) => texts.push(truth.to_string()),
                DeValue::Table(inner) => {
                    let inner = inner.keys().next().map_or("Name", |key| key.get_ref());
                    let right = format!("a path in quotes: \"{name}.{inner}\" = \"...\"");
                    self.mistake_at(span, name, "is a table", &right);
                }
                DeValue::Integer(_) | DeValue::Datetime(_) | DeValue::Array(_) => {
                    let problem = format!("compares with {}", kind_of(value));
                    self.mistake_at(span, name, &problem, "text in quotes");
                }
            }
        }
        texts
    }

    fn names(&self) -> impl Iterator<Item = &'a str> {
        self.table.into_iter().flat_map(|table| table.keys()).map(|key| key.get_ref().as_ref())
    }

    /// The table under `key` as a section of its own, for the key paths of its mistakes.
    fn inner_table(&self, key: &str, right: &str) -> Option<Section<'a>> {
        match self.value(key)? {
            (span, DeValue::Table(table)) => Some(self.child(key, Some(table), span)),
            (_, other) => {
                self.wrong_type(key, other, right);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::fixture::{effective, read};
    use crate::secret::Secret;

    #[test]
    fn lists() {
        let get = |keys: &str| read(keys, |s| s.strings("k", "for example [\"a\"]"));
        assert_eq!(get(""), (None, String::new()));
        let two = vec!["a".to_owned(), "value".to_owned()];
        assert_eq!(get("k = ['a', '${NAME}']"), (Some(two), String::new()));
        for (keys, mistake) in [
            ("k = 'a'", "2:5: sinks.app.k: is text (for example [\"a\"])"),
            (
                "k = ['a', 1]",
                "2:11: sinks.app.k: holds a whole number where text is wanted (for example [\"a\"])",
            ),
        ] {
            assert_eq!(get(keys).1, mistake);
        }
    }

    #[test]
    fn names_and_secrets() {
        let get = |keys: &str| read(keys, |s| s.masked_map("k", "{ Name = \"...\" }"));
        let pairs = [("A", "b"), ("Z", "value")];
        let pairs = pairs.map(|(name, text)| (name.to_owned(), Secret::from(text.to_owned())));
        assert_eq!(get("k = { Z = '${NAME}', A = 'b' }"), (pairs.to_vec(), String::new()));
        let shown = effective("k = { A = 'b' }", |s| s.masked_map("k", ""));
        assert_eq!(shown, "k = { A = \"********\" }\n");
        for (keys, mistake) in [
            ("k = []", "2:5: sinks.app.k: is a list ({ Name = \"...\" })"),
            ("k.A = 1", "2:7: sinks.app.k.A: is a whole number (text in quotes)"),
            ("k.'a b' = 1", "2:11: sinks.app.k.\"a b\": is a whole number (text in quotes)"),
        ] {
            assert_eq!(get(keys).1, mistake);
        }
    }

    #[test]
    fn names_and_words() {
        let words = [("one", 1), ("two", 2)];
        let get = |keys: &str| read(keys, |s| s.words("k", &words, "{ a = \"one\" }"));
        let found = vec![("a".to_owned(), 2), ("b".to_owned(), 1)];
        assert_eq!(get("k = { b = 'one', a = 'two' }"), (found, String::new()));
        assert_eq!(get(""), (Vec::new(), String::new()));
        let shown = effective("k = { a = 'two' }", |s| {
            s.string_or("t", "d");
            s.words("k", &words, "")
        });
        assert_eq!(shown, "t = \"d\"\n\n[sinks.app.k]\na = \"two\"\n");
        for (keys, mistake) in [
            ("k = 'one'", "2:5: sinks.app.k: is text ({ a = \"one\" })"),
            (
                "k.a = 'tow'",
                "2:7: sinks.app.k.a: \"tow\" is not known here \
                 (one of \"one\", \"two\")",
            ),
        ] {
            assert_eq!(get(keys).1, mistake);
        }
    }

    #[test]
    fn conditions_compare_by_text() {
        let get = |keys: &str| read(keys, |s| s.conditions("when")).0;
        assert_eq!(get(""), []);
        let found =
            get("when = { S = '${NAME}', N = 5285890784246869930, B = true, L = ['a', 1.50] }");
        let expected: [(&str, &[&str]); 4] = [
            ("B", &["true"]),
            ("L", &["a", "1.50"]),
            ("N", &["5285890784246869930"]),
            ("S", &["value"]),
        ];
        let expected = expected.map(|(name, texts)| {
            (name.to_owned(), texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
        });
        assert_eq!(found, expected);
        assert_eq!(effective("when.S = 'a'", |s| s.conditions("when")), "when = { S = [\"a\"] }\n");
    }

    #[test]
    fn conditions_that_cannot_hold_are_refused() {
        let right = "(for example { Status = \"FINISH\" } or { Status = [\"FINISH\", \"FAIL\"] })";
        for (keys, mistake) in [
            ("when = 'x'", format!("2:8: sinks.app.when: is text {right}")),
            ("when.S = []", format!("2:10: sinks.app.when.S: has no value to be equal to {right}")),
            (
                "when.MetaData.Height = 1080",
                "2:6: sinks.app.when.MetaData: is a table \
                 (a path in quotes: \"MetaData.Height\" = \"...\")"
                    .to_owned(),
            ),
            (
                "when.T = 2026-01-01",
                "2:10: sinks.app.when.T: compares with a date or time (text in quotes)".to_owned(),
            ),
        ] {
            assert_eq!(read(keys, |s| s.conditions("when")).1, mistake);
        }
    }
}
