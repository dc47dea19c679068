//! The properties, and how they are checked.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use stateright::{Model, Property};

use crate::action::{self, Action};
use crate::plan::Plan;
use crate::protocol;
use crate::state::{Budget, EventState, SINKS, Sinks, State, Vod, has};

pub(crate) const SAFE: &str = "confirmed implies delivered, settled or spooled";
pub(crate) const KEPT: &str = "no dead letter and no spooled event gets lost";
pub(crate) const ONCE: &str = "delivered again only if a fault hid the first time";
pub(crate) const HELD: &str = "no handle is forgotten";
pub(crate) const ENDS: &str = "once faults stop, every event is settled and confirmed";

/// A plan under the checker.
#[derive(Debug)]
pub(crate) struct Checked {
    plan: Plan,
    /// States from which everything ends well if nothing goes wrong.
    ends_well: Mutex<HashSet<State>>,
}

impl Checked {
    pub(crate) fn new(plan: Plan) -> Self {
        Self { plan, ends_well: Mutex::default() }
    }

    /// Whether every way on without a fault leads to the goal, in whatever order things happen.
    ///
    /// The checker's own `eventually` misses what goes round in circles or meets a state again.
    /// Here a circle counts as a failure, and so does a state that is not the goal and that nothing
    /// leads out of; so each way on is finite and ends at the goal.
    fn ends(&self, state: &State) -> bool {
        // What may still go wrong makes no difference when nothing does.
        self.ends_after(State { budget: Budget::default(), ..*state }, &mut Vec::new())
    }

    fn ends_after(&self, state: State, before: &mut Vec<State>) -> bool {
        if self.ends_well.lock().unwrap_or_else(PoisonError::into_inner).contains(&state) {
            return true;
        }
        let steps = action::steps(&self.plan, &state);
        if before.contains(&state) || (steps.is_empty() && !self.is_goal(&state)) {
            return false;
        }
        before.push(state);
        let mut after =
            steps.iter().map(|step| protocol::after(&self.plan, state, Action::Step(*step)));
        let ends = after.all(|next| self.ends_after(next, before));
        before.pop();
        if ends {
            self.ends_well.lock().unwrap_or_else(PoisonError::into_inner).insert(state);
        }
        ends
    }

    /// Whether every event is confirmed, and settled at all its sinks that there are.
    fn is_goal(&self, state: &State) -> bool {
        let sinks = self.plan.setups[state.setup].sinks();
        state.events.iter().all(|event| {
            let open = event.disk.spool & sinks;
            event.vod == Vod::Absent
                || (event.vod == Vod::Confirmed && open == 0 && lost(event) == 0)
        })
    }
}

impl Model for Checked {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.plan.start()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        actions.extend(action::steps(&self.plan, state).into_iter().map(Action::Step));
        actions.extend(action::faults(&self.plan, state).into_iter().map(Action::Fault));
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        Some(protocol::after(&self.plan, *state, action))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        fn each(state: &State, holds: fn(&EventState) -> bool) -> bool {
            state.events.iter().all(holds)
        }
        fn any(state: &State, holds: fn(&EventState) -> bool) -> bool {
            state.events.iter().any(holds)
        }
        vec![
            Property::always(SAFE, |_, state| each(state, is_safe)),
            Property::always(KEPT, |_, state| each(state, keeps)),
            Property::always(ONCE, |_, state| {
                each(state, |event| event.truth.excused.iter().all(|excused| *excused >= 0))
            }),
            Property::always(HELD, |_, state| {
                each(state, |event| !event.truth.must_hold || event.memory.holds_current())
            }),
            Property::always(ENDS, |checked: &Self, state: &State| checked.ends(state)),
            // That the interesting things happen at all.
            Property::sometimes("all is confirmed", |checked: &Self, state: &State| {
                let events = &state.events[..checked.plan.events];
                events.iter().all(|event| event.vod == Vod::Confirmed)
            }),
            Property::sometimes("an event comes again although a sink has it", |_, state| {
                any(state, |event| {
                    let acknowledged = event.truth.has & event.disk.ledger;
                    event.vod == Vod::Waiting && acknowledged != 0
                })
            }),
            Property::sometimes("two handles of one event wait to be confirmed", |_, state| {
                any(state, |event| event.memory.confirms.current && event.memory.confirms.stale)
            }),
        ]
    }
}

/// Confirmed means: taken in for at least one sink, and none of them lacks it.
fn is_safe(event: &EventState) -> bool {
    event.vod != Vod::Confirmed || (event.truth.promised != 0 && lost(event) == 0)
}

/// The sinks that were promised the event and are not going to get it.
fn lost(event: &EventState) -> Sinks {
    event.truth.promised & !(event.truth.has | event.disk.dead | event.disk.spool)
}

/// Whether what was written is still there, or was done.
fn keeps(event: &EventState) -> bool {
    let (disk, truth) = (&event.disk, &event.truth);
    (0..SINKS).all(|sink| {
        let buried = !has(truth.was_buried, sink) || has(disk.dead, sink);
        let spooled = !has(truth.was_spooled, sink) || has(disk.spool | disk.ledger, sink);
        buried && spooled
    })
}
