//! Bodies made from paths, and their canonical form.

use proptest::prelude::*;
use vod_relay::json;

use super::fields::{Field, Kind};

/// One of the two formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    V2,
    V3,
}

impl Format {
    fn path(self, field: &Field) -> &str {
        match self {
            Self::V2 => &field.v2,
            Self::V3 => &field.v3,
        }
    }

    /// A whole body around an event's data.
    pub fn body(self, (event_type, member): (&str, &str), data: &str) -> String {
        match self {
            Self::V2 => {
                format!(r#"{{"version":"4.0","eventType":"{event_type}","data":{data}}}"#)
            }
            Self::V3 => format!(r#"{{"EventType":"{event_type}","{member}":{data}}}"#),
        }
    }

    fn kind_of_result(self) -> &'static str {
        match self {
            Self::V2 => "taskType",
            Self::V3 => "Type",
        }
    }
}

/// The members of a structure.
#[derive(Debug, Clone)]
pub enum Tree {
    Leaf(Kind, Option<String>),
    Object(Vec<(String, Tree)>),
    List(Box<Tree>),
    Results(Vec<(String, Tree)>),
}

impl Tree {
    pub fn of<'a>(fields: impl IntoIterator<Item = &'a Field>, format: Format) -> Self {
        let mut tree = Self::Object(Vec::new());
        for field in fields {
            tree.insert(format.path(field), field.kind);
        }
        tree
    }

    fn insert(&mut self, path: &str, kind: Kind) {
        let (first, rest) = path.split_once('.').map_or((path, None), |(a, b)| (a, Some(b)));
        let Self::Object(members) = self else { panic!("{path} is in two shapes") };
        let (name, of) = first.split_once(['[', '{']).map_or((first, None), |(a, b)| (a, Some(b)));
        let Some(rest) = rest else {
            let wrapper = of.map(|of| of.trim_end_matches('}').to_owned());
            members.push((name.to_owned(), Self::Leaf(kind, wrapper)));
            return;
        };
        let fresh = match of {
            None => Self::Object(Vec::new()),
            Some("]") => Self::List(Box::new(Self::Object(Vec::new()))),
            Some(_) => Self::Results(Vec::new()),
        };
        match child(members, name, fresh) {
            Self::List(inner) => inner.insert(rest, kind),
            Self::Results(kinds) => {
                let of = of.unwrap().trim_end_matches(']');
                child(kinds, of, Self::Object(Vec::new())).insert(rest, kind);
            }
            inner => inner.insert(rest, kind),
        }
    }

    /// Texts of this structure, any member absent or null.
    pub fn any(
        &self,
        format: Format,
        leaf: fn(Kind, Format) -> BoxedStrategy<String>,
    ) -> BoxedStrategy<String> {
        match self {
            Self::Leaf(kind, None) => leaf(*kind, format),
            Self::Leaf(kind, Some(wrapper)) => {
                let single = if *kind == Kind::Texts { Kind::Text } else { Kind::Number };
                let start = format!("{{\"{wrapper}\":");
                let wrapped =
                    leaf(single, format).prop_map(move |value| format!("{start}{value}}}"));
                list(wrapped, 0..3)
            }
            Self::Object(members) => object(members, None, format, leaf),
            Self::List(inner) => list(inner.any(format, leaf), 0..3),
            Self::Results(kinds) => {
                let entries = kinds.iter().map(|(kind, tree)| {
                    let Self::Object(members) = tree else { panic!("{tree:?}") };
                    object(members, Some(kind), format, leaf)
                });
                list(proptest::strategy::Union::new(entries), 0..4)
            }
        }
    }

    /// The text of this structure with every member, each leaf having the value.
    pub fn full(&self, format: Format, value: fn(Kind) -> String) -> String {
        let of_members = |members: &[(String, Self)]| -> Vec<String> {
            let text =
                |(name, tree): &(String, Self)| format!("\"{name}\":{}", tree.full(format, value));
            members.iter().map(text).collect()
        };
        match self {
            Self::Leaf(Kind::Flag, _) => flag(format, true),
            Self::Leaf(Kind::Texts | Kind::Numbers, Some(name)) => {
                format!("[{{\"{name}\":{0}}},{{\"{name}\":{0}}}]", value(Kind::Text))
            }
            Self::Leaf(Kind::Texts | Kind::Numbers, None) => {
                format!("[{0},{0}]", value(Kind::Text))
            }
            Self::Leaf(kind, _) => value(*kind),
            Self::Object(members) => format!("{{{}}}", of_members(members).join(",")),
            Self::List(inner) => format!("[{0},{0}]", inner.full(format, value)),
            Self::Results(kinds) => {
                let entries = kinds.iter().map(|(kind, tree)| {
                    let Self::Object(members) = tree else { panic!("{tree:?}") };
                    let kind = format!("\"{}\":\"{kind}\"", format.kind_of_result());
                    let members = [vec![kind], of_members(members)].concat();
                    format!("{{{}}}", members.join(","))
                });
                format!("[{}]", entries.collect::<Vec<_>>().join(","))
            }
        }
    }
}

fn child<'a>(members: &'a mut Vec<(String, Tree)>, name: &str, fresh: Tree) -> &'a mut Tree {
    let place = members.iter().position(|(present, _)| present == name);
    let place = place.unwrap_or_else(|| {
        members.push((name.to_owned(), fresh));
        members.len() - 1
    });
    &mut members[place].1
}

fn object(
    members: &[(String, Tree)],
    kind: Option<&str>,
    format: Format,
    leaf: fn(Kind, Format) -> BoxedStrategy<String>,
) -> BoxedStrategy<String> {
    let any = members.iter().map(|(name, tree)| {
        let start = format!("\"{name}\":");
        let nothing = if format == Format::V2 { 1 } else { 0 };
        prop_oneof![
            2 => Just(None),
            nothing => Just(Some(format!("{start}null"))),
            12 => tree.any(format, leaf).prop_map(move |value| Some(format!("{start}{value}"))),
        ]
        .boxed()
    });
    let kind = kind.map(|kind| format!("\"{}\":\"{kind}\"", format.kind_of_result()));
    let members = any.collect::<Vec<_>>().prop_shuffle();
    let text = move |members: Vec<Option<String>>| {
        let members: Vec<_> =
            kind.clone().into_iter().chain(members.into_iter().flatten()).collect();
        format!("{{{}}}", members.join(","))
    };
    members.prop_map(text).boxed()
}

fn list(
    element: impl Strategy<Value = String> + 'static,
    length: std::ops::Range<usize>,
) -> BoxedStrategy<String> {
    let elements = proptest::collection::vec(element, length);
    elements.prop_map(|elements| format!("[{}]", elements.join(","))).boxed()
}

fn flag(format: Format, on: bool) -> String {
    match (format, on) {
        (Format::V2, true) => "1",
        (Format::V2, false) => "0",
        (Format::V3, true) => "[{}]",
        (Format::V3, false) => "[]",
    }
    .to_owned()
}

/// Values of any spelling: long numbers, escapes, Chinese, half pairs of surrogates.
pub fn any_spelling(kind: Kind, format: Format) -> BoxedStrategy<String> {
    let scalar = prop_oneof![text(true), number(), Just("true".to_owned())];
    match kind {
        Kind::Text | Kind::Number => scalar.boxed(),
        Kind::Texts | Kind::Numbers => list(scalar, 0..3),
        Kind::Flag => any::<bool>().prop_map(move |on| flag(format, on)).boxed(),
    }
}

/// Values of the documented type.
pub fn of_its_type(kind: Kind, format: Format) -> BoxedStrategy<String> {
    let number = || any::<i32>().prop_map(|number| number.to_string());
    match kind {
        Kind::Text => text(false).boxed(),
        Kind::Texts => list(text(false), 0..3),
        Kind::Number => number().boxed(),
        Kind::Numbers => list(number(), 0..3),
        Kind::Flag => any::<bool>().prop_map(move |on| flag(format, on)).boxed(),
    }
}

fn text(halves: bool) -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[ -!#-\\[\\]-~]{1,8}".boxed(),
        "[一-龥가-힣😀]{1,4}".boxed(),
        r#"\\["\\/bfnrt]"#.boxed(),
        r"\\u[0-9a-cA-C][0-9a-fA-F]{3}".boxed(),
        Just(r"\ud83d\ude00".to_owned()).boxed(),
        Just(if halves { r"\ud83d" } else { "x" }.to_owned()).boxed(),
    ];
    let pieces = proptest::collection::vec(piece, 0..4);
    pieces.prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

fn number() -> impl Strategy<Value = String> {
    r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?"
}

/// A text with members in the order of their names, without nulls and white space; values as
/// written. With `empties`, also without members that are an empty object.
pub fn canonical(text: &str, empties: bool) -> String {
    let text = text.trim();
    match text.as_bytes()[0] {
        b'{' => {
            let mut members: Vec<_> = json::members(text)
                .filter(|member| member.value != "null")
                .map(|member| (member.key(), canonical(member.value, empties)))
                .filter(|(_, value)| !empties || value != "{}")
                .collect();
            members.sort();
            let names = members.windows(2).all(|pair| pair[0].0 != pair[1].0);
            assert!(names, "a name stands twice: {text}");
            let members = members.iter().map(|(key, value)| format!("{key:?}:{value}"));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
        b'[' => {
            let elements = json::elements(text).map(|element| canonical(element, empties));
            format!("[{}]", elements.collect::<Vec<_>>().join(","))
        }
        _ => text.to_owned(),
    }
}
