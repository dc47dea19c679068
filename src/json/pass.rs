//! One pass over a JSON text, from its first byte to its last: whether it is well-formed (RFC 8259),
//! and where each of its values stands.

use super::outline::{Node, TOO_HIGH};
use super::scan;

/// How deep the pass notes what is nested; VOD's events are less than 16 deep.
const DEPTH_MAX: usize = 160;

/// The pass, as far as it has come.
pub(super) struct Pass<'a> {
    bytes: &'a [u8],
    at: usize,
    nodes: Vec<Node>,
    /// The containers that are open, the innermost last.
    open: Vec<Open>,
}

/// A container that is open.
#[derive(Clone, Copy)]
struct Open {
    /// Its node; beyond all nodes if it is nested too deep to have one.
    index: usize,
    closes_with: u8,
    /// How many levels of containers are in it so far.
    height: u8,
}

/// The text is not well-formed at this place.
pub(super) struct Mistake;

impl<'a> Pass<'a> {
    /// Goes over a text: the nodes up to its end, or up to a mistake, and whether there was one. One of
    /// 4 GiB, which no answer is, is taken for a mistake as a whole.
    pub(super) fn over(text: &'a str) -> (Vec<Node>, Result<(), Mistake>) {
        let bytes = text.as_bytes();
        if u32::try_from(bytes.len()).is_err() {
            return (Vec::new(), Err(Mistake));
        }
        // An event of VOD's has a value, or a key, in some 16 bytes.
        let nodes = Vec::with_capacity(bytes.len() / 14 + 2);
        let mut pass = Self { bytes, at: 0, nodes, open: Vec::with_capacity(16) };
        let result = pass.document();
        while let Some(open) = pass.open.pop() {
            pass.close(Open { height: TOO_HIGH, ..open }, bytes.len());
        }
        (pass.nodes, result)
    }

    fn document(&mut self) -> Result<(), Mistake> {
        self.skip_space();
        loop {
            let mut is_first = self.value()?;
            // What follows a value: the ends of containers, and then a comma and the next value.
            loop {
                self.skip_space();
                let Some(open) = self.open.last().copied() else {
                    return if self.at == self.bytes.len() { Ok(()) } else { Err(Mistake) };
                };
                match self.bytes.get(self.at) {
                    Some(byte) if *byte == open.closes_with => {
                        self.at += 1;
                        self.end_container();
                        is_first = false;
                        continue;
                    }
                    Some(b',') if !is_first => {
                        self.at += 1;
                        self.skip_space();
                    }
                    Some(_) if is_first => {}
                    _ => return Err(Mistake),
                }
                if open.closes_with == b'}' {
                    self.key()?;
                }
                break;
            }
        }
    }

    /// Passes a scalar, or the bracket that opens a container: whether it is that.
    fn value(&mut self) -> Result<bool, Mistake> {
        let start = self.at;
        let closes_with = match self.bytes.get(start) {
            Some(b'"') => {
                self.string()?;
                return Ok(false);
            }
            Some(b'{') => b'}',
            Some(b'[') => b']',
            _ => {
                self.at = scan::literal(self.bytes, start).ok_or(Mistake)?;
                self.note(start, self.at, false);
                return Ok(false);
            }
        };
        self.at += 1;
        let is_noted = self.open.len() <= DEPTH_MAX;
        let index = if is_noted { self.nodes.len() } else { usize::MAX };
        if is_noted {
            self.nodes.push(Node::new(start, start, 0, false));
        }
        let height = if self.open.len() < DEPTH_MAX { 0 } else { TOO_HIGH };
        self.open.push(Open { index, closes_with, height });
        Ok(true)
    }

    fn key(&mut self) -> Result<(), Mistake> {
        if self.bytes.get(self.at) != Some(&b'"') {
            return Err(Mistake);
        }
        self.string()?;
        self.skip_space();
        if self.bytes.get(self.at) != Some(&b':') {
            return Err(Mistake);
        }
        self.at += 1;
        self.skip_space();
        Ok(())
    }

    fn string(&mut self) -> Result<(), Mistake> {
        let start = self.at;
        let (end, is_escaped) = scan::string(self.bytes, start).ok_or(Mistake)?;
        self.at = end;
        self.note(start, end, is_escaped);
        Ok(())
    }

    /// Notes a value that has nothing in it.
    fn note(&mut self, start: usize, end: usize, is_escaped: bool) {
        if self.open.len() <= DEPTH_MAX {
            self.nodes.push(Node::new(start, end, self.nodes.len() + 1, is_escaped));
        }
    }

    fn end_container(&mut self) {
        let Some(open) = self.open.pop() else { return };
        self.close(open, self.at);
    }

    fn close(&mut self, open: Open, end: usize) {
        let next = self.nodes.len();
        let is_empty = next <= open.index.saturating_add(1);
        let height = open.height.max(u8::from(!is_empty));
        if let Some(node) = self.nodes.get_mut(open.index) {
            node.close(end, next, height);
        }
        if let Some(around) = self.open.last_mut() {
            around.height = around.height.max(height.saturating_add(1));
        }
    }

    fn skip_space(&mut self) {
        self.at = scan::skip_space(self.bytes, self.at);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::{Index, select};
    use serde::de::IgnoredAny;

    use super::super::Places;
    use super::super::fixture::any_json;

    /// What one character is replaced by.
    const OTHERS: [&str; 20] = [
        "", "{", "}", "[", "]", ":", ",", "\"", "\\", "\\u12", "\n", "\u{1f}", "-", "0", "1.",
        "e+", "true", "nul", "é", " ",
    ];

    proptest! {
        #[test]
        fn it_takes_exactly_what_the_parser_takes(
            value in any_json(),
            pretty in any::<bool>(),
            changes in prop::collection::vec((any::<Index>(), select(&OTHERS[..])), 0..3),
        ) {
            let text = match pretty {
                true => serde_json::to_string_pretty(&value).unwrap(),
                false => value.to_string(),
            };
            let mut characters: Vec<String> = text.chars().map(String::from).collect();
            for (at, other) in changes {
                let at = at.index(characters.len());
                characters[at] = other.to_owned();
            }
            let text = characters.concat();
            let is_json = serde_json::from_str::<IgnoredAny>(&text).is_ok();
            prop_assert_eq!(Places::of(&text).is_some(), is_json, "{}", text);
        }
    }
}
