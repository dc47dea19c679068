//! CloudEvents 1.0 (<https://cloudevents.io/>): the event's text as `data`, byte for byte, and what
//! is known of it as attributes.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{Input, Rendered, Unrenderable};
use crate::time;

const SPEC_VERSION: &str = "1.0";

/// Who produces the events. The `SubAppId` stands behind it where there is one.
const SOURCE: &str = "//vod.tencentcloudapi.com";

/// What the type of every event begins with; the type of one that has none.
const TYPE: &str = "com.tencentcloud.vod";

/// What has to be encoded in a header: what is not printable ASCII, the space, and what would make
/// decoding ambiguous (HTTP binding, 3.1.3.2). What is not ASCII is encoded anyway.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

/// An event in the JSON format.
#[derive(Serialize)]
struct Structured<'a> {
    #[serde(flatten)]
    attributes: &'a Attributes<'a>,
    datacontenttype: &'static str,
    data: &'a RawValue,
}

/// What is said of an event in both modes.
#[derive(Serialize)]
struct Attributes<'a> {
    specversion: &'static str,
    id: String,
    source: String,
    r#type: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    time: String,
}

/// Structured mode: attributes and data in one JSON object.
pub(super) fn structured(input: Input<'_>) -> Result<Rendered, Unrenderable> {
    let no_json = |error| Unrenderable(format!("its text is not JSON: {error}"));
    let event = Structured {
        attributes: &Attributes::of(input),
        datacontenttype: "application/json",
        data: serde_json::from_slice(input.event.text()).map_err(no_json)?,
    };
    let body = serde_json::to_vec(&event).map_err(no_json)?;
    let content_type = "application/cloudevents+json";
    Ok(Rendered { body: body.into(), content_type, headers: Vec::new() })
}

/// Binary mode of the HTTP binding: the data is the body, and the attributes are headers.
pub(super) fn binary(input: Input<'_>) -> Rendered {
    let Attributes { specversion, id, source, r#type, subject, time } = Attributes::of(input);
    let mut headers = vec![
        ("ce-specversion", specversion.to_owned()),
        ("ce-id", id),
        ("ce-source", source),
        ("ce-type", encoded(&r#type)),
        ("ce-time", time),
    ];
    headers.extend(subject.map(|subject| ("ce-subject", encoded(&subject))));
    Rendered { headers, ..Rendered::json(input.event.text().clone()) }
}

impl<'a> Attributes<'a> {
    fn of(input: Input<'a>) -> Self {
        let fields = input.event.fields();
        let subject = [fields.file_id, fields.task_id].into_iter().flatten();
        Self {
            specversion: SPEC_VERSION,
            id: input.event.id().to_string(),
            source: match input.sub_app_id {
                Some(id) => format!("{SOURCE}/{id}"),
                None => SOURCE.to_owned(),
            },
            r#type: match input.event.event_type() {
                "" => Cow::Borrowed(TYPE),
                event_type => Cow::Owned(format!("{TYPE}.{}", permitted(event_type))),
            },
            subject: subject.map(|id| permitted(&id).into_owned()).find(|id| !id.is_empty()),
            time: time::rfc3339(input.received),
        }
    }
}

/// The text, with U+FFFD in the place of characters that no attribute may hold.
fn permitted(text: &str) -> Cow<'_, str> {
    let is_forbidden = |c: char| {
        let is_noncharacter =
            matches!(c, '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe;
        c.is_control() || is_noncharacter
    };
    if text.contains(is_forbidden) {
        text.replace(is_forbidden, "\u{fffd}").into()
    } else {
        text.into()
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use serde_json::{Value, json};

    use super::*;
    use crate::event::Event;

    fn with<T>(text: &str, sub_app_id: Option<u64>, render: impl FnOnce(Input<'_>) -> T) -> T {
        let event = Event::from_content(text.to_owned());
        let received = SystemTime::UNIX_EPOCH + Duration::from_nanos(1_795_161_600_123_999_999);
        render(Input { event: &event, received, sub_app_id, now: received })
    }

    /// Both modes say the same: the body of the structured one, and the headers of the binary one.
    fn both(text: &str, sub_app_id: Option<u64>) -> (String, Vec<(&'static str, String)>) {
        let whole = with(text, sub_app_id, structured).unwrap();
        assert_eq!((whole.content_type, whole.headers), ("application/cloudevents+json", vec![]));
        let parts = with(text, sub_app_id, binary);
        assert_eq!((&parts.body[..], parts.content_type), (text.as_bytes(), "application/json"));
        (String::from_utf8(whole.body.to_vec()).unwrap(), parts.headers)
    }

    #[test]
    fn an_event_keeps_its_text_and_gets_attributes() {
        let text = "{ \"EventType\":\"NewFileUpload\",\n \"FileUploadEvent\":{\"FileId\":\"5285890784246869930\",\"x\":1.50,\"y\":null}}";
        let id = Event::from_content(text.to_owned()).id();
        let (whole, headers) = both(text, Some(1_500_000_001));
        let expected = format!(
            "{{\"specversion\":\"1.0\",\"id\":\"{id}\",\
             \"source\":\"//vod.tencentcloudapi.com/1500000001\",\
             \"type\":\"com.tencentcloud.vod.NewFileUpload\",\"subject\":\"5285890784246869930\",\
             \"time\":\"2026-11-20T08:00:00.123Z\",\"datacontenttype\":\"application/json\",\
             \"data\":{text}}}"
        );
        assert_eq!(whole, expected);
        let expected = [
            ("ce-specversion", "1.0"),
            ("ce-id", &*id.to_string()),
            ("ce-source", "//vod.tencentcloudapi.com/1500000001"),
            ("ce-type", "com.tencentcloud.vod.NewFileUpload"),
            ("ce-time", "2026-11-20T08:00:00.123Z"),
            ("ce-subject", "5285890784246869930"),
        ];
        assert_eq!(headers, expected.map(|(name, value)| (name, value.to_owned())));
    }

    #[test]
    fn what_an_event_does_not_say_is_left_out() {
        let subject = |member: &str| {
            let (whole, headers) = both(&format!(r#"{{"EventType":"A","E":{member}}}"#), None);
            let whole: Value = serde_json::from_str(&whole).unwrap();
            assert_eq!(whole["source"], "//vod.tencentcloudapi.com");
            let header = headers.into_iter().find(|(name, _)| *name == "ce-subject");
            assert_eq!(whole.get("subject").is_some(), header.is_some());
            whole["subject"].clone()
        };
        assert_eq!(subject(r#"{"TaskId":"t","FileId":"f"}"#), json!("f"));
        assert_eq!(subject(r#"{"TaskId":"t","FileId":""}"#), json!("t"));
        assert_eq!(subject(r#"{"TaskId":"t","FileId":null}"#), json!("t"));
        assert_eq!(subject(r#"{"TaskId":""}"#), Value::Null);
        assert_eq!(subject("{}"), Value::Null);
        let (whole, headers) = both("{}", None);
        assert!(whole.contains(r#""type":"com.tencentcloud.vod","#), "{whole}");
        assert!(headers.contains(&("ce-type", "com.tencentcloud.vod".to_owned())), "{headers:?}");
    }

    #[test]
    fn any_character_comes_through_but_those_that_are_forbidden() {
        let text =
            r#"{"EventType":"a\u0000b\u0085\uffff动 😀","E":{"FileId":"100% \"x\"\u007f~!"}}"#;
        let (whole, headers) = both(text, None);
        let whole: Value = serde_json::from_str(&whole).unwrap();
        assert_eq!(whole["type"], "com.tencentcloud.vod.a\u{fffd}b\u{fffd}\u{fffd}动 😀");
        assert_eq!(whole["subject"], "100% \"x\"\u{fffd}~!");
        let header = |name| headers.iter().find(|(it, _)| *it == name).unwrap().1.as_str();
        let fffd = "%EF%BF%BD";
        let expected = format!("com.tencentcloud.vod.a{fffd}b{fffd}{fffd}%E5%8A%A8%20%F0%9F%98%80");
        assert_eq!(header("ce-type"), expected);
        assert_eq!(header("ce-subject"), format!("100%25%20%22x%22{fffd}~!"));
    }

    #[test]
    fn what_is_not_json_cannot_be_data() {
        let error = with("{", None, structured).unwrap_err();
        assert!(error.to_string().starts_with("its text is not JSON: "), "{error}");
    }
}
