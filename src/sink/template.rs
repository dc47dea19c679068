//! A text of the configuration that is filled in for each event, such as the subject
//! `vod.events.{type}`.

use crate::config::Section;
use crate::event::Event;

/// What stands for the event's type.
const TYPE: &str = "{type}";

/// The most characters of what is filled in. VOD's longest type has half as many.
const VALUE_MAX: usize = 64;

/// A text in which every `{type}` is the event's type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(String);

impl Template {
    /// Takes a text that has no other placeholders than `{type}`; what is wrong with another one.
    fn new(text: String) -> Result<Self, &'static str> {
        if text.replace(TYPE, "").contains(['{', '}']) {
            return Err("has a placeholder other than {type}");
        }
        Ok(Self(text))
    }

    /// Reads a key. `flaw` says what is wrong with a text that is filled in, with a value as long as
    /// one can be, and `right` what would be right; mistakes go into the section's report.
    pub(super) fn read(
        section: &Section<'_>,
        [key, default]: [&str; 2],
        right: &str,
        flaw: impl Fn(&str) -> Option<&'static str>,
    ) -> Option<Self> {
        let template = Self::new(section.string_or(key, default));
        let checked =
            template.and_then(|template| match flaw(&template.with(&"x".repeat(VALUE_MAX))) {
                Some(flaw) => Err(flaw),
                None => Ok(template),
            });
        checked.map_err(|flaw| section.mistake(key, flaw, right)).ok()
    }

    /// The text for an event. Characters of its type that may have a meaning where the text goes to
    /// (anything but ASCII letters, digits, `-` and `_`) become `_`, and so does a missing type.
    pub(super) fn fill(&self, event: &Event) -> String {
        self.with(&plain(event.event_type()))
    }

    /// The text with this value.
    pub(super) fn with(&self, value: &str) -> String {
        self.0.replace(TYPE, value)
    }

    /// Whether events of different types get different texts.
    pub(super) fn varies(&self) -> bool {
        self.0.contains(TYPE)
    }
}

fn plain(value: &str) -> String {
    let is_plain = |letter: &char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    let letters = value.chars().take(VALUE_MAX);
    let plain: String = letters.map(|c| if is_plain(&c) { c } else { '_' }).collect();
    if plain.is_empty() { "_".to_owned() } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_is_filled_in_and_can_do_no_harm() {
        let template = Template::new("vod.{type}.x{type}".to_owned()).unwrap();
        let fill = |kind: &str| {
            template.fill(&Event::from_content(format!(r#"{{"EventType":{kind:?}}}"#)))
        };
        assert_eq!(fill("FileDeleted"), "vod.FileDeleted.xFileDeleted");
        assert_eq!(fill("a.b*> c\u{52a8}-_"), "vod.a_b__ c_-_.xa_b__ c_-_".replace(' ', "_"));
        assert_eq!(fill(""), "vod._.x_");
        assert_eq!(fill(&"a".repeat(999)).len(), "vod..x".len() + 2 * VALUE_MAX);
        assert!(template.varies() && !Template::new("vod".to_owned()).unwrap().varies());
    }

    #[test]
    fn other_placeholders_are_mistakes() {
        for text in ["vod.{kind}", "{", "}", "{type", "vod.{{type}}"] {
            assert!(Template::new(text.to_owned()).is_err(), "{text}");
        }
    }
}
