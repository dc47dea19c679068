//! Makes room when a sink that does not keep up holds most of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::contract::Parts;
use crate::fanout;
use crate::flight::InFlight;
use crate::lane::Holding;
use crate::time::Instant;

/// How long a source may wait for room before events that wait for a slow sink are left to VOD.
pub(super) const PATIENCE: Duration = Duration::from_millis(100);

/// The longest pause between two times, while no other sink gets anything for it.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// By the names of their sinks, what the lanes have of a source.
type Holdings = HashMap<Arc<str>, Holding>;

/// The room of a source, as far as a sink that does not keep up has to give some of it.
#[derive(Debug)]
pub(super) struct Room {
    in_flight: Arc<InFlight>,
    fanout: fanout::Shared,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    looked_at: Option<Instant>,
    /// When events were left to VOD last, and what the lanes had then.
    last: Option<(Instant, Holdings)>,
    /// How long to wait after that if it helps nobody.
    pause: Duration,
}

impl Room {
    pub(super) fn new(parts: &Parts) -> Self {
        let (in_flight, fanout) = (parts.in_flight.clone(), parts.fanout.clone());
        Self { in_flight, fanout, state: Mutex::default() }
    }

    /// If another sink of the source could go on meanwhile, the one that holds most of the room gives
    /// up what it holds beyond its share: those events are left to VOD for now. As long as every other
    /// has events that wait for their turn, more of them would help none.
    pub(super) async fn shed(&self, now: Instant) {
        if !self.state().may_look(now) {
            return;
        }
        let fanout = self.fanout.borrow().clone();
        let (lanes, source) = (fanout.lanes(), self.in_flight.source());
        let mut holdings = Vec::with_capacity(lanes.len());
        for (at, lane) in lanes.iter().enumerate() {
            holdings.push((at, lane.holds(source).await));
        }
        let Some(&(most, _)) = holdings.iter().max_by_key(|(_, it)| it.events) else { return };
        let could_go_on = |(at, holding): &(usize, Holding)| {
            *at != most && holding.wants_more && fanout.serves(*at, source)
        };
        if !holdings.iter().any(could_go_on) {
            return;
        }
        let by_name = holdings.into_iter().map(|(at, it)| (lanes[at].name().clone(), it)).collect();
        let is_worth_it = self.state().is_worth_it(lanes[most].name(), by_name, now);
        if is_worth_it {
            let share = self.in_flight.capacity() / (lanes.len() + 1);
            lanes[most].shed(source, share).await;
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether nobody else has looked a moment ago.
    fn may_look(&mut self, now: Instant) -> bool {
        let may = self.looked_at.is_none_or(|at| at + PATIENCE <= now);
        if may {
            self.looked_at = Some(now);
        }
        may
    }

    /// Whether the busiest sink should give events up once more. One that works gets them again only a
    /// lease later, which is too dear if VOD has hardly anything for the others: then it is tried less
    /// and less often.
    fn is_worth_it(&mut self, busiest: &Arc<str>, holdings: Holdings, now: Instant) -> bool {
        if let Some((at, before)) = &self.last {
            let had = |name| before.get(name).copied().unwrap_or_default();
            let came =
                |name| holdings.get(name).map_or(0, |it| it.came.saturating_sub(had(name).came));
            let others = holdings.keys().filter(|name| *name != busiest && had(*name).wants_more);
            // Hardly anything for the others is as good as nothing.
            let has_helped = 2 * others.map(came).max().unwrap_or_default() >= came(busiest);
            let works =
                holdings.get(busiest).is_some_and(|it| it.delivered > had(busiest).delivered);
            if has_helped || !works {
                self.pause = PATIENCE;
            } else if now < *at + self.pause {
                return false;
            } else {
                self.pause = (self.pause * 4).clamp(PATIENCE, PAUSE_MAX);
            }
        }
        self.last = Some((now, holdings));
        true
    }
}
