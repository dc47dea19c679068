//! The headers that the configuration adds to a request.

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue};

use crate::config::Section;
use crate::format::Format;

/// Reads `headers`, beside those of the format; mistakes go into the section's report.
pub(super) fn read(section: &Section<'_>, format: Option<&Format>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in section.masked_map("headers", "{ Authorization = \"Bearer ...\" }") {
        match check(&name, value.expose()) {
            Ok((name, _)) if headers.contains_key(&name) => {
                section.mistake("headers", &format!("holds {name} twice"), "once");
            }
            Ok((name, value)) => {
                headers.insert(name, value);
            }
            Err((problem, right)) => section.mistake("headers", &problem, right),
        }
    }
    if headers.contains_key(CONTENT_TYPE) && format.is_some_and(Format::owns_content_type) {
        let problem = "holds content-type, by which a receiver knows this format";
        section.mistake("headers", problem, "leave it out");
    }
    headers
}

/// A header as configured, or what is wrong with it and what would be right.
pub(super) fn check(
    name: &str,
    value: &str,
) -> Result<(HeaderName, HeaderValue), (String, &'static str)> {
    let Ok(header) = name.parse::<HeaderName>() else {
        return Err((format!("\"{name}\" is not a header name"), "for example Authorization"));
    };
    let set_by_us = ["host", "content-length", "transfer-encoding", "connection"];
    let is_ours = |prefix| header.as_str().starts_with(prefix);
    if is_ours("webhook-") || is_ours("ce-") || set_by_us.contains(&header.as_str()) {
        return Err((format!("{header} is set by vod-relay itself"), "leave it out"));
    }
    let value: Result<HeaderValue, InvalidHeaderValue> = HeaderValue::from_bytes(value.as_bytes());
    let Ok(mut value) = value else {
        let problem = format!("the value of {header} has characters that no header can have");
        return Err((problem, "text without line breaks and control characters"));
    };
    value.set_sensitive(true);
    Ok((header, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::fixture::read as read_keys;

    #[test]
    fn headers_are_checked_before_anything_is_sent() {
        let (name, value) = check("Authorization", "Bearer hunter2").unwrap();
        assert_eq!(name, "authorization");
        assert!(value.is_sensitive() && !format!("{value:?}").contains("hunter2"));
        for overridable in ["Content-Type", "user-agent"] {
            assert!(check(overridable, "x").is_ok());
        }
        for (name, value, expected) in [
            ("two words", "x", "is not a header name"),
            ("", "x", "is not a header name"),
            ("Webhook-Id", "x", "is set by vod-relay itself"),
            ("webhook-signature", "x", "is set by vod-relay itself"),
            ("Ce-Id", "x", "is set by vod-relay itself"),
            ("HOST", "x", "is set by vod-relay itself"),
            ("Content-Length", "1", "is set by vod-relay itself"),
            ("X-Token", "hunter2\n", "characters that no header can have"),
        ] {
            let (problem, _) = check(name, value).unwrap_err();
            assert!(problem.contains(expected) && !problem.contains("hunter2"), "{problem}");
        }
    }

    #[test]
    fn a_format_that_is_known_by_its_media_type_keeps_it() {
        let keys = "headers = { Content-Type = 'text/json' }";
        let mistakes = |format| read_keys(keys, |section| read(section, Some(&format))).1;
        assert_eq!(mistakes(Format::Callback), "");
        for format in [Format::CloudEvents, Format::CloudEventsBinary] {
            let expected = "2:11: sinks.app.headers: holds content-type, by which a receiver knows this \
                            format (leave it out)";
            assert_eq!(mistakes(format), expected);
        }
    }
}
