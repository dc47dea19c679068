//! The events that people push: one object, an array, JSON Lines, or an answer of `PullEvents`.

use serde_json::value::RawValue;

use crate::event::{Event, EventId};
use crate::json;

/// The member that the emulator adds to an event.
const HANDLE: &str = "EventHandle";

/// Why events cannot be pushed. Nothing of the push was taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// The text is not JSON.
    #[error("the events are not JSON: {0}")]
    NotJson(String),
    /// A part of it is no event.
    #[error(
        "event {number} is not a JSON object but starts with {found:?}; give one EventContent \
         object, an array of them, one per line, or a whole answer of PullEvents"
    )]
    NotAnObject {
        /// Which one, from 1.
        number: usize,
        /// How its text begins.
        found: String,
    },
    /// The emulator holds as much as it may.
    #[error("the emulator is full with {events} unconfirmed events; confirm some first")]
    Full {
        /// How many it holds.
        events: usize,
    },
}

/// The text of one event without handle, and where the handle goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    text: Box<str>,
    /// Where the first member stands; `None` in an empty object.
    first_member: Option<usize>,
    id: EventId,
}

impl Content {
    /// The event's text, a JSON object. A handle from an earlier delivery is taken out.
    fn new(text: &str) -> Self {
        let handle = json::members(text).position(|member| member.key() == HANDLE);
        let text = handle.map_or_else(|| text.to_owned(), |at| json::without_member(text, at));
        let first_member = json::members(&text).next().map(|member| member.start);
        let id = Event::from_content(text.clone()).id();
        Self { text: text.into(), first_member, id }
    }

    /// The id that the relay gives the event.
    pub(super) fn id(&self) -> EventId {
        self.id
    }

    /// The text without handle.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Appends the text with the handle as its first member. All other bytes stay as they are,
    /// and cutting the member out again gives the text back.
    pub(super) fn write_with(&self, handle: &str, out: &mut String) {
        let (at, comma) = self.first_member.map_or((1, ""), |at| (at, ","));
        let (head, tail) = self.text.split_at_checked(at).unwrap_or((&self.text, ""));
        for part in [head, "\"", HANDLE, "\":\"", handle, "\"", comma, tail] {
            out.push_str(part);
        }
    }
}

/// The events of a text, in order.
///
/// # Errors
///
/// The text is not JSON, or something in it is no object.
pub(super) fn read(text: &str) -> Result<Vec<Content>, PushError> {
    let mut contents = Vec::new();
    let text = text.trim_start_matches('\u{feff}');
    for value in serde_json::Deserializer::from_str(text).into_iter::<&RawValue>() {
        let value = value.map_err(|error| PushError::NotJson(error.to_string()))?.get();
        let set = event_set(value).unwrap_or(value);
        if set.starts_with('[') {
            json::elements(set).try_for_each(|element| add(&mut contents, element))?;
        } else {
            add(&mut contents, set)?;
        }
    }
    Ok(contents)
}

/// Reads exactly one event.
///
/// # Errors
///
/// The text is not one JSON object.
pub(super) fn read_one(text: &str) -> Result<Content, PushError> {
    let value: &RawValue =
        serde_json::from_str(text).map_err(|error| PushError::NotJson(error.to_string()))?;
    let mut contents = Vec::new();
    add(&mut contents, value.get())?;
    contents.pop().ok_or_else(|| PushError::NotJson("it is empty".to_owned()))
}

fn add(contents: &mut Vec<Content>, text: &str) -> Result<(), PushError> {
    if !text.starts_with('{') {
        let found = text.chars().take(20).collect();
        return Err(PushError::NotAnObject { number: contents.len() + 1, found });
    }
    contents.push(Content::new(text));
    Ok(())
}

/// The events of a whole `PullEvents` answer, as the array that holds them.
fn event_set(value: &str) -> Option<&str> {
    let response = json::members(value).find(|member| member.key() == "Response")?.value;
    let set = json::members(response).find(|member| member.key() == "EventSet")?.value;
    set.starts_with('[').then_some(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(input: &str) -> Vec<String> {
        let contents = read(input).expect("the input should be read");
        contents.iter().map(|content| content.text().to_owned()).collect()
    }

    #[test]
    fn an_object_an_array_lines_and_an_answer_are_read() {
        let (a, b) = (r#"{"EventType":"A"}"#, r#"{ "EventType" : "动物" }"#);
        assert_eq!(texts(a), [a]);
        assert_eq!(texts(&format!(" [ {a} ,\n{b}]")), [a, b]);
        assert_eq!(texts(&format!("{a}\r\n{b}\n\n{a}\n")), [a, b, a]);
        let answer = format!(r#"{{"Response":{{"EventSet":[{a},{b}],"RequestId":"r"}}}}"#);
        assert_eq!(texts(&answer), [a, b]);
        assert_eq!(texts(r#"{"EventHandle":"old","EventType":"A"}"#), [a]);
        assert_eq!(texts(" \n"), Vec::<String>::new());
    }

    #[test]
    fn what_is_no_event_is_refused_with_its_place() {
        let not_json = read("{\"A\":1}\n{oops").expect_err("not JSON");
        assert!(not_json.to_string().contains("line 2"), "{not_json}");
        let not_an_object = read("[{\"A\":1}, 17]").expect_err("not an object");
        assert!(not_an_object.to_string().contains("event 2"), "{not_an_object}");
    }

    #[test]
    fn the_relay_gets_back_the_bytes_that_were_pushed() {
        let pretty = "{\n    \"EventType\":\"A\",\n\t\"B\" : {\"x\":1.50,\"y\":\"\\u52a8物\"}\r\n}";
        for text in [pretty, "{}", "{ }", r#"{"EventType":"A"}"#, "{\"a\\\"b\":[{}]}"] {
            let mut out = String::new();
            read_one(text).expect("one event").write_with("tdmq1", &mut out);
            let (event, handle) = Event::from_event_set(&out).expect("an event with a handle");
            assert_eq!(handle.as_str(), "tdmq1");
            if text != "{ }" {
                assert_eq!(event.text(), text);
            }
        }
    }
}
