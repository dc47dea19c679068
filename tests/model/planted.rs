//! The protocol with a mistake in it: the checker finds each, and the shortest way to it.

use stateright::{Checker, HasDiscoveries, Model};

use crate::action::{Action, Fault};
use crate::bug::Bug;
use crate::check::{Checked, ENDS, HELD, ONCE, SAFE};
use crate::plan::{Plan, delivered, spooled, switched};

/// More actions than any counterexample takes.
const LONG: usize = 30;

/// The actions of a shortest way to break the property, if there is one.
fn counterexample(plan: &Plan, property: &'static str) -> Option<Vec<Action>> {
    // The checker keeps the last way that it finds in a block of states, which may be a longer one.
    (2..LONG).find_map(|depth| {
        let checker = Checked::new(plan.clone()).checker();
        let checker = checker.target_max_depth(depth).finish_when(HasDiscoveries::All);
        Some(checker.spawn_bfs().join().discovery(property)?.into_actions())
    })
}

/// Expects that a plan with this bug breaks the property, after so many actions and no fewer.
fn found(bug: Bug, plan: Plan, property: &'static str, actions: usize) {
    let way = counterexample(&Plan { bug: Some(bug), ..plan }, property);
    let way = way.unwrap_or_else(|| panic!("{bug:?} is not found"));
    println!("{bug:?}, after {} actions not: {property}", way.len());
    way.iter().for_each(|action| println!("    {action:?}"));
    assert_eq!(way.len(), actions, "{bug:?}: {way:#?}");
}

#[test]
fn bugs_before_the_confirm_are_found() {
    found(Bug::ConfirmBeforeDeliver, delivered(1, [0, 0, 0]), SAFE, 4);
    found(Bug::ConfirmAfterAnySink, delivered(1, [0, 0, 0]), SAFE, 6);
    found(Bug::LeftCountsAsSettled, delivered(1, [1, 0, 0]), SAFE, 7);
    found(Bug::BuryAfterConfirm, delivered(1, [1, 0, 0]), SAFE, 7);
    found(Bug::FailedBuryCountsAsSettled, delivered(1, [2, 0, 0]), SAFE, 8);
}

#[test]
fn bugs_around_the_ledger_are_found() {
    found(Bug::LedgerBeforeDeliver, delivered(1, [0, 1, 0]), SAFE, 9);
    found(Bug::ConfirmBeforeLedgerAndForget, delivered(1, [1, 0, 0]), ONCE, 10);
    found(Bug::ReadLedgerBeforeJoin, delivered(1, [1, 0, 0]), ONCE, 12);
    found(Bug::ForgetHandleOnJoin, delivered(1, [1, 0, 0]), HELD, 6);
}

#[test]
fn bugs_around_the_spool_are_found() {
    found(Bug::SpoolConfirmBeforeSync, spooled(1, [0, 0, 0]), SAFE, 4);
    found(Bug::FailedAppendIsConfirmed, spooled(1, [1, 0, 0]), SAFE, 4);
    found(Bug::RemoveFromSpoolBeforeDelivery, spooled(1, [0, 0, 0]), SAFE, 5);
    found(Bug::SpoolIgnoresLedger, spooled(1, [1, 0, 0]), ONCE, 12);
    found(Bug::FeedNeverLooksBack, spooled(1, [1, 0, 2]), ENDS, 5);
    found(Bug::NewFeedDoesNotWait, spooled(1, [0, 0, 2]), ONCE, 9);
    found(Bug::LeasedIgnoresSpool, switched(1, [1, 0, 1]), ONCE, 11);
}

/// Not a bug, but good to know: an event in the air keeps the routes that it took off with, also
/// when it comes again after a reload. A sink that the reload brought does not get it.
#[test]
fn a_redelivery_that_joins_does_not_reach_a_new_sink() {
    let plan = Plan { strict_routes: true, ..delivered(1, [1, 0, 2]) };
    let way = counterexample(&plan, SAFE).unwrap();
    println!("routes of its own day, after {} actions not: {SAFE}", way.len());
    way.iter().for_each(|action| println!("    {action:?}"));
    let reloads = |action: &Action| matches!(action, Action::Fault(Fault::Reload { .. }));
    assert!(way.iter().any(reloads), "{way:#?}");
}
