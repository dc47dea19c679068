//! The queues as VOD keeps them: what waits, what is leased, what is confirmed.
//!
//! Pure state: no I/O, and time is an argument. Every operation costs the events it touches, not
//! the events it holds.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::event::EventId;
use crate::time::Instant;

use super::input::{Content, PushError};
use super::options::BadHandle;
use super::state::{Counts, QueueState};

/// The most events that one pull hands out.
pub(super) const PULL_MAX: usize = 16;
/// The most handles that one confirm takes.
pub(super) const CONFIRM_MAX: usize = 16;
/// The most bytes of event text that are held unconfirmed; a push beyond is refused.
const OPEN_BYTES_MAX: usize = 2 << 30;
/// What holding an event costs beside its text.
const EVENT_OVERHEAD: usize = 256;
/// The most confirmed events that are remembered by id; beyond, the oldest are only counted.
const CONFIRMED_KEPT: usize = 1_000_000;
/// The distance between the numbers in consecutive handles.
const HANDLE_STEP: u64 = 7_919;

/// An application, or `None` for requests that name none.
pub(super) type App = Option<u64>;

/// All queues.
#[derive(Debug)]
pub(super) struct Model {
    visibility: Duration,
    /// Everything pushed and not confirmed, by its number in the order of the pushes.
    open: BTreeMap<u64, Message>,
    open_bytes: usize,
    /// Pushed for no application and not yet taken by one.
    unclaimed: VecDeque<u64>,
    queues: BTreeMap<App, Queue>,
    confirmed: VecDeque<(EventId, u32)>,
    pushed: u64,
    leases: u64,
    first_handle: u64,
    first_delivery: Option<Instant>,
    counts: Counts,
}

#[derive(Debug)]
struct Message {
    content: Arc<Content>,
    handed_out: u32,
}

/// The queue of one application.
#[derive(Debug, Default)]
struct Queue {
    /// What can be pulled, in the order in which it became so.
    ready: VecDeque<u64>,
    /// The message of each lease that has neither ended nor been confirmed.
    leased: HashMap<u64, u64>,
    /// When each lease ends. All leases are equally long, so the order of their start is the order
    /// of their end.
    ends: VecDeque<(Instant, u64)>,
    confirmed: u64,
}

/// One event on its way to a client.
#[derive(Debug, Clone)]
pub(super) struct Delivery {
    /// Confirms this delivery.
    pub(super) handle: String,
    /// The event.
    pub(super) content: Arc<Content>,
}

/// What the model says of itself.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) counts: Counts,
    pub(super) queues: Vec<QueueState>,
    pub(super) open_ids: Vec<EventId>,
    pub(super) confirmed_ids: Vec<EventId>,
    pub(super) redelivered_ids: Vec<(EventId, u32)>,
}

impl Model {
    /// Empty queues. `seed` sets the first handle apart from those of other emulators.
    pub(super) fn new(visibility: Duration, seed: u64) -> Self {
        let first_handle = 830_895_000_000_000_000 + seed % 1_000_000_000_000;
        Self {
            visibility,
            open: BTreeMap::new(),
            open_bytes: 0,
            unclaimed: VecDeque::new(),
            queues: BTreeMap::new(),
            confirmed: VecDeque::new(),
            pushed: 0,
            leases: 0,
            first_handle,
            first_delivery: None,
            counts: Counts::default(),
        }
    }

    /// Adds an event to the queue of `app`, or to those that the first to pull gets.
    pub(super) fn push(&mut self, app: App, content: Content) -> Result<EventId, PushError> {
        let bytes = content.text().len() + EVENT_OVERHEAD;
        if self.open_bytes + bytes > OPEN_BYTES_MAX {
            return Err(PushError::Full { events: self.open.len() });
        }
        self.open_bytes += bytes;
        let id = content.id();
        let number = self.pushed;
        self.pushed += 1;
        self.open.insert(number, Message { content: Arc::new(content), handed_out: 0 });
        match app {
            Some(_) => self.queues.entry(app).or_default().ready.push_back(number),
            None => self.unclaimed.push_back(number),
        }
        Ok(id)
    }

    /// Leases up to 16 events to a client of `app`.
    pub(super) fn pull(&mut self, app: App, now: Instant) -> Vec<Delivery> {
        if self.unclaimed.is_empty() && !self.queues.contains_key(&app) {
            // A pull must not leave anything behind for an application that has no events.
            return Vec::new();
        }
        let queue = self.queues.entry(app).or_default();
        queue.end_leases(now);
        let mut deliveries = Vec::new();
        while deliveries.len() < PULL_MAX {
            let Some(number) = queue.ready.pop_front().or_else(|| self.unclaimed.pop_front())
            else {
                break;
            };
            let Some(message) = self.open.get_mut(&number) else { continue };
            let lease = self.leases;
            self.leases += 1;
            self.first_delivery.get_or_insert(now);
            queue.leased.insert(lease, number);
            queue.ends.push_back((now + self.visibility, lease));
            message.handed_out = message.handed_out.saturating_add(1);
            self.counts.handed_out += 1;
            self.counts.redelivered += u64::from(message.handed_out > 1);
            let content = Arc::clone(&message.content);
            deliveries.push(Delivery { handle: handle(self.first_handle, lease), content });
        }
        deliveries
    }

    /// Confirms the deliveries that the handles stand for. A handle given twice counts once.
    ///
    /// The error lists the handles that are unknown, confirmed already, or past their lease.
    pub(super) fn confirm(
        &mut self,
        app: App,
        handles: &[&str],
        now: Instant,
        bad_handle: BadHandle,
    ) -> Result<(), Vec<String>> {
        let mut seen = HashSet::new();
        let mut good = Vec::new();
        let mut bad = Vec::new();
        let mut queue = self.queues.get_mut(&app);
        if let Some(queue) = &mut queue {
            queue.end_leases(now);
        }
        for text in handles.iter().filter(|text| seen.insert(**text)) {
            let known = queue.as_ref().and_then(|queue| {
                let lease = lease_of(self.first_handle, text)?;
                Some((lease, *queue.leased.get(&lease)?))
            });
            match known {
                Some(known) => good.push(known),
                None => bad.push((*text).to_owned()),
            }
        }
        let keep_all = !bad.is_empty() && bad_handle == BadHandle::All;
        if let Some(queue) = queue
            && !keep_all
        {
            let busy = self.first_delivery.map_or(Duration::ZERO, |first| now - first);
            self.counts.busy_micros = u64::try_from(busy.as_micros()).unwrap_or(u64::MAX);
            for (lease, number) in good {
                queue.leased.remove(&lease);
                queue.confirmed += 1;
                self.counts.confirmed += 1;
                let Some(message) = self.open.remove(&number) else { continue };
                self.open_bytes =
                    self.open_bytes.saturating_sub(message.content.text().len() + EVENT_OVERHEAD);
                if self.confirmed.len() == CONFIRMED_KEPT {
                    self.confirmed.pop_front();
                }
                self.confirmed.push_back((message.content.id(), message.handed_out));
            }
            queue.forget_confirmed();
        }
        if bad.is_empty() { Ok(()) } else { Err(bad) }
    }

    /// When the next leased event of `app` becomes visible again.
    pub(super) fn next_visible(&self, app: App) -> Option<Instant> {
        self.queues.get(&app)?.ends.front().map(|(end, _)| *end)
    }

    /// How many events of `app` could be pulled now.
    pub(super) fn ready(&mut self, app: App, now: Instant) -> usize {
        let own = self.queues.get_mut(&app).map_or(0, |queue| {
            queue.end_leases(now);
            queue.ready.len()
        });
        own + self.unclaimed.len()
    }

    /// How many events are where.
    pub(super) fn counts(&mut self, now: Instant) -> (Counts, Vec<QueueState>) {
        let mut queues = Vec::with_capacity(self.queues.len());
        for (app, queue) in &mut self.queues {
            queue.end_leases(now);
            queues.push(QueueState {
                sub_app_id: *app,
                ready: queue.ready.len(),
                leased: queue.leased.len(),
                confirmed: queue.confirmed,
            });
        }
        let counts = Counts {
            pushed: self.pushed,
            open: self.open.len(),
            unclaimed: self.unclaimed.len(),
            leased: queues.iter().map(|queue| queue.leased).sum(),
            ..self.counts
        };
        (counts, queues)
    }

    /// What has happened so far, event by event.
    pub(super) fn snapshot(&mut self, now: Instant) -> Snapshot {
        let (counts, queues) = self.counts(now);
        let open = self.open.values().map(|message| (message.content.id(), message.handed_out));
        let all = self.confirmed.iter().copied().chain(open);
        Snapshot {
            counts,
            queues,
            open_ids: self.open.values().map(|message| message.content.id()).collect(),
            confirmed_ids: self.confirmed.iter().map(|(id, _)| *id).collect(),
            redelivered_ids: all.filter(|(_, handed_out)| *handed_out > 1).collect(),
        }
    }
}

impl Queue {
    /// Makes the events visible again whose lease is over.
    fn end_leases(&mut self, now: Instant) {
        while let Some((end, lease)) = self.ends.front()
            && *end <= now
        {
            if let Some(number) = self.leased.remove(lease) {
                self.ready.push_back(number);
            }
            self.ends.pop_front();
        }
    }

    /// Drops the ends of confirmed leases, so that the first one is of a lease that lasts.
    fn forget_confirmed(&mut self) {
        while let Some((_, lease)) = self.ends.front()
            && !self.leased.contains_key(lease)
        {
            self.ends.pop_front();
        }
    }
}

/// The handle of a lease. It looks like the ones that VOD has been seen to give.
fn handle(first: u64, lease: u64) -> String {
    format!("tdmq{}", first.wrapping_add(lease.wrapping_mul(HANDLE_STEP)))
}

/// The lease that a handle stands for, if this emulator can have given it.
fn lease_of(first: u64, text: &str) -> Option<u64> {
    let number: u64 = text.strip_prefix("tdmq")?.parse().ok()?;
    let lease = number.checked_sub(first)? / HANDLE_STEP;
    // A number can be written in several ways, a handle in one.
    (handle(first, lease) == text).then_some(lease)
}

#[cfg(test)]
mod tests {
    use super::super::input;
    use super::*;
    use crate::time;

    const LEASE: Duration = Duration::from_secs(30);
    const SECOND: Duration = Duration::from_secs(1);

    fn model_with(events: u64) -> Model {
        let mut model = Model::new(LEASE, 7);
        for n in 0..events {
            push(&mut model, None, n);
        }
        model
    }

    fn push(model: &mut Model, app: App, n: u64) -> EventId {
        let content = input::read_one(&format!("{{\"n\":{n}}}")).expect("an event");
        model.push(app, content).expect("room")
    }

    fn texts(deliveries: &[Delivery]) -> Vec<&str> {
        deliveries.iter().map(|delivery| delivery.content.text()).collect()
    }

    fn confirm(model: &mut Model, deliveries: &[Delivery], now: Instant) -> bool {
        let handles: Vec<_> = deliveries.iter().map(|delivery| delivery.handle.as_str()).collect();
        model.confirm(None, &handles, now, BadHandle::All).is_ok()
    }

    #[test]
    fn a_lease_lasts_until_its_end_and_not_at_it() {
        let now = time::now();
        let mut model = model_with(1);
        let first = model.pull(None, now);
        let before = now + LEASE - SECOND;
        assert!(model.pull(None, before).is_empty());
        assert_eq!(model.next_visible(None), Some(now + LEASE));
        let second = model.pull(None, now + LEASE);
        assert_eq!(texts(&second), texts(&first));
        assert!(!confirm(&mut model, &first, now + LEASE), "a redelivery ends the old handle");
        assert!(confirm(&mut model, &second, now + LEASE + LEASE - SECOND));
        assert!(model.pull(None, now + LEASE * 9).is_empty());
        assert_eq!(model.next_visible(None), None);
    }

    #[test]
    fn a_confirm_at_the_end_of_the_lease_is_late() {
        let now = time::now();
        let mut model = model_with(1);
        let pulled = model.pull(None, now);
        assert!(!confirm(&mut model, &pulled, now + LEASE));
        assert_eq!(model.ready(None, now + LEASE), 1);
    }

    #[test]
    fn sixteen_at_a_time_in_the_order_of_the_pushes() {
        let now = time::now();
        let mut model = model_with(20);
        let first = model.pull(None, now);
        assert_eq!((first.len(), texts(&first)[15]), (PULL_MAX, "{\"n\":15}"));
        assert_eq!(texts(&model.pull(None, now))[0], "{\"n\":16}");
        assert!(model.pull(None, now).is_empty());
    }

    #[test]
    fn every_handle_is_another_one_and_opaque() {
        let now = time::now();
        let mut model = model_with(16);
        let mut handles = HashSet::new();
        for round in 0..50 {
            for delivery in model.pull(None, now + LEASE * round) {
                assert!(delivery.handle.starts_with("tdmq830895"), "{}", delivery.handle);
                assert!(handles.insert(delivery.handle));
            }
        }
        assert_eq!(handles.len(), 16 * 50);
        for handle in ["", "tdmq", "8309", "tdmq1", "tdmq830895000000000008", "tdmq-1", "动物"] {
            assert_eq!(model.confirm(None, &[handle], now, BadHandle::All).ok(), None);
        }
    }

    #[test]
    fn what_was_pushed_for_no_application_stays_with_the_first_that_pulls_it() {
        let now = time::now();
        let mut model = model_with(1);
        push(&mut model, Some(15), 1);
        assert_eq!(texts(&model.pull(Some(16), now)), ["{\"n\":0}"]);
        assert_eq!(texts(&model.pull(Some(15), now)), ["{\"n\":1}"]);
        assert!(model.pull(None, now + LEASE).is_empty());
        assert_eq!(texts(&model.pull(Some(16), now + LEASE)), ["{\"n\":0}"]);
    }

    #[test]
    fn nothing_grows_when_there_is_nothing() {
        let now = time::now();
        let mut model = model_with(100);
        for app in 0..100 {
            let pulled = model.pull(None, now);
            if !pulled.is_empty() {
                assert!(confirm(&mut model, &pulled, now));
            }
            assert!(app < 7 || model.pull(Some(app), now).is_empty());
        }
        assert_eq!((model.open.len(), model.open_bytes, model.queues.len()), (0, 0, 1));
        let queue = model.queues.get(&None).expect("the queue that was used");
        assert_eq!((queue.ready.len(), queue.leased.len(), queue.ends.len()), (0, 0, 0));
        let counts = model.snapshot(now).counts;
        assert_eq!((counts.pushed, counts.confirmed, counts.handed_out), (100, 100, 100));
        assert_eq!((counts.redelivered, counts.open, counts.leased), (0, 0, 0));
    }

    #[test]
    fn it_is_busy_from_the_first_delivery_to_the_last_confirm() {
        let mut model = model_with(20);
        let (start, busy) = (time::now(), |model: &Model| model.counts.busy_micros);
        let first = model.pull(None, start);
        assert_eq!(busy(&model), 0);
        assert!(confirm(&mut model, &first, start + SECOND));
        let second = model.pull(None, start + 2 * SECOND);
        assert_eq!(busy(&model), 1_000_000);
        assert!(confirm(&mut model, &second, start + 3 * SECOND));
        assert!(!confirm(&mut model, &second, start + 4 * SECOND));
        assert_eq!(busy(&model), 3_000_000);
    }

    #[test]
    fn a_full_emulator_refuses_events_until_some_are_confirmed() {
        let now = time::now();
        let mut model = model_with(1);
        model.open_bytes = OPEN_BYTES_MAX;
        let content = input::read_one("{}").expect("an event");
        assert_eq!(model.push(None, content.clone()), Err(PushError::Full { events: 1 }));
        let pulled = model.pull(None, now);
        assert!(confirm(&mut model, &pulled, now));
        model.push(None, content).expect("room again");
    }
}
