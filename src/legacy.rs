//! VOD's legacy 2.0 callback and its 3.0 callback, each turned into the other.
//!
//! Accounts opened before 2019 may still get their normal callbacks in the 2.0 format:
//! `{"version":"4.0","eventType":"...","data":{...}}`. What both formats say of an event is listed
//! member by member in the tables of `events` and `procedure`; the conversion works through
//! them on the text itself. Names change, values stay as written, every digit and every escape,
//! and members stay in order. Numbers are not rounded either: 3.0 gives `Duration` with fractions
//! of a second where 2.0 documents whole ones.
//!
//! From 2.0 to 3.0 nothing is lost:
//!
//! * What the tables do not have (`drm`, the `fps` of an animated picture, what VOD never
//!   documented) keeps its 2.0 name and its value.
//! * `aiReview` becomes a `PornTask` without a `Status`, in which its `riskType` stays.
//! * So from 2.0 to 3.0 and back a body is what it was, but for members that are null, and for
//!   `version`, which is always `"4.0"`.
//!
//! From 3.0 to 2.0 an application gets what 2.0 documents, because many refuse names they do not
//! know:
//!
//! * Names that begin with a capital letter and are not in the tables are newer than 2.0 and are
//!   left out (`FileName`, `ErrCodeExt`, `Progress`, ...), and so are nulls. Other names came from
//!   2.0 and go back as they are.
//! * What only an application can be waiting for that uses the 3.0 API goes along when it is set:
//!   `sessionContext`, `sessionId`, and the `procedureTaskId` of `PullComplete`.
//! * No result is left out. Kinds that 2.0 never had (`AdaptiveDynamicStreaming`, `Terrorism`, ...)
//!   stand in the list of their family with `taskType`, `status`, `errCode`, `message`, `input` and
//!   `output`, the names inside beginning with a small letter. 2.0 has no list for recognitions;
//!   theirs is `aIRecognitionList`. The same way back makes a 3.0 result of a `taskType` that 3.0
//!   never had, such as `PullFile`.
//!
//! `EventHandle`, `Sign` and `T` belong to one delivery, not to the event, and are left out both
//! ways. A value that is not of the documented kind, such as a text where a list should be, is
//! passed on as it is.
//!
//! Sources: VOD's pages on the callbacks of the 2.0 format,
//! <https://cloud.tencent.com/document/product/266/7829>; `EventContent` in the VOD API, version
//! 2018-07-17, <https://cloud.tencent.com/document/api/266/31773#EventContent>

mod events;
mod object;
mod procedure;
mod results;
mod rewrite;
mod table;

use std::borrow::Cow;
use std::fmt;

use self::events::Counterpart;
use self::object::Object;
use self::table::To;
use crate::event::{self, member};
use crate::json;

/// What VOD writes into `version`.
const VERSION: &str = "\"4.0\"";

/// Why an event cannot be had in the other format.
///
/// As text it also says what to do about it in a configuration; see [`NoCounterpart::reason`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoCounterpart {
    /// 2.0 has no such event.
    #[error("{}; `fallback = \"callback\"` sends such events in their 3.0 form", self.reason())]
    InLegacy(Name),
    /// 3.0 has no such event.
    #[error("{}; it can only be passed on in its 2.0 form", self.reason())]
    InCurrent(Name),
    /// It is no event of the 2.0 format.
    #[error("{}", self.reason())]
    NotLegacy,
    /// It is no event of the 3.0 format.
    #[error("{}", self.reason())]
    NotCurrent,
}

impl NoCounterpart {
    /// What is the matter.
    pub fn reason(&self) -> String {
        match self {
            Self::InLegacy(name) => format!("the legacy 2.0 format has no event {name}"),
            Self::InCurrent(name) => format!("the 3.0 format has no event {name}"),
            Self::NotLegacy => "it is no event of the legacy 2.0 format, which has an eventType \
                                and an object data"
                .to_owned(),
            Self::NotCurrent => "it is no event of the 3.0 format: it has neither an EventType \
                                 nor an event's data"
                .to_owned(),
        }
    }
}

/// A name from outside, short enough for a log line and without anything that could end one.
#[derive(Clone, PartialEq, Eq)]
pub struct Name(Box<str>);

/// Longer names are cut.
const NAME_CHARS_MAX: usize = 80;

impl From<&str> for Name {
    fn from(name: &str) -> Self {
        let shown = name.chars().take(NAME_CHARS_MAX);
        Self(shown.map(|char| if char.is_control() { ' ' } else { char }).collect())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Whether a JSON text is an event of the legacy 2.0 format: an object with a string `eventType`
/// and an object `data`, and without an `EventType`.
pub fn is_legacy(text: &str) -> bool {
    legacy_parts(text).is_some()
}

/// The event type of a legacy event and its `data` as written; `None` if the text is none.
pub fn legacy_parts(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let (mut event_type, mut data) = (None, None);
    for member in json::members(text) {
        match member.key().as_ref() {
            "eventType" if member.value.starts_with('"') => event_type = json::scalar(member.value),
            "data" if member.value.starts_with('{') => data = Some(member.value),
            "EventType" if member.value != "null" => return None,
            _ => {}
        }
    }
    event_type.zip(data)
}

/// An event of the legacy 2.0 format (well-formed JSON) in the 3.0 format:
/// `{"EventType":"...","<Member>":{...}}`.
///
/// # Errors
///
/// 3.0 has no event of that type, or the text is no legacy event.
pub fn to_v3(text: &str) -> Result<String, NoCounterpart> {
    let (event_type, data) = legacy_parts(text).ok_or(NoCounterpart::NotLegacy)?;
    let counterpart = Counterpart::of(&event_type)
        .ok_or_else(|| NoCounterpart::InCurrent(event_type.as_ref().into()))?;
    let mut out = Object::default();
    out.put("EventType", format!("\"{}\"", counterpart.event_type));
    out.put(counterpart.member, rewrite::object(counterpart.rows, data, To::V3).into_text());
    let outside = json::members(text)
        .filter(|member| !matches!(member.key().as_ref(), "version" | "eventType" | "data"));
    keep_the_rest(&mut out, outside);
    Ok(out.into_text())
}

/// An event of the 3.0 format (well-formed JSON) in the legacy 2.0 format:
/// `{"version":"4.0","eventType":"...","data":{...}}`.
///
/// # Errors
///
/// 2.0 has no event of that type, or the text is no event.
pub fn to_v2(text: &str) -> Result<String, NoCounterpart> {
    let named = json::members(text)
        .filter(|member| member.key() == "EventType")
        .find_map(|member| json::scalar(member.value));
    let objects = json::members(text)
        .filter(|member| is_newer_than_v2(member.raw_key) && member.value.starts_with('{'))
        .filter(|member| !event::is_outside_the_content(&member.key()));
    // 2.0 has no name for the data but the event's type, so that has to be the data's own. Of
    // several the same one must be taken in whatever order they come.
    let of_another_type =
        |object: &json::Member<'_>| Some(member::event_type(&object.key())) != named;
    let data = objects.min_by_key(|object| (of_another_type(object), object.key()));
    let event_type = match (&data, named) {
        (Some(data), _) => Cow::Owned(member::event_type(&data.key()).into_owned()),
        (None, Some(named)) => named,
        (None, None) => return Err(NoCounterpart::NotCurrent),
    };
    let counterpart = Counterpart::of(&event_type)
        .ok_or_else(|| NoCounterpart::InLegacy(event_type.as_ref().into()))?;
    let data = data.map_or("{}", |data| data.value);
    let mut out = Object::default();
    out.put("version", VERSION.to_owned());
    out.put("eventType", format!("\"{}\"", counterpart.event_type));
    out.put("data", rewrite::object(counterpart.rows, data, To::V2).into_text());
    keep_the_rest(&mut out, json::members(text).filter(|m| !is_newer_than_v2(m.raw_key)));
    Ok(out.into_text())
}

/// Whether a member with this name, which no table has, is one that 3.0 has brought.
fn is_newer_than_v2(raw_key: &str) -> bool {
    raw_key.starts_with(|first: char| first.is_ascii_uppercase())
}

/// Takes over members that stand beside the event's data, less those of one delivery.
fn keep_the_rest<'a>(out: &mut Object, members: impl Iterator<Item = json::Member<'a>>) {
    for member in members.filter(|member| !event::is_outside_the_content(&member.key())) {
        out.keep(&member);
    }
}
