//! The events in a JSON value, and each of them in another shape.

use clap::ValueEnum;

use crate::event::member::TYPES;
use crate::event::{Event, is_outside_the_content};
use crate::json;
use crate::legacy::{self, NoCounterpart};

/// What the input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Shape {
    /// Found out for each value
    Auto,
    /// Normal callbacks of the 3.0 format
    Callback,
    /// Callbacks of the legacy 2.0 format
    CallbackV2,
    /// Answers of a pull, also of the 2.0 API, or single events out of one
    Pull,
}

/// What the output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum To {
    /// What VOD's normal callback would POST, in the 3.0 format
    Callback,
    /// The legacy 2.0 format
    CallbackV2,
}

/// The events in a value, in order.
///
/// # Errors
///
/// It holds no events, or not as `from` says.
pub(super) fn events(from: Shape, value: &str) -> Result<Vec<&str>, String> {
    if value.starts_with('[') {
        return Ok(json::elements(value).collect());
    }
    let is_pull = matches!(from, Shape::Auto | Shape::Pull);
    match (member(value, "Response"), member(value, "eventList")) {
        (None, None) if from == Shape::Pull && !has_handle(value) => {
            Err("it has no handle, as pulled events do; --from auto takes it".to_owned())
        }
        (None, None) => Ok(vec![value]),
        _ if !is_pull => Err("it is an answer of a pull; --from auto takes it".to_owned()),
        (Some(response), _) => pulled(response),
        (None, Some(list)) => Ok(json::elements(list).collect()),
    }
}

/// The events of the `Response` of a pull.
fn pulled(response: &str) -> Result<Vec<&str>, String> {
    let code = member(response, "Error").and_then(|error| member(error, "Code"));
    match code.and_then(json::scalar).as_deref() {
        // This is how VOD says that nothing waits.
        None | Some("ResourceNotFound") => {
            Ok(member(response, "EventSet").map(json::elements).into_iter().flatten().collect())
        }
        Some(code) => Err(format!("it holds no events but the error {code:.80}")),
    }
}

/// An event in the shape that is asked for, on one line.
///
/// # Errors
///
/// It is no event, not one as `from` says, or has no form in that shape.
pub(super) fn convert(from: Shape, to: To, text: &str) -> Result<String, String> {
    if !text.starts_with('{') {
        let start: String = text.chars().take(20).collect();
        return Err(format!("it is no JSON object but starts with {start:?}"));
    }
    // The event of the 2.0 API's PullEvent stands beside its handle.
    let text = member(text, "eventContent").unwrap_or(text);
    let is_legacy = legacy::is_legacy(text);
    let reason = |none: NoCounterpart| none.reason();
    let text = match (is_legacy, from, to) {
        (true, Shape::Callback, _) => {
            Err("it is an event of the legacy 2.0 format; --from auto takes it".to_owned())
        }
        (false, Shape::CallbackV2, _) => Err(NoCounterpart::NotLegacy.reason()),
        (true, _, To::Callback) => legacy::to_v3(text).map_err(reason),
        (false, _, To::CallbackV2) => legacy::to_v2(text).map_err(reason),
        (false, _, To::Callback) if !is_current(text) => Err(NoCounterpart::NotCurrent.reason()),
        (true, _, To::CallbackV2) | (false, _, To::Callback) => Ok(without_delivery(text)),
    }?;
    Ok(json::on_one_line(&text).into_owned())
}

fn member<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    json::members(object).find(|member| member.key() == name).map(|member| member.value)
}

fn has_handle(value: &str) -> bool {
    ["EventHandle", "msgHandle"].iter().any(|name| member(value, name).is_some())
}

/// Whether the text is an event of the 3.0 format.
fn is_current(text: &str) -> bool {
    let named = member(text, "EventType").and_then(json::scalar);
    named.is_some() || TYPES.contains(&Event::from_content(text.to_owned()).event_type())
}

/// The text without the members that belong to one delivery of the event.
fn without_delivery(text: &str) -> String {
    let members = json::members(text).filter(|member| !is_outside_the_content(&member.key()));
    let members: Vec<_> = members.filter_map(|member| text.get(member.start..member.end)).collect();
    format!("{{{}}}", members.join(","))
}
