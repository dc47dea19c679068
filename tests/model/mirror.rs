//! The relay's own flights and its own account of them, led through the model's steps.
//!
//! The model says what a flight has to do; here random walks through the model are done by
//! [`InFlight`], [`Flight`] and [`Progress`] as well, and after every step both must agree.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use vod_relay::event::{Event, Handle as Text};
use vod_relay::flight::{Claim, Delivered, Flight, InFlight, Lease, Parts, Settled, Verdict};
use vod_relay::metrics;
use vod_relay::progress::{Progress, Round};
use vod_relay::time::{self, Instant};

use crate::action::{self, Action, Fault, Step};
use crate::plan::{Plan, delivered};
use crate::protocol;
use crate::state::{EVENTS, EventState, Handle, Memory, Origin, State, Vod};

const WALKS: u64 = 3_000;
const STEPS: usize = 80;

/// A lease and its number; a greater one began later.
type Numbered = (usize, Lease);

/// What the relay has of one event, in its own words.
#[derive(Debug, Default)]
struct Own {
    /// The lease that is good at VOD, by its number.
    current: Option<usize>,
    arrived: Vec<Numbered>,
    reading: Option<Numbered>,
    flight: Option<Arc<Flight>>,
    confirms: Vec<Numbered>,
    was_pulled: bool,
}

/// One life of the relay, from its start to a crash.
#[derive(Debug)]
struct Mirror {
    sky: Arc<InFlight>,
    landed: mpsc::Receiver<Delivered>,
    progress: Arc<Progress>,
    began: Instant,
    leases: usize,
    events: [Own; EVENTS],
}

impl Mirror {
    fn new(leases: usize, current: [Option<usize>; EVENTS]) -> Self {
        let (confirms, landed) = mpsc::channel(16);
        let progress = Arc::new(Progress::of_one_run(metrics::Source::default()));
        let sky = InFlight::new(Parts {
            source: "main".into(),
            capacity: 16,
            confirm_margin: Duration::ZERO,
            posted: false,
            confirms,
            progress: progress.clone(),
        });
        let events = current.map(|current| Own { current, ..Own::default() });
        Self { sky, landed, progress, began: time::now(), leases, events }
    }

    /// Does what the model did.
    fn follow(&mut self, before: &State, after: &State, action: Action) {
        match action {
            Action::Step(step) => self.step(before, after, step),
            Action::Fault(Fault::Crash) => {
                let current = [0, 1].map(|event| self.events[event].current);
                *self = Self::new(self.leases, current);
            }
            Action::Fault(fault) => self.fault(fault),
        }
        while let Ok(Delivered { id, leases, .. }) = self.landed.try_recv() {
            let at = (0..EVENTS).find(|at| event(*at).id() == id).unwrap();
            self.events[at]
                .confirms
                .extend(leases.into_iter().map(|lease| (number(&lease), lease)));
        }
        for (own, event) in self.events.iter_mut().zip(&after.events) {
            own.current = own.current.filter(|_| event.vod == Vod::Leased);
        }
    }

    fn step(&mut self, before: &State, after: &State, step: Step) {
        match step {
            Step::Pull { event } => {
                let lease = self.lease(event);
                self.events[event].arrived.push(lease);
                self.events[event].was_pulled = true;
            }
            Step::Look { event: at, handle } => {
                let own = &mut self.events[at];
                let arrived = take(&mut own.arrived, own.current, handle);
                let (number, lease) = arrived.into_iter().next_back().unwrap();
                let joined = self.sky.join(event(at).id(), &lease);
                assert_eq!(joined, before.events[at].memory.flight.is_some());
                own.reading = (!joined).then_some((number, lease));
            }
            Step::TakeIn { event } => self.take_in(event, &after.events[event].memory),
            Step::Note { event, origin: Origin::Leased, .. } => {
                self.settle(event, Verdict::Delivered);
            }
            Step::Bury { event, origin: Origin::Leased, .. } => self.settle(event, Verdict::Dead),
            Step::ConfirmOne { event: at, handle } => {
                let own = &mut self.events[at];
                for (_, lease) in take(&mut own.confirms, own.current, handle) {
                    match handle {
                        Handle::Current => self.progress.confirmed(event(at).id()),
                        Handle::Stale => {
                            self.progress.unconfirmed(event(at).id(), lease.over, true)
                        }
                    }
                }
            }
            Step::ConfirmAll { .. } => {
                let together = |event: &EventState| event.memory.confirms;
                if before.events.iter().any(|event| together(event).stale) {
                    return;
                }
                for (at, before) in before.events.iter().enumerate() {
                    if together(before).current {
                        let own = &mut self.events[at];
                        take(&mut own.confirms, own.current, Handle::Current);
                        self.progress.confirmed(event(at).id());
                    }
                }
            }
            _ => {}
        }
    }

    fn fault(&mut self, fault: Fault) {
        match fault {
            Fault::LoseAnswer { event } => {
                let (_, lease) = self.lease(event);
                self.progress.answer_lost(lease.over);
            }
            Fault::GiveUp { event, .. } | Fault::FailBury { event, origin: Origin::Leased, .. } => {
                self.settle(event, Verdict::LEFT);
            }
            Fault::FailNote { event, origin: Origin::Leased, .. } => {
                self.settle(event, Verdict::Delivered);
            }
            Fault::FailAppend { event: at } => {
                self.events[at].reading = None;
                self.progress.left(event(at).id());
            }
            Fault::GiveUpConfirm { event: at, handle } => {
                let own = &mut self.events[at];
                for (_, lease) in take(&mut own.confirms, own.current, handle) {
                    self.progress.unconfirmed(event(at).id(), lease.over, false);
                }
            }
            _ => {}
        }
    }

    fn take_in(&mut self, at: usize, after: &Memory) {
        let own = &mut self.events[at];
        let (_, lease) = own.reading.take().unwrap();
        let place = self.sky.try_reserve(1).unwrap();
        match after.flight {
            Some(flight) => {
                let sinks = flight.pending.count_ones() as usize;
                own.flight = Some(self.sky.take_off(event(at), lease, place, sinks));
            }
            None => self.sky.confirm(Delivered { id: event(at).id(), leases: vec![lease], place }),
        }
    }

    fn settle(&mut self, event: usize, verdict: Verdict) {
        self.events[event].flight.as_ref().unwrap().settle(Settled {
            verdict,
            tried: true,
            reason: None,
        });
    }

    /// VOD leases the event.
    fn lease(&mut self, event: usize) -> Numbered {
        self.leases += 1;
        self.events[event].current = Some(self.leases);
        let over = self.over(self.leases);
        let handle = Text::from(self.leases.to_string().as_str());
        (self.leases, Lease { claim: Claim::Handle(handle), ends: over, over })
    }

    /// When a lease is over for sure: long after this walk, and later than those before.
    fn over(&self, number: usize) -> Instant {
        self.began + Duration::from_secs(3_600 + number as u64)
    }

    fn agrees_with(&self, state: &State, way: &[Action]) {
        for (own, event) in self.events.iter().zip(&state.events) {
            let mut pending = event.memory.confirms;
            pending.add_all(event.memory.alone);
            let is_current = |(number, _): &Numbered| Some(*number) == own.current;
            assert_eq!(own.confirms.iter().any(is_current), pending.current, "{way:#?}");
            assert_eq!(!own.confirms.iter().all(is_current), pending.stale, "{way:#?}");
        }
        let flights = state.events.iter().filter(|event| event.memory.flight.is_some()).count();
        assert_eq!(self.sky.places_taken(), flights, "{way:#?}");
    }

    /// What a run with `--once` goes by: nothing to look for again and nothing left over means that whatever it pulled is
    /// confirmed, or still in its hands.
    fn accounts_for(&self, state: &State, way: &[Action]) {
        let leased = self.events.iter().filter_map(|own| own.current).min();
        if state.events.iter().all(|event| event.vod != Vod::Waiting) {
            // VOD says that it has nothing, while the leases last.
            let now = leased.map_or(self.over(self.leases + 1), |number| self.over(number - 1));
            self.progress.queue_is_empty(now);
        }
        let lost_sight_of = self.events.iter().zip(&state.events).filter(|(own, event)| {
            let Memory { arrived, reading, flight, .. } = event.memory;
            let held = !arrived.is_empty() || reading.is_some() || flight.is_some();
            own.was_pulled && event.vod != Vod::Confirmed && !held && own.confirms.is_empty()
        });
        if lost_sight_of.count() > 0 {
            let says = (self.progress.round_ended(), self.progress.left_over());
            assert_ne!(says, (Round::Last, 0), "{way:#?}");
        }
    }
}

/// Takes out the handles that VOD judges in the same way.
fn take(from: &mut Vec<Numbered>, current: Option<usize>, handle: Handle) -> Vec<Numbered> {
    let is_it = |number: usize| (Some(number) == current) == (handle == Handle::Current);
    from.extract_if(.., |(number, _)| is_it(*number)).collect()
}

fn number(lease: &Lease) -> usize {
    let Claim::Handle(handle) = &lease.claim else { panic!("it was pulled") };
    handle.as_str().parse().unwrap()
}

fn event(at: usize) -> Event {
    Event::from_content(format!(r#"{{"EventType":"T","TEvent":{{"n":{at}}}}}"#))
}

/// Walks at random from the start, and looks at everything after each step.
fn walk(plan: &Plan, seed: u64, look: fn(&Mirror, &State, &[Action])) {
    let mut dice = fastrand::Rng::with_seed(seed);
    let (mut state, mut mirror) = (plan.start(), Mirror::new(0, [None; EVENTS]));
    let mut way = Vec::new();
    for _ in 0..STEPS {
        // Fewer faults than there might be, so that what they leave behind is worked through.
        let mut faults = action::faults(plan, &state);
        faults.retain(|_| dice.u8(..8) == 0);
        let faults = faults.into_iter().map(Action::Fault);
        let steps = action::steps(plan, &state).into_iter().map(Action::Step);
        let Some(action) = dice.choice(steps.chain(faults).collect::<Vec<_>>()) else { return };
        way.push(action);
        let after = protocol::after(plan, state, action);
        mirror.follow(&state, &after, action);
        state = after;
        look(&mirror, &state, &way);
    }
}

#[test]
fn flights_do_what_the_model_says() {
    let plan = delivered(2, [6, 2, 2]);
    (0..WALKS).for_each(|seed| walk(&plan, seed, Mirror::agrees_with));
}

/// Without a reload, and with a disk that works: a second flight of an event that is to be
/// confirmed already is beyond what such a run keeps account of.
#[test]
fn a_run_that_ends_knows_what_it_leaves() {
    let plan = Plan { disk_fails: false, ..delivered(2, [6, 2, 0]) };
    (0..WALKS).for_each(|seed| walk(&plan, seed, Mirror::accounts_for));
}
