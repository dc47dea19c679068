//! The hand on a running emulator.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::event::EventId;
use crate::time;

use super::action::Action;
use super::answer::ApiError;
use super::event_config::EventConfig;
use super::faults::{FaultKind, Faults};
use super::input::{self, Content, PushError};
use super::issuer::{Caller, Issuer};
use super::model::{App, Delivery, Model};
use super::options::Options;
use super::samples::sample;
use super::state::{Counts, State};
use super::tally::Tally;

/// The most applications whose settings are kept.
const CONFIGS_MAX: usize = 1024;
/// The shortest time between two pushes of a steady feed; above, several events go at once.
const FEED_TICK: Duration = Duration::from_millis(10);

/// The longest that a lease or a wait can be set to; it keeps sums of times in range.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// Pushes events into an emulator and tells what happened there. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Control(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    options: Options,
    model: Mutex<Model>,
    tally: Mutex<Tally>,
    faults: Mutex<(Faults, fastrand::Rng)>,
    configs: Mutex<BTreeMap<App, EventConfig>>,
    issuer: Mutex<Issuer>,
    arrived: Notify,
    stopping: CancellationToken,
}

impl Control {
    pub(super) fn new(mut options: Options) -> Self {
        let Options { visibility, hold, latency, stall, credential_lifetime, .. } = &mut options;
        for length in [visibility, hold, latency, stall, credential_lifetime] {
            *length = (*length).min(LONGEST);
        }
        let dice = options.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        let model = Model::new(options.visibility, fastrand::u64(..));
        Self(Arc::new(Shared {
            model: Mutex::new(model),
            tally: Mutex::default(),
            faults: Mutex::new((options.faults.clone(), dice)),
            configs: Mutex::default(),
            issuer: Mutex::new(Issuer::new(options.credential_lifetime)),
            arrived: Notify::new(),
            stopping: CancellationToken::new(),
            options,
        }))
    }

    /// Pushes one event, a JSON object, for an application, or for the first one that pulls.
    ///
    /// # Errors
    ///
    /// The text is not a JSON object, or the emulator is full.
    pub fn push(&self, sub_app_id: Option<u64>, text: &str) -> Result<EventId, PushError> {
        let content = input::read_one(text)?;
        let id = self.model().push(sub_app_id, content)?;
        self.0.arrived.notify_waiters();
        Ok(id)
    }

    /// Pushes the events of a text: one object, an array, JSON Lines, or an answer of `PullEvents`.
    ///
    /// # Errors
    ///
    /// The text is not JSON or holds what is no object: then nothing was pushed. Or the emulator
    /// is full: then the first events were.
    pub fn push_all(&self, sub_app_id: Option<u64>, text: &str) -> Result<Vec<EventId>, PushError> {
        let contents = input::read(text)?;
        let ids = {
            let mut model = self.model();
            let push = |content: Content| model.push(sub_app_id, content);
            contents.into_iter().map(push).collect()
        };
        self.0.arrived.notify_waiters();
        ids
    }

    /// Pushes `count` samples, beginning with number `first`.
    ///
    /// # Errors
    ///
    /// The emulator is full.
    pub fn push_samples(
        &self,
        sub_app_id: Option<u64>,
        first: u64,
        count: u64,
    ) -> Result<Vec<EventId>, PushError> {
        (first..first.saturating_add(count)).map(|n| self.push(sub_app_id, &sample(n))).collect()
    }

    /// Pushes samples at a steady rate, beginning with number `first`, until it is dropped. While
    /// the emulator is full it waits.
    pub async fn feed(&self, sub_app_id: Option<u64>, first: u64, per_second: u32) {
        if per_second == 0 {
            return std::future::pending().await;
        }
        let mut tick = tokio::time::interval(FEED_TICK.max(Duration::from_secs(1) / per_second));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let start = time::now();
        let mut next = first;
        loop {
            tick.tick().await;
            let due = start.elapsed().as_secs_f64() * f64::from(per_second);
            // The float saturates, and a rate of four thousand million lasts for decades.
            let due = first.saturating_add(due as u64);
            while next < due && self.push(sub_app_id, &sample(next)).is_ok() {
                next += 1;
            }
        }
    }

    /// How many events are where: a cheap part of [`Control::state`].
    pub fn counts(&self) -> Counts {
        self.model().counts(time::now()).0
    }

    /// What has happened so far.
    pub fn state(&self) -> State {
        let snapshot = self.model().snapshot(time::now());
        let mut state = State {
            counts: snapshot.counts,
            queues: snapshot.queues,
            open_ids: snapshot.open_ids,
            confirmed_ids: snapshot.confirmed_ids,
            redelivered_ids: snapshot.redelivered_ids,
            ..State::default()
        };
        self.tally().write_to(&mut state);
        state.credentials.issued = self.issuer().count();
        state
    }

    /// Ends all temporary credentials now: how many still lived.
    pub fn end_credentials(&self) -> usize {
        self.issuer().end_all(self.clock())
    }

    /// Takes an account away: whether there was one.
    pub fn revoke(&self, secret_id: &str) -> bool {
        self.issuer().revoke(&self.options().accounts, secret_id)
    }

    /// Whether the metadata service and STS are up from now on.
    pub fn set_issuing(&self, up: bool) {
        self.issuer().set_up(up);
    }

    /// Sets the faults from now on; kinds that are not in it are off.
    pub fn set_faults(&self, faults: Faults) {
        lock(&self.0.faults).0 = faults;
    }

    /// What the emulator was set up with; the faults are those of the start.
    pub(super) fn options(&self) -> &Options {
        &self.0.options
    }

    /// Cancelled when the emulator stops.
    pub(super) fn stopping(&self) -> &CancellationToken {
        &self.0.stopping
    }

    /// What the emulator's clock shows.
    pub(super) fn clock(&self) -> SystemTime {
        self.0.options.clock_skew.shows(time::wall_clock())
    }

    /// The one with this secret id.
    pub(super) fn caller(&self, secret_id: &str) -> Option<Caller> {
        self.issuer().caller(&self.options().accounts, secret_id, self.clock())
    }

    pub(super) fn issuer(&self) -> MutexGuard<'_, Issuer> {
        lock(&self.0.issuer)
    }

    pub(super) fn model(&self) -> MutexGuard<'_, Model> {
        lock(&self.0.model)
    }

    pub(super) fn tally(&self) -> MutexGuard<'_, Tally> {
        lock(&self.0.tally)
    }

    /// Takes as long as one way of a call does, less what the way before took too long: how much longer
    /// it took. Timers are only good to a millisecond or two.
    pub(super) async fn travel(&self, ahead: Duration) -> Duration {
        let way = (self.0.options.latency / 2).saturating_sub(ahead);
        if way.is_zero() {
            return Duration::ZERO;
        }
        let start = time::now();
        tokio::select! {
            () = tokio::time::sleep(way) => {}
            () = self.0.stopping.cancelled() => {}
        }
        start.elapsed().saturating_sub(way)
    }

    /// Throws the dice for a request.
    pub(super) fn throw(&self, action: Option<Action>) -> Option<FaultKind> {
        let (faults, dice) = &mut *lock(&self.0.faults);
        faults.throw(dice, action)
    }

    /// Leases events, and waits for them if there are none. Dropped while it waits, it leases
    /// nothing.
    pub(super) async fn pull(&self, app: App) -> Vec<Delivery> {
        let deadline = time::now() + self.0.options.hold;
        let mut waiting = None;
        loop {
            // Listens before it looks, so that nothing can arrive unnoticed in between.
            let arrived = self.0.arrived.notified();
            tokio::pin!(arrived);
            arrived.as_mut().enable();
            let wake = {
                let mut model = self.model();
                let now = time::now();
                let deliveries = model.pull(app, now);
                if !deliveries.is_empty() || now >= deadline {
                    return deliveries;
                }
                model.next_visible(app).map_or(deadline, |visible| visible.min(deadline))
            };
            waiting.get_or_insert_with(|| Waiting::new(self));
            tokio::select! {
                () = arrived => {}
                () = tokio::time::sleep_until(wake) => {}
                () = self.0.stopping.cancelled() => return Vec::new(),
            }
        }
    }

    /// The settings of an application.
    pub(super) fn event_config(&self, app: App) -> EventConfig {
        lock(&self.0.configs).get(&app).cloned().unwrap_or_default()
    }

    /// Changes the settings of an application.
    pub(super) fn modify_event_config(
        &self,
        app: App,
        params: &Map<String, Value>,
    ) -> Result<(), ApiError> {
        let mut configs = lock(&self.0.configs);
        if configs.len() >= CONFIGS_MAX && !configs.contains_key(&app) {
            let message = format!("the emulator keeps the settings of {CONFIGS_MAX} applications");
            return Err(ApiError::new("LimitExceeded", message));
        }
        configs.entry(app).or_default().modify(params)
    }
}

/// Counts a pull as waiting for as long as it lives.
#[derive(Debug)]
struct Waiting<'a>(&'a Control);

impl<'a> Waiting<'a> {
    fn new(control: &'a Control) -> Self {
        control.tally().wait();
        Self(control)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.tally().done_waiting();
    }
}

/// Nothing here panics with a lock held, so a poisoned one is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_way_that_took_too_long_shortens_the_way_back() {
        let latency = Duration::from_millis(1);
        let control = Control::new(Options { latency, ..Options::default() });
        // So late in a tick of the timer that the next one is too early, and the one after too late.
        tokio::time::advance(Duration::from_micros(900)).await;
        let start = time::now();
        let ahead = control.travel(Duration::ZERO).await;
        assert!(ahead >= latency / 2, "{ahead:?}");
        let there = start.elapsed();
        assert_eq!(control.travel(ahead).await, Duration::ZERO);
        assert_eq!(start.elapsed(), there);
    }
}
