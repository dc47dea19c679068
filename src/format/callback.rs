//! What VOD's normal callback would POST.

use std::time::{Duration, SystemTime};

use super::{Rendered, Unrenderable};
use crate::event::Event;
use crate::json;
use crate::sign_key::SignKey;
use crate::time::unix_seconds;

/// How long a signature holds from the attempt on, as at VOD.
const VALIDITY: Duration = Duration::from_secs(10 * 60);

/// The event as VOD wrote it.
pub(super) fn plain(event: &Event) -> Rendered {
    Rendered::json(event.text().clone())
}

/// The event with the signature that VOD would have put into it at this moment. One that it came
/// with goes, for it is another's and old; everything else stays as it is written.
pub(super) fn signed(
    event: &Event,
    sign_key: &SignKey,
    now: SystemTime,
) -> Result<Rendered, Unrenderable> {
    // An event's text is UTF-8.
    let text = String::from_utf8_lossy(event.text());
    let t = unix_seconds(now + VALIDITY);
    let sign = hex::encode(sign_key.sign(&t.to_string()));
    let members = format!(r#""Sign":"{sign}","T":{t}"#);
    let bare = json::without_members(&text, |member| matches!(&*member.key(), "Sign" | "T"));
    json::with_members(&bare, &members).map(Rendered::json).ok_or_else(|| {
        Unrenderable("it is no JSON object, so it cannot hold a signature".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-20T08:00:00Z.
    const NOW: u64 = 1_795_161_600;

    fn sign(text: &str) -> Result<String, String> {
        let event = Event::from_content(text.to_owned());
        let key = SignKey::new("abc123".to_owned().into()).unwrap();
        let rendered = signed(&event, &key, crate::time::from_unix_seconds(NOW));
        let rendered = rendered.map_err(|error| error.to_string())?;
        assert_eq!(rendered.content_type, "application/json");
        Ok(String::from_utf8(rendered.body.to_vec()).unwrap())
    }

    #[test]
    fn the_signature_is_added_and_all_else_stays_as_written() {
        // echo -n abc1231795162200 | md5sum
        let added = r#""Sign":"a2564d028882ba4f68e6747df08eef12","T":1795162200"#;
        for (text, start, end) in [
            (r#"{"a": 1.50, "b":"\u52a8" }"#, r#"{"a": 1.50, "b":"\u52a8","#, " }"),
            ("{\n  \"a\": null\n}\n", "{\n  \"a\": null,", "\n}\n"),
            ("{}", "{", "}"),
            (" { }", " {", " }"),
            // A member of that name further in is the event's own.
            (r#"{"a":{"T":1,"Sign":"x"}}"#, r#"{"a":{"T":1,"Sign":"x"},"#, "}"),
        ] {
            assert_eq!(sign(text), Ok(format!("{start}{added}{end}")), "{text}");
        }
    }

    #[test]
    fn a_signature_that_the_event_came_with_is_replaced() {
        let added = r#""Sign":"a2564d028882ba4f68e6747df08eef12","T":1795162200"#;
        for (text, rest) in [
            (r#"{"Sign":"old", "T":1, "a":1}"#, r#"{"a":1,"#),
            (r#"{"a":1, "Sign":"old", "b":2, "T":1}"#, r#"{"a":1, "b":2,"#),
            (r#"{"a":1, "Sign":"old", "T":1, "T":2}"#, r#"{"a":1,"#),
            (r#"{"\u0053ign":"old","T":"1"}"#, "{"),
        ] {
            assert_eq!(sign(text), Ok(format!("{rest}{added}}}")), "{text}");
        }
    }

    #[test]
    fn what_is_no_object_cannot_be_signed() {
        for text in ["[]", "1", "", r#"["{"]"#] {
            assert!(sign(text).unwrap_err().contains("no JSON object"), "{text}");
        }
    }
}
