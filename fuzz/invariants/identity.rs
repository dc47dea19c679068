//! The id of an event: the same however its content is printed, another one for other content.
//!
//! The input is steering bytes up to the first `{`, and from there on a JSON object. Where that is
//! no JSON the object is made of the bytes themselves.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use vod_relay::event::{Event, EventId};

/// Below the depth from which on the id follows the text as written.
const DEPTH_MAX: usize = 100;

/// Prints the object in two ways, and changed a little.
pub fn check(input: &[u8]) {
    let split = input.iter().position(|byte| *byte == b'{').unwrap_or(input.len());
    let (steering, text) = input.split_at(split);
    let mut dice = Dice::new(steering);
    let Some(Json::Object(event)) = Json::read(text, 0).or_else(|| made_of(text)) else { return };
    if !event.iter().any(|(_, value)| *value != Json::Null) {
        return;
    }
    let one = Event::from_content(Style::plain().print(&event, &mut dice));
    let id = one.id();
    assert_eq!(EventId::of(one.event_type(), std::str::from_utf8(one.text()).expect("text")), id);
    let style = Style::any(&mut dice);
    let other = style.print(&event, &mut dice);
    let read = Event::from_content(other.clone());
    assert_eq!(read.id(), id, "{one:?}\n{other}");
    assert_eq!(read.event_type(), one.event_type(), "{one:?}\n{other}");
    let wrapped = style.print(&delivered(&event, &mut dice), &mut dice);
    let (read, handle) = Event::from_event_set(&wrapped).expect("an event with a handle");
    assert_eq!((read.id(), handle.as_str()), (id, "handle"), "{one:?}\n{wrapped}");

    for _ in 0..2 {
        let mut changed = Json::Object(event.clone());
        if !changed.change(&mut dice) {
            return;
        }
        let Json::Object(changed) = changed else { unreachable!("a change keeps the object") };
        let other = Style::any(&mut dice).print(&changed, &mut dice);
        let same =
            content(&Json::Object(changed), true) == content(&Json::Object(event.clone()), true);
        assert_eq!(Event::from_content(other.clone()).id() == id, same, "{one:?}\n{other}");
    }
}

/// The event as it comes in an `EventSet` or a callback.
fn delivered(event: &[(String, Json)], dice: &mut Dice) -> Vec<(String, Json)> {
    let mut members: Vec<_> =
        event.iter().filter(|(key, _)| !is_of_the_delivery(key)).cloned().collect();
    members.push(("EventHandle".to_owned(), Json::Text("handle".to_owned())));
    if dice.one_in(2) {
        members.push(("Sign".to_owned(), Json::Text(dice.next().to_string())));
        members.push(("T".to_owned(), Json::Number(dice.next().to_string())));
    }
    members
}

fn is_of_the_delivery(key: &str) -> bool {
    matches!(key, "EventHandle" | "Sign" | "T")
}

/// What makes two events the same, said without any text.
#[derive(PartialEq)]
enum Content<'a> {
    Leaf(&'a Json),
    List(Vec<Content<'a>>),
    Members(BTreeMap<&'a str, Content<'a>>),
}

fn content(json: &Json, top: bool) -> Content<'_> {
    match json {
        Json::List(list) => Content::List(list.iter().map(|item| content(item, false)).collect()),
        Json::Object(members) => {
            let said = members
                .iter()
                .filter(|(key, value)| *value != Json::Null && !(top && is_of_the_delivery(key)));
            Content::Members(
                said.map(|(key, value)| (key.as_str(), content(value, false))).collect(),
            )
        }
        leaf => Content::Leaf(leaf),
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Json {
    Null,
    Truth(bool),
    /// As written.
    Number(String),
    Text(String),
    List(Vec<Json>),
    /// No key twice.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads text with `serde_json` alone; `None` for what is no JSON, no valid Unicode, or nested
    /// too deep.
    fn read(text: &[u8], depth: usize) -> Option<Self> {
        let text = serde_json::from_slice::<&RawValue>(text).ok()?.get();
        if depth > DEPTH_MAX {
            return None;
        }
        Some(match text.as_bytes().first()? {
            b'n' => Self::Null,
            b't' | b'f' => Self::Truth(text == "true"),
            b'"' => Self::Text(serde_json::from_str(text).ok()?),
            b'[' => {
                let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
                let items = items.iter().map(|item| Self::read(item.get().as_bytes(), depth + 1));
                Self::List(items.collect::<Option<_>>()?)
            }
            b'{' => {
                let Members(members) = serde_json::from_str(text).ok()?;
                let mut seen = HashSet::new();
                let mut read = Vec::new();
                for (key, value) in members {
                    let value = Self::read(value.get().as_bytes(), depth + 1)?;
                    if seen.insert(key.clone()) {
                        read.push((key, value));
                    }
                }
                Self::Object(read)
            }
            _ => Self::Number(text.to_owned()),
        })
    }

    /// Changes one thing somewhere inside. Whether there was one.
    fn change(&mut self, dice: &mut Dice) -> bool {
        match self {
            Self::Null => *self = Self::Truth(false),
            Self::Truth(truth) => *truth = !*truth,
            Self::Number(digits) => match dice.below(3) {
                0 => *self = Self::Text(digits.clone()),
                // As written: another spelling is another number.
                1 => digits.push_str(if digits.contains(['e', 'E']) { "0" } else { "e0" }),
                _ => *digits = format!("1{}", digits.trim_start_matches('-')),
            },
            Self::Text(text) => match dice.below(4) {
                0 => text.push('\\'),
                1 => text.insert(0, '"'),
                2 if text.parse::<u64>().is_ok_and(|number| number.to_string() == *text) => {
                    *self = Self::Number(text.clone());
                }
                _ => text.push('\u{1f3a6}'),
            },
            Self::List(list) => match list.len() {
                0 => list.push(Self::Null),
                1 if dice.one_in(3) => *self = list.remove(0),
                length => {
                    let at = dice.below(length);
                    match dice.below(4) {
                        0 => drop(list.remove(at)),
                        1 => list.swap(0, at),
                        _ => return list[at].change(dice),
                    }
                }
            },
            Self::Object(members) => {
                let Some(at) = dice.below(members.len() + 1).checked_sub(1) else {
                    let key = "Another".to_owned();
                    if members.iter().all(|(other, _)| *other != key) {
                        members.push((key, Self::Object(Vec::new())));
                    }
                    return true;
                };
                match dice.below(6) {
                    0 => drop(members.remove(at)),
                    1 => members[at].1 = Self::Null,
                    2 => {
                        let key = format!("{}:", members[at].0);
                        if members.iter().all(|(other, _)| *other != key) {
                            members[at].0 = key;
                        }
                    }
                    _ => return members[at].1.change(dice),
                }
            }
        }
        true
    }
}

/// An object made of any bytes, for inputs that are no JSON.
fn made_of(bytes: &[u8]) -> Option<Json> {
    fn value(bytes: &mut impl Iterator<Item = u8>, depth: usize) -> Option<Json> {
        let kind = bytes.next()?;
        let length = usize::from(kind >> 4);
        let mut text = || bytes.by_ref().take(length).map(char::from).collect::<String>();
        Some(match kind % 8 {
            0 => Json::Null,
            1 => Json::Truth(length > 7),
            2 => Json::Number(format!("{}", i32::from(kind) - 128)),
            3 | 4 => Json::Text(text()),
            5 if depth < 6 => {
                Json::List((0..length).map_while(|_| value(bytes, depth + 1)).collect())
            }
            _ if depth < 6 => object(bytes, length, depth),
            _ => Json::Null,
        })
    }
    fn object(bytes: &mut impl Iterator<Item = u8>, length: usize, depth: usize) -> Json {
        let mut members: Vec<(String, Json)> = Vec::new();
        for _ in 0..length {
            let Some(kind) = bytes.next() else { break };
            let key = match kind {
                0..=3 => ["EventType", "EventHandle", "Sign", "T"][usize::from(kind)].to_owned(),
                _ => bytes.by_ref().take(usize::from(kind % 4)).map(char::from).collect(),
            };
            let Some(value) = value(bytes, depth + 1) else { break };
            if members.iter().all(|(other, _)| *other != key) {
                members.push((key, value));
            }
        }
        Json::Object(members)
    }
    let mut bytes = bytes.iter().copied();
    Some(object(&mut bytes, 8, 0))
}

/// A way to print JSON.
struct Style {
    shuffled: bool,
    nulls: Nulls,
    space: &'static [&'static str],
    /// One character in so many is written as an escape, although it need not be.
    escapes: Option<usize>,
}

enum Nulls {
    Kept,
    Dropped,
    Added,
}

impl Style {
    fn plain() -> Self {
        Self { shuffled: false, nulls: Nulls::Kept, space: &[""], escapes: None }
    }

    fn any(dice: &mut Dice) -> Self {
        Self {
            shuffled: dice.one_in(2),
            nulls: match dice.below(3) {
                0 => Nulls::Kept,
                1 => Nulls::Dropped,
                _ => Nulls::Added,
            },
            space: [&[""][..], &[" "], &["", "\n", "\r\n\t", "  "]][dice.below(3)],
            escapes: [None, Some(1), Some(3)][dice.below(3)],
        }
    }

    fn print(&self, members: &[(String, Json)], dice: &mut Dice) -> String {
        let mut out = String::new();
        self.object(&mut out, members, dice);
        out
    }

    fn object(&self, out: &mut String, members: &[(String, Json)], dice: &mut Dice) {
        let dropped = |value: &Json| matches!(self.nulls, Nulls::Dropped) && *value == Json::Null;
        let mut members: Vec<_> = members.iter().filter(|(_, value)| !dropped(value)).collect();
        let added = (format!("Absent{}", dice.below(3)), Json::Null);
        let is_new = members.iter().all(|(key, _)| *key != added.0);
        if matches!(self.nulls, Nulls::Added) && is_new {
            members.push(&added);
        }
        if self.shuffled {
            for end in (1..members.len()).rev() {
                members.swap(end, dice.below(end + 1));
            }
        }
        out.push('{');
        for (index, (key, value)) in members.into_iter().enumerate() {
            self.between(out, if index == 0 { "" } else { "," }, dice);
            self.text(out, key, dice);
            self.between(out, ":", dice);
            self.value(out, value, dice);
        }
        self.between(out, "", dice);
        out.push('}');
    }

    fn value(&self, out: &mut String, value: &Json, dice: &mut Dice) {
        match value {
            Json::Null => out.push_str("null"),
            Json::Truth(truth) => out.push_str(if *truth { "true" } else { "false" }),
            Json::Number(digits) => out.push_str(digits),
            Json::Text(text) => self.text(out, text, dice),
            Json::List(list) => {
                out.push('[');
                for (index, item) in list.iter().enumerate() {
                    self.between(out, if index == 0 { "" } else { "," }, dice);
                    self.value(out, item, dice);
                }
                self.between(out, "", dice);
                out.push(']');
            }
            Json::Object(members) => self.object(out, members, dice),
        }
    }

    fn text(&self, out: &mut String, text: &str, dice: &mut Dice) {
        out.push('"');
        for char in text.chars() {
            let must = char < ' ' || matches!(char, '"' | '\\');
            if !must && !self.escapes.is_some_and(|rate| dice.one_in(rate)) {
                out.push(char);
                continue;
            }
            let short = match char {
                '"' | '\\' | '/' => Some(char),
                '\u{8}' => Some('b'),
                '\u{c}' => Some('f'),
                '\n' => Some('n'),
                '\r' => Some('r'),
                '\t' => Some('t'),
                _ => None,
            };
            if let Some(letter) = short.filter(|_| dice.one_in(2)) {
                out.extend(['\\', letter]);
                continue;
            }
            for unit in char.encode_utf16(&mut [0; 2]) {
                let hex = format!("{unit:04x}");
                out.push_str("\\u");
                out.push_str(&if dice.one_in(2) { hex.to_uppercase() } else { hex });
            }
        }
        out.push('"');
    }

    fn between(&self, out: &mut String, token: &str, dice: &mut Dice) {
        out.push_str(self.space[dice.below(self.space.len())]);
        out.push_str(token);
        out.push_str(self.space[dice.below(self.space.len())]);
    }
}

/// Decisions that follow from the input alone.
struct Dice(u64);

impl Dice {
    fn new(seed: &[u8]) -> Self {
        Self(
            seed.iter().fold(0x9e37_79b9_7f4a_7c15, |state, byte| {
                (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
            }) | 1,
        )
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        // The high half is the better one of this generator.
        (self.next() >> 32) as usize % bound
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }
}

/// The members of an object in the order in which they stand.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Vec<(String, &'de RawValue)>;

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
