//! Where every value of a JSON text stands, found in one pass.
//!
//! Walking down a text with [`super::members`] looks at each byte once per level. An event is read
//! on several levels and its identity goes down to the leaves, so its places are noted once.

use std::borrow::Cow;
use std::ops::Range;

use super::pass::Pass;
use super::unescape;

/// The height of what is nested too deep to follow.
pub(super) const TOO_HIGH: u8 = u8::MAX;

/// Where the values of a text stand.
#[derive(Debug)]
pub struct Outline<'a> {
    text: &'a str,
    places: Places,
}

/// The places in an outline, without the text.
#[derive(Debug, Default)]
pub struct Places {
    /// In the order of the text: each container, then what is in it. A member is two nodes, its
    /// key and its value.
    nodes: Vec<Node>,
}

/// Where one value stands.
#[derive(Debug, Clone, Copy)]
pub struct Node {
    /// Where it begins.
    pub start: u32,
    /// Where it has ended.
    pub end: u32,
    /// The node behind this one and all that is in it.
    next: u32,
    /// How many levels of nesting are in it.
    height: u8,
    /// Whether it is a string with escapes.
    pub is_escaped: bool,
}

impl Node {
    pub(super) fn new(start: usize, end: usize, next: usize, is_escaped: bool) -> Self {
        Self { start: place(start), end: place(end), next: place(next), height: 0, is_escaped }
    }

    /// The container ends.
    pub(super) fn close(&mut self, end: usize, next: usize, height: u8) {
        (self.end, self.next, self.height) = (place(end), place(next), height);
    }
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
        self.key.inside()
    }

    /// The key by value.
    pub fn key(&self) -> Cow<'o, str> {
        let raw = self.raw_key();
        match self.key.is_escaped() {
            true => unescape(raw).unwrap_or(Cow::Borrowed(raw)),
            false => Cow::Borrowed(raw),
        }
    }

    /// Where the member stands, from the key's opening quote to the end of the value.
    fn span_in(&self, around: Value<'_>) -> Range<usize> {
        self.key.span_in(around).start..self.value.span_in(around).end
    }
}

impl Places {
    /// The places in a text; `None` if it is not well-formed.
    pub fn of(text: &str) -> Option<Self> {
        let (nodes, result) = Pass::over(text);
        result.is_ok().then_some(Self { nodes })
    }
}

impl<'a> Outline<'a> {
    /// The outline of a text. Of one that is not well-formed, what comes behind the mistake is left
    /// out.
    pub fn of(text: &'a str) -> Self {
        Self { text, places: Places { nodes: Pass::over(text).0 } }
    }

    /// The outline of a text whose places are known.
    pub fn with(text: &'a str, places: Places) -> Self {
        Self { text, places }
    }

    /// The places by themselves.
    pub fn into_places(self) -> Places {
        self.places
    }

    /// The value that the text is.
    pub fn root(&self) -> Value<'_> {
        Value { outline: self, index: 0 }
    }
}

impl<'o> Value<'o> {
    /// The value as written.
    pub fn text(self) -> &'o str {
        self.outline.text.get(self.span()).unwrap_or_default()
    }

    /// A string as written between its quotes.
    pub fn inside(self) -> &'o str {
        let text = self.text();
        text.get(1..text.len().saturating_sub(1)).unwrap_or_default()
    }

    /// The first byte of the value.
    pub fn first(self) -> Option<u8> {
        self.outline.text.as_bytes().get(self.node()?.start as usize).copied()
    }

    /// Whether it is a string with escapes.
    pub fn is_escaped(self) -> bool {
        self.node().is_some_and(|node| node.is_escaped)
    }

    /// How many levels of nesting are in it: 0 for a text or a number, 255 for more than the
    /// outline follows.
    pub fn height(self) -> u8 {
        self.node().map_or(TOO_HIGH, |node| node.height)
    }

    /// The outline that it is in.
    pub fn outline(self) -> &'o Outline<'o> {
        self.outline
    }

    /// The number of its node.
    pub fn index(self) -> usize {
        self.index
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
        let mut spans = self.members().map(|field| field.span_in(self));
        let previous = match index.checked_sub(1) {
            Some(before) => Some(spans.nth(before)?),
            None => None,
        };
        let (member, next) = (spans.next()?, spans.next());
        Some(match (next, previous) {
            (Some(next), _) => member.start..next.start,
            (None, Some(previous)) => previous.end..member.end,
            (None, None) => member,
        })
    }

    fn span(self) -> Range<usize> {
        self.node().map_or(0..0, |node| node.start as usize..node.end as usize)
    }

    fn node(self) -> Option<&'o Node> {
        self.outline.places.nodes.get(self.index)
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
        outline.within(index, bracket).map(move |(index, _)| Value { outline, index })
    }
}

/// By the numbers of the nodes, for those who look at every one of them.
impl Outline<'_> {
    /// The whole text.
    pub fn text(&self) -> &str {
        self.text
    }

    /// A node by its number.
    pub fn node(&self, index: usize) -> Option<Node> {
        self.places.nodes.get(index).copied()
    }

    /// A value as written.
    pub fn bytes(&self, node: Node) -> &[u8] {
        self.text.as_bytes().get(node.start as usize..node.end as usize).unwrap_or_default()
    }

    /// A string as written between its quotes.
    pub fn inside(&self, string: Node) -> &str {
        let inside = string.start as usize + 1..(string.end as usize).saturating_sub(1);
        self.text.get(inside).unwrap_or_default()
    }

    /// A string by value; `None` where that is no valid Unicode.
    pub fn string(&self, string: Node) -> Option<Cow<'_, str>> {
        let inside = self.inside(string);
        if string.is_escaped { unescape(inside) } else { Some(Cow::Borrowed(inside)) }
    }

    /// The nodes directly in a container that opens with this bracket, with their numbers. In an object
    /// a key and its value take turns.
    pub fn within(&self, container: usize, bracket: u8) -> impl Iterator<Item = (usize, Node)> {
        let nodes = &self.places.nodes;
        let opens = |node: &&Node| self.text.as_bytes().get(node.start as usize) == Some(&bracket);
        let end = nodes.get(container).filter(opens).map_or(0, |node| node.next as usize);
        let mut at = container + 1;
        std::iter::from_fn(move || {
            let node = nodes.get(at).filter(|_| at < end)?;
            Some((std::mem::replace(&mut at, node.next as usize), *node))
        })
    }
}

/// A place in a text; the pass goes over none that has more places than this.
fn place(at: usize) -> u32 {
    at as u32
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
    fn a_height_is_the_levels_of_nesting() {
        for (text, height) in [
            ("1", 0),
            ("[]", 0),
            ("[1]", 1),
            ("[[]]", 1),
            ("{\"a\":{},\"b\":2}", 1),
            ("[[1],2,[[3]],4]", 3),
        ] {
            assert_eq!(Outline::of(text).root().height(), height, "{text}");
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
