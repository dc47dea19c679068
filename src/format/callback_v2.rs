//! What VOD's callback in the legacy 2.0 format would POST.

use super::{Rendered, Unrenderable, callback};
use crate::event::Event;
use crate::legacy;

/// The event in the 2.0 format; one that came in it stays as it is. What 2.0 does not have is
/// rendered as it came if `fallback` allows it.
pub(super) fn render(event: &Event, fallback: bool) -> Result<Rendered, Unrenderable> {
    // An event's text is UTF-8.
    let text = String::from_utf8_lossy(event.text());
    if legacy::is_legacy(&text) {
        return Ok(callback::plain(event));
    }
    match legacy::to_v2(&text) {
        Ok(text) => Ok(Rendered::json(text)),
        Err(_) if fallback => Ok(callback::plain(event)),
        Err(error) => Err(Unrenderable(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(content: &str, fallback: bool) -> Result<String, String> {
        let rendered = render(&Event::from_content(content.to_owned()), fallback);
        let rendered = rendered.map_err(|error| error.to_string())?;
        assert_eq!(rendered.content_type, "application/json");
        Ok(String::from_utf8(rendered.body.to_vec()).unwrap())
    }

    #[test]
    fn an_event_is_converted_once() {
        let v3 = r#"{"EventType":"FileDeleted","FileDeleteEvent":{"FileIdSet":["1"]}}"#;
        let v2 = r#"{"version":"4.0","eventType":"FileDeleted","data":{"fileIds":["1"]}}"#;
        for fallback in [false, true] {
            let converted = text(v3, fallback).unwrap();
            assert!(converted.contains(r#""eventType":"FileDeleted""#), "{converted}");
            assert_eq!(text(&converted, fallback), Ok(converted));
            assert_eq!(text(v2, fallback).as_deref(), Ok(v2));
        }
    }

    #[test]
    fn what_the_old_format_does_not_have_is_refused_or_passed_on() {
        for content in [r#"{"EventType":"HologramComplete","HologramCompleteEvent":{}}"#, "{}"] {
            assert!(text(content, false).unwrap_err().contains("format"));
            assert_eq!(text(content, true).as_deref(), Ok(content));
        }
    }
}
