//! Which event an event is: an id derived from its content.
//!
//! VOD gives events no id, and a redelivery brings another handle. So the id is a hash of what the
//! event says, in a canonical form that does not depend on how VOD happened to print it.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

use crate::json::{Outline, Value};

/// How deep the canonical form follows the nesting; VOD's events are less than 16 deep.
const HEIGHT_MAX: u8 = 128;

/// The id of an event: the first 16 bytes of SHA-256 over the event type, a line feed, and the
/// content in canonical form.
///
/// Canonical form: without `EventHandle`, `Sign` and `T`; object keys sorted; white space and null
/// members dropped; strings by value; numbers as written. It is the same whether VOD prints nulls
/// or leaves them out, in whatever order, and whatever the handle.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId([u8; 16]);

impl EventId {
    /// The id of the event with this type and this content, an object.
    pub fn of(event_type: &str, content: &str) -> Self {
        Self::of_value(event_type, Outline::of(content).root())
    }

    /// The same, where the outline of the content is known.
    pub(super) fn of_value(event_type: &str, content: Value<'_>) -> Self {
        let mut hash = Sha256::new();
        hash.update(event_type);
        hash.update("\n");
        let text = content.text();
        if content.height() <= HEIGHT_MAX {
            let mut canonical = Canonical::with_capacity(text.len());
            canonical.write_object(content, is_outside_the_content);
            hash.update(&canonical.text);
        } else {
            // Nested too deep to follow: what is written, white space and all, still tells a
            // redelivery from another event.
            let members = content.members().filter(|field| !is_outside_the_content(&field.key()));
            for member in members {
                hash.update(member.raw_key());
                hash.update("\n");
                hash.update(member.value.text());
                hash.update("\n");
            }
        }
        let mut id = [0; 16];
        id.copy_from_slice(&hash.finalize()[..16]);
        Self(id)
    }

    /// The 16 bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl From<[u8; 16]> for EventId {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vod_{}", hex::encode(self.0))
    }
}

/// A text that is no event id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event's id is vod_ and 32 hexadecimal digits")]
pub struct NoEventId;

impl FromStr for EventId {
    type Err = NoEventId;

    fn from_str(text: &str) -> Result<Self, NoEventId> {
        let mut id = [0; 16];
        let digits = text.strip_prefix("vod_").ok_or(NoEventId)?;
        hex::decode_to_slice(digits, &mut id).map_err(|_| NoEventId)?;
        Ok(Self(id))
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Top-level members that belong to one delivery of an event, not to the event.
pub(crate) fn is_outside_the_content(key: &str) -> bool {
    matches!(key, "EventHandle" | "Sign" | "T")
}

/// A text in canonical form, as it is written.
struct Canonical<'o> {
    text: String,
    /// The members of the objects that are open, each object's behind those of the one around it.
    members: Vec<(Cow<'o, str>, Value<'o>)>,
}

impl<'o> Canonical<'o> {
    fn with_capacity(capacity: usize) -> Self {
        Self { text: String::with_capacity(capacity), members: Vec::with_capacity(64) }
    }

    fn write(&mut self, value: Value<'o>) {
        let text = value.text();
        match text.as_bytes().first() {
            Some(b'{') => self.write_object(value, |_| false),
            Some(b'[') => {
                self.text.push('[');
                for element in value.elements() {
                    self.write(element);
                    self.text.push(',');
                }
                self.text.push(']');
            }
            Some(b'"') => self.write_string(&canonical(text.get(1..text.len() - 1).unwrap_or(""))),
            _ => self.text.push_str(text),
        }
    }

    fn write_object(&mut self, object: Value<'o>, leave_out: fn(&str) -> bool) {
        let first = self.members.len();
        let members = object
            .members()
            .filter(|member| member.value.text() != "null" && !leave_out(&member.key()))
            .map(|member| (canonical(member.raw_key()), member.value));
        self.members.extend(members);
        let end = self.members.len();
        if let Some(members) = self.members.get_mut(first..) {
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
        }
        self.text.push('{');
        for index in first..end {
            let Some((key, value)) = self.members.get_mut(index) else { break };
            let (key, value) = (std::mem::take(key), *value);
            self.write_string(&key);
            self.text.push(':');
            self.write(value);
            self.text.push(',');
        }
        self.text.push('}');
        self.members.truncate(first);
    }

    /// Writes a string that is in its canonical form.
    fn write_string(&mut self, inside: &str) {
        self.text.push('"');
        self.text.push_str(inside);
        self.text.push('"');
    }
}

/// The inside of a string in one way of escaping, whichever way it came.
fn canonical(inside: &str) -> Cow<'_, str> {
    if !inside.contains('\\') {
        return Cow::Borrowed(inside);
    }
    let mut out = String::with_capacity(inside.len());
    let mut rest = inside;
    // Half of a pair of surrogates is no character, so it has no other form than its escape.
    while let Some(half) = half_a_pair(rest) {
        out.push_str(&escaped(&rest[..half.start]));
        out.push_str(&rest[half.clone()].to_ascii_lowercase());
        rest = &rest[half.end..];
    }
    out.push_str(&escaped(rest));
    Cow::Owned(out)
}

/// The inside of a string, without half pairs, escaped only where it must be.
fn escaped(inside: &str) -> String {
    let text: String = serde_json::from_str(&format!("\"{inside}\"")).unwrap_or_default();
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// Where the first escape stands that is half of a pair of surrogates.
fn half_a_pair(inside: &str) -> Option<Range<usize>> {
    let mut at = 0;
    while let Some(found) = inside.get(at..)?.find('\\') {
        let start = at + found;
        at = match unit(inside, start) {
            None => start + 2,
            Some(0xd800..=0xdbff) if matches!(unit(inside, start + 6), Some(0xdc00..=0xdfff)) => {
                start + 12
            }
            Some(0xd800..=0xdfff) => return Some(start..start + 6),
            Some(_) => start + 6,
        };
    }
    None
}

/// The unit of UTF-16 that is escaped at this place.
fn unit(inside: &str, at: usize) -> Option<u16> {
    u16::from_str_radix(inside.get(at..at + 6)?.strip_prefix("\\u")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(content: &str) -> EventId {
        EventId::of("ProcedureStateChanged", content)
    }

    #[test]
    fn an_id_is_read_as_it_is_printed() {
        let id = id("{}");
        assert_eq!(id.to_string().parse(), Ok(id));
        let hex = hex::encode(id.as_bytes());
        for wrong in ["", "vod_", "17", &hex, &format!("vod_{}", &hex[1..])] {
            assert_eq!(wrong.parse::<EventId>(), Err(NoEventId), "{wrong}");
        }
    }

    #[test]
    fn the_same_content_printed_differently_is_the_same_event() {
        let compact = r#"{"EventType":"A","B":{"x":1,"y":"动物"}}"#;
        let others = [
            "{\n \"EventType\" : \"A\",\n \"B\" : { \"y\" : \"动物\", \"x\" : 1 }\n}",
            r#"{"B":{"x":1,"y":"\u52a8\u7269"},"EventType":"A"}"#,
            r#"{"EventType":"A","FileUploadEvent":null,"B":{"x":1,"z":null,"y":"动物"}}"#,
            r#"{"EventHandle":"h-1","EventType":"A","B":{"x":1,"y":"动物"},"Sign":"s","T":5}"#,
            r#"{"Event\u0054ype":"A","B":{"x":1,"y":"动物"}}"#,
        ];
        for other in others {
            assert_eq!(id(compact), id(other), "{other}");
        }
    }

    #[test]
    fn different_content_is_another_event() {
        let base = r#"{"EventType":"A","B":{"x":1,"y":"z"}}"#;
        let others = [
            r#"{"EventType":"A","B":{"x":1.0,"y":"z"}}"#,
            r#"{"EventType":"A","B":{"x":"1","y":"z"}}"#,
            r#"{"EventType":"A","B":{"x":1,"y":"Z"}}"#,
            r#"{"EventType":"A","B":{"x":1,"y":"z","T":1}}"#,
            r#"{"EventType":"A","B":{"x":[1,null],"y":"z"}}"#,
            r#"{"EventType":"A","C":{"x":1,"y":"z"}}"#,
        ];
        for other in others {
            assert_ne!(id(base), id(other), "{other}");
        }
        assert_ne!(id(base), EventId::of("FileDeleted", base));
    }

    #[test]
    fn numbers_beyond_floating_point_keep_every_digit() {
        let a = id(r#"{"B":{"FileId":5285485487985271490}}"#);
        let b = id(r#"{"B":{"FileId":5285485487985271491}}"#);
        assert_ne!(a, b);
    }

    #[test]
    fn a_lone_surrogate_has_one_form_that_nothing_else_has() {
        let [odd, twin] = [r#"{"B":{"\ud83d":"\ud83da"}}"#, r#"{"B":{"\uD83D":"\uD83D\u0061"}}"#];
        assert_eq!(id(odd), id(twin));
        let others = [
            r#"{"B":{"\\ud83d":"\ud83da"}}"#,
            r#"{"B":{"\ud83d":"\\ud83da"}}"#,
            r#"{"B":{"\ud83d":"\ud83ca"}}"#,
            r#"{"B":{"\ud83d":"\ud83d\udc00a"}}"#,
        ];
        for other in others {
            assert_ne!(id(odd), id(other), "{other}");
        }
    }

    #[test]
    fn a_lone_surrogate_and_a_deep_nest_still_have_an_id() {
        let odd = r#"{"B":{"x":"\ud83d"}}"#;
        assert_eq!(id(odd), id(r#"{ "B": {"x":"\ud83d"}}"#));
        let deep = format!("{{\"B\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(id(&deep), id(&deep));
        let again = format!("{{\"EventHandle\":\"h\",\"T\":5,{}", &deep[1..]);
        assert_eq!(id(&again), id(&deep));
        assert_ne!(id(&deep.replace('B', "C")), id(&deep));
    }

    #[test]
    fn the_id_is_vod_and_32_hexadecimal_digits() {
        let text = id("{}").to_string();
        assert_eq!(text.len(), 36);
        assert!(text.starts_with("vod_") && text[4..].bytes().all(|b| b.is_ascii_hexdigit()));
    }
}
