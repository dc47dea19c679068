//! The protocol as it is meant to be: nothing breaks a property.

use stateright::{Checker, Model};
use vod_relay::time;

use crate::check::Checked;
use crate::plan::{Plan, delivered, in_memory, spooled, switched};

/// Explores all there is, and prints how much that was.
fn holds(plan: Plan) {
    let Plan { name, events, budget, .. } = plan;
    let began = time::now();
    let checker = Checked::new(plan).checker().threads(2).spawn_bfs().join();
    println!(
        "{name}, {events} events, {budget:?}: {} states, {} transitions, {:.1?}",
        checker.unique_state_count(),
        checker.state_count(),
        began.elapsed()
    );
    checker.assert_properties();
}

#[test]
fn delivered_events_are_never_lost() {
    holds(delivered(1, [3, 2, 2]));
    holds(delivered(2, [1, 1, 1]));
    holds(delivered(2, [2, 1, 0]));
}

#[test]
fn spooled_events_are_never_lost() {
    holds(spooled(1, [2, 2, 2]));
    holds(spooled(2, [1, 1, 0]));
}

#[test]
fn a_source_may_begin_and_cease_to_spool() {
    holds(switched(1, [3, 2, 2]));
    holds(switched(2, [1, 0, 1]));
}

#[test]
fn nothing_is_lost_without_a_state_directory() {
    holds(in_memory(1, [3, 2, 2]));
    holds(in_memory(2, [2, 1, 0]));
}

#[test]
#[ignore = "minutes: run it after a change of the protocol, with --ignored --nocapture"]
fn all_of_it_with_more_faults() {
    holds(delivered(1, [4, 3, 2]));
    holds(delivered(2, [2, 1, 1]));
    holds(spooled(1, [3, 2, 2]));
    holds(spooled(2, [2, 1, 0]));
    holds(spooled(2, [1, 1, 1]));
    holds(switched(2, [1, 1, 1]));
    holds(in_memory(2, [2, 2, 1]));
}
