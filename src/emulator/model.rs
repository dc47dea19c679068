//! The queues as VOD keeps them: what waits, what is leased, what is confirmed.
//!
//! Pure state: no I/O, and time is an argument. Every operation costs the events it touches, not
//! the events it holds.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::event::{Event, EventId};
use crate::time::Instant;

use super::input::{Content, PushError};
use super::options::BadHandle;
use super::state::{Counts, QueueState};

/// The most events that one pull hands out.
pub(super) const PULL_MAX: usize = 16;
/// The most handles that one confirm takes.
pub(super) const CONFIRM_MAX: usize = 16;
/// The most bytes of event text that are held unconfirmed; a push beyond is refused.
const OPEN_BYTES_MAX: usize = 1 << 30;
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
    counts: Counts,
}

#[derive(Debug)]
struct Message {
    id: EventId,
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
        let id = Event::from_content(content.text().to_owned()).id();
        let number = self.pushed;
        self.pushed += 1;
        self.open.insert(number, Message { id, content: Arc::new(content), handed_out: 0 });
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
                self.confirmed.push_back((message.id, message.handed_out));
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

    /// What has happened so far.
    pub(super) fn snapshot(&mut self, now: Instant) -> Snapshot {
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
        let open = self.open.values().map(|message| (message.id, message.handed_out));
        let all = self.confirmed.iter().copied().chain(open);
        Snapshot {
            counts,
            queues,
            open_ids: self.open.values().map(|message| message.id).collect(),
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
