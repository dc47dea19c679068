//! One sink's way out of the spool: it keeps the sink's lane supplied, in the order of arrival.
//!
//! What is sent to the lane stays in the spool until the lane's call has settled it there. An event
//! that fails goes to the back, with a delay that grows; meanwhile others have its place. So a sink
//! that is down, and events that it stumbles over, hold nothing else back.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::Parts;
use super::backlog::Backlog;
use super::window::{EVENTS_MAX, Window};
use crate::event::Event;
use crate::flight::{Flight, Verdict};
use crate::lane::Job;
use crate::ledger::Burial;
use crate::quiet::{Quiet, shown};
use crate::store::{DeadLetter, GivenUp, SpoolKey, Spooled};
use crate::time::{self, Instant};

/// The most bytes of one load.
const LOAD_BYTES: usize = 4 << 20;

/// The pause when the store cannot be read.
const PAUSE: Duration = Duration::from_secs(1);

/// Feeds one sink's lane from the spool.
#[derive(Debug)]
pub struct Feed {
    parts: Parts,
    verdicts: (mpsc::Sender<Tried>, mpsc::Receiver<Tried>),
    /// What the lane has.
    sent: Window,
    backlog: Backlog,
    /// The last event that was taken from the spool.
    cursor: Option<SpoolKey>,
    /// Whether everything behind the cursor is taken.
    at_end: bool,
    not_before: Option<Instant>,
    failures: Quiet,
    burials: Quiet,
}

/// What became of an event at the lane.
#[derive(Debug)]
struct Tried {
    key: SpoolKey,
    source: Arc<str>,
    /// The length of its text.
    bytes: usize,
    verdict: Verdict,
    /// Whether it was tried at all.
    tried: bool,
}

impl Feed {
    /// A feed that has not begun.
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            verdicts: mpsc::channel(EVENTS_MAX),
            sent: Window::default(),
            backlog: Backlog::default(),
            cursor: None,
            at_end: false,
            not_before: None,
            failures: Quiet::default(),
            burials: Quiet::default(),
        }
    }

    /// Feeds the lane until told to end.
    pub async fn run(mut self) {
        if let Some(before) = self.parts.after.take() {
            // An error says the same: it is gone.
            let _ = before.await;
        }
        let mut grown = self.parts.spool.grown.subscribe();
        let mut seen = *grown.borrow();
        let (retire, drain) = (self.parts.retire.clone(), self.parts.drain.clone());
        let mut recalled = false;
        let mut verdicts = Vec::with_capacity(EVENTS_MAX);
        while !self.may_end() {
            self.fill().await;
            if self.gives_up() && !recalled {
                recalled = true;
                self.parts.lane.recall().await;
            }
            let wake = self.wake_at();
            let enough = self.idle() || self.backlog.sink_is_down();
            tokio::select! {
                _ = self.verdicts.1.recv_many(&mut verdicts, EVENTS_MAX) => {
                    verdicts.drain(..).for_each(|verdict| self.settle(&verdict));
                }
                changed = grown.changed() => match changed {
                    Ok(()) => {
                        self.at_end = false;
                        let now = *grown.borrow_and_update();
                        if now.in_the_middle != seen.in_the_middle {
                            self.cursor = None;
                        }
                        seen = now;
                    }
                    Err(_) => break,
                },
                () = time::sleep_until(wake) => self.not_before = None,
                () = retire.cancelled(), if !recalled => {
                    recalled = true;
                    self.parts.lane.recall().await;
                }
                // Whether it may end now is asked above.
                () = drain.cancelled(), if !recalled && enough => {}
            }
        }
        // Nobody may wait for it.
        let _ = self.parts.ended.send(());
    }

    fn may_end(&self) -> bool {
        self.sent.is_empty()
            && (self.parts.retire.is_cancelled()
                || (self.parts.drain.is_cancelled() && self.idle())
                || self.gives_up())
    }

    /// Whether a run that ends leaves the rest to the next one: one try after the other of a sink
    /// that is down could take hours.
    fn gives_up(&self) -> bool {
        self.parts.drain.is_cancelled() && self.backlog.sink_is_down()
    }

    /// Whether every event has been tried at least once.
    fn idle(&self) -> bool {
        self.sent.is_empty() && self.at_end && self.backlog.all_tried()
    }

    fn wake_at(&self) -> Option<Instant> {
        // Nothing more is sent then, and what the lane still has announces itself.
        if self.parts.retire.is_cancelled() || self.gives_up() {
            return None;
        }
        let retry = self.backlog.next_due().filter(|_| self.sent.room() > 0);
        self.not_before.or(retry)
    }

    /// Sends events to the lane while it has room for more.
    async fn fill(&mut self) {
        while self.sent.room() > 0
            && !self.parts.retire.is_cancelled()
            && !self.gives_up()
            && self.not_before.is_none_or(|at| at <= time::now())
        {
            let loaded = match self.backlog.take_due() {
                Some(key) => self.load_again(key).await,
                None => self.load_next().await,
            };
            let Some(loaded) = loaded else { return };
            let mut jobs = Vec::with_capacity(loaded.len());
            for spooled in loaded {
                jobs.extend(self.job(spooled).await);
            }
            if !jobs.is_empty() {
                self.parts.lane.deliver(jobs).await;
            }
        }
    }

    /// An event whose next try is due; it may have been settled meanwhile.
    async fn load_again(&mut self, key: SpoolKey) -> Option<Vec<Spooled>> {
        let Some(mut loaded) = self.load(Some(key.just_before()), 1).await else {
            self.backlog.wait(key, PAUSE);
            return None;
        };
        loaded.retain(|spooled| spooled.key == key);
        if loaded.is_empty() {
            self.backlog.settled(key);
        }
        Some(loaded)
    }

    /// The next events behind the cursor; nothing at the end.
    async fn load_next(&mut self) -> Option<Vec<Spooled>> {
        if self.at_end || self.backlog.is_full() {
            return None;
        }
        let mut loaded = match self.recent().await {
            Some(recent) => recent,
            None => self.load(self.cursor, self.sent.room()).await?,
        };
        match loaded.last() {
            Some(last) => self.cursor = Some(last.key),
            None => {
                self.at_end = true;
                return None;
            }
        }
        loaded.retain(|spooled| !self.backlog.holds(spooled.key));
        Some(loaded)
    }

    /// The next events behind the cursor, if all of them came a moment ago.
    async fn recent(&self) -> Option<Vec<Spooled>> {
        let (spool, sink) = (&self.parts.spool, self.parts.lane.name().clone());
        let places = spool.store.places(sink, self.cursor, self.sent.room()).await.ok()?;
        spool.recent.all(&places)
    }

    async fn load(&mut self, after: Option<SpoolKey>, limit: usize) -> Option<Vec<Spooled>> {
        let sink = self.parts.lane.name().clone();
        match self.parts.spool.store.load(Some(sink), after, limit, LOAD_BYTES).await {
            Ok(loaded) => Some(loaded),
            Err(error) => {
                if let Some(left_out) = self.failures.ask() {
                    tracing::error!(left_out, "spooled events cannot be read: {error}");
                }
                self.not_before = Some(time::now() + PAUSE);
                None
            }
        }
    }

    /// A job for the lane, unless nobody is to try the event any more.
    async fn job(&mut self, spooled: Spooled) -> Option<Job> {
        let Spooled { key, id, source, text, intact, received, .. } = spooled;
        let bytes = text.len();
        self.sent.add(bytes);
        self.backlog.hold(key);
        // The store hands out what was put in, which was text.
        let event = Event::from_store(id, String::from_utf8_lossy(&text).into_owned());
        let age = time::wall_clock().duration_since(received).unwrap_or_default();
        let too_old = self.parts.spool.bounds().age_max.filter(|most| age > *most);
        let reason = match (intact, too_old) {
            (true, None) => {
                let (verdicts, from) = (self.verdicts.0.clone(), source.clone());
                let flight = Flight::stored(event, source, received, move |settled| {
                    let (verdict, tried, source) = (settled.verdict, settled.tried, from.clone());
                    // There is room for every event that is sent. If nobody listens any more the
                    // relay is ending at once, and the event is still in the spool.
                    let _ = verdicts.try_send(Tried { key, source, bytes, verdict, tried });
                });
                return Some(Job::after(flight, self.backlog.tries(key)));
            }
            (false, _) => "the disk has altered its text".to_owned(),
            (true, Some(most)) => {
                format!("not delivered within {}", humantime::format_duration(most))
            }
        };
        if let Some(left_out) = self.burials.ask() {
            tracing::error!(
                sink.name = %self.parts.lane.name(),
                event.id = %id,
                event.type = shown(event.event_type()),
                left_out,
                "given up: {reason}; kept as a dead letter"
            );
        }
        let attempts = self.backlog.tries(key).into();
        let given_up = GivenUp { reason, attempts, first_seen: received };
        let letter = DeadLetter::of(&event, &source, self.parts.lane.name(), given_up);
        let letter = DeadLetter { text, ..letter };
        let verdict = match self.parts.ledger.bury(letter).await {
            Burial::Kept => {
                self.parts.lane.progress().too_old();
                Verdict::Dead
            }
            Burial::Impossible => Verdict::LEFT,
        };
        self.settle(&Tried { key, source, bytes, verdict, tried: true });
        None
    }

    /// The lane has said what became of an event.
    fn settle(&mut self, settled: &Tried) {
        self.sent.remove(settled.bytes);
        let key = settled.key;
        match settled.verdict {
            Verdict::Delivered => {
                self.backlog.settled(key);
                self.parts.totals.of(&settled.source).delivered();
            }
            Verdict::Dead => {
                self.backlog.settled(key);
                self.parts.totals.of(&settled.source).dead();
            }
            Verdict::Known => self.backlog.settled(key),
            Verdict::Refused => self.backlog.put_off(key, true, None),
            Verdict::Left { retry_after } => self.backlog.put_off(key, settled.tried, retry_after),
        }
    }
}
