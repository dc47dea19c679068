//! Calls to VOD.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;

use super::list::{Description, Kind, List};
use super::series::Series;

/// VOD holds a pull of an empty queue for 5 s, and a call may take minutes if it is let.
const BUCKETS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The actions that are called.
const ACTIONS: [&str; 4] =
    ["PullEvents", "ConfirmEvents", "DescribeEventConfig", "DescribeEventsState"];

/// How a call ended. The failures are named after what they ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallOutcome {
    /// VOD did it, or said that there is nothing to do.
    Ok,
    /// Try again.
    Transient,
    /// Call less often.
    Throttled,
    /// The clocks differ.
    Clock,
    /// The session token is not accepted.
    Token,
    /// The credentials or their rights are not accepted.
    Credentials,
    /// A parameter is not accepted: for `ConfirmEvents` a handle whose lease is over.
    Parameter,
    /// Nothing mends it.
    Permanent,
    /// The relay stops and gave it up.
    Cancelled,
}

impl CallOutcome {
    const ALL: [Self; 9] = [
        Self::Ok,
        Self::Transient,
        Self::Throttled,
        Self::Clock,
        Self::Token,
        Self::Credentials,
        Self::Parameter,
        Self::Permanent,
        Self::Cancelled,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Transient => "transient",
            Self::Throttled => "throttled",
            Self::Clock => "clock",
            Self::Token => "token",
            Self::Credentials => "credentials",
            Self::Parameter => "parameter",
            Self::Permanent => "permanent",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Counts the calls of one source. The default counts for nobody.
#[derive(Debug, Default)]
pub struct Calls(Vec<OfAction>);

#[derive(Debug)]
struct OfAction {
    action: &'static str,
    outcomes: [Counter; CallOutcome::ALL.len()],
    took: Histogram,
}

impl Calls {
    /// A call that was sent has ended.
    pub fn ended(&self, action: &str, outcome: CallOutcome, time: Duration) {
        let Some(calls) = self.0.iter().find(|calls| calls.action == action) else { return };
        // The counters stand in the order of the outcomes.
        if let Some(counter) = calls.outcomes.get(outcome as usize) {
            counter.inc();
        }
        calls.took.observe(time.as_secs_f64());
    }
}

#[derive(Debug)]
pub(super) struct Families {
    calls: Series<Counter>,
    took: Series<Histogram>,
}

impl Families {
    pub(super) fn new(list: &mut List) -> Self {
        let calls = Description {
            name: "vod_relay_api_calls_total",
            kind: Kind::Counter,
            unit: "calls",
            labels: &["source", "action", "outcome"],
            help: "Calls to VOD by action and outcome; a failure is named after what it asks for: \
                   transient, throttled, clock, token, credentials, parameter (of ConfirmEvents: a \
                   lease is over), permanent, cancelled (the relay stopped)",
        };
        let took = Description {
            name: "vod_relay_api_call_duration_seconds",
            kind: Kind::Histogram,
            unit: "seconds",
            labels: &["source", "action"],
            help: "How long a call to VOD took; VOD holds a pull of an empty queue for about 5 s",
        };
        Self {
            calls: list.add(calls, Counter::default),
            took: list.add(took, || Histogram::new(BUCKETS)),
        }
    }

    pub(super) fn of(&self, source: &str) -> Calls {
        let of_action = |action| OfAction {
            action,
            outcomes: CallOutcome::ALL
                .map(|outcome| self.calls.of(&[source, action, outcome.word()])),
            took: self.took.of(&[source, action]),
        };
        Calls(ACTIONS.map(of_action).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn each_outcome_is_counted_under_its_own_word() {
        let metrics = Metrics::default();
        let calls = metrics.calls("main");
        for (n, outcome) in CallOutcome::ALL.into_iter().enumerate() {
            for _ in 0..=n {
                calls.ended("PullEvents", outcome, Duration::from_secs(5));
            }
        }
        let text = metrics.text();
        for (n, outcome) in CallOutcome::ALL.into_iter().enumerate() {
            let line =
                format!("action=\"PullEvents\",outcome=\"{}\"}} {}\n", outcome.word(), n + 1);
            assert!(text.contains(&line), "{line} is not in {text}");
        }
    }
}
