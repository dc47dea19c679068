//! # Delivered when
//!
//! The stream that takes the event's subject has acknowledged it: a `PubAck` of `JetStream`, which may
//! say that the stream has the event already. What only reached the server is not delivered.
//!
//! Every message carries `Nats-Msg-Id`, the event's id, the same on every retry, redelivery and
//! replay. The stream drops what comes again within its `duplicate_window`, so that neither a
//! redelivery nor a call that was cut short leaves a second message there.
//!
//! Permanent is only what is too large for the server or the stream. A missing stream, a full one
//! and missing permissions are mended by an operator, so the event waits for that.

mod connection;
mod probe;
mod settings;

use std::sync::Arc;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::context::{PublishAckFuture, PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, ErrorCode};
use tracing::{info, warn};

use self::connection::{Keys, Session};
use self::probe::probe;
pub use self::settings::{Auth, Config};
use super::link::Link;
use super::{BoxFuture, Limits, OpenError, Outcome, Parcel, Probed, Refusal, Settings, Sink};
use crate::format::Rendered;
use crate::time::{self, Instant};

/// The most events that one call publishes before it waits for the acknowledgements.
const BATCH: usize = 128;

/// The most calls at the same time: while one waits for acknowledgements, the other publishes.
const CONCURRENCY: usize = 2;

const CONTENT_TYPE: &str = "Content-Type";
const EVENT_TYPE: &str = "Vod-Event-Type";

impl Settings for Config {
    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn open(&self, name: &str) -> Result<Arc<dyn Sink>, OpenError> {
        let keys = Keys::read(self).map_err(|problem| OpenError::new(name, problem))?;
        let (name, config) = (name.to_owned(), self.clone());
        Ok(Arc::new(Nats { name, config, keys: keys.into(), link: Link::default() }))
    }

    fn probe(&self) -> BoxFuture<'_, Probed> {
        Box::pin(probe(self))
    }
}

/// The sink.
#[derive(Debug)]
pub struct Nats {
    name: String,
    config: Config,
    keys: std::sync::RwLock<Keys>,
    link: Link<Session>,
}

/// A message that was sent and is not acknowledged yet.
struct Sent {
    subject: String,
    ack: PublishAckFuture,
}

impl Nats {
    /// Sends a message, and does not wait for the stream.
    async fn publish(
        &self,
        session: &Session,
        parcel: &Parcel,
        until: Instant,
    ) -> Result<Sent, Refusal> {
        let Rendered { body, content_type, headers: of_format } =
            parcel.render(&self.config.format)?;
        let mut headers = HeaderMap::new();
        headers.insert(async_nats::header::NATS_MESSAGE_ID, parcel.event.id().to_string());
        headers.insert(CONTENT_TYPE, content_type);
        headers.insert(EVENT_TYPE, one_line(parcel.event.event_type()));
        for (name, value) in of_format {
            headers.insert(name, one_line(&value));
        }
        let subject = self.config.subject.fill(&parcel.event);
        let message = PublishMessage::build().payload(body).headers(headers);
        let sent = session.context.send_publish(subject.clone(), message);
        match tokio::time::timeout_at(until, sent).await {
            Ok(Ok(ack)) => Ok(Sent { subject, ack }),
            Ok(Err(error)) if error.kind() == PublishErrorKind::MaxPayloadExceeded => {
                let limit = session.context.client().max_payload();
                Err(Refusal::permanent(format!(
                    "{} takes messages of {limit} bytes at the most (its max_payload), and this \
                     one is larger",
                    self.config.shown
                )))
            }
            Ok(Err(_)) => Err(self.lost()),
            Err(_) => Err(self.late(&subject)),
        }
    }

    /// Waits for the stream's word on a message.
    async fn acknowledged(&self, session: &Arc<Session>, sent: Sent, until: Instant) -> Outcome {
        let Sent { subject, ack } = sent;
        let acknowledged = tokio::select! {
            // What has arrived counts, also when the connection is gone since.
            biased;
            acknowledged = ack.into_future() => acknowledged,
            () = session.gone.cancelled() => return Err(self.lost()),
            denial = session.denied(&subject) => {
                // Rights are granted without a new connection, but the client takes its one
                // subscription for answers on one alone, and remembers what was denied there.
                self.link.retire(session);
                return Err(self.denied(&denial));
            }
            () = tokio::time::sleep_until(until) => return Err(self.late(&subject)),
        };
        acknowledged.map(drop).map_err(|error| self.refusal(&error, &subject))
    }

    fn refusal(&self, error: &PublishError, subject: &str) -> Refusal {
        let shown = &self.config.shown;
        match error.kind() {
            PublishErrorKind::StreamNotFound => Refusal::transient(no_stream(shown, subject)),
            PublishErrorKind::TimedOut => self.late(subject),
            PublishErrorKind::BrokenPipe => self.lost(),
            _ => match std::error::Error::source(error)
                .and_then(|source| source.downcast_ref::<jetstream::Error>())
            {
                Some(answer) => {
                    let reason = format!("the stream for {subject} at {shown} answered: {answer}");
                    match is_for_good(answer.error_code()) {
                        true => Refusal::permanent(reason),
                        false => Refusal::transient(reason),
                    }
                }
                None => Refusal::transient(format!(
                    "{shown}: what answers for {subject} is no stream ({error})"
                )),
            },
        }
    }

    fn lost(&self) -> Refusal {
        Refusal::transient(format!("{}: the connection broke", self.config.shown))
    }

    fn late(&self, subject: &str) -> Refusal {
        Refusal::transient(format!(
            "{}: no acknowledgement for {subject} in time",
            self.config.shown
        ))
    }

    fn denied(&self, denial: &str) -> Refusal {
        Refusal::transient(format!(
            "{} refuses it: {denial}; let the user publish there and subscribe to _INBOX.>",
            self.config.shown
        ))
    }

    async fn session(&self, until: Instant) -> Result<Arc<Session>, Refusal> {
        let keys = self.keys.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        let connect = || async {
            let session = Session::open(&self.config, &keys).await;
            session.map_err(|refused| Refusal::transient(refused.reason))
        };
        self.link.get_by(until, &self.config.shown, connect).await
    }

    async fn deliver(&self, batch: &[Parcel]) -> Vec<Outcome> {
        // A little earlier than the caller, who would know of no single outcome.
        let until = time::now() + self.config.timeout * 9 / 10;
        let session = match self.session(until).await {
            Ok(session) => session,
            Err(refusal) => return vec![Err(refusal); batch.len()],
        };
        let mut sent = Vec::with_capacity(batch.len());
        for parcel in batch {
            sent.push(self.publish(&session, parcel, until).await);
        }
        let mut outcomes = Vec::with_capacity(batch.len());
        for sent in sent {
            outcomes.push(match sent {
                Ok(sent) => self.acknowledged(&session, sent, until).await,
                Err(refusal) => Err(refusal),
            });
        }
        if time::now() >= until || session.gone.is_cancelled() {
            // Nobody knows whether a connection that owes answers still works, and the client would
            // remember forever what it waits for.
            self.link.retire(&session);
        }
        outcomes
    }
}

impl Sink for Nats {
    fn limits(&self) -> Limits {
        Limits { timeout: self.config.timeout, concurrency: CONCURRENCY, batch: BATCH }
    }

    fn deliver<'a>(&'a self, batch: &'a [Parcel]) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(self.deliver(batch))
    }

    /// Reads the certificates and credentials again, which may have been renewed under the same
    /// names, and connects anew.
    fn reopen(&self) {
        if !self.config.has_files() {
            return;
        }
        match Keys::read(&self.config) {
            Ok(keys) => {
                *self.keys.write().unwrap_or_else(std::sync::PoisonError::into_inner) = keys;
                self.link.renew();
                info!(sink = self.name, "read the certificates and credentials again");
            }
            Err(error) => {
                warn!(sink = self.name, %error, "keeping the old certificates and credentials");
            }
        }
    }
}

/// Whether the event itself is what the stream cannot take.
fn is_for_good(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM | ErrorCode::STREAM_HEADER_EXCEEDS_MAXIMUM
    )
}

/// What to say when nothing answers for a subject.
fn no_stream(shown: &str, subject: &str) -> String {
    format!(
        "no stream at {shown} takes the subject {subject} (or JetStream is off there); make one: \
         nats stream add VOD --subjects {subject:?}"
    )
}

/// A text that a header can have.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}
