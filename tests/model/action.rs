//! What may happen next.

use crate::plan::{Ack, Plan};
use crate::state::{EventState, Handle, Handles, Job, Origin, SINKS, State, Vod, has};

/// What happens when nothing goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// A pull leases the event, and its answer sets out.
    Pull { event: usize },
    /// The lease ends of an event that the relay has let go of.
    Expire { event: usize },
    /// An answer is here: the event joins its flight, or the ledger is read.
    Look { event: usize, handle: Handle },
    /// The event takes off, is spooled, or is confirmed at once.
    TakeIn { event: usize },
    /// What was written to the spool reaches the disk; only a bug leaves this for later.
    Sync { event: usize },
    /// A spooled event sets out to one sink.
    SendOut { event: usize, sink: usize },
    /// The sink takes the event, and its acknowledgement arrives.
    Deliver { event: usize, sink: usize, origin: Origin },
    /// The ledger notes the delivery, and the sink's verdict reaches the flight.
    Note { event: usize, sink: usize, origin: Origin },
    /// The dead letter is written, and the sink's verdict reaches the flight.
    Bury { event: usize, sink: usize, origin: Origin },
    /// One call confirms all handles that wait. If one of them is bad VOD refuses the call: as a
    /// whole, or all the same confirming the others.
    ConfirmAll { good_ones_count: bool },
    /// One call confirms one handle.
    ConfirmOne { event: usize, handle: Handle },
}

/// What may go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Fault {
    /// A pull leases the event, and its answer gets lost.
    LoseAnswer {
        event: usize,
    },
    /// The lease ends although the relay still works on the event.
    ExpireEarly {
        event: usize,
    },
    /// The sink takes the event, and the acknowledgement gets lost.
    LoseAcknowledgement {
        event: usize,
        sink: usize,
        origin: Origin,
    },
    /// The sink fails until the lease leaves no time, or its lane has to let the event go.
    GiveUp {
        event: usize,
        sink: usize,
    },
    /// The sink refuses the event for good.
    Refuse {
        event: usize,
        sink: usize,
        origin: Origin,
    },
    /// The disk fails: under the ledger, a dead letter, or what is read or spooled of an answer.
    FailNote {
        event: usize,
        sink: usize,
        origin: Origin,
    },
    FailBury {
        event: usize,
        sink: usize,
        origin: Origin,
    },
    FailAppend {
        event: usize,
    },
    /// The answer to a confirm of all handles that wait, or of one, gets lost.
    LoseConfirmAll {
        applied: bool,
    },
    LoseConfirmOne {
        event: usize,
        handle: Handle,
        applied: bool,
    },
    /// No confirm got through, and the lease leaves no time for another.
    GiveUpConfirm {
        event: usize,
        handle: Handle,
    },
    /// The relay is killed and starts again.
    Crash,
    /// Another configuration comes in force.
    Reload {
        setup: usize,
    },
}

/// Either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    Step(Step),
    Fault(Fault),
}

/// What happens next if nothing goes wrong.
pub(crate) fn steps(plan: &Plan, state: &State) -> Vec<Step> {
    let mut steps = Vec::new();
    for (at, event) in state.events.iter().enumerate() {
        steps_of(plan, state, at, event, &mut steps);
    }
    if waiting(state) > 1 {
        let bad = state.events.iter().any(|event| event.memory.confirms.stale);
        let good = state.events.iter().any(|event| event.memory.confirms.current);
        let answers = [Some(false), (bad && good).then_some(true)].into_iter().flatten();
        steps.extend(answers.map(|good_ones_count| Step::ConfirmAll { good_ones_count }));
    }
    steps
}

fn steps_of(plan: &Plan, state: &State, event: usize, at: &EventState, steps: &mut Vec<Step>) {
    let memory = &at.memory;
    match at.vod {
        Vod::Waiting => steps.push(Step::Pull { event }),
        Vod::Leased if !memory.holds_current() => steps.push(Step::Expire { event }),
        Vod::Absent | Vod::Leased | Vod::Confirmed => {}
    }
    if memory.reading.is_some() {
        steps.push(Step::TakeIn { event });
    } else {
        steps.extend(memory.arrived.iter().map(|handle| Step::Look { event, handle }));
    }
    if memory.unsynced != 0 {
        steps.push(Step::Sync { event });
    }
    let sinks = plan.setups[state.setup].sinks();
    for sink in 0..SINKS {
        // What is spooled for a sink that is gone waits for its return.
        let on_disk = has(at.disk.spool, sink) && memory.spooled_jobs[sink] == Job::None;
        if on_disk && has(sinks & !memory.unseen, sink) {
            steps.push(Step::SendOut { event, sink });
        }
        for (origin, job) in jobs(at, sink) {
            steps.extend(match job {
                Job::None => None,
                Job::Waiting => Some(Step::Deliver { event, sink, origin }),
                Job::Acknowledged => Some(Step::Note { event, sink, origin }),
                Job::Refused => Some(Step::Bury { event, sink, origin }),
            });
        }
    }
    let confirms = pending(at).iter().map(|handle| Step::ConfirmOne { event, handle });
    steps.extend(confirms);
}

/// What may go wrong next, as far as the budget goes.
pub(crate) fn faults(plan: &Plan, state: &State) -> Vec<Fault> {
    let mut faults = Vec::new();
    if state.budget.faults > 0 {
        for (at, event) in state.events.iter().enumerate() {
            faults_of(plan, at, event, &mut faults);
        }
        if waiting(state) > 1 {
            faults.extend([true, false].map(|applied| Fault::LoseConfirmAll { applied }));
        }
    }
    if state.budget.crashes > 0 {
        faults.push(Fault::Crash);
    }
    if state.budget.reloads > 0 {
        let others = (0..plan.setups.len()).filter(|setup| may_reload(plan, state, *setup));
        faults.extend(others.map(|setup| Fault::Reload { setup }));
    }
    faults
}

fn faults_of(plan: &Plan, event: usize, at: &EventState, faults: &mut Vec<Fault>) {
    let memory = &at.memory;
    match at.vod {
        Vod::Waiting => faults.push(Fault::LoseAnswer { event }),
        Vod::Leased if memory.holds_current() => faults.push(Fault::ExpireEarly { event }),
        Vod::Absent | Vod::Leased | Vod::Confirmed => {}
    }
    if memory.reading.is_some() && plan.disk_fails {
        faults.push(Fault::FailAppend { event });
    }
    for sink in 0..SINKS {
        for (origin, job) in jobs(at, sink) {
            match job {
                Job::None => {}
                Job::Waiting => {
                    faults.push(Fault::LoseAcknowledgement { event, sink, origin });
                    faults.push(Fault::Refuse { event, sink, origin });
                    if origin == Origin::Leased {
                        faults.push(Fault::GiveUp { event, sink });
                    }
                }
                Job::Acknowledged if plan.disk_fails => {
                    faults.push(Fault::FailNote { event, sink, origin });
                }
                Job::Refused if plan.disk_fails => {
                    faults.push(Fault::FailBury { event, sink, origin });
                }
                Job::Acknowledged | Job::Refused => {}
            }
        }
    }
    for handle in pending(at).iter() {
        let lose = |applied| Fault::LoseConfirmOne { event, handle, applied };
        faults.extend([true, false].map(lose));
        faults.push(Fault::GiveUpConfirm { event, handle });
    }
}

/// A source whose own settings change ends before the new one gets an event that it had: by then
/// the lease is over, and with it the flight. So the reload is told of as if it had waited for that.
fn may_reload(plan: &Plan, state: &State, setup: usize) -> bool {
    let taken_in = |event: &EventState| {
        let memory = &event.memory;
        memory.arrived.is_empty() && memory.reading.is_none() && memory.flight.is_none()
    };
    let ack = |setup: usize| -> Ack { plan.setups[setup].ack };
    setup != state.setup && (ack(setup) == ack(state.setup) || state.events.iter().all(taken_in))
}

/// The handles of an event that are to be confirmed, alone or with others.
fn pending(event: &EventState) -> Handles {
    let mut pending = event.memory.confirms;
    pending.add_all(event.memory.alone);
    pending
}

/// How many handles wait to be confirmed together.
fn waiting(state: &State) -> usize {
    state.events.iter().map(|event| event.memory.confirms.iter().count()).sum()
}

fn jobs(event: &EventState, sink: usize) -> [(Origin, Job); 2] {
    let memory = &event.memory;
    [(Origin::Leased, memory.leased_jobs[sink]), (Origin::Spooled, memory.spooled_jobs[sink])]
}
