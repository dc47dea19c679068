//! Events as VOD hands them out.
//!
//! An [`Event`] keeps VOD's own text, so that nothing is altered on the way to a sink. What routing
//! and logs need is read out of it once: every field is optional, unknown types and members are
//! kept, and a field that cannot be read is just absent. An event in the legacy 2.0 shape is
//! understood as it is.

mod canonical;
pub mod identity;
mod legacy_shape;
pub mod member;
pub mod procedure;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;

pub(crate) use identity::is_outside_the_content;
pub use identity::{EventId, IdMap};

use crate::json::{self, Outline};

/// The opaque string that confirms one delivery of an event.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Handle(Box<str>);

impl Handle {
    /// The handle's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Handle {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({})", self.0)
    }
}

/// One event, without its handle.
#[derive(Debug, Clone)]
pub struct Event {
    id: EventId,
    text: Bytes,
    event_type: Box<str>,
    member: Option<Range<usize>>,
    /// Whether it has the legacy 2.0 shape.
    is_legacy: bool,
}

/// What is read out of an event's member, for logs and for sinks that tell it beside the event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields {
    /// The task, `TaskId`.
    pub task_id: Option<Box<str>>,
    /// The media file, `FileId`.
    pub file_id: Option<Box<str>>,
    /// The state of the task, `Status`.
    pub status: Option<Box<str>>,
    /// The task's error code, `ErrCode`.
    pub err_code: Option<Box<str>>,
    /// The application's own id for the request, `SessionId`.
    pub session_id: Option<Box<str>>,
    /// The application's own data, `SessionContext`.
    pub session_context: Option<Box<str>>,
}

/// Why an element of an `EventSet` is not an event that can be relayed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// It is no JSON object.
    #[error("it is not a JSON object")]
    NotAnObject,
    /// Without a handle it can never be confirmed.
    #[error("it has no EventHandle, so it could never be confirmed")]
    NoHandle,
    /// Its text holds bytes that are no UTF-8.
    #[error("its text is not UTF-8")]
    NotUtf8,
    /// It is no JSON at all; where and why.
    #[error("it is not well-formed JSON: {0}")]
    NotWellFormed(Box<str>),
}

impl Event {
    /// Reads one element of an `EventSet`: the event, and the handle that confirms it.
    ///
    /// # Errors
    ///
    /// It is no object, or has no handle.
    pub fn from_event_set(text: &str) -> Result<(Self, Handle), EventError> {
        Self::from_element(Outline::of(text).root())
    }

    /// The same, where the outline of the whole answer is known.
    pub(crate) fn from_element(element: json::Value<'_>) -> Result<(Self, Handle), EventError> {
        let text = element.text();
        if !text.starts_with('{') {
            return Err(EventError::NotAnObject);
        }
        let members = element.members().enumerate();
        let found = members
            .filter(|(_, member)| member.key() == "EventHandle")
            .find_map(|(index, member)| Some((index, json::scalar(member.value.text())?)));
        match found {
            Some((index, handle)) if !handle.is_empty() => {
                let cut = element.cut(index).unwrap_or_default();
                let text = json::cut_out(text, &cut);
                let mut reading = Reading::of(element, EventId::of_value);
                if let Some(member) = reading.member.as_mut().filter(|span| span.start >= cut.end) {
                    *member = member.start - cut.len()..member.end - cut.len();
                }
                Ok((Self::new(reading, text), Handle::from(handle.as_ref())))
            }
            _ => Err(EventError::NoHandle),
        }
    }

    /// Reads an event's content, a JSON object that has no handle.
    pub fn from_content(text: String) -> Self {
        let reading = Reading::of(Outline::of(&text).root(), EventId::of_value);
        Self::new(reading, text)
    }

    /// Reads the content of an event whose id is known, because it was stored with it.
    pub fn from_store(id: EventId, text: String) -> Self {
        let reading = Reading::of(Outline::of(&text).root(), |_, _| id);
        Self::new(reading, text)
    }

    fn new(reading: Reading, text: String) -> Self {
        let Reading { id, event_type, member, is_legacy } = reading;
        Self { id, event_type, member, is_legacy, text: text.into() }
    }

    /// The id, the same on every redelivery of the same content.
    pub fn id(&self) -> EventId {
        self.id
    }

    /// `EventType`, such as `ProcedureStateChanged`. Where VOD leaves it out it is derived from the
    /// name of the member; it is empty where there is neither.
    pub fn event_type(&self) -> &str {
        &self.event_type
    }

    /// Whether it has the legacy 2.0 shape.
    pub fn is_legacy(&self) -> bool {
        self.is_legacy
    }

    /// The event as VOD sent it, less the handle: what a normal callback would have posted.
    pub fn text(&self) -> &Bytes {
        &self.text
    }

    /// The object that holds the event's own data, as written; empty if there is none.
    pub fn body(&self) -> &str {
        let bytes = self.member.clone().and_then(|span| self.text.get(span)).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    /// What logs and some sinks tell beside the event, read out of it now: most events never need
    /// it.
    pub fn fields(&self) -> Fields {
        Fields::read(self.body())
    }

    /// The member of the event's data at a path such as `Status` or `MetaData.Height`, as plain
    /// text; `None` if it is absent, null, an object or an array. In an event of the legacy 2.0
    /// shape both names find a member, the one that it has there and the one of 3.0.
    pub fn lookup(&self, path: &str) -> Option<Cow<'_, str>> {
        let mut value = self.body();
        for name in path.split('.') {
            let find = |name: &str| json::members(value).find(|member| member.key() == name);
            let legacy = || find(&legacy_shape::name(name)).filter(|_| self.is_legacy);
            value = find(name).or_else(legacy)?.value;
        }
        json::scalar(value)
    }
}

/// What is read out of an event's text at once.
struct Reading {
    id: EventId,
    event_type: Box<str>,
    /// Where the member stands in the content.
    member: Option<Range<usize>>,
    is_legacy: bool,
}

impl Reading {
    fn of(
        content: json::Value<'_>,
        identify: impl FnOnce(&str, json::Value<'_>) -> EventId,
    ) -> Self {
        let (mut named_type, mut legacy_type) = (None, None);
        let mut has_legacy_member = false;
        for found in content.members() {
            match found.key().as_ref() {
                "EventType" => named_type = json::scalar(found.value.text()),
                legacy_shape::TYPE => legacy_type = json::scalar(found.value.text()),
                legacy_shape::MEMBER => has_legacy_member |= found.value.first() == Some(b'{'),
                _ => {}
            }
        }
        let is_legacy = named_type.is_none() && legacy_type.is_some() && has_legacy_member;
        if is_legacy {
            named_type = legacy_type;
        }
        let (name, member) = Self::member(content, named_type.as_deref(), is_legacy).unzip();
        let event_type: Box<str> = match (named_type, name) {
            (Some(named), _) => named.into(),
            (None, Some(name)) => member::event_type(&name).into(),
            (None, None) => Box::default(),
        };
        let id = identify(&event_type, content);
        let member = member.map(|member| member.span_in(content));
        Self { id, event_type, member, is_legacy }
    }

    /// The member that holds the event's data, with its name. VOD sends one. Of several the same one
    /// must be taken in whatever order they come.
    fn member<'o>(
        content: json::Value<'o>,
        named_type: Option<&str>,
        is_legacy: bool,
    ) -> Option<(Cow<'o, str>, json::Value<'o>)> {
        let objects = content.members().filter_map(|found| {
            let key = found.key();
            let is_one = found.value.first() == Some(b'{')
                && !matches!(&*key, "EventType" | legacy_shape::TYPE)
                && !is_outside_the_content(&key)
                && (!is_legacy || key == legacy_shape::MEMBER);
            is_one.then_some((key, found.value))
        });
        let of_another_type = |key: &str| named_type != Some(member::event_type(key).as_ref());
        objects.min_by(|(a, _), (b, _)| (of_another_type(a), a).cmp(&(of_another_type(b), b)))
    }
}

impl Fields {
    fn read(body: &str) -> Self {
        let mut fields = Self::default();
        for member in json::members(body) {
            let key = member.key();
            let slot = match key.as_ref() {
                // Events of the legacy shape have their keys in lower camel case, and so has one of
                // the vendor's samples.
                "TaskId" | "taskId" | "vodTaskId" => &mut fields.task_id,
                "FileId" | "fileId" => &mut fields.file_id,
                "Status" | "status" => &mut fields.status,
                "ErrCode" | "errCode" => &mut fields.err_code,
                "SessionId" | "sessionId" => &mut fields.session_id,
                "SessionContext" | "sessionContext" => &mut fields.session_context,
                _ => continue,
            };
            if let Some(value) = json::scalar(member.value) {
                *slot = Some(value.into());
            }
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_objects_the_same_one_is_taken_in_whatever_order() {
        let orders = [
            [r#""T":{}"#, r#""BEvent":{"x":1}"#, r#""AEvent":{"x":2}"#],
            [r#""AEvent":{"x":2}"#, r#""T":{}"#, r#""BEvent":{"x":1}"#],
            [r#""AEvent":{"x":2}"#, r#""BEvent":{"x":1}"#, r#""Sign":{}"#],
        ];
        let read = |members: [&str; 3], more: &str| {
            let event = Event::from_content(format!("{{{more}{}}}", members.join(",")));
            (event.id(), event.event_type().to_owned(), event.body().to_owned())
        };
        for (more, event_type, body) in
            [("", "A", r#"{"x":2}"#), (r#""EventType":"B","#, "B", r#"{"x":1}"#)]
        {
            let events = orders.map(|members| read(members, more));
            assert_eq!((events[0].1.as_str(), events[0].2.as_str()), (event_type, body));
            assert!(events.iter().all(|event| *event == events[0]), "{events:?}");
        }
    }
}
