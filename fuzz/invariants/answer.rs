//! The answer to `PullEvents`: whatever the bytes are, every event is as VOD wrote it.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use vod_relay::tencent::Pulled;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    #[serde(borrow)]
    response: Response<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Response<'a> {
    #[serde(borrow)]
    event_set: Option<Vec<&'a RawValue>>,
}

/// Reads the input as the body of an answer.
pub fn check(input: &[u8]) {
    let Ok(pulled) = Pulled::parse(input.to_vec()) else { return };
    assert_eq!(pulled.len(), pulled.events.len() + pulled.unreadable.len());
    let lossy = std::str::from_utf8(input).is_err();
    let body = String::from_utf8_lossy(input);
    let is_whole = serde_json::from_str::<IgnoredAny>(&body).is_ok();
    let elements = match serde_json::from_str::<Answer<'_>>(&body) {
        Ok(answer) => answer.response.event_set.unwrap_or_default(),
        // Broken elements are left out. The others stand somewhere in it, one behind the other.
        Err(_) if !is_whole => objects(&body),
        // serde_json takes no member whose name has half a pair of surrogates in it. That is JSON all the
        // same, and one odd name beside the events does not spoil them.
        Err(_) if body.to_ascii_lowercase().contains("\\ud") => return,
        // The error that says that there is nothing to pull may stand beside anything.
        Err(_) => Vec::new(),
    };
    if pulled.is_empty() {
        return;
    }
    if is_whole {
        assert_eq!(pulled.len(), elements.len());
    } else {
        assert!(!pulled.unreadable.is_empty(), "nothing is broken");
    }
    let mut elements = elements.into_iter().map(RawValue::get);
    for (event, handle) in &pulled.events {
        let text = std::str::from_utf8(event.text()).expect("an event is text");
        assert!(!handle.as_str().is_empty(), "an event without a handle: {text}");
        serde_json::from_str::<&RawValue>(text).expect("an event is JSON");
        // Invalid bytes were replaced before the text was read: none of them is in an event.
        assert!(!lossy || !text.contains(char::REPLACEMENT_CHARACTER), "{text}");
        assert!(
            elements.any(|element| is_less_its_handle(text, element, handle.as_str())),
            "no element is {text} with the handle {}",
            handle.as_str()
        );
        // These read the text by themselves.
        assert!(text.contains(event.body()));
        event.lookup("MetaData.Height");
    }
}

/// All objects in a text, nested ones too.
fn objects(text: &str) -> Vec<&RawValue> {
    let starts = text.match_indices('{').filter_map(|(at, _)| text.get(at..));
    let first = |text| serde_json::Deserializer::from_str(text).into_iter::<&RawValue>().next();
    starts.filter_map(|text| first(text)?.ok()).collect()
}

/// Whether `text` is `element` with nothing cut out but one member, the handle.
fn is_less_its_handle(text: &str, element: &str, handle: &str) -> bool {
    let Some(length) = element.len().checked_sub(text.len()).filter(|length| *length > 0) else {
        return false;
    };
    let same = |(a, b): &(u8, u8)| a == b;
    let prefix = text.bytes().zip(element.bytes()).take_while(same).count();
    let suffix = text.bytes().rev().zip(element.bytes().rev()).take_while(same).count();
    // Where both ends of the cut look alike it could have been made in several places.
    (text.len().saturating_sub(suffix)..=prefix).any(|at| {
        element.get(at..at + length).is_some_and(|cut| {
            let member = cut.trim_matches([',', ' ', '\t', '\r', '\n']);
            is_handle(member, handle)
        })
    })
}

fn is_handle(member: &str, handle: &str) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Cut<'a> {
        #[serde(borrow)]
        event_handle: &'a RawValue,
    }
    let object = format!("{{{member}}}");
    let Ok(Cut { event_handle }) = serde_json::from_str(&object) else { return false };
    let text = serde_json::from_str::<String>(event_handle.get());
    text.as_deref().unwrap_or(event_handle.get()) == handle
}
