//! The walk over JSON text: it ends on any text, and finds in JSON what `serde_json` finds.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use vod_relay::json;

/// Walks over the input as text.
pub fn check(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    ends(&text);
    if let Ok(value) = serde_json::from_str::<&RawValue>(&text) {
        agrees(value.get());
    }
}

/// On any text the walk ends, goes forward only, and stays within the text.
fn ends(text: &str) {
    let mut at = 0;
    for (index, member) in json::members(text).enumerate() {
        assert!(at <= member.start && member.start < member.end && member.end <= text.len());
        assert!(text[member.start..member.end].ends_with(member.value));
        member.key();
        at = member.end;
        // Each of these walks over everything, so a few of them are enough.
        if index < 3 {
            assert!(json::without_member(text, index).len() <= text.len());
        }
    }
    let total: usize = json::elements(text).map(str::len).sum();
    assert!(total <= text.len());
    json::scalar(text);
    assert!(!json::on_one_line(text).contains(['\n', '\r']));
}

/// On JSON the walk and the parser find the same.
fn agrees(text: &str) {
    if text.starts_with('{') {
        let Members(expected) = serde_json::from_str(text).expect("an object");
        let walked: Vec<_> = json::members(text).collect();
        assert_eq!(walked.len(), expected.len(), "{text}");
        for (index, (found, (key, value))) in walked.iter().zip(&expected).enumerate() {
            assert_eq!(found.value, value.get());
            // A key that is no valid Unicode has no value for the parser.
            if let Ok(key) = serde_json::from_str::<String>(key.get()) {
                assert_eq!(found.key(), key);
            }
            let left = json::without_member(text, index);
            let Members(left) = serde_json::from_str(&left).expect("still an object");
            let others = expected.iter().enumerate().filter(|(other, _)| *other != index);
            let others = others.map(|(_, (key, value))| (key.get(), value.get()));
            assert!(left.iter().map(|(key, value)| (key.get(), value.get())).eq(others), "{text}");
            if index < 2 {
                agrees(value.get());
            }
        }
    }
    if text.starts_with('[') {
        let expected: Vec<&RawValue> = serde_json::from_str(text).expect("an array");
        assert!(json::elements(text).eq(expected.iter().map(|element| element.get())), "{text}");
        expected.iter().take(2).for_each(|element| agrees(element.get()));
    }
    match (json::scalar(text), serde_json::from_str::<serde_json::Value>(text)) {
        (Some(found), Ok(serde_json::Value::String(expected))) => assert_eq!(found, expected),
        (Some(found), Ok(expected)) => {
            assert!(expected.is_number() || expected.is_boolean(), "{text}");
            assert_eq!(found, text);
        }
        (None, Ok(expected)) => {
            assert!(expected.is_null() || expected.is_object() || expected.is_array(), "{text}");
        }
        // Text that is no valid Unicode, a number or a nest beyond what the parser takes.
        (_, Err(_)) => {}
    }
    let line = json::on_one_line(text);
    serde_json::from_str::<IgnoredAny>(&line).expect("one line is JSON all the same");
    if let Ok(value) = serde_json::from_str::<serde_json::Value>(text) {
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).expect("JSON"), value);
    }
}

/// The members of an object as the parser finds them, keys with their quotes.
struct Members<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Vec<(&'de RawValue, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        from.deserialize_map(InOrder).map(Members)
    }
}
