//! Which event an event is: an id derived from its content.
//!
//! VOD gives events no id, and a redelivery brings another handle. So the id is a hash of what the
//! event says, in a canonical form that does not depend on how VOD happened to print it.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::str::FromStr;

use super::canonical::Canonical;
use crate::json::{Outline, Value};

/// How deep the canonical form follows the nesting; VOD's events are less than 16 deep.
const HEIGHT_MAX: u8 = 128;

/// The id of an event: the first 16 bytes of SHA-256 over the event type, a line feed, and the
/// content in canonical form.
///
/// Canonical form: without `EventHandle`, `Sign` and `T`; object keys sorted; white space and null
/// members dropped; strings by value; numbers as written. It is the same whether VOD prints nulls
/// or leaves them out, in whatever order, and whatever the handle.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventId([u8; 16]);

/// A map by event.
pub type IdMap<T> = HashMap<EventId, T, ById>;

/// Hashes ids for a map. They are spread evenly already, so one multiplication by a secret is enough
/// to keep anybody from aiming many at one place.
#[derive(Debug, Clone)]
pub struct ById(u64);

/// The hash of one id.
#[derive(Debug)]
pub struct IdHasher {
    secret: u64,
    hash: u64,
}

impl Default for ById {
    fn default() -> Self {
        // An even factor would lose a bit.
        Self(RandomState::new().hash_one(0_u8) | 1)
    }
}

impl BuildHasher for ById {
    type Hasher = IdHasher;

    fn build_hasher(&self) -> IdHasher {
        IdHasher { secret: self.0, hash: 0 }
    }
}

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.hash ^ word) * u128::from(self.secret);
        // Both halves, so that every bit of the id has its say in every bit of the hash.
        self.hash = (product as u64) ^ ((product >> 64) as u64);
    }

    fn finish(&self) -> u64 {
        self.hash
    }
}

impl std::hash::Hash for EventId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (first, second) = self.0.split_at(8);
        for half in [first, second] {
            state.write_u64(half.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)));
        }
    }
}

impl EventId {
    /// The id of the event with this type and this content, an object.
    pub fn of(event_type: &str, content: &str) -> Self {
        Self::of_value(event_type, Outline::of(content).root())
    }

    /// The same, where the outline of the content is known.
    pub(super) fn of_value(event_type: &str, content: Value<'_>) -> Self {
        let outline = content.outline();
        let is_left_out = |key| outline.string(key).is_some_and(|key| is_outside_the_content(&key));
        let mut canonical = Canonical::new(outline);
        canonical.push(event_type.as_bytes());
        canonical.push(b"\n");
        if content.height() <= HEIGHT_MAX {
            canonical.write_object(content.index(), is_left_out);
        } else {
            // Nested too deep to follow: what is written, white space and all, still tells a
            // redelivery from another event.
            let members = content.members().filter(|field| !is_outside_the_content(&field.key()));
            for member in members {
                for part in [member.raw_key(), "\n", member.value.text(), "\n"] {
                    canonical.push(part.as_bytes());
                }
            }
        }
        let mut id = [0; 16];
        id.copy_from_slice(&canonical.finish()[..16]);
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
