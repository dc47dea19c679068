//! The getter for the shape in which a sink gets its events.

use super::super::spelling::quoted;
use super::Section;
use crate::format::Format;
use crate::sign_key::SignKey;

/// The names of the formats.
const FORMATS: [(&str, Shape); 4] = [
    ("callback", Shape::Callback),
    ("callback-v2", Shape::CallbackV2),
    ("cloudevents", Shape::CloudEvents),
    ("cloudevents-binary", Shape::CloudEventsBinary),
];

/// A format without its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Callback,
    CallbackV2,
    CloudEvents,
    CloudEventsBinary,
}

impl Section<'_> {
    /// The `format` of a sink, and the keys that go with it.
    pub fn format(&self) -> Option<Format> {
        let format = self.format_of_webhook()?;
        if format == Format::CloudEventsBinary {
            let problem = "\"cloudevents-binary\" puts the attributes into HTTP headers, which \
                           only a webhook has";
            self.mistake("format", problem, "format = \"cloudevents\"");
            return None;
        }
        Some(format)
    }

    /// The `format` of a sink that has HTTP headers.
    pub fn format_of_webhook(&self) -> Option<Format> {
        let shape = self.choice("format", &FORMATS, "callback");
        let sign_key = self.sign_key_of(shape);
        let fallback = self.fallback(shape);
        Some(match (shape?, sign_key) {
            (Shape::Callback, Some(key)) => Format::SignedCallback(key),
            (Shape::Callback, None) => Format::Callback,
            (Shape::CallbackV2, _) => Format::CallbackV2 { fallback },
            (Shape::CloudEvents, _) => Format::CloudEvents,
            (Shape::CloudEventsBinary, _) => Format::CloudEventsBinary,
        })
    }

    /// The key of VOD's callback signature, which only one shape has.
    fn sign_key_of(&self, shape: Option<Shape>) -> Option<SignKey> {
        let problem = match shape {
            None | Some(Shape::Callback) => return self.sign_key(),
            Some(Shape::CallbackV2) => "has no place in \"callback-v2\": VOD never signed it",
            Some(Shape::CloudEvents | Shape::CloudEventsBinary) => {
                "goes with format = \"callback\" alone"
            }
        };
        // Read all the same, so that it is a known key.
        let _ = self.secret("sign_key");
        if let Some(key) = self.given_sign_key() {
            self.mistake(key, problem, "leave it out, or format = \"callback\"");
        }
        None
    }

    /// Whether events without the wanted shape go out in another.
    fn fallback(&self, shape: Option<Shape>) -> bool {
        let Some(fallback) = self.string("fallback") else { return false };
        if !matches!(shape, None | Some(Shape::CallbackV2)) {
            let problem = "goes with format = \"callback-v2\" alone, which not every event has";
            self.mistake("fallback", problem, "leave it out");
        } else if fallback != "callback" {
            let problem = format!("{} is not known here", quoted(&fallback));
            let right = "\"callback\", or leave it out to refuse such events";
            self.mistake("fallback", &problem, right);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::fixture::{effective, read};

    fn key(text: &str) -> Format {
        Format::SignedCallback(SignKey::new(text.to_owned().into()).unwrap())
    }

    #[test]
    fn each_format_by_its_name() {
        for (keys, format) in [
            ("", Format::Callback),
            ("format = 'callback'", Format::Callback),
            ("sign_key = 'hunter2'", key("hunter2")),
            ("format = 'callback-v2'", Format::CallbackV2 { fallback: false }),
            (
                "format = 'callback-v2'\nfallback = 'callback'",
                Format::CallbackV2 { fallback: true },
            ),
            ("format = 'cloudevents'", Format::CloudEvents),
        ] {
            assert_eq!(read(keys, |s| s.format()), (Some(format), String::new()), "{keys}");
        }
        let binary = read("format = 'cloudevents-binary'", |s| s.format_of_webhook());
        assert_eq!(binary, (Some(Format::CloudEventsBinary), String::new()));
        let shown = effective("sign_key = 'hunter2'", |s| s.format());
        assert_eq!(shown, "format = \"callback\"\nsign_key = \"********\"\n");
    }

    #[test]
    fn a_sign_key_that_vod_would_not_take_is_refused_and_not_quoted() {
        let right = "(1 to 32 letters and digits, as VOD takes them for SignKey)";
        let not_alone = "goes with format = \"callback\" alone \
                         (leave it out, or format = \"callback\")";
        let (most, long) = ("x".repeat(32), "x".repeat(33));
        assert_eq!(read(&format!("sign_key = '{most}'"), |s| s.format()).0, Some(key(&most)));
        for (keys, mistake) in [
            ("sign_key = ''", format!("2:12: sinks.app.sign_key: is empty {right}")),
            (
                &*format!("sign_key = '{long}'"),
                format!("2:12: sinks.app.sign_key: is too long {right}"),
            ),
            (
                "sign_key = 'hunter-2'",
                format!(
                    "2:12: sinks.app.sign_key: holds characters that are neither letters nor \
                     digits {right}"
                ),
            ),
            (
                "format = 'cloudevents'\nsign_key = 'hunter2'",
                format!("3:12: sinks.app.sign_key: {not_alone}"),
            ),
            (
                "format = 'callback-v2'\nsign_key = 'hunter2'",
                "3:12: sinks.app.sign_key: has no place in \"callback-v2\": VOD never signed it \
                 (leave it out, or format = \"callback\")"
                    .to_owned(),
            ),
            (
                "format = 'cloudevents'\nsign_key_file = '/dev/null'",
                format!("3:17: sinks.app.sign_key_file: {not_alone}"),
            ),
            (
                "sign_key_file = '/dev/null'",
                format!("2:17: sinks.app.sign_key_file: is empty {right}"),
            ),
        ] {
            assert_eq!(read(keys, |s| s.format()).1, mistake, "{keys}");
        }
    }

    #[test]
    fn a_fallback_is_callback_and_goes_with_the_old_format() {
        for (keys, mistake) in [
            (
                "fallback = 'callback'",
                "2:12: sinks.app.fallback: goes with format = \"callback-v2\" alone, which not every \
                 event has (leave it out)",
            ),
            (
                "format = 'callback-v2'\nfallback = 'cloudevents'",
                "3:12: sinks.app.fallback: \"cloudevents\" is not known here \
                 (\"callback\", or leave it out to refuse such events)",
            ),
        ] {
            assert_eq!(read(keys, |s| s.format()).1, mistake, "{keys}");
        }
    }

    #[test]
    fn a_sink_without_headers_cannot_have_the_binary_mode() {
        let (format, mistake) = read("format = 'cloudevents-binary'", |s| s.format());
        assert_eq!(format, None);
        assert_eq!(
            mistake,
            "2:10: sinks.app.format: \"cloudevents-binary\" puts the attributes into HTTP headers, \
             which only a webhook has (format = \"cloudevents\")"
        );
    }
}
