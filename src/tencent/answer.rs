//! The answers of the VOD API, as they stand on the wire.

use std::borrow::Cow;

use serde::Deserialize;

use super::error::{CallError, Class};
use super::salvage::{self, Broken, Salvage};
use crate::event::{Event, EventError, Handle};
use crate::json::{self, Outline, Places, Value};
use crate::quiet;

/// How many events an answer of VOD's has at most.
const EVENTS_MAX: usize = 16;

/// The events of one `PullEvents` answer. One that cannot be read does not spoil the others.
#[derive(Debug)]
pub struct Pulled {
    /// The events with the handles that confirm them.
    pub events: Vec<(Event, Handle)>,
    /// What was wrong with elements that are no events.
    pub unreadable: Vec<EventError>,
    /// VOD's id for the call.
    pub request_id: Option<String>,
}

impl Pulled {
    /// Reads the body of an answer to `PullEvents`. Nothing to pull is an empty set of events,
    /// whichever way VOD says it.
    ///
    /// # Errors
    ///
    /// The API's error in it, with its class, or what makes it undecodable.
    pub fn parse(body: Vec<u8>) -> Result<Self, CallError> {
        match Content::open(PULL_EVENTS, body) {
            Err(error) if is_empty_queue(&error) => Content::nothing(error.request_id).pulled(),
            opened => opened.and_then(Content::pulled),
        }
    }

    /// How many elements the answer had, readable or not.
    pub fn len(&self) -> usize {
        self.events.len() + self.unreadable.len()
    }

    /// Whether there was nothing to pull.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Where VOD sends events, `DescribeEventConfig`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct EventConfig {
    /// `PULL` for reliable callback, `PUSH` for normal callback.
    pub mode: Option<String>,
    /// Whether finished uploads are told, `ON` or `OFF`.
    pub upload_media_complete_event_switch: Option<String>,
    /// Whether deletions are told, `ON` or `OFF`.
    pub delete_media_complete_event_switch: Option<String>,
    /// Whether finished persistence is told, `ON` or `OFF`.
    pub persistence_complete_event_switch: Option<String>,
}

impl EventConfig {
    /// The event types that are switched off, each with the name of its switch. What has no switch
    /// is always told.
    pub fn switched_off(&self) -> Vec<(&'static str, &'static str)> {
        let switches = [
            (
                "NewFileUpload",
                "UploadMediaCompleteEventSwitch",
                &self.upload_media_complete_event_switch,
            ),
            (
                "FileDeleted",
                "DeleteMediaCompleteEventSwitch",
                &self.delete_media_complete_event_switch,
            ),
            (
                "PersistenceComplete",
                "PersistenceCompleteEventSwitch",
                &self.persistence_complete_event_switch,
            ),
        ];
        let off = switches.into_iter().filter(|(.., state)| state.as_deref() == Some("OFF"));
        off.map(|(event_type, switch, _)| (event_type, switch)).collect()
    }
}

/// How much waits at VOD, `DescribeEventsState`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct EventsState {
    /// The number of events that wait; VOD counts some seconds or minutes late.
    pub count_of_events_to_pull: Option<u64>,
}

#[derive(Deserialize)]
struct Typed<T> {
    #[serde(rename = "Response")]
    response: T,
}

/// An answer that is known to be well-formed and to hold no error.
#[derive(Debug)]
pub(super) struct Content {
    text: String,
    places: Places,
    /// Whether it was not UTF-8 and bad bytes were replaced: the events that they stand in are
    /// unreadable, the others are as VOD sent them.
    lossy: bool,
    /// The elements of its events that were not well-formed. A null stands for each.
    broken: Broken,
    request_id: Option<String>,
}

impl Content {
    /// Opens an answer.
    ///
    /// # Errors
    ///
    /// The API's error in it, with its class, or what makes it undecodable.
    pub(super) fn open(action: &'static str, body: Vec<u8>) -> Result<Self, CallError> {
        let (text, lossy) = match String::from_utf8(body) {
            Ok(text) => (text, false),
            Err(error) => (String::from_utf8_lossy(error.as_bytes()).into_owned(), true),
        };
        let undecodable = |problem: &str| {
            let message = format!("the answer is no API answer: {problem}");
            CallError::without_answer(action, Class::Transient, message)
        };
        let (text, places, broken) = match Places::of(&text) {
            Some(places) => (text, places, Broken::new()),
            None => match Salvage::of(&text) {
                Some(Salvage { text, places, broken }) => (text, places, broken),
                None => return Err(undecodable(&salvage::mistake(&text))),
            },
        };
        let outline = Outline::with(&text, places);
        let root = outline.root();
        let text_of = |object: Value<'_>, key| {
            let value = object.member(key)?;
            json::scalar(value.text()).map(Cow::into_owned)
        };
        let Some(response) = only(root, "Response").map_err(&undecodable)? else {
            // An old form of error that the API's gateway still knows.
            return Err(match text_of(root, "codeDesc") {
                Some(code) => {
                    let message = text_of(root, "message").unwrap_or_default();
                    CallError::answered(action, &code, &message, None)
                }
                None => undecodable("it has no Response"),
            });
        };
        let error = only(response, "Error").map_err(&undecodable)?;
        if [Some(response), error].into_iter().flatten().any(|value| value.first() != Some(b'{')) {
            return Err(undecodable("what is to be an object is none"));
        }
        let request_id = text_of(response, "RequestId").map(|id| quiet::name(&id));
        if let Some(error) = error {
            let code = text_of(error, "Code").unwrap_or_default();
            let message = text_of(error, "Message").unwrap_or_default();
            return Err(CallError::answered(action, &code, &message, request_id));
        }
        let places = outline.into_places();
        Ok(Self { text, places, lossy, broken, request_id })
    }

    /// What stands for an answer that there is nothing to pull, which VOD also says by an error.
    pub(super) fn nothing(request_id: Option<String>) -> Self {
        let (text, places) = ("{}".to_owned(), Places::default());
        Self { text, places, lossy: false, broken: Broken::new(), request_id }
    }

    /// The content as a type.
    pub(super) fn read<T>(&self, action: &'static str) -> Result<T, CallError>
    where
        T: serde::de::DeserializeOwned,
    {
        let typed: Result<Typed<T>, _> = serde_json::from_str(&self.text);
        let failed = |error| undecodable(action, self.request_id.clone(), &error);
        typed.map(|typed| typed.response).map_err(failed)
    }

    /// The content as pulled events.
    pub(super) fn pulled(self) -> Result<Pulled, CallError> {
        let Self { text, places, lossy, broken, request_id } = self;
        let answer = Outline::with(&text, places);
        let set = match answer.root().member("Response") {
            Some(response) => only(response, "EventSet")
                .map_err(|problem| undecodable(PULL_EVENTS, request_id.clone(), &problem))?,
            None => None,
        };
        if set.is_some_and(|set| set.first() != Some(b'[')) {
            return Err(undecodable(PULL_EVENTS, request_id, &"EventSet is not an array"));
        }
        let (mut events, mut unreadable) = (Vec::with_capacity(EVENTS_MAX), Vec::new());
        let mut broken = broken.into_iter().peekable();
        for (number, element) in set.into_iter().flat_map(|set| set.elements()).enumerate() {
            if let Some((_, mistake)) = broken.next_if(|(broken, _)| *broken == number) {
                unreadable.push(EventError::NotWellFormed(mistake));
                continue;
            }
            if lossy && element.text().contains(char::REPLACEMENT_CHARACTER) {
                unreadable.push(EventError::NotUtf8);
                continue;
            }
            match Event::from_element(element) {
                Ok(event) => events.push(event),
                Err(error) => unreadable.push(error),
            }
        }
        Ok(Pulled { events, unreadable, request_id })
    }
}

fn undecodable(
    action: &'static str,
    request_id: Option<String>,
    problem: &dyn std::fmt::Display,
) -> CallError {
    // What is wrong may be told with the value that is.
    let problem = quiet::said(&problem.to_string());
    let message = format!("the answer cannot be decoded: {problem}");
    CallError { request_id, ..CallError::without_answer(action, Class::Transient, message) }
}

/// The member of an object that has this key; null counts as absent. Of two nobody knows which one
/// VOD means.
fn only<'o>(object: Value<'o>, key: &str) -> Result<Option<Value<'o>>, &'static str> {
    let mut found = object.members().filter(|member| member.key() == key);
    let first = found.next().map(|member| member.value).filter(|value| value.text() != "null");
    if found.next().is_some() { Err("a member stands in it twice") } else { Ok(first) }
}

/// The action that leases events.
pub(super) const PULL_EVENTS: &str = "PullEvents";

/// Whether the "error" only says that there is nothing to pull.
pub(super) fn is_empty_queue(error: &CallError) -> bool {
    error.action == PULL_EVENTS && error.code.as_deref() == Some("ResourceNotFound")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pulled(body: &str) -> Result<Pulled, CallError> {
        Pulled::parse(body.into())
    }

    #[test]
    fn an_empty_queue_comes_in_four_forms() {
        let error = r#""Error":{"Code":"ResourceNotFound","Message":"none"},"#;
        for set in [r#""EventSet":null,"#, r#""EventSet":[],"#, "", error] {
            let body = format!(r#"{{"Response":{{{set}"RequestId":"r"}}}}"#);
            assert!(pulled(&body).unwrap().is_empty(), "{body}");
        }
    }

    #[test]
    fn one_bad_element_does_not_spoil_the_others() {
        let body = r#"{"Response":{"EventSet":[7,{"EventType":"A"},{"EventHandle":"h","EventType":"A","X":{"TaskId":"t"}},null,{"EventHandle":5,"EventType":"B"}],"RequestId":"r"}}"#;
        let pulled = pulled(body).unwrap();
        let handles: Vec<_> = pulled.events.iter().map(|(_, handle)| handle.as_str()).collect();
        assert_eq!(handles, ["h", "5"]);
        assert_eq!(
            pulled.unreadable,
            [EventError::NotAnObject, EventError::NoHandle, EventError::NotAnObject]
        );
    }

    #[test]
    fn errors_carry_their_code_class_and_request_id() {
        let body = r#"{"Response":{"Error":{"Code":"AuthFailure.SignatureFailure","Message":"no"},"RequestId":"r-1"}}"#;
        let error = pulled(body).unwrap_err();
        assert_eq!(error.class, Class::Credentials);
        assert!(error.to_string().contains("r-1"), "{error}");
        let old = r#"{"code":4000,"message":"old","codeDesc":"InternalError"}"#;
        assert_eq!(pulled(old).unwrap_err().code.as_deref(), Some("InternalError"));
    }

    #[test]
    fn what_vod_says_is_one_short_line() {
        let long = format!("no\\n2026 ERROR forged {}", "x".repeat(20 << 20));
        let of = |code: &str| {
            let error = format!(r#""Error":{{"Code":"{code}{long}","Message":"{long}"}}"#);
            pulled(&format!(r#"{{"Response":{{{error},"RequestId":"{long}"}}}}"#)).unwrap_err()
        };
        let old = format!(r#"{{"message":"{long}","codeDesc":"{long}"}}"#);
        for error in [of("UnauthorizedOperation."), pulled(&old).unwrap_err()] {
            let told = error.to_string();
            assert!(told.contains("no 2026 ERROR forged x"), "{told}");
            assert!(told.len() < 2000 && !told.contains('\n'), "{told}");
        }
        assert_eq!(of("UnauthorizedOperation.").class, Class::Credentials);
        // What is cut or flattened is not taken for a code that it only looks like.
        assert!(!is_empty_queue(&of("ResourceNotFound")));
        let body = r#"{"Response":{"Error":{"Code":"ResourceNotFound\n","Message":""}}}"#;
        assert!(!is_empty_queue(&pulled(body).unwrap_err()));
    }

    #[test]
    fn what_is_told_beside_a_bad_element_is_one_short_line() {
        let id = format!("r\\n{}", "x".repeat(1000));
        let body = format!(r#"{{"Response":{{"EventSet":[7],"RequestId":"{id}"}}}}"#);
        let shown = format!("r {}", "x".repeat(126));
        assert_eq!(pulled(&body).unwrap().request_id, Some(shown));
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_not_told_at_length() {
        let long = "x".repeat(20 << 20);
        let body = format!(r#"{{"Response":{{"CountOfEventsToPull":"{long}"}}}}"#);
        let content = Content::open("DescribeEventsState", body.into()).unwrap();
        let told = content.read::<EventsState>("DescribeEventsState").unwrap_err().to_string();
        assert!(told.contains("cannot be decoded") && told.len() < 2000, "{}", told.len());
    }

    #[test]
    fn what_is_no_answer_is_transient_and_may_have_worked() {
        for body in ["", "<html>", "{}", r#"{"Response":7}"#, r#"{"Response":{"EventSet":7}}"#] {
            let error = pulled(body).unwrap_err();
            assert_eq!(error.class, Class::Transient, "{body}");
            assert!(error.may_have_worked(), "{body}");
        }
    }
}
