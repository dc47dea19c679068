//! `[sinks.*]`: where events go, and which.

use super::section::Section;
use super::spelling::{closest, quoted};
use crate::event::member;
use crate::route::Rule;
use crate::sink::Kind;

/// A sink and the events it takes.
#[derive(Debug, Clone, PartialEq)]
pub struct SinkConfig {
    /// The name under `[sinks]`.
    pub name: String,
    /// The sources it takes events from; absent means all.
    pub sources: Option<Vec<String>>,
    /// Which of their events it takes.
    pub rule: Rule,
    /// After how many tries of one event it is given up and becomes a dead letter; absent means
    /// never. Tries are counted over redeliveries and restarts.
    pub max_attempts: Option<u64>,
    /// Whether the relay is not ready while the sink is down.
    pub required: bool,
    /// What it is and how it delivers.
    pub kind: Kind,
}

/// A sink as far as it could be read.
pub(super) struct Draft<'a> {
    pub(super) section: Section<'a>,
    pub(super) sources: Option<Vec<String>>,
    pub(super) rule: Rule,
    pub(super) max_attempts: Option<u64>,
    pub(super) required: bool,
    /// `None` after a mistake.
    pub(super) kind: Option<Kind>,
}

impl<'a> Draft<'a> {
    pub(super) fn read(section: Section<'a>) -> Self {
        let kind = Kind::read(&section);
        let sources = section.strings("sources", "for example [\"main\"]");
        if sources.as_ref().is_some_and(Vec::is_empty) {
            section.mistake("sources", "is empty", "leave it out to take from all sources");
        }
        let rule = Rule { events: read_events(&section), when: section.conditions("when") };
        let max_attempts = read_max_attempts(&section);
        let required = section.boolean("required", true);
        Self { section, sources, rule, max_attempts, required, kind }
    }

    /// Whether the sink takes events from this source.
    pub(super) fn serves(&self, source: &str) -> bool {
        self.sources.as_ref().is_none_or(|names| names.iter().any(|name| name == source))
    }

    pub(super) fn finish(self) -> Option<SinkConfig> {
        let name = self.section.name().to_owned();
        let Self { section, sources, rule, max_attempts, required, kind } = self;
        // Without its type nobody can tell which other keys are right.
        if section.has("type") && section.is_right("type") {
            section.finish();
        }
        Some(SinkConfig { name, sources, rule, max_attempts, required, kind: kind? })
    }
}

fn read_max_attempts(section: &Section<'_>) -> Option<u64> {
    let right = "a whole number from 1; leave it out to try without end";
    let attempts = section.optional_integer("max_attempts", right)?;
    if attempts == 0 {
        section.mistake("max_attempts", "is 0", right);
    }
    Some(attempts)
}

fn read_events(section: &Section<'_>) -> Option<Vec<String>> {
    let events = section.strings("events", "for example [\"ProcedureStateChanged\"]")?;
    if events.is_empty() {
        section.mistake("events", "is empty", "leave it out to take all types");
    }
    for event in events.iter().filter(|event| !member::TYPES.contains(&event.as_str())) {
        // A type that is not known here may be new at VOD; one that is almost known is a slip.
        if let Some(meant) = meant(event) {
            let problem = format!("{} is not a type that VOD documents", quoted(event));
            section.warn("events", &problem, &format!("did you mean \"{meant}\"?"));
        }
    }
    Some(events)
}

/// The known type that was meant by the name of its member, or by a slip.
fn meant(event: &str) -> Option<&'static str> {
    let of_member = member::event_type(event);
    let known = member::TYPES.into_iter().find(|known| *known == of_member);
    known.or_else(|| closest(event, member::TYPES))
}

#[cfg(test)]
mod tests {
    use super::meant;

    #[test]
    fn a_member_name_or_a_slip_finds_its_type() {
        let cases = [
            ("FileUploadEvent", Some("NewFileUpload")),
            ("PullCompleteEvent", Some("PullComplete")),
            ("ProcedureStateChange", Some("ProcedureStateChanged")),
            ("procedurestatechanged", Some("ProcedureStateChanged")),
            ("HologramComplete", None),
        ];
        for (typed, expected) in cases {
            assert_eq!(meant(typed), expected, "{typed}");
        }
    }
}
