//! What is explored: the configurations that a reload may bring, and how much may go wrong.

use vod_relay::event::Event;
use vod_relay::route::{Router, Rule};

use crate::bug::Bug;
use crate::state::{Budget, EVENTS, EventState, SINKS, Sinks, State, Vod, only};

/// When an event is confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ack {
    Delivered,
    Spooled,
}

/// What a configuration makes of the events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setup {
    pub(crate) ack: Ack,
    /// The sinks of each event.
    pub(crate) targets: [Sinks; EVENTS],
}

impl Setup {
    /// The sinks that this configuration has.
    pub(crate) fn sinks(&self) -> Sinks {
        self.targets.iter().fold(0, |all, one| all | one)
    }
}

/// One exploration.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) name: &'static str,
    pub(crate) events: usize,
    /// The first one is in force at the start.
    pub(crate) setups: Vec<Setup>,
    /// Whether there is a state directory. Without one the ledger is in memory, and there are no
    /// dead letters and no spool.
    pub(crate) durable: bool,
    /// Whether writing and reading may fail.
    pub(crate) disk_fails: bool,
    pub(crate) budget: Budget,
    pub(crate) bug: Option<Bug>,
    /// Whether a handle that joins a flight owes the event to the sinks of its own day.
    pub(crate) strict_routes: bool,
}

impl Plan {
    pub(crate) fn start(&self) -> State {
        let mut state =
            State { events: [EventState::default(); EVENTS], setup: 0, budget: self.budget };
        for event in &mut state.events[..self.events] {
            event.vod = Vod::Waiting;
        }
        state
    }
}

/// How many faults, crashes and reloads there may be, in this order.
type Amounts = [u8; 3];

/// Confirmed when delivered. Reloads take a sink away and bring it back.
pub(crate) fn delivered(events: usize, amounts: Amounts) -> Plan {
    plan("delivered", Ack::Delivered, events, amounts)
}

/// Confirmed when spooled. Reloads take a sink away and bring it back.
pub(crate) fn spooled(events: usize, amounts: Amounts) -> Plan {
    plan("spooled", Ack::Spooled, events, amounts)
}

/// Reloads change when events are confirmed, first from spooled to delivered.
pub(crate) fn switched(events: usize, amounts: Amounts) -> Plan {
    let setups = vec![both_sinks(Ack::Spooled), both_sinks(Ack::Delivered)];
    Plan { name: "switched", setups, ..spooled(events, amounts) }
}

/// Confirmed when delivered, without a state directory.
pub(crate) fn in_memory(events: usize, amounts: Amounts) -> Plan {
    Plan { name: "in memory", durable: false, disk_fails: false, ..delivered(events, amounts) }
}

fn plan(name: &'static str, ack: Ack, events: usize, [faults, crashes, reloads]: Amounts) -> Plan {
    let setups = vec![both_sinks(ack), one_sink(ack, 0), one_sink(ack, 1)];
    let budget = Budget { faults, crashes, reloads };
    Plan {
        name,
        events,
        setups,
        durable: true,
        disk_fails: true,
        budget,
        bug: None,
        strict_routes: false,
    }
}

/// Sink 0 takes the one event, sink 1 takes both.
fn both_sinks(ack: Ack) -> Setup {
    let finished = Rule { events: Some(vec!["ProcedureStateChanged".into()]), when: vec![] };
    setup(ack, [Some(finished), Some(Rule::default())])
}

/// There is only one sink, which takes all.
fn one_sink(ack: Ack, sink: usize) -> Setup {
    let mut rules = [const { None }; SINKS];
    rules[sink] = Some(Rule::default());
    setup(ack, rules)
}

/// Asks the relay's own router where the events go. A sink without a rule does not exist.
fn setup(ack: Ack, rules: [Option<Rule>; SINKS]) -> Setup {
    let (sinks, rules): (Vec<_>, Vec<_>) =
        rules.into_iter().enumerate().filter_map(|(sink, rule)| Some((sink, rule?))).unzip();
    let router = Router::new(rules.into_iter().map(|rule| (None, rule)));
    let types = ["ProcedureStateChanged", "NewFileUpload"];
    let targets = types.map(|event_type| {
        let event = Event::from_content(format!(r#"{{"EventType":"{event_type}"}}"#));
        let targets = router.targets("main", &event).into_iter();
        targets.fold(0, |all, at| all | only(sinks[at]))
    });
    Setup { ack, targets }
}
