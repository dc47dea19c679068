//! The answers of `PullEvents` that are not well-formed, as far as there is something to save.

use serde::de::IgnoredAny;

use crate::json::{self, Places};

/// The most elements that an answer to be salvaged may have. VOD's have 16, and what is wrong with
/// each is kept in words.
const ELEMENTS_MAX: usize = 1024;

/// An answer whose broken elements were taken out.
#[derive(Debug)]
pub(super) struct Salvage {
    /// The answer with a null in the place of each broken element, and nothing else altered.
    pub(super) text: String,
    /// Where the values of the text stand.
    pub(super) places: Places,
    /// Which elements are broken, by their number, and in what way.
    pub(super) broken: Broken,
}

/// The broken elements of an answer, in order: the number of each, and what is wrong with it.
pub(super) type Broken = Vec<(usize, Box<str>)>;

impl Salvage {
    /// Saves what can be saved of an answer that is not well-formed: nothing if the mistake is not in
    /// an element of its events, or if the end of the events cannot be told.
    pub(super) fn of(text: &str) -> Option<Self> {
        let start = events(text)?;
        let mut saved = text.get(..start)?.to_owned();
        let mut broken = Broken::new();
        let mut at = start;
        for number in 0..ELEMENTS_MAX {
            let end = json::element_end(text, at)?;
            let element = text.get(at..end)?;
            let is_last = text.as_bytes().get(end) == Some(&b']');
            let is_empty_set = number == 0 && is_last && element.trim().is_empty();
            if is_empty_set || Places::of(element).is_some() {
                saved.push_str(element);
            } else {
                saved.push_str("null");
                broken.push((number, mistake(element).into()));
            }
            if is_last {
                saved.push_str(text.get(end..)?);
                let places = Places::of(&saved)?;
                return Some(Self { text: saved, places, broken });
            }
            saved.push(',');
            at = end + 1;
        }
        None
    }
}

/// What is wrong with a text that is not well-formed, in the words of who does nothing else.
pub(super) fn mistake(text: &str) -> String {
    let problem = serde_json::from_str::<IgnoredAny>(text).err();
    problem.map_or_else(|| "it is not JSON".to_owned(), |error| error.to_string())
}

/// The place of the first element of an answer's events.
fn events(text: &str) -> Option<usize> {
    let mut start = 0;
    for key in ["Response", "EventSet"] {
        let inside = text.get(start..)?;
        let member = json::members(inside).find(|member| member.key() == key)?;
        // Where a value ends is not asked: the walk does not know in what is broken.
        start += member.end - member.value.len();
    }
    text.get(start..)?.starts_with('[').then_some(start + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;
    use crate::event::EventError;
    use crate::tencent::Pulled;

    fn answer(elements: &[String]) -> String {
        let set = elements.join(",");
        format!("{{\"Response\":{{\"RequestId\":\"r\",\"EventSet\":[{set}]}}}}")
    }

    fn pulled(body: &str) -> Pulled {
        Pulled::parse(body.into()).unwrap_or_else(|error| panic!("{error}: {body}"))
    }

    /// What VOD did to an element, around a text that needs no escapes.
    fn damaged(way: usize, text: &str) -> String {
        let object = |value: &str| format!("{{\"EventHandle\":\"bad\",\"X\":{value}}}");
        match way {
            0 => object(&format!("\"\t{text}\"")),
            1 => object(&format!("\"{text}\r\n\"")),
            2 => object(&format!("\"{text}\\x\"")),
            3 => object("01"),
            4 => object("NaN"),
            5 => object(""),
            6 => object(&format!("[\"{text}\"")),
            7 => object(&format!("\"{text}\"]")),
            8 => object(&format!("{{\"{text}\" 1, :}}")),
            9 => object(&format!("\"{text}\"")) + "}",
            10 => object(&format!("\"{text}\" \"]}},{{[\"")),
            11 => object("1") + &object("2"),
            12 => text.replace([',', '[', ']', '{', '}'], "'") + "'",
            _ => String::new(),
        }
    }

    proptest! {
        #[test]
        fn the_others_are_as_vod_sent_them(
            names in prop::collection::vec("\\PC*", 1..6),
            text in "[^\"\\\\\\x00-\\x1f]*",
            way in 0..14_usize,
            place in any::<Index>(),
        ) {
            let event = |name: &str| format!("{{\"T\": {},\"N\":1e400}}", serde_json::json!(name));
            let contents: Vec<_> = names.iter().map(|name| event(name)).collect();
            let with_handle = |content: &String| format!("{{\"EventHandle\":\"h\",{}", &content[1..]);
            let mut elements: Vec<_> = contents.iter().map(with_handle).collect();
            elements.insert(place.index(names.len() + 1), damaged(way, &text));
            let body = answer(&elements);
            prop_assert!(Places::of(&body).is_none());
            let pulled = pulled(&body);
            let texts: Vec<_> =
                pulled.events.iter().map(|(event, _)| std::str::from_utf8(event.text()).unwrap()).collect();
            prop_assert_eq!(texts, contents);
            prop_assert_eq!(pulled.unreadable.len(), 1);
            prop_assert!(matches!(pulled.unreadable[0], EventError::NotWellFormed(_)));
        }
    }

    #[test]
    fn what_is_wrong_is_told_in_the_elements_own_place() {
        let elements = [
            "7".to_owned(),
            "{\"EventHandle\":\"h\",\"X\":\"\t\"}".to_owned(),
            "{\"EventHandle\":\"h\"}".to_owned(),
            "null".to_owned(),
            "{\"EventHandle\":01}".to_owned(),
        ];
        let pulled = pulled(&answer(&elements));
        let told: Vec<_> = pulled.unreadable.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "it is not a JSON object",
                "it is not well-formed JSON: control character (\\u0000-\\u001F) found while \
                 parsing a string at line 1 column 24",
                "it is not a JSON object",
                "it is not well-formed JSON: invalid number at line 1 column 17",
            ]
        );
        assert_eq!(pulled.events.len(), 1);
        assert_eq!(pulled.request_id.as_deref(), Some("r"));
    }

    #[test]
    fn what_cannot_be_saved_is_told_as_a_whole() {
        let bad = "{\"X\":01}";
        let good = "{\"EventHandle\":\"h\"}";
        for (body, problem) in [
            (format!("{{\"Response\":{{\"RequestId\":\"\t\",\"EventSet\":[{good}]}}}}"), "control"),
            (format!("{{\"Response\":{{\"RequestId\":01,\"EventSet\":[{bad}]}}}}"), "number"),
            (format!("{{\"Response\":{{\"EventSet\":[{good},{bad}"), "number"),
            (format!("{{\"Response\":{{\"EventSet\":[{good},{bad}]"), "number"),
            (format!("{{\"Response\":{{\"EventSet\":[{good},{{\"X\":\"}}]}}}}"), "EOF"),
            (format!("{{\"Response\":{{\"EventSet\":{{\"a\":[{bad}]}}}}}}"), "number"),
            (format!("{{\"Response\":{{\"More\":{{\"EventSet\":[{bad}]}}}}}}"), "number"),
            (format!("{{\"EventSet\":[{bad}]}}"), "number"),
            ("{\"Response\":{\"EventSet\":[],}}".to_owned(), "key must be a string"),
        ] {
            let error = Pulled::parse(body.clone().into()).unwrap_err().to_string();
            assert!(error.contains("the answer is no API answer: "), "{body}: {error}");
            assert!(error.contains(problem), "{body}: {error}");
        }
    }

    #[test]
    fn a_hostile_answer_takes_no_longer_than_another() {
        let count = 1 << 20;
        let open = "{\"Response\":{\"EventSet\":[";
        for inside in [",", "[", "{", "\"", "\\\"", "[}", "{]", "01,", "{\"\":", "{},"] {
            for end in ["", "]}}"] {
                let body = format!("{open}{}\t\u{1}{end}", inside.repeat(count));
                let pulled = Pulled::parse(body.into());
                let found = pulled.map_or(0, |pulled| pulled.events.len());
                assert_eq!(found, 0, "{inside} {end}");
            }
        }
        let (deep, end) = ("[".repeat(count), "]".repeat(count));
        let elements = [format!("{deep}\u{1}{end}"), "{\"EventHandle\":\"h\"}".to_owned()];
        assert_eq!(pulled(&answer(&elements)).events.len(), 1);
    }
}
