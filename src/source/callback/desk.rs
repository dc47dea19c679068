//! What a request goes through: who sends it, what it is, whether it is an event, and what becomes
//! of that.

use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::request;
use axum::http::{Method, Response, StatusCode};
use hyper::body::{Body as _, Incoming};
use serde_json::value::RawValue;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::task::TaskTracker;

use super::refusal::{Refusal, Refusals, response};
use super::seats::Taken;
use super::signature;
use crate::config::CallbackConfig;
use crate::event::Event;
use crate::flight::{Awaited, Claim, InFlight, Lease, Reply};
use crate::source::contract::Parts;
use crate::source::conversion::Conversion;
use crate::source::intake::Intake;
use crate::source::room::{PATIENCE, Room};
use crate::spool::Spool;
use crate::time;

/// Judges the requests to one source, and has their events taken in.
#[derive(Debug)]
pub(super) struct Desk {
    config: CallbackConfig,
    in_flight: Arc<InFlight>,
    spool: Option<Arc<Spool>>,
    conversion: Conversion,
    intake: Intake,
    /// Events that are being taken in. A client that goes away takes none of them back.
    intakes: TaskTracker,
    room: Room,
    refusals: Refusals,
}

impl Desk {
    pub(super) fn new(parts: &Parts, config: CallbackConfig) -> Arc<Self> {
        Arc::new(Self {
            config,
            in_flight: parts.in_flight.clone(),
            spool: parts.spool.clone(),
            conversion: Conversion::new(parts.in_flight.source().clone(), parts.convert),
            intake: Intake::new(parts),
            intakes: TaskTracker::new(),
            room: Room::new(parts),
            refusals: Refusals::new(parts.in_flight.source().clone()),
        })
    }

    /// The most connections at the same time.
    pub(super) fn connections_max(&self) -> usize {
        self.config.max_connections
    }

    /// How long the head of a request may take, and then its body.
    pub(super) fn request_timeout(&self) -> Duration {
        self.config.request_timeout
    }

    /// Waits until every event that is being taken in is settled.
    pub(super) async fn idle(&self) {
        self.intakes.close();
        self.intakes.wait().await;
        self.in_flight.idle().await;
    }

    /// Answers a request: 200 only when its event is where the source's `ack` wants it.
    pub(super) async fn answer(
        self: &Arc<Self>,
        request: hyper::Request<Incoming>,
        seat: &Taken,
    ) -> Response<Body> {
        seat.begin();
        let (head, body) = request.into_parts();
        let received = match self.receive(&head, body, seat).await {
            Ok(received) => received,
            Err(refusal) => {
                seat.let_go();
                self.refusals.log(&refusal, seat.peer());
                return refusal.response(true);
            }
        };
        let (_answering, room) = seat.answer();
        let judged = self.judge(&received, head.uri.query());
        let taken = match (judged, room) {
            (Ok(event), Some(room)) => self.take(event, room).await,
            // Only a request without a body needs no room, and that one is no event.
            (Ok(_), None) => Err(Refusal::new(StatusCode::BAD_REQUEST, "the body is empty")),
            (Err(refusal), _) => Err(refusal),
        };
        match taken {
            Ok(()) => response(StatusCode::OK, "taken"),
            Err(refusal) => {
                self.refusals.log(&refusal, seat.peer());
                refusal.response(false)
            }
        }
    }

    /// Logs that the head of a request did not arrive in time.
    pub(super) fn log_late(&self, peer: IpAddr) {
        let limit = humantime::format_duration(self.config.request_timeout);
        let reason = format!("the head of the request did not arrive within {limit}");
        self.refusals.log(&Refusal::new(StatusCode::REQUEST_TIMEOUT, reason), peer);
    }

    /// Reads the request to its end, unless its head is reason enough not to.
    async fn receive(
        &self,
        head: &request::Parts,
        body: Incoming,
        seat: &Taken,
    ) -> Result<Vec<u8>, Refusal> {
        if let Some(trusted) = &self.config.trusted_addresses
            && !trusted.iter().any(|network| network.contains(&seat.peer()))
        {
            let reason = "this address may not post callbacks: it is none of trusted_addresses";
            return Err(Refusal::new(StatusCode::FORBIDDEN, reason));
        }
        if head.uri.path() != self.config.path {
            return Err(Refusal::new(StatusCode::NOT_FOUND, "callbacks go to another path"));
        }
        if head.method != Method::POST {
            let reason = "callbacks are sent with POST";
            return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, reason));
        }
        let limit = self.config.request_timeout;
        match tokio::time::timeout(limit, self.read(body, seat)).await {
            Ok(read) => read,
            Err(_) => {
                let limit = humantime::format_duration(limit);
                let reason = format!("the body did not arrive within {limit}");
                Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, reason))
            }
        }
    }

    /// Reads the body. Room is taken for what has arrived, not for what was announced.
    async fn read(&self, mut body: Incoming, seat: &Taken) -> Result<Vec<u8>, Refusal> {
        let most = self.config.max_body_size;
        let too_large = || {
            let reason = format!("the body is larger than max_body_size, {most} bytes");
            Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, reason)
        };
        if usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX) > most {
            return Err(too_large());
        }
        let mut bytes = Vec::new();
        while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
            let cut = |_| Refusal::new(StatusCode::BAD_REQUEST, "the body broke off");
            // Trailers are of no interest.
            let Ok(data) = frame.map_err(cut)?.into_data() else { continue };
            if data.len() > most - bytes.len() {
                return Err(too_large());
            }
            if !seat.hold(data.len()) {
                let reason = "there is no room for more callbacks now; send it again";
                return Err(Refusal::unavailable(reason));
            }
            bytes.extend_from_slice(&data);
        }
        Ok(bytes)
    }

    /// Whether this is an event, and VOD's.
    fn judge(&self, body: &[u8], query: Option<&str>) -> Result<Event, Refusal> {
        let bad = |reason: &str| Refusal::new(StatusCode::BAD_REQUEST, reason);
        let text = std::str::from_utf8(body).map_err(|_| bad("the body is not UTF-8"))?;
        // A byte order mark at the start is no part of the text.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.trim_ascii().is_empty() {
            return Err(bad("the body is empty"));
        }
        let value = serde_json::from_str::<&RawValue>(text);
        let text = value.map_err(|_| bad("the body is not JSON"))?.get();
        if !text.starts_with('{') {
            return Err(bad("the body is not a JSON object"));
        }
        if let Some(key) = &self.config.sign_key {
            let now = time::unix_seconds(time::wall_clock());
            signature::verify(key, text, query, now)
                .map_err(|flaw| Refusal::new(StatusCode::UNAUTHORIZED, flaw.to_string()))?;
        }
        let event = read_event(text);
        let event = event.ok_or_else(|| bad("the body is no event: it has no EventType"))?;
        Ok(self.conversion.apply(event))
    }

    /// Takes in an event, and waits until that is done or VOD does not wait any more.
    async fn take(
        self: &Arc<Self>,
        event: Event,
        room: OwnedSemaphorePermit,
    ) -> Result<(), Refusal> {
        self.in_flight.progress().posted();
        self.in_flight.progress().received(event.event_type());
        if self.spool.as_ref().is_some_and(|spool| spool.is_full()) {
            return Err(Refusal::unavailable("the spool is full; send it again"));
        }
        let limit = self.config.reply_timeout;
        let ends = time::now() + limit;
        let (reply, awaited) = Reply::new(room);
        let lease = Lease { claim: Claim::Reply(reply), ends, over: ends };
        self.intakes.spawn(self.clone().take_in(event, lease));
        match tokio::time::timeout_at(ends, Awaited::taken(awaited)).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Refusal::unavailable(
                "the event is not where it has to be: a sink is down or full, no sink takes it, or \
                 it cannot be kept; send it again",
            )),
            Err(_) => {
                let limit = humantime::format_duration(limit);
                let reason = format!("the event was not delivered within {limit}; send it again");
                Err(Refusal::unavailable(reason))
            }
        }
    }

    async fn take_in(self: Arc<Self>, event: Event, lease: Lease) {
        // Without room in time it is not taken, which whoever waits is told when the lease is gone.
        if let Ok(Some(place)) = tokio::time::timeout_at(lease.ends, self.reserve()).await {
            self.intake.take(vec![(event, lease)], place).await;
        }
    }

    /// Waits for a place in the air.
    async fn reserve(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            tokio::select! {
                place = self.in_flight.reserve(1) => return place,
                () = tokio::time::sleep(PATIENCE) => {
                    self.room.shed(time::now()).await;
                }
            }
        }
    }
}

/// Reads the event of a callback out of its text, a well-formed JSON object. `None` if it is
/// something else.
fn read_event(text: &str) -> Option<Event> {
    let event = Event::from_content(text.to_owned());
    (!event.event_type().is_empty()).then_some(event)
}
