//! The text that an event's id is the hash of, in a form that does not depend on how VOD happened
//! to print it.

use std::borrow::Cow;
use std::ops::Range;

use sha2::{Digest as _, Sha256};

use crate::json::{Node, Outline};

/// How much of a text is gathered before it is hashed.
const GATHERED: usize = 1024;

/// Texts up to this length are copied as if they were that long, which takes less time than to ask
/// how long they are.
const SHORT: usize = 32;

/// The hash of a text in canonical form, as it is written.
pub(super) struct Canonical<'o> {
    outline: &'o Outline<'o>,
    hash: Sha256,
    /// What is written and not yet hashed: most parts are short.
    gathered: [u8; GATHERED + SHORT],
    length: usize,
    /// The members of the objects that are open, each object's behind those of the one around it.
    members: Vec<Member>,
}

/// One member of an object that is open.
#[derive(Clone, Copy)]
struct Member {
    /// The first eight bytes of the key, which mostly tell the order.
    start: u64,
    /// The node of the key.
    key: u32,
}

impl<'o> Canonical<'o> {
    /// The hash of nothing yet, to write values of an outline into.
    pub(super) fn new(outline: &'o Outline<'o>) -> Self {
        Self {
            outline,
            hash: Sha256::new(),
            gathered: [0; GATHERED + SHORT],
            length: 0,
            members: Vec::with_capacity(64),
        }
    }

    /// Writes an object without some of its members.
    pub(super) fn write_object(&mut self, object: usize, leave_out: impl Fn(Node) -> bool) {
        let first = self.members.len();
        self.open(object, leave_out);
        let end = self.members.len();
        self.push_byte(b'{');
        for index in first..end {
            let Some(member) = self.members.get(index) else { break };
            self.write_member(member.key as usize);
        }
        self.push_byte(b'}');
        self.members.truncate(first);
    }

    /// Lists an object's members in the order of their keys; of one key's, in that of the text.
    fn open(&mut self, object: usize, leave_out: impl Fn(Node) -> bool) {
        let (outline, first) = (self.outline, self.members.len());
        let mut is_any_escaped = false;
        let mut nodes = outline.within(object, b'{');
        while let (Some((at, key)), Some((_, value))) = (nodes.next(), nodes.next()) {
            if outline.bytes(value) != b"null" && !leave_out(key) {
                is_any_escaped |= key.is_escaped;
                let start = first_bytes(outline.text().as_bytes(), key);
                self.members.push(Member { start, key: u32::try_from(at).unwrap_or(u32::MAX) });
            }
        }
        let members = self.members.get_mut(first..).unwrap_or_default();
        if is_any_escaped {
            // The order of escapes is not that of what they stand for.
            members.iter_mut().for_each(|member| member.start = 0);
        }
        let text =
            |member: &Member| outline.node(member.key as usize).map(|key| inside(outline, key));
        members.sort_unstable_by_key(|member| member.start);
        // Few begin alike, and those stand together now.
        for alike in members.chunk_by_mut(|a, b| a.start == b.start) {
            if alike.len() > 1 {
                alike.sort_unstable_by(|a, b| text(a).cmp(&text(b)).then(a.key.cmp(&b.key)));
            }
        }
    }

    fn write_member(&mut self, at: usize) {
        let outline = self.outline;
        let (Some(key), Some(value)) = (outline.node(at), outline.node(at + 1)) else { return };
        if key.is_escaped {
            self.write_string(&inside(outline, key));
            self.push_byte(b':');
            return self.write(at + 1);
        }
        let is_plain = !value.is_escaped
            && value.start == key.end + 1
            && !matches!(outline.bytes(value).first(), Some(b'{' | b'['));
        if is_plain {
            // Key, colon and value stand there as they are to be written.
            return self.write_as_it_is(key.start..value.end, b',');
        }
        self.write_as_it_is(key.start..key.end, b':');
        self.write(at + 1);
    }

    /// Writes an element or the value of a member, and the comma behind it.
    fn write(&mut self, at: usize) {
        let outline = self.outline;
        let Some(value) = outline.node(at) else { return };
        match outline.bytes(value).first() {
            Some(b'{') => self.write_object(at, |_| false),
            Some(b'[') => {
                self.push_byte(b'[');
                outline.within(at, b'[').for_each(|(element, _)| self.write(element));
                self.push_byte(b']');
            }
            Some(b'"') if value.is_escaped => self.write_string(&inside(outline, value)),
            _ => return self.write_as_it_is(value.start..value.end, b','),
        }
        self.push_byte(b',');
    }

    /// Writes a part of the text that has no other form, and what comes behind it.
    fn write_as_it_is(&mut self, part: Range<u32>, behind: u8) {
        let (start, end) = (part.start as usize, part.end as usize);
        if self.outline.text().as_bytes().get(end) == Some(&behind) {
            self.push_range(start..end + 1);
        } else {
            self.push_range(start..end);
            self.push_byte(behind);
        }
    }

    /// Writes a string that is in its canonical form.
    fn write_string(&mut self, inside: &str) {
        for part in ["\"", inside, "\""] {
            self.push(part.as_bytes());
        }
    }

    /// Writes a part of the text.
    fn push_range(&mut self, range: Range<usize>) {
        let text = self.outline.text().as_bytes();
        if range.len() <= SHORT
            && self.length <= GATHERED
            && let Some(part) = text.get(range.start..range.start + SHORT)
            && let Some(room) = self.gathered.get_mut(self.length..self.length + SHORT)
        {
            room.copy_from_slice(part);
            self.length += range.len();
        } else {
            self.push(text.get(range).unwrap_or_default());
        }
    }

    /// Writes what stands between values.
    fn push_byte(&mut self, byte: u8) {
        match self.gathered.get_mut(self.length) {
            Some(room) if self.length < GATHERED => {
                *room = byte;
                self.length += 1;
            }
            _ => self.push(&[byte]),
        }
    }

    /// Writes bytes as they are.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.length + bytes.len() > GATHERED {
            self.flush();
        }
        let end = self.length + bytes.len();
        if let Some(room) = self.gathered.get_mut(self.length..end) {
            room.copy_from_slice(bytes);
            self.length = end;
        } else {
            self.hash.update(bytes);
        }
    }

    fn flush(&mut self) {
        self.hash.update(self.gathered.get(..self.length).unwrap_or_default());
        self.length = 0;
    }

    /// The hash of all that was written.
    pub(super) fn finish(mut self) -> [u8; 32] {
        self.flush();
        self.hash.finalize().into()
    }
}

/// The first eight bytes between the quotes of a string, such that their order as a number is that of
/// the texts.
fn first_bytes(text: &[u8], string: Node) -> u64 {
    let (start, end) = (string.start as usize + 1, (string.end as usize).saturating_sub(1));
    let length = end.saturating_sub(start).min(8);
    if let Some(bytes) = text.get(start..start + 8).and_then(|bytes| bytes.try_into().ok()) {
        let beyond = u64::MAX.checked_shr(8 * length as u32).unwrap_or(0);
        return u64::from_be_bytes(bytes) & !beyond;
    }
    let bytes = text.get(start..start + length).unwrap_or_default();
    let number = bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    number.checked_shl(8 * (8 - length as u32)).unwrap_or(0)
}

/// The inside of a string in canonical form.
fn inside<'o>(outline: &'o Outline<'o>, string: Node) -> Cow<'o, str> {
    let inside = outline.inside(string);
    if string.is_escaped { Cow::Owned(canonical(inside)) } else { Cow::Borrowed(inside) }
}

/// The inside of a string in one way of escaping, whichever way it came.
fn canonical(inside: &str) -> String {
    let mut out = String::with_capacity(inside.len());
    let mut rest = inside;
    // Half of a pair of surrogates is no character, so it has no other form than its escape.
    while let Some(half) = half_a_pair(rest) {
        out.push_str(&escaped(&rest[..half.start]));
        out.push_str(&rest[half.clone()].to_ascii_lowercase());
        rest = &rest[half.end..];
    }
    out.push_str(&escaped(rest));
    out
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
