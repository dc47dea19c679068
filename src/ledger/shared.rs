//! The ledger that several relays share: what one has delivered, no other delivers again.
//!
//! It only ever saves a second delivery, so nothing waits for it long: a call that fails or takes
//! longer than [`PATIENCE`] is let go, and after that none is made for a while. What could not be noted
//! meanwhile is noted later, up to a bound.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::backend::{Backend, Failure, Note};
use super::settings::Settings;
use crate::event::EventId;
use crate::metrics;
use crate::quiet::Quiet;
use crate::retry::{Delays, Policy};
use crate::time::{self, Instant};

/// The most time for one call: what it may cost an event whose lease is 30 s.
const PATIENCE: Duration = Duration::from_secs(2);

/// Between the single calls that find out whether the server is back.
const PAUSES: Policy =
    Policy { first: Duration::from_millis(500), longest: Duration::from_secs(5) };

/// The most notes that are kept for later: what VOD's ceiling of 1,600 events a second makes in the
/// longest pause, for about a megabyte.
const MISSED_MAX: usize = 10_000;

/// The most notes in one call.
const NOTES_MAX: usize = 2_000;

/// The most steps of forgetting in one upkeep.
const FORGETTING_STEPS: usize = 500;

/// The ledger on a server.
#[derive(Debug)]
pub(super) struct Shared {
    backend: Box<dyn Backend>,
    kind: &'static str,
    state: Mutex<State>,
    missed: Mutex<VecDeque<Note>>,
    counts: metrics::SharedLedger,
    failures: Quiet,
}

/// What a call does. A server may do the one and not the other: full, it can still be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    Look,
    Note,
    Forget,
}

#[derive(Debug)]
struct State {
    /// What failed first, and has to work again before all is well.
    failing: Option<Does>,
    delays: Delays,
    /// While calls fail, when the next one may be made.
    not_before: Option<Instant>,
    failing_since: Option<SystemTime>,
    last_error: Option<(String, SystemTime)>,
}

/// How a shared ledger fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vitals {
    /// What kind of server keeps it: `redis` or `postgres`.
    pub kind: &'static str,
    /// Since when all calls have failed; `None` if the last one did not.
    pub failing_since: Option<SystemTime>,
    /// The last failure, over or not, and when it was.
    pub last_error: Option<(String, SystemTime)>,
}

impl Shared {
    /// Nothing is connected yet, and the server may be down.
    pub(super) fn open(
        settings: &Settings,
        counts: metrics::SharedLedger,
    ) -> Result<Self, Failure> {
        let (failing, not_before, failing_since, last_error) = Default::default();
        let delays = PAUSES.delays();
        Ok(Self {
            backend: settings.open()?,
            kind: settings.kind(),
            state: Mutex::new(State { failing, delays, not_before, failing_since, last_error }),
            missed: Mutex::default(),
            counts,
            failures: Quiet::default(),
        })
    }

    /// For each event the sinks where it is settled; none while the server is not there.
    pub(super) async fn settled(&self, events: &[EventId]) -> Vec<Vec<Arc<str>>> {
        let none = || vec![Vec::new(); events.len()];
        if events.is_empty() {
            return none();
        }
        let mut settled = self.ask(Does::Look, |until| self.backend.settled(events, until)).await;
        if let Some(settled) = &mut settled {
            settled.resize(events.len(), Vec::new());
        }
        settled.unwrap_or_else(none)
    }

    /// Keeps notes, on the server or, while that is not there, for later.
    pub(super) async fn note(&self, notes: impl IntoIterator<Item = Note>) {
        let notes: Vec<_> = {
            let mut missed = locked(&self.missed);
            missed.extend(notes);
            let excess = missed.len().saturating_sub(MISSED_MAX);
            missed.drain(..excess);
            // The latest first: the others may be known by now to whom it concerns.
            let rest = missed.len().saturating_sub(NOTES_MAX);
            missed.drain(rest..).collect()
        };
        if notes.is_empty() {
            return;
        }
        if self.ask(Does::Note, |until| self.backend.note(&notes, until)).await.is_none() {
            locked(&self.missed).extend(notes);
        }
    }

    /// Notes what could not be noted before, if the server is there now.
    pub(super) async fn catch_up(&self) {
        for _ in 0..MISSED_MAX / NOTES_MAX {
            self.note([]).await;
        }
    }

    /// Removes what is too old to matter, in steps.
    pub(super) async fn forget(&self) {
        for _ in 0..FORGETTING_STEPS {
            if self.ask(Does::Forget, |until| self.backend.forget(until)).await != Some(true) {
                return;
            }
        }
    }

    pub(super) fn vitals(&self) -> Vitals {
        let state = locked(&self.state);
        let (failing_since, last_error) = (state.failing_since, state.last_error.clone());
        Vitals { kind: self.kind, failing_since, last_error }
    }

    /// Makes one call, unless the server has failed a moment ago.
    async fn ask<T, F: Future<Output = Result<T, Failure>>>(
        &self,
        does: Does,
        call: impl FnOnce(Instant) -> F,
    ) -> Option<T> {
        if !self.may_ask() {
            self.counts.skipped.inc();
            return None;
        }
        match call(time::now() + PATIENCE).await {
            Ok(answer) => {
                self.counts.done.inc();
                if locked(&self.state).works(does) {
                    tracing::info!("the shared ledger is back");
                }
                Some(answer)
            }
            Err(failure) => {
                self.counts.failed.inc();
                if let Some(left_out) = self.failures.ask() {
                    tracing::warn!(
                        left_out,
                        "the shared ledger fails: {failure}; events go on, and those that come \
                         again to another relay may be delivered twice"
                    );
                }
                locked(&self.state).fails(does, failure.text);
                None
            }
        }
    }

    fn may_ask(&self) -> bool {
        let (mut state, now) = (locked(&self.state), time::now());
        match state.not_before {
            Some(not_before) if now < not_before => false,
            Some(_) => {
                // This one finds out; the others do not wait for it.
                state.not_before = Some(now + PATIENCE);
                true
            }
            None => true,
        }
    }
}

impl State {
    /// A call succeeded: whether that is news.
    fn works(&mut self, does: Does) -> bool {
        if self.failing.is_some_and(|failing| failing != does) {
            return false;
        }
        self.failing = None;
        self.delays.reset();
        self.not_before = None;
        self.failing_since.take().is_some()
    }

    fn fails(&mut self, does: Does, text: String) {
        let (now, wall) = (time::now(), time::wall_clock());
        self.failing.get_or_insert(does);
        self.failing_since.get_or_insert(wall);
        self.last_error = Some((text, wall));
        self.not_before = Some(now + self.delays.next_delay());
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::super::backend::Outcome;
    use super::*;
    use crate::metrics::Metrics;
    use crate::sink::BoxFuture;

    /// A server that can be taken down, and that may hang.
    #[derive(Debug, Default)]
    struct Fake {
        down: Arc<AtomicBool>,
        full: Arc<AtomicBool>,
        hangs: bool,
        calls: Arc<AtomicUsize>,
        notes: Arc<Mutex<Vec<Note>>>,
    }

    impl Fake {
        async fn call(&self, until: Instant) -> Result<(), Failure> {
            self.calls.fetch_add(1, Ordering::SeqCst);
            if self.hangs {
                tokio::time::sleep_until(until).await;
            }
            match self.hangs || self.down.load(Ordering::SeqCst) {
                true => Err(Failure { text: "down".to_owned(), is_unreachable: true }),
                false => Ok(()),
            }
        }
    }

    impl Backend for Fake {
        fn settled<'a>(
            &'a self,
            events: &'a [EventId],
            until: Instant,
        ) -> BoxFuture<'a, Result<Vec<Vec<Arc<str>>>, Failure>> {
            Box::pin(async move {
                self.call(until).await?;
                Ok(vec![vec!["app".into()]; events.len()])
            })
        }

        fn note<'a>(
            &'a self,
            notes: &'a [Note],
            until: Instant,
        ) -> BoxFuture<'a, Result<(), Failure>> {
            Box::pin(async move {
                self.call(until).await?;
                if self.full.load(Ordering::SeqCst) {
                    return Err(Failure { text: "full".to_owned(), is_unreachable: false });
                }
                locked(&self.notes).extend_from_slice(notes);
                Ok(())
            })
        }

        fn forget(&self, until: Instant) -> BoxFuture<'_, Result<bool, Failure>> {
            Box::pin(async move {
                self.call(until).await?;
                Ok(true)
            })
        }

        fn probe(&self, _: Instant) -> BoxFuture<'_, Result<String, Failure>> {
            Box::pin(async { Ok(String::new()) })
        }
    }

    fn shared(fake: Fake) -> Shared {
        Shared {
            backend: Box::new(fake),
            kind: "fake",
            state: Mutex::new(State {
                failing: None,
                delays: PAUSES.delays(),
                not_before: None,
                failing_since: None,
                last_error: None,
            }),
            missed: Mutex::default(),
            counts: Metrics::default().shared_ledger(),
            failures: Quiet::default(),
        }
    }

    fn notes(numbers: std::ops::Range<usize>) -> Vec<Note> {
        let event = |n| EventId::of("T", &format!("{{\"X\":{{\"n\":{n}}}}}"));
        let note = |n| Note { event: event(n), sink: "app".into(), outcome: Outcome::Delivered };
        numbers.map(note).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_hangs_costs_one_wait_and_then_none_for_a_while() {
        let fake = Fake { hangs: true, ..Fake::default() };
        let calls = fake.calls.clone();
        let shared = shared(fake);
        let began = time::now();
        let event = notes(0..1)[0].event;
        assert_eq!(shared.settled(&[event]).await, [Vec::<Arc<str>>::new()]);
        assert_eq!(began.elapsed(), PATIENCE);
        // The pause is random; what is begun within the longest one is let go at once, or is the one
        // call that finds out.
        let long = 1_000;
        for _ in 0..long {
            shared.settled(&[event]).await;
        }
        assert!(calls.load(Ordering::SeqCst) < long / 2, "{calls:?}");
        assert!(shared.vitals().failing_since.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn what_could_not_be_noted_is_noted_later_up_to_a_bound() {
        let fake = Fake::default();
        let (down, noted) = (fake.down.clone(), fake.notes.clone());
        let shared = shared(fake);
        down.store(true, Ordering::SeqCst);
        shared.note(notes(0..MISSED_MAX)).await;
        shared.note(notes(MISSED_MAX..MISSED_MAX + 100)).await;
        assert_eq!(locked(&shared.missed).len(), MISSED_MAX);
        down.store(false, Ordering::SeqCst);
        tokio::time::advance(PAUSES.longest + PATIENCE).await;
        shared.catch_up().await;
        let noted = locked(&noted);
        let wanted = notes(100..MISSED_MAX + 100);
        assert_eq!(noted.len(), wanted.len());
        assert!(wanted.iter().all(|note| noted.contains(note)));
        assert_eq!(shared.vitals().failing_since, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_can_only_be_read_is_not_back() {
        let fake = Fake::default();
        let full = fake.full.clone();
        let shared = shared(fake);
        full.store(true, Ordering::SeqCst);
        let pause = || tokio::time::advance(PAUSES.longest + PATIENCE);
        shared.note(notes(0..1)).await;
        let failing_since = shared.vitals().failing_since;
        assert!(failing_since.is_some());
        pause().await;
        assert_eq!(
            shared.settled(&[notes(0..1)[0].event]).await,
            [[Arc::<str>::from("app")]],
            "it is asked"
        );
        assert_eq!(shared.vitals().failing_since, failing_since);
        full.store(false, Ordering::SeqCst);
        pause().await;
        shared.catch_up().await;
        assert_eq!(shared.vitals().failing_since, None);
    }

    #[tokio::test]
    async fn forgetting_ends() {
        let fake = Fake::default();
        let calls = fake.calls.clone();
        shared(fake).forget().await;
        assert_eq!(calls.load(Ordering::SeqCst), FORGETTING_STEPS);
    }
}
