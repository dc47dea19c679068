//! What each action does: the protocol, step by step.

use crate::action::{Action, Fault, Step};
use crate::bug::Bug;
use crate::confirm::{confirm_all, confirm_at_vod};
use crate::plan::{Ack, Plan};
use crate::state::{
    EventState, Flight, Handle, Handles, Job, Memory, Origin, Reading, SINKS, Sinks, State, Vod,
    has, only,
};

/// What a sink's verdict says to the flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Settled,
    Left,
}

/// The state after the action.
pub(crate) fn after(plan: &Plan, mut state: State, action: Action) -> State {
    match action {
        Action::Step(step) => take_step(plan, &mut state, step),
        Action::Fault(Fault::Crash) => {
            state.budget.crashes -= 1;
            state.events.iter_mut().for_each(|event| crash(plan, event));
        }
        Action::Fault(Fault::Reload { setup }) => {
            state.budget.reloads -= 1;
            state.setup = setup;
            if plan.bug == Some(Bug::NewFeedDoesNotWait) {
                let gone = !plan.setups[setup].sinks();
                state.events.iter_mut().for_each(|event| forget_feeds(event, gone));
            }
        }
        Action::Fault(fault) => {
            state.budget.faults -= 1;
            go_wrong(plan, &mut state, fault);
        }
    }
    state
}

fn take_step(plan: &Plan, state: &mut State, step: Step) {
    let setup = &plan.setups[state.setup];
    let events = &mut state.events;
    match step {
        Step::Pull { event } => {
            let event = &mut events[event];
            event.vod = Vod::Leased;
            event.memory.arrived.add(Handle::Current);
            event.truth.must_hold = true;
        }
        Step::Expire { event } => expire(&mut events[event]),
        Step::Look { event, handle } => {
            look(plan, setup.targets[event], &mut events[event], handle);
        }
        Step::TakeIn { event } => match setup.ack {
            Ack::Delivered => take_in(plan, &mut events[event]),
            Ack::Spooled => append(plan, &mut events[event]),
        },
        Step::Sync { event } => {
            let event = &mut events[event];
            let written = std::mem::take(&mut event.memory.unsynced);
            event.disk.spool |= written;
            event.truth.was_spooled |= written;
        }
        Step::SendOut { event, sink } => {
            let event = &mut events[event];
            event.memory.spooled_jobs[sink] = Job::Waiting;
            if plan.bug == Some(Bug::RemoveFromSpoolBeforeDelivery) {
                event.disk.spool &= !only(sink);
            }
        }
        Step::Deliver { event, sink, origin } => {
            let event = &mut events[event];
            event.reach(sink);
            *event.memory.job(origin, sink) = Job::Acknowledged;
            if plan.bug == Some(Bug::ConfirmBeforeLedgerAndForget) {
                settle(plan, event, origin, sink, Verdict::Settled);
            }
        }
        Step::Note { event, sink, origin } => {
            let event = &mut events[event];
            event.disk.ledger |= only(sink);
            event.disk.spool &= !only(sink);
            settle(plan, event, origin, sink, Verdict::Settled);
        }
        Step::Bury { event, sink, origin } => bury(plan, &mut events[event], origin, sink),
        Step::ConfirmAll { good_ones_count } => confirm_all(events, good_ones_count),
        Step::ConfirmOne { event, handle } => {
            // Whether it is confirmed or refused, this was the last that is done with it.
            let event = &mut events[event];
            event.memory.confirms.take(handle);
            event.memory.alone.take(handle);
            confirm_at_vod(event, handle);
        }
    }
}

fn go_wrong(plan: &Plan, state: &mut State, fault: Fault) {
    let events = &mut state.events;
    match fault {
        Fault::LoseAnswer { event } => events[event].vod = Vod::Leased,
        Fault::ExpireEarly { event } => expire(&mut events[event]),
        Fault::LoseAcknowledgement { event, sink, .. } => {
            events[event].reach(sink);
            events[event].excuse(sink);
        }
        Fault::GiveUp { event, sink } => {
            settle(plan, &mut events[event], Origin::Leased, sink, Verdict::Left);
        }
        Fault::Refuse { event, sink, origin } => refuse(plan, &mut events[event], origin, sink),
        Fault::FailNote { event, sink, origin } => {
            // The sink has it, which is what counts. What is spooled stays there.
            events[event].excuse(sink);
            settle(plan, &mut events[event], origin, sink, Verdict::Settled);
        }
        Fault::FailBury { event, sink, origin } => {
            let lenient = plan.bug == Some(Bug::FailedBuryCountsAsSettled);
            let verdict = if lenient { Verdict::Settled } else { Verdict::Left };
            settle(plan, &mut events[event], origin, sink, verdict);
        }
        Fault::FailAppend { event } => fail_append(plan, &mut events[event]),
        Fault::LoseConfirmAll { applied } => {
            for event in events.iter_mut().filter(|event| event.memory.confirms.current && applied)
            {
                // The handles still wait: the call is made again.
                confirm_at_vod(event, Handle::Current);
            }
        }
        Fault::LoseConfirmOne { event, handle, applied } => {
            if applied {
                confirm_at_vod(&mut events[event], handle);
            }
        }
        Fault::GiveUpConfirm { event, handle } => {
            let event = &mut events[event];
            event.memory.confirms.take(handle);
            event.memory.alone.take(handle);
            event.let_go(Handles::of(handle));
        }
        Fault::Crash | Fault::Reload { .. } => {}
    }
}

fn expire(event: &mut EventState) {
    event.vod = Vod::Waiting;
    event.age();
}

/// Joins the flight, or reads what is known. No flight of the event takes off between this and
/// [`take_in`], since one intake takes one answer after the other; so what is read here stays true.
fn look(plan: &Plan, targets: Sinks, event: &mut EventState, handle: Handle) {
    event.memory.arrived.take(handle);
    if event.memory.flight.is_some() && plan.bug != Some(Bug::ReadLedgerBeforeJoin) {
        join(plan, event, handle, targets);
        return;
    }
    let spool = if plan.bug == Some(Bug::LeasedIgnoresSpool) { 0 } else { event.disk.spool };
    let known = event.disk.ledger | spool;
    event.memory.reading = Some(Reading { handle, targets, known });
}

fn take_in(plan: &Plan, event: &mut EventState) {
    let Some(Reading { handle, targets, known }) = event.memory.reading.take() else { return };
    if event.memory.flight.is_some() {
        join(plan, event, handle, targets);
        return;
    }
    owe(event, handle, targets);
    let lacking = targets & !known;
    if lacking == 0 {
        event.memory.confirms.add(handle);
        return;
    }
    let handles = Handles::of(handle);
    event.memory.flight = Some(Flight { handles, targets, pending: lacking, left: false });
    for sink in (0..SINKS).filter(|sink| has(lacking, *sink)) {
        event.memory.leased_jobs[sink] = Job::Waiting;
    }
    match plan.bug {
        Some(Bug::ConfirmBeforeDeliver) => event.memory.confirms.add(handle),
        Some(Bug::LedgerBeforeDeliver) => event.disk.ledger |= lacking,
        _ => {}
    }
}

/// The new handle confirms what the flight delivers: the event keeps the routes of its take-off.
fn join(plan: &Plan, event: &mut EventState, handle: Handle, targets_now: Sinks) {
    let Some(flight) = &mut event.memory.flight else { return };
    let targets = if plan.strict_routes { targets_now } else { flight.targets };
    if plan.bug != Some(Bug::ForgetHandleOnJoin) {
        flight.handles.add(handle);
    }
    owe(event, handle, targets);
}

fn owe(event: &mut EventState, handle: Handle, targets: Sinks) {
    if handle == Handle::Current {
        event.truth.owed = targets;
    }
}

/// One transaction looks at ledger and spool and adds what is in neither.
fn append(plan: &Plan, event: &mut EventState) {
    let Some(Reading { handle, targets, .. }) = event.memory.reading.take() else { return };
    owe(event, handle, targets);
    let ledger = if plan.bug == Some(Bug::SpoolIgnoresLedger) { 0 } else { event.disk.ledger };
    let lacking = targets & !ledger & !event.disk.spool;
    if plan.bug == Some(Bug::FeedNeverLooksBack) && event.disk.spool != 0 {
        event.memory.unseen |= lacking;
    }
    if plan.bug == Some(Bug::SpoolConfirmBeforeSync) {
        event.memory.unsynced |= lacking;
    } else {
        event.disk.spool |= lacking;
        event.truth.was_spooled |= lacking;
    }
    event.memory.confirms.add(handle);
}

fn fail_append(plan: &Plan, event: &mut EventState) {
    let Some(Reading { handle, targets, .. }) = event.memory.reading.take() else { return };
    if plan.bug == Some(Bug::FailedAppendIsConfirmed) {
        owe(event, handle, targets);
        event.memory.confirms.add(handle);
    } else {
        event.let_go(Handles::of(handle));
    }
}

fn refuse(plan: &Plan, event: &mut EventState, origin: Origin, sink: usize) {
    if !plan.durable {
        // There is nowhere to bury it.
        settle(plan, event, origin, sink, Verdict::Left);
    } else if plan.bug == Some(Bug::BuryAfterConfirm) {
        settle(plan, event, origin, sink, Verdict::Settled);
        event.memory.spooled_jobs[sink] = Job::Refused;
    } else {
        *event.memory.job(origin, sink) = Job::Refused;
    }
}

/// One transaction writes the dead letter and the ledger, and takes the event out of the spool.
fn bury(plan: &Plan, event: &mut EventState, origin: Origin, sink: usize) {
    event.disk.dead |= only(sink);
    event.truth.was_buried |= only(sink);
    event.disk.ledger |= only(sink);
    event.disk.spool &= !only(sink);
    settle(plan, event, origin, sink, Verdict::Settled);
}

/// One sink says what became of the event. The last one ends the flight.
fn settle(plan: &Plan, event: &mut EventState, origin: Origin, sink: usize, verdict: Verdict) {
    *event.memory.job(origin, sink) = Job::None;
    let Memory { flight: slot, confirms, .. } = &mut event.memory;
    let Some(flight) = slot.as_mut().filter(|_| origin == Origin::Leased) else { return };
    flight.pending &= !only(sink);
    flight.left |= verdict == Verdict::Left && plan.bug != Some(Bug::LeftCountsAsSettled);
    if plan.bug == Some(Bug::ConfirmAfterAnySink) && verdict == Verdict::Settled {
        confirms.add_all(std::mem::take(&mut flight.handles));
    }
    if flight.pending != 0 {
        return;
    }
    let Flight { handles, left, .. } = *flight;
    *slot = None;
    if left {
        event.let_go(handles);
    } else {
        confirms.add_all(handles);
    }
}

/// Memory is lost, the disk is kept.
fn crash(plan: &Plan, event: &mut EventState) {
    for sink in 0..SINKS {
        let jobs = [event.memory.leased_jobs[sink], event.memory.spooled_jobs[sink]];
        for _ in jobs.into_iter().filter(|job| *job == Job::Acknowledged) {
            event.excuse(sink);
        }
        if !plan.durable && has(event.disk.ledger, sink) {
            event.excuse(sink);
        }
    }
    if !plan.durable {
        event.disk.ledger = 0;
    }
    event.memory = Memory::default();
    event.truth.must_hold = false;
    event.truth.owed = 0;
}

/// The sinks' jobs go on, and nobody knows of them any more.
fn forget_feeds(event: &mut EventState, sinks: Sinks) {
    for sink in (0..SINKS).filter(|sink| has(sinks, *sink)) {
        // No flight is hurt by this: with a plan that spools there is none.
        event.memory.leased_jobs[sink] = std::mem::take(&mut event.memory.spooled_jobs[sink]);
    }
}
