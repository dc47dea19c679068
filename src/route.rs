//! Which sinks an event goes to.
//!
//! Routing is pure: the same event always goes to the same sinks, so a redelivery meets the sinks
//! that saw it before.

use crate::event::Event;

/// Which events a sink takes. An empty rule takes all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    /// The event types; absent means all.
    pub events: Option<Vec<String>>,
    /// Members of the event's data, each by its path and with the texts it may be equal to. All
    /// of them must hold.
    pub when: Vec<(String, Vec<String>)>,
}

impl Rule {
    /// Whether the event is one of those.
    ///
    /// A member is compared by its text: VOD writes some identifiers as strings here and as
    /// numbers there. One that is absent or null is equal to nothing.
    pub fn matches(&self, event: &Event) -> bool {
        let type_fits = self
            .events
            .as_ref()
            .is_none_or(|types| types.iter().any(|wanted| wanted == event.event_type()));
        type_fits
            && self.when.iter().all(|(path, texts)| {
                event.lookup(path).is_some_and(|value| texts.iter().any(|text| *text == value))
            })
    }
}

/// Picks the sinks of an event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Router {
    sinks: Vec<(Option<Vec<String>>, Rule)>,
}

impl Router {
    /// A router over the sinks, in their order: for each the names of the sources it takes events
    /// from (absent means all), and its rule.
    pub fn new(sinks: impl IntoIterator<Item = (Option<Vec<String>>, Rule)>) -> Self {
        Self { sinks: sinks.into_iter().collect() }
    }

    /// The sinks, by their place in the order given to [`Router::new`], that take this event of
    /// this source.
    pub fn targets(&self, source: &str, event: &Event) -> Vec<usize> {
        let all = self.sinks.iter().enumerate();
        let takes =
            |(at, (_, rule)): &(usize, &(_, Rule))| self.serves(*at, source) && rule.matches(event);
        all.filter(takes).map(|(at, _)| at).collect()
    }

    /// Whether the sink at this place takes events of this source at all.
    pub fn serves(&self, at: usize, source: &str) -> bool {
        self.sinks.get(at).is_some_and(|(sources, _)| {
            sources.as_ref().is_none_or(|names| names.iter().any(|name| name == source))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(body: &str) -> Event {
        Event::from_content(format!(
            r#"{{"EventType":"ProcedureStateChanged","ProcedureStateChangeEvent":{body}}}"#
        ))
    }

    fn rule(events: Option<&[&str]>, when: &[(&str, &[&str])]) -> Rule {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Rule {
            events: events.map(owned),
            when: when.iter().map(|(path, texts)| ((*path).to_owned(), owned(texts))).collect(),
        }
    }

    #[test]
    fn a_rule_takes_what_meets_all_of_it() {
        let finished = event(
            r#"{"Status":"FINISH","ErrCode":0,"FileId":5285890784246869930,
                "SessionContext":null,"MetaData":{"Height":1080,"Ready":true},"Tags":["a"]}"#,
        );
        let cases = [
            (rule(None, &[]), true),
            (rule(Some(&["ProcedureStateChanged"]), &[]), true),
            (rule(Some(&["NewFileUpload", "ProcedureStateChanged"]), &[]), true),
            (rule(Some(&["NewFileUpload"]), &[]), false),
            (rule(Some(&["procedurestatechanged"]), &[]), false),
            (rule(None, &[("Status", &["FINISH"])]), true),
            (rule(None, &[("Status", &["PROCESSING", "FINISH"])]), true),
            (rule(None, &[("Status", &["finish"])]), false),
            (rule(None, &[("Status", &["FINISH"]), ("ErrCode", &["0"])]), true),
            (rule(None, &[("Status", &["FINISH"]), ("ErrCode", &["1"])]), false),
            // A number beyond what a floating-point number holds, by its digits.
            (rule(None, &[("FileId", &["5285890784246869930"])]), true),
            (rule(None, &[("FileId", &["5285890784246869931"])]), false),
            (rule(None, &[("MetaData.Height", &["1080"])]), true),
            (rule(None, &[("MetaData.Ready", &["true"])]), true),
            (rule(None, &[("MetaData", &["1080"])]), false),
            (rule(None, &[("Tags", &["a"])]), false),
            (rule(None, &[("SessionContext", &[""])]), false),
            (rule(None, &[("SessionContext", &["null"])]), false),
            (rule(None, &[("Absent", &[""])]), false),
            (rule(Some(&["NewFileUpload"]), &[("Status", &["FINISH"])]), false),
        ];
        for (rule, expected) in cases {
            assert_eq!(rule.matches(&finished), expected, "{rule:?}");
        }
    }

    #[test]
    fn a_text_matches_an_identifier_written_either_way() {
        let wanted = rule(None, &[("FileId", &["5285890784246869930"])]);
        assert!(wanted.matches(&event(r#"{"FileId":5285890784246869930}"#)));
        assert!(wanted.matches(&event(r#"{"FileId":"5285890784246869930"}"#)));
    }

    #[test]
    fn an_event_goes_to_every_sink_that_takes_it() {
        let only = |name: &str| Some(vec![name.to_owned()]);
        let router = Router::new([
            (None, rule(None, &[])),
            (only("main"), rule(None, &[("Status", &["FINISH"])])),
            (only("other"), rule(None, &[])),
        ]);
        let (finished, running) = (event(r#"{"Status":"FINISH"}"#), event("{}"));
        assert_eq!(router.targets("main", &finished), [0, 1]);
        assert_eq!(router.targets("main", &running), [0]);
        assert_eq!(router.targets("other", &finished), [0, 2]);
        assert!(Router::default().targets("main", &finished).is_empty());
    }
}
