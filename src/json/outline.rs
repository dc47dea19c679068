//! Where every value of a JSON text stands, found in one pass.
//!
//! Walking down a text with [`super::members`] looks at each byte once per level. An event is read
//! on several levels and its identity goes down to the leaves, so its places are noted once.

use std::borrow::Cow;
use std::ops::Range;

use super::{skip_space, string_end, unescape, value_end};

/// How deep the outline follows the nesting; VOD's events are less than 16 deep.
const DEPTH_MAX: usize = 160;

/// The height of what is nested too deep to follow.
const TOO_HIGH: u8 = u8::MAX;

/// Where the values of a text stand. The text must be well-formed; of a text that is not, what
/// comes behind the mistake is left out.
#[derive(Debug)]
pub struct Outline<'a> {
    text: &'a str,
    /// In the order of the text: each container, then what is in it. A member is two nodes, its
    /// key and its value.
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    start: u32,
    end: u32,
    /// The node behind this one and all that is in it.
    next: u32,
    /// How many levels of nesting are in it.
    height: u8,
}

/// One value in an outline.
#[derive(Debug, Clone, Copy)]
pub struct Value<'o> {
    outline: &'o Outline<'o>,
    index: usize,
}

/// One member of an object in an outline.
#[derive(Debug, Clone, Copy)]
pub struct Field<'o> {
    /// The key, a string.
    key: Value<'o>,
    /// The value.
    pub value: Value<'o>,
}

impl<'o> Field<'o> {
    /// The key as written between its quotes, escapes and all.
    pub fn raw_key(&self) -> &'o str {
        let key = self.key.text();
        key.get(1..key.len().saturating_sub(1)).unwrap_or_default()
    }

    /// The key by value.
    pub fn key(&self) -> Cow<'o, str> {
        unescape(self.raw_key()).unwrap_or(Cow::Borrowed(self.raw_key()))
    }

    /// Where the member stands, from the key's opening quote to the end of the value.
    fn span_in(&self, around: Value<'_>) -> Range<usize> {
        self.key.span_in(around).start..self.value.span_in(around).end
    }
}

impl<'a> Outline<'a> {
    /// The outline of a text.
    pub fn of(text: &'a str) -> Self {
        // An event of VOD's has a value in some 20 bytes.
        let mut outline = Self { text, nodes: Vec::with_capacity(text.len() / 16 + 2) };
        outline.add(skip_space(text, 0), 0);
        outline
    }

    /// The value that the text is.
    pub fn root(&self) -> Value<'_> {
        Value { outline: self, index: 0 }
    }

    /// Adds the value that starts at `start`, and answers with its end and its height.
    fn add(&mut self, start: usize, depth: usize) -> (usize, u8) {
        let index = self.push(start);
        let bytes = self.text.as_bytes();
        let (end, height) = match bytes.get(start) {
            Some(_) if depth > DEPTH_MAX => (value_end(self.text, start), TOO_HIGH),
            Some(b'{') => self.add_members(start, depth),
            Some(b'[') => self.add_elements(start, depth),
            Some(b'"') => (string_end(bytes, start), 0),
            _ => (value_end(self.text, start), 0),
        };
        self.close(index, end, height);
        (end, height)
    }

    fn add_members(&mut self, start: usize, depth: usize) -> (usize, u8) {
        let bytes = self.text.as_bytes();
        let mut height = 0;
        let mut at = skip_space(self.text, start + 1);
        while bytes.get(at) == Some(&b'"') {
            let key = self.push(at);
            let key_end = string_end(bytes, at);
            self.close(key, key_end, 0);
            let colon = skip_space(self.text, key_end);
            let (end, of_value) = self.add(skip_space(self.text, colon + 1), depth + 1);
            height = of_value.saturating_add(1).max(height);
            at = self.skip_comma(end);
        }
        self.closed_at(at, b'}', height)
    }

    fn add_elements(&mut self, start: usize, depth: usize) -> (usize, u8) {
        let bytes = self.text.as_bytes();
        let mut height = 0;
        let mut at = skip_space(self.text, start + 1);
        while !matches!(bytes.get(at), None | Some(b']' | b'}' | b',' | b':')) {
            let (end, of_element) = self.add(at, depth + 1);
            height = of_element.saturating_add(1).max(height);
            at = self.skip_comma(end);
        }
        self.closed_at(at, b']', height)
    }

    fn skip_comma(&self, at: usize) -> usize {
        let at = skip_space(self.text, at);
        match self.text.as_bytes().get(at) {
            Some(b',') => skip_space(self.text, at + 1),
            _ => at,
        }
    }

    /// The end and the height of a container whose last item has been passed.
    fn closed_at(&self, at: usize, bracket: u8, height: u8) -> (usize, u8) {
        match self.text.as_bytes().get(at) {
            Some(byte) if *byte == bracket => (at + 1, height),
            _ => (self.text.len(), TOO_HIGH),
        }
    }

    fn push(&mut self, start: usize) -> usize {
        self.nodes.push(Node { start: place(start), end: 0, next: 0, height: 0 });
        self.nodes.len() - 1
    }

    fn close(&mut self, index: usize, end: usize, height: u8) {
        let next = place(self.nodes.len());
        if let Some(node) = self.nodes.get_mut(index) {
            *node = Node { end: place(end), next, height, ..*node };
        }
    }
}

impl<'o> Value<'o> {
    /// The value as written.
    pub fn text(self) -> &'o str {
        self.outline.text.get(self.span()).unwrap_or_default()
    }

    /// How many levels of nesting are in it: 0 for a text or a number, 255 for more than the
    /// outline follows.
    pub fn height(self) -> u8 {
        self.outline.nodes.get(self.index).map_or(TOO_HIGH, |node| node.height)
    }

    /// Where it stands in the text of a value around it.
    pub fn span_in(self, around: Self) -> Range<usize> {
        let (span, from) = (self.span(), around.span().start);
        span.start.saturating_sub(from)..span.end.saturating_sub(from)
    }

    /// The first member of an object that has this key.
    pub fn member(self, key: &str) -> Option<Self> {
        self.members().find(|field| field.key() == key).map(|field| field.value)
    }

    /// What to cut out of an object's text to take away the member at `index`: with it goes the
    /// comma that joined it, the one behind it, or for the last member the one before it.
    pub fn cut(self, index: usize) -> Option<Range<usize>> {
        let all: Vec<_> = self.members().take(index + 2).map(|field| field.span_in(self)).collect();
        let member = all.get(index)?;
        Some(match (all.get(index + 1), index.checked_sub(1).and_then(|before| all.get(before))) {
            (Some(next), _) => member.start..next.start,
            (None, Some(previous)) => previous.end..member.end,
            (None, None) => member.clone(),
        })
    }

    fn span(self) -> Range<usize> {
        let node = self.outline.nodes.get(self.index);
        node.map_or(0..0, |node| node.start as usize..node.end as usize)
    }

    /// The members of an object, in order; nothing if the value is not an object.
    pub fn members(self) -> impl Iterator<Item = Field<'o>> {
        let mut within = self.within(b'{');
        std::iter::from_fn(move || {
            let (key, value) = (within.next()?, within.next()?);
            Some(Field { key, value })
        })
    }

    /// The elements of an array, in order; nothing if the value is not an array.
    pub fn elements(self) -> impl Iterator<Item = Value<'o>> {
        self.within(b'[')
    }

    /// The nodes directly in a container that opens with this bracket.
    fn within(self, bracket: u8) -> impl Iterator<Item = Value<'o>> {
        let Self { outline, index } = self;
        let is_one = self.text().as_bytes().first() == Some(&bracket);
        let end = outline.nodes.get(index).filter(|_| is_one).map_or(0, |node| node.next as usize);
        let mut at = index + 1;
        std::iter::from_fn(move || {
            let node = outline.nodes.get(at).filter(|_| at < end)?;
            let value = Value { outline, index: at };
            at = node.next as usize;
            Some(value)
        })
    }
}

/// A place in a text. No answer that is read is as long as 4 GiB.
fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value as Json;

    use super::super::fixture::any_json;
    use super::*;

    fn read(value: Value<'_>) -> Json {
        match value.text().as_bytes().first() {
            Some(b'{') => value.members().map(|m| (m.key().into_owned(), read(m.value))).collect(),
            Some(b'[') => value.elements().map(read).collect(),
            _ => serde_json::from_str(value.text()).unwrap(),
        }
    }

    proptest! {
        #[test]
        fn the_outline_holds_what_the_parser_finds(value in any_json(), pretty in any::<bool>()) {
            let text = if pretty {
                format!(" {} ", serde_json::to_string_pretty(&value).unwrap())
            } else {
                value.to_string()
            };
            let outline = Outline::of(&text);
            prop_assert!(outline.root().height() < TOO_HIGH);
            prop_assert_eq!(outline.root().text(), text.trim());
            prop_assert_eq!(read(outline.root()), value);
        }
    }

    #[test]
    fn what_is_nested_too_deep_is_one_value() {
        let deep = format!("{{\"a\":{}{},\"b\":1}}", "[".repeat(10_000), "]".repeat(10_000));
        let outline = Outline::of(&deep);
        assert_eq!(outline.root().height(), TOO_HIGH);
        let keys: Vec<_> = outline.root().members().map(|member| member.raw_key()).collect();
        assert_eq!(keys, ["a", "b"]);
    }

    #[test]
    fn text_that_is_not_well_formed_ends_the_outline_without_a_panic() {
        for text in [
            "",
            "{",
            "{\"",
            "{\"a",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":\"\\",
            "[",
            "[1",
            "{a:1}",
            "\"é",
            "[}",
            "[:",
            "[1:}",
            "[,]:",
            "{\"a\"1}",
            "{\"a\":}",
            "}",
            ",",
            "[[[",
            "{\"a\":{\"b\":[",
        ] {
            let outline = Outline::of(text);
            assert!(outline.root().members().count() + outline.root().elements().count() < 9);
        }
    }
}
