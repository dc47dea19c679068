//! Walks over JSON text without changing or copying it.
//!
//! The text must be well-formed (it comes out of `serde_json`'s `RawValue`). What is needed here,
//! and what no JSON library offers, is *where* each member stands: an event goes to its sinks byte
//! for byte as VOD wrote it, with nothing but its handle cut out. On text that is not well-formed
//! nothing panics; the walk just ends early.

mod element;
mod outline;
mod pass;
mod scan;

use std::borrow::Cow;
use std::ops::Range;

pub use self::element::element_end;
pub use self::outline::{Field, Node, Outline, Places, Value};
use self::scan::string_end;

/// One member of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member<'a> {
    /// The key as written between its quotes, escapes and all.
    pub raw_key: &'a str,
    /// The value as written.
    pub value: &'a str,
    /// Where the key's opening quote stands.
    pub start: usize,
    /// The end of the value.
    pub end: usize,
}

impl<'a> Member<'a> {
    /// The key by value.
    pub fn key(&self) -> Cow<'a, str> {
        unescape(self.raw_key).unwrap_or(Cow::Borrowed(self.raw_key))
    }
}

/// The members of an object, in order; nothing if the text is not an object.
pub fn members(text: &str) -> impl Iterator<Item = Member<'_>> {
    let mut at = enter(text, b'{');
    std::iter::from_fn(move || {
        let start = next_item(text, at?, b'}')?;
        let key_end = value_end(text, start);
        let raw_key = text.get(start + 1..key_end.checked_sub(1)?)?;
        let colon = skip_space(text, key_end);
        let value_start = skip_space(text, colon + 1);
        let end = value_end(text, value_start);
        at = Some(end);
        Some(Member { raw_key, value: text.get(value_start..end)?, start, end })
    })
}

/// The elements of an array, in order; nothing if the text is not an array.
pub fn elements(text: &str) -> impl Iterator<Item = &str> {
    let mut at = enter(text, b'[');
    std::iter::from_fn(move || {
        let start = next_item(text, at?, b']')?;
        let end = value_end(text, start);
        at = Some(end);
        // What is no value has no length, and the walk would come back to it for ever.
        text.get(start..end).filter(|element| !element.is_empty())
    })
}

/// A string, a number or a truth value as plain text; `None` for null, objects and arrays.
///
/// Identifiers come as strings, and in some of the vendor's samples as numbers beyond what a
/// floating-point number holds, so a number is taken as written.
pub fn scalar(value: &str) -> Option<Cow<'_, str>> {
    match value.as_bytes().first()? {
        b'"' => string(value),
        b'{' | b'[' => None,
        _ if value == "null" => None,
        _ => Some(Cow::Borrowed(value)),
    }
}

/// The value of a JSON string given with its quotes.
fn string(value: &str) -> Option<Cow<'_, str>> {
    unescape(value.get(1..value.len().checked_sub(1)?)?)
}

/// The text that a string's inside stands for; `None` where it is no valid Unicode (a lone
/// surrogate escape).
fn unescape(inside: &str) -> Option<Cow<'_, str>> {
    if !inside.contains('\\') {
        return Some(Cow::Borrowed(inside));
    }
    serde_json::from_str::<String>(&format!("\"{inside}\"")).ok().map(Cow::Owned)
}

/// The object's text without the member at `index`; all other bytes stay as they are.
pub fn without_member(text: &str, index: usize) -> String {
    match Outline::of(text).root().cut(index) {
        Some(cut) => cut_out(text, &cut),
        None => text.to_owned(),
    }
}

/// The text without a part of it; the whole text if there is no such part.
pub(crate) fn cut_out(text: &str, cut: &Range<usize>) -> String {
    match (text.get(..cut.start), text.get(cut.end..)) {
        (Some(before), Some(behind)) if cut.start <= cut.end => [before, behind].concat(),
        _ => text.to_owned(),
    }
}

/// The object's text without the members that are unwanted, each with the comma that joined it; all
/// other bytes stay as they are.
pub fn without_members(text: &str, is_unwanted: impl Fn(&Member<'_>) -> bool) -> String {
    let mut kept = String::with_capacity(text.len());
    let start = members(text).next().map_or(0, |first| first.start);
    kept.push_str(&text[..start]);
    // The end of the member before, kept or not.
    let mut end = start;
    let mut is_first = true;
    for member in members(text) {
        if !is_unwanted(&member) {
            let from = if is_first { member.start } else { end };
            kept.push_str(&text[from..member.end]);
            is_first = false;
        }
        end = member.end;
    }
    kept.push_str(&text[end..]);
    kept
}

/// The object's text with more members behind its own, given as they stand in an object; `None` if
/// the text is no object.
pub fn with_members(text: &str, more: &str) -> Option<String> {
    let inside = enter(text, b'{')?;
    let last = members(text).last();
    let (at, comma) = last.map_or((inside, ""), |last| (last.end, ","));
    Some([text.get(..at)?, comma, more, text.get(at..)?].concat())
}

/// The text on one line: line breaks and the indentation behind them are dropped.
///
/// Inside a JSON string a line break is always an escape, so only white space between the tokens
/// is touched. Text without line breaks comes back untouched.
pub fn on_one_line(text: &str) -> Cow<'_, str> {
    if memchr::memchr2(b'\n', b'\r', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let lines = text.split(['\n', '\r']);
    let mut line = String::with_capacity(text.len());
    for (index, part) in lines.enumerate() {
        line.push_str(if index == 0 { part } else { part.trim_start_matches([' ', '\t']) });
    }
    Cow::Owned(line)
}

/// The place behind the bracket that opens the text, if it is that bracket.
fn enter(text: &str, bracket: u8) -> Option<usize> {
    let start = skip_space(text, 0);
    (text.as_bytes().get(start) == Some(&bracket)).then_some(start + 1)
}

/// The start of the next item, or `None` at the closing bracket.
fn next_item(text: &str, at: usize, close: u8) -> Option<usize> {
    let mut start = skip_space(text, at);
    if text.as_bytes().get(start) == Some(&b',') {
        start = skip_space(text, start + 1);
    }
    match text.as_bytes().get(start) {
        None => None,
        Some(byte) if *byte == close => None,
        Some(_) => Some(start),
    }
}

fn skip_space(text: &str, from: usize) -> usize {
    scan::skip_space(text.as_bytes(), from)
}

/// The end of the value that starts at `start`.
fn value_end(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let mut depth = 0_usize;
    let mut at = start;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = string_end(bytes, at);
                if depth == 0 {
                    return at;
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                // A closing bracket at depth 0 belongs to what holds this value.
                if depth <= 1 {
                    return if depth == 0 { at } else { at + 1 };
                }
                depth -= 1;
            }
            b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' if depth == 0 => return at,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod fixture {
    use proptest::prelude::*;
    use serde_json::Value;

    /// Any JSON.
    pub(super) fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 48, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::hash_map(".*", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_stand_where_they_are_written() {
        let text = r#" { "a" : 1 , "b\"c":{"x":[1,"}"]}, "d":null}"#;
        let found: Vec<_> = members(text).map(|m| (m.key().into_owned(), m.value)).collect();
        let expected = [("a", "1"), ("b\"c", r#"{"x":[1,"}"]}"#), ("d", "null")];
        assert_eq!(found, expected.map(|(key, value)| (key.to_owned(), value)));
    }

    #[test]
    fn a_member_is_cut_out_with_its_comma() {
        let cases = [
            (r#"{"h":"x","a":1}"#, 0, r#"{"a":1}"#),
            (r#"{"a":1,"h":"x"}"#, 1, r#"{"a":1}"#),
            (r#"{"a":1, "h":"x", "b":2}"#, 1, r#"{"a":1, "b":2}"#),
            (r#"{ "h":"x" }"#, 0, "{  }"),
        ];
        for (text, index, expected) in cases {
            assert_eq!(without_member(text, index), expected);
        }
    }

    #[test]
    fn several_members_are_cut_out_at_once() {
        let cases = [
            (r#"{"h":"x","a":1, "h":2}"#, r#"{"a":1}"#),
            (r#"{ "h":"x" , "h":2 }"#, "{  }"),
            (r#"{"a":1 , "h":0, "h":0 ,"b":2 }"#, r#"{"a":1 ,"b":2 }"#),
            ("[]", "[]"),
        ];
        for (text, expected) in cases {
            assert_eq!(without_members(text, |member| member.key() == "h"), expected);
        }
    }

    #[test]
    fn members_join_those_that_are_there() {
        let cases = [
            ("{}", Some(r#"{"z":0}"#)),
            (r#"{ "a":1 } "#, Some(r#"{ "a":1,"z":0 } "#)),
            ("[]", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(with_members(text, r#""z":0"#).as_deref(), expected);
        }
    }

    #[test]
    fn one_line_keeps_every_token() {
        let text = "{\n\t\"a\": \"x  y\",\r\n  \"b\": [1,\n 2]\n}";
        assert_eq!(on_one_line(text), r#"{"a": "x  y","b": [1,2]}"#);
    }

    #[test]
    fn text_that_is_not_well_formed_ends_the_walk_without_a_panic() {
        for text in
            ["", "{", "{\"", "{\"a", "{\"a\"", "{\"a\":", "{\"a\":\"\\", "[", "[1", "{a:1}", "\"é"]
        {
            members(text).count();
            elements(text).count();
            without_member(text, 0);
            with_members(text, "");
            scalar(text);
        }
        for text in ["[}", "[:", "[1:}", "[,]:"] {
            assert!(elements(text).take(9).count() < 9, "{text}");
        }
    }

    mod against_serde_json {
        use proptest::prelude::*;
        use serde_json::Value;

        use super::super::fixture::any_json;
        use super::super::*;

        proptest! {
            #[test]
            fn the_walk_finds_what_the_parser_finds(value in any_json(), pretty in any::<bool>()) {
                let text = if pretty {
                    serde_json::to_string_pretty(&value).unwrap()
                } else {
                    value.to_string()
                };
                if let Value::Object(object) = &value {
                    let walked: serde_json::Map<_, _> = members(&text)
                        .map(|m| (m.key().into_owned(), serde_json::from_str(m.value).unwrap()))
                        .collect();
                    prop_assert_eq!(&walked, object);
                    for (index, member) in members(&text).enumerate() {
                        let left: Value = serde_json::from_str(&without_member(&text, index)).unwrap();
                        let mut expected = object.clone();
                        expected.remove(member.key().as_ref());
                        prop_assert_eq!(left, Value::Object(expected));
                        let more = with_members(&text, "\"more\": 1").unwrap();
                        prop_assert!(serde_json::from_str::<Value>(&more).is_ok());
                    }
                }
                if let Value::Array(array) = &value {
                    let walked: Vec<Value> =
                        elements(&text).map(|item| serde_json::from_str(item).unwrap()).collect();
                    prop_assert_eq!(&walked, array);
                }
                let line = on_one_line(&text);
                prop_assert!(!line.contains('\n'));
                prop_assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), value);
            }
        }
    }
}
