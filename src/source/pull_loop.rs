//! The loop that pulls.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::answers::Answers;
use super::contract::{End, News, Parts, Pulling};
use super::once::Once;
use super::pace::Pace;
use super::push_mode;
use super::room::{PATIENCE, Room};
use crate::crash;
use crate::exit;
use crate::flight::InFlight;
use crate::progress::Progress;
use crate::quiet::Quiet;
use crate::spool::Spool;
use crate::tencent::client::{Answer, Client};
use crate::tencent::error::{CallError, Class};
use crate::time::{self, Instant};

/// The most events that `PullEvents` brings, which is the room that a pull needs.
const EVENTS_MAX: u32 = 16;

type Pull = (Result<Answer, CallError>, OwnedSemaphorePermit, Instant);

pub(super) struct PullLoop {
    client: Arc<Client>,
    in_flight: Arc<InFlight>,
    spool: Option<Arc<Spool>>,
    answers: Answers,
    pace: Pace,
    pulls: JoinSet<Pull>,
    lease: Duration,
    once: Once,
    news: mpsc::Sender<News>,
    stop: CancellationToken,
    retire: CancellationToken,
    /// Since when there is no room for another pull.
    crowded_since: Option<Instant>,
    room: Room,
    live: bool,
    /// Whether it was asked if VOD sends the events somewhere else.
    checked_mode: bool,
    failures: Quiet,
    fullness: Quiet,
}

impl PullLoop {
    pub(super) fn new(parts: Parts, pulling: Pulling) -> Self {
        let now = time::now();
        let Pulling { client, lease, pulls_max, once } = pulling;
        Self {
            client,
            answers: Answers::new(&parts, lease),
            room: Room::new(&parts),
            in_flight: parts.in_flight,
            spool: parts.spool,
            pace: Pace::new(pulls_max, once, now),
            pulls: JoinSet::new(),
            lease,
            once: Once::new(once, lease),
            news: parts.news,
            stop: parts.stop,
            retire: parts.retire,
            crowded_since: None,
            live: false,
            checked_mode: false,
            failures: Quiet::default(),
            fullness: Quiet::default(),
        }
    }

    pub(super) async fn run(mut self) -> End {
        let end = loop {
            let now = self.send_pulls();
            let waits_for_room = self.crowded_since.map(|since| since + PATIENCE);
            let waits_for_time = Some(self.next_pull()).filter(|at| *at > now);
            let may_end = self.once.ends && self.once.drained && self.pulls.is_empty();
            let looks_at = self.once.look_at();
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break End::Stopped,
                () = self.retire.cancelled() => break End::Stopped,
                code = self.in_flight.progress().refusal(), if self.once.ends => {
                    break End::Failed(code);
                }
                Some(pull) = self.pulls.join_next() => {
                    let pull = match pull {
                        Ok(pull) => pull,
                        Err(error) => {
                            tracing::error!("a pull broke down: {error}");
                            self.pace.hold(time::now());
                            continue;
                        }
                    };
                    if let Some(end) = self.finish(pull).await {
                        break end;
                    }
                }
                room = self.in_flight.reserve(EVENTS_MAX), if waits_for_room.is_some() => {
                    if let Some(room) = room {
                        self.send_pull(room);
                    }
                }
                () = time::sleep_until(waits_for_room) => self.shed().await,
                () = time::sleep_until(waits_for_time),
                    if !self.once.drained && self.pulls.len() < self.pace.pulls() => {}
                () = self.in_flight.idle(), if may_end => {
                    if self.once.may_end(&self.in_flight, &self.stop).await {
                        break End::Drained;
                    }
                }
                () = tokio::time::sleep_until(looks_at), if self.once.ends => {
                    let failing = self.pace.failing().is_some();
                    let full = self.spool.as_ref().is_some_and(|spool| spool.is_full());
                    self.once.look(self.in_flight.progress(), failing || full);
                }
            }
        };
        // Pulls that VOD has begun to answer, or all when retiring, still bring their events.
        while let Some(pull) = self.pulls.join_next().await {
            if let Ok((Ok(answer), room, _)) = pull {
                self.answers.take(answer, room).await;
            }
        }
        end
    }

    fn progress(&self) -> &Progress {
        self.in_flight.progress()
    }

    /// Sends as many pulls as the pace and the room allow. Answers with the time by which it
    /// decided: what is later than that is what to wait for.
    fn send_pulls(&mut self) -> Instant {
        let now = time::now();
        self.hold_if_full(now);
        let may_send = |this: &Self| {
            !this.once.drained && this.pulls.len() < this.pace.pulls() && this.next_pull() <= now
        };
        self.crowded_since = self.crowded_since.filter(|_| may_send(self));
        while may_send(self) {
            match self.in_flight.try_reserve(EVENTS_MAX) {
                Some(room) => self.send_pull(room),
                None => {
                    self.crowded_since.get_or_insert(now);
                    break;
                }
            }
        }
        now
    }

    /// Pauses while the spool holds as much as it may; VOD keeps the events meanwhile.
    fn hold_if_full(&mut self, now: Instant) {
        let Some(spool) = self.spool.as_ref().filter(|spool| spool.is_full()) else { return };
        if self.pace.not_before() <= now {
            self.pace.hold(now);
        }
        self.progress().pulse().paused("the spool is full", self.pace.not_before());
        if let Some(left_out) = self.fullness.ask() {
            tracing::warn!(
                source.name = %self.in_flight.source(),
                spool_max_size = spool.bounds().bytes_max,
                left_out,
                "the spool is full: pulling pauses until sinks have taken events from it"
            );
        }
    }

    /// When the next pull may be sent. Beside others that are open it also waits for the rate limit
    /// here, rather than in a queue: how many pulls are needed then follows from what is free.
    fn next_pull(&self) -> Instant {
        let limit = (!self.pulls.is_empty()).then(|| self.client.next_pull());
        self.pace.not_before().max(limit.unwrap_or(self.pace.not_before()))
    }

    fn send_pull(&mut self, room: OwnedSemaphorePermit) {
        self.crowded_since = None;
        let (client, stop) = (self.client.clone(), self.stop.clone());
        self.pulls.spawn(async move {
            let asked = time::now();
            (client.pull_events(&stop).await, room, asked)
        });
    }

    async fn finish(&mut self, (result, room, asked): Pull) -> Option<End> {
        let answer = match result {
            Ok(answer) => answer,
            Err(error) => return self.failed(&error).await,
        };
        self.progress().pulse().answered();
        if !self.live {
            self.live = true;
            self.tell(News::Live { source: self.in_flight.source().clone() }).await;
        }
        let (sent, now) = (answer.sent, time::now());
        if answer.pulled.is_empty() {
            self.pace.empty(now - asked, now);
            self.progress().queue_is_empty(sent);
            if !self.once.ends && !self.checked_mode {
                self.checked_mode = true;
                tokio::spawn(push_mode::check(self.client.clone(), self.in_flight.clone()));
            }
            self.once.drained = self.once.ends;
            return None;
        }
        crash::point("after-pull");
        let brought = self.answers.take(answer, room).await;
        if brought.elements >= EVENTS_MAX as usize {
            self.pace.full();
        } else {
            self.pace.partial();
        }
        if !brought.safe {
            self.pace.hold(time::now());
        }
        self.once.drained = self.once.ends && (brought.fresh == 0 || !brought.safe);
        None
    }

    /// A pull failed. Answers with the end if there is no going on.
    async fn failed(&mut self, error: &CallError) -> Option<End> {
        let now = time::now();
        if error.may_have_worked() {
            self.progress().answer_lost(now + self.lease);
        }
        let delay = self.pace.failed(error, now);
        self.once.drained = false;
        let source = self.in_flight.source().clone();
        if error.class == Class::Cancelled {
            return None;
        }
        let again_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        let (pulse, next) = (self.progress().pulse(), now + delay);
        if let Some(code) = error.class.refusal() {
            pulse.refused(error.to_string(), next);
            tracing::error!(source.name = %source, again_ms, "VOD refuses: {error}");
            if self.once.ends {
                return Some(End::Failed(code));
            }
            self.tell(News::Refused { source, code }).await;
            return None;
        }
        match error.code {
            Some(_) => pulse.failed(error.to_string(), next),
            None => pulse.unreachable(error.to_string(), next),
        }
        if let Some(left_out) = self.failures.ask() {
            tracing::warn!(source.name = %source, again_ms, left_out, "no events: {error}");
        }
        let failing = self.pace.failing()?;
        let gives_up = self.pulls.is_empty() && self.once.gives_up(failing, now);
        if gives_up {
            tracing::error!(source.name = %source, "VOD cannot be reached: {error}");
        }
        gives_up.then_some(End::Failed(exit::UNREACHABLE))
    }

    /// Pulling waits for room.
    async fn shed(&mut self) {
        let now = time::now();
        self.crowded_since = Some(now);
        self.progress().pulse().paused("there is no room for more events in flight", now);
        self.room.shed(now).await;
    }

    async fn tell(&self, news: News) {
        // Nobody listens any more when the relay is ending, and then nobody needs to know.
        let _ = self.news.send(news).await;
    }
}
