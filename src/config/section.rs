//! Reads one table of the configuration key by key, and goes on after a mistake.
//!
//! Each getter takes a key, checks its value and answers with something usable even when the value
//! is wrong, so that one run finds every mistake. What was read, defaults included, is kept as the
//! effective configuration that `vod-relay check` prints. Secrets are masked there and never
//! quoted in a mistake.

use std::cell::RefCell;
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use reqwest::Url;
use toml::de::{DeTable, DeValue};

use super::interpolate::{Variables, interpolate};
use super::report::Report;
use crate::secret::{MASK, Secret};

/// One table of the configuration, such as `[sinks.app]`.
pub struct Section<'a> {
    /// The key path of the table, `sinks.app`; empty for the whole file.
    path: String,
    table: &'a DeTable<'a>,
    span: Range<usize>,
    known: RefCell<Vec<String>>,
    report: &'a RefCell<Report>,
    variables: &'a Variables<'a>,
}

impl<'a> Section<'a> {
    /// The whole file as a section.
    pub(super) fn root(
        table: &'a DeTable<'a>,
        report: &'a RefCell<Report>,
        variables: &'a Variables<'a>,
    ) -> Self {
        let known = RefCell::default();
        Self { path: String::new(), table, span: 0..0, known, report, variables }
    }

    /// The name of the section: the last part of its key path.
    pub fn name(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or_default()
    }

    /// Whether the key stands in the file.
    pub fn has(&self, key: &str) -> bool {
        self.table.get(key).is_some()
    }

    /// The text under `key`, with variables replaced.
    pub fn string(&self, key: &str) -> Option<String> {
        let text = self.text(key)?;
        self.effective(key, text.clone());
        Some(text)
    }

    /// The text under `key`, which must be there and not empty.
    pub fn required_string(&self, key: &str, example: &str) -> Option<String> {
        let text = self.string(key);
        match text {
            Some(text) if !text.is_empty() => Some(text),
            Some(_) => {
                self.mistake(key, "is empty", &format!("for example {key} = \"{example}\""));
                None
            }
            None => {
                if !self.has(key) {
                    self.missing(key, &format!("for example {key} = \"{example}\""));
                }
                None
            }
        }
    }

    /// The text under `key`, or the default.
    pub fn string_or(&self, key: &str, default: &str) -> String {
        let text = self.text(key).unwrap_or_else(|| default.to_owned());
        self.effective(key, text.clone());
        text
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)], default: &str) -> Option<T> {
        let word = self.text(key).unwrap_or_else(|| default.to_owned());
        self.effective(key, word.clone());
        let chosen = choices.iter().find(|(name, _)| *name == word).map(|(_, value)| *value);
        if chosen.is_none() {
            let words: Vec<_> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
            self.mistake(
                key,
                &format!("\"{word}\" is not known here"),
                &format!("one of {}", words.join(", ")),
            );
        }
        chosen
    }

    /// A truth value.
    pub fn boolean(&self, key: &str, default: bool) -> bool {
        let value = match self.value(key) {
            None => default,
            Some((_, DeValue::Boolean(value))) => *value,
            Some((_, other)) => {
                self.wrong_type(key, other, "true or false");
                default
            }
        };
        self.effective(key, value);
        value
    }

    /// A whole number within a range.
    pub fn integer(&self, key: &str, default: u64, range: RangeInclusive<u64>) -> u64 {
        let right = format!("a whole number from {} to {}", range.start(), range.end());
        let value = self.optional_integer(key, &right).unwrap_or(default);
        let value = if range.contains(&value) {
            value
        } else {
            self.mistake(key, &format!("{value} is out of range"), &right);
            default
        };
        self.effective(key, i64::try_from(value).unwrap_or(i64::MAX));
        value
    }

    /// A whole number that need not be there and has no default.
    pub fn optional_integer(&self, key: &str, right: &str) -> Option<u64> {
        let (_, value) = self.value(key)?;
        let number = match value {
            DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
            // A variable can only come as text.
            DeValue::String(_) => self.text(key).and_then(|text| text.trim().parse().ok()),
            _ => None,
        };
        if number.is_none() {
            self.wrong_type(key, value, right);
        }
        number
    }

    /// A duration such as `"10s"` or `"1m 30s"`, within a range.
    pub fn duration(
        &self,
        key: &str,
        default: Duration,
        range: RangeInclusive<Duration>,
    ) -> Duration {
        let shown = |time: Duration| humantime::format_duration(time).to_string();
        let right = format!(
            "a duration from {} to {}, for example \"{}\"",
            shown(*range.start()),
            shown(*range.end()),
            shown(default)
        );
        let mut value = default;
        if let Some((_, found)) = self.value(key) {
            let text = if found.is_str() { self.text(key) } else { None };
            match text.as_deref().map(humantime::parse_duration) {
                Some(Ok(parsed)) if range.contains(&parsed) => value = parsed,
                Some(Ok(parsed)) => {
                    self.mistake(key, &format!("{} is out of range", shown(parsed)), &right);
                }
                Some(Err(error)) => {
                    let text = text.unwrap_or_default();
                    self.mistake(key, &format!("\"{text}\" is not a duration: {error}"), &right);
                }
                None if found.is_str() => {}
                None => self.wrong_type(key, found, &right),
            }
        }
        self.effective(key, shown(value));
        value
    }

    /// A size such as `"100 MiB"` or a number of bytes; no default means no limit.
    pub fn size(&self, key: &str, default: Option<u64>, at_least: u64) -> Option<u64> {
        let right = format!("a size of at least {}, for example \"100 MiB\"", ByteSize(at_least));
        let value = match self.value(key) {
            None => default,
            Some((_, found)) => {
                let parsed = match found {
                    DeValue::String(_) => self.text(key).and_then(|text| text.parse().ok()),
                    DeValue::Integer(_) => self.optional_integer(key, &right).map(ByteSize),
                    _ => None,
                };
                match parsed {
                    Some(ByteSize(bytes)) if bytes >= at_least => Some(bytes),
                    Some(ByteSize(bytes)) => {
                        self.mistake(key, &format!("{bytes} bytes is too small"), &right);
                        default
                    }
                    None => {
                        self.wrong_type(key, found, &right);
                        default
                    }
                }
            }
        };
        if let Some(bytes) = value {
            self.effective(key, i64::try_from(bytes).unwrap_or(i64::MAX));
        }
        value
    }

    /// An address with one of the given schemes.
    pub fn url(&self, key: &str, default: Option<&str>, schemes: &[&str]) -> Option<Url> {
        let right = format!("for example \"{}://host.example.com/path\"", schemes[0]);
        let Some(text) = self.text(key).or_else(|| default.map(str::to_owned)) else {
            if !self.has(key) {
                self.missing(key, &right);
            }
            return None;
        };
        let problem = match Url::parse(&text) {
            Ok(url) if schemes.contains(&url.scheme()) && url.has_host() => {
                self.effective(key, masked_url(&url));
                return Some(url);
            }
            Ok(url) if url.has_host() => {
                format!("scheme \"{}\" is not supported here", url.scheme())
            }
            Ok(_) => "has no host".to_owned(),
            Err(error) => format!("is not a URL: {error}"),
        };
        self.mistake(key, &problem, &right);
        None
    }

    /// A list of texts.
    pub fn strings(&self, key: &str, example: &str) -> Option<Vec<String>> {
        let (_, value) = self.value(key)?;
        let Some(items) = value.as_array() else {
            self.wrong_type(key, value, example);
            return None;
        };
        let mut texts = Vec::new();
        for item in items.iter() {
            match item.get_ref().as_str() {
                Some(text) => texts.extend(self.interpolated(key, text, item.span())),
                None => self.mistake_at(
                    item.span(),
                    key,
                    &format!("holds a {} where text is wanted", item.get_ref().type_str()),
                    example,
                ),
            }
        }
        self.effective(key, texts.clone());
        Some(texts)
    }

    /// A table of names and texts, such as headers. Its values may be secrets and are masked.
    pub fn masked_map(&self, key: &str, example: &str) -> Vec<(String, Secret)> {
        let Some((_, value)) = self.value(key) else { return Vec::new() };
        let Some(table) = value.as_table() else {
            self.wrong_type(key, value, example);
            return Vec::new();
        };
        let mut pairs = Vec::new();
        let mut shown = toml::Table::new();
        for (name, value) in table {
            let path = format!("{key}.{}", name.get_ref());
            match value.get_ref().as_str() {
                Some(text) => {
                    if let Some(text) = self.interpolated(&path, text, value.span()) {
                        shown.insert(name.get_ref().to_string(), MASK.into());
                        pairs.push((name.get_ref().to_string(), Secret::from(text)));
                    }
                }
                None => self.mistake_at(
                    value.span(),
                    &path,
                    &format!("is {}, not text", article(value.get_ref().type_str())),
                    example,
                ),
            }
        }
        self.effective(key, shown);
        pairs
    }

    /// A table of conditions: each name with the texts that it may be equal to.
    pub fn conditions(&self, key: &str) -> Vec<(String, Vec<String>)> {
        let right = "for example { Status = \"FINISH\" } or { Status = [\"FINISH\", \"FAIL\"] }";
        let Some((_, value)) = self.value(key) else { return Vec::new() };
        let Some(table) = value.as_table() else {
            self.wrong_type(key, value, right);
            return Vec::new();
        };
        let mut conditions = Vec::new();
        let mut shown = toml::Table::new();
        for (name, value) in table {
            let path = format!("{key}.{}", name.get_ref());
            let single = std::slice::from_ref(value);
            let alternatives = value.get_ref().as_array().map_or(single, |list| list);
            let mut texts = Vec::new();
            for alternative in alternatives {
                match alternative.get_ref() {
                    DeValue::String(text) => {
                        texts.extend(self.interpolated(&path, text, alternative.span()));
                    }
                    DeValue::Integer(number) => texts.push(number.to_string()),
                    DeValue::Float(number) => texts.push(number.to_string()),
                    DeValue::Boolean(truth) => texts.push(truth.to_string()),
                    DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
                        let found = article(alternative.get_ref().type_str());
                        let problem = format!("compares with {found}");
                        self.mistake_at(alternative.span(), &path, &problem, right);
                    }
                }
            }
            if alternatives.is_empty() {
                self.mistake_at(value.span(), &path, "has no value to be equal to", right);
            }
            shown.insert(name.get_ref().to_string(), texts.clone().into());
            conditions.push((name.get_ref().to_string(), texts));
        }
        self.effective(key, shown);
        conditions
    }

    /// The name of a file.
    pub fn path(&self, key: &str) -> Option<PathBuf> {
        self.string(key).map(PathBuf::from)
    }

    /// A secret, given as `key` or as the file named by `key_file`.
    pub fn secret(&self, key: &str) -> Option<Secret> {
        let file_key = format!("{key}_file");
        let inline = self.text(key);
        if inline.as_ref().is_some_and(|text| !text.is_empty()) {
            self.effective(key, MASK);
        }
        let Some(file) = self.path(&file_key) else { return inline.map(Secret::from) };
        if inline.is_some_and(|text| !text.is_empty()) {
            let right = format!("give either {key} or {file_key}");
            self.mistake(&file_key, &format!("stands beside {key}"), &right);
        }
        match std::fs::read_to_string(&file) {
            Ok(text) => Some(Secret::from(text.trim_end_matches(['\r', '\n']).to_owned())),
            Err(error) => {
                let problem = format!("cannot read {}: {error}", file.display());
                self.mistake(&file_key, &problem, "a file that this user may read");
                None
            }
        }
    }

    /// The table under `key`, if it is there.
    pub fn subsection(&self, key: &str) -> Option<Section<'a>> {
        let (span, value) = self.value(key)?;
        match value {
            DeValue::Table(table) => Some(self.child(key, table, span)),
            other => {
                let name = self.path_of(key);
                self.wrong_type(key, other, &format!("a table: [{name}]"));
                None
            }
        }
    }

    /// All tables under this section, `[sinks.a]` and `[sinks.b]` for `sinks`.
    pub fn subsections(&self) -> Vec<Section<'a>> {
        self.table.keys().filter_map(|key| self.subsection(key.get_ref())).collect()
    }

    /// Reports a wrong value at `key`: what is wrong, and what would be right.
    pub fn mistake(&self, key: &str, problem: &str, right: &str) {
        let span = self.table.get(key).map_or_else(|| self.span.clone(), |value| value.span());
        self.mistake_at(span, key, problem, right);
    }

    /// Reports a key that should be there.
    pub fn missing(&self, key: &str, right: &str) {
        let path = self.path_of(key);
        self.report.borrow_mut().missing(self.span.clone(), path, right);
    }

    /// Reports every key that no getter asked for.
    pub fn finish(self) {
        let known = self.known.borrow();
        for key in self.table.keys() {
            let name = key.get_ref();
            if known.iter().any(|asked| asked == name) {
                continue;
            }
            let right = match closest(name, &known) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("known here: {}", known.join(", ")),
            };
            let path = self.path_of(name);
            self.report.borrow_mut().mistake(key.span(), path, "is not a known key", &right);
        }
    }

    fn child(&self, key: &str, table: &'a DeTable<'a>, span: Range<usize>) -> Section<'a> {
        let path = self.path_of(key);
        self.report.borrow_mut().effective_section(&path);
        let known = RefCell::default();
        Section { path, table, span, known, report: self.report, variables: self.variables }
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn value(&self, key: &str) -> Option<(Range<usize>, &'a DeValue<'a>)> {
        self.known.borrow_mut().push(key.to_owned());
        let value = self.table.get(key)?;
        Some((value.span(), value.get_ref()))
    }

    fn text(&self, key: &str) -> Option<String> {
        let (span, value) = self.value(key)?;
        match value.as_str() {
            Some(text) => self.interpolated(key, text, span),
            None => {
                self.wrong_type(key, value, "text in quotes");
                None
            }
        }
    }

    fn interpolated(&self, key: &str, text: &str, span: Range<usize>) -> Option<String> {
        match interpolate(text, self.variables) {
            Ok(text) => Some(text),
            Err(error) => {
                self.mistake_at(span, key, &error.problem, &error.right);
                None
            }
        }
    }

    fn wrong_type(&self, key: &str, found: &DeValue<'_>, right: &str) {
        self.mistake(key, &format!("is {}", article(found.type_str())), right);
    }

    fn mistake_at(&self, span: Range<usize>, key: &str, problem: &str, right: &str) {
        self.report.borrow_mut().mistake(span, self.path_of(key), problem, right);
    }

    fn effective(&self, key: &str, value: impl Into<toml::Value>) {
        self.report.borrow_mut().effective(&self.path, key, value.into());
    }
}

/// The URL with its password masked, if it has one.
fn masked_url(url: &Url) -> String {
    let mut url = url.clone();
    if url.password().is_some() && url.set_password(Some(MASK)).is_err() {
        return MASK.to_owned();
    }
    url.to_string()
}

fn article(type_name: &str) -> String {
    let vowel = type_name.starts_with(['a', 'i']);
    format!("{} {type_name}", if vowel { "an" } else { "a" })
}

/// The known key that differs from `name` by a typing slip, if one does.
fn closest<'k>(name: &str, known: &'k [String]) -> Option<&'k str> {
    let distance = |candidate: &str| edit_distance(name, candidate);
    let best = known.iter().min_by_key(|candidate| distance(candidate))?;
    (distance(best) <= 2.max(name.len() / 4)).then_some(best.as_str())
}

fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.chars().enumerate() {
            let substitute = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}
