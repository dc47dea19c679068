//! # Delivered when
//!
//! The server has acknowledged the message, published with `QoS` 1, by a `PUBACK` of MQTT 5 that says
//! that it succeeded. A `PUBACK` that says that nobody is subscribed is none: the server keeps no
//! such message. With `require_subscriber = false` it is taken for one.
//!
//! What a server keeps after that, and whether it survives its own death, is the server's matter.
//!
//! Every message carries the event's id and type as the user properties `id` and `type`, and its
//! content type. MQTT knows no ids of messages, so an event that is sent again is a second message
//! with the same `id`.
//!
//! Permanent is only what is larger than the server takes, or what it calls a payload in a wrong
//! format. Missing rights and quotas are mended by an operator, so the event waits for that.

mod probe;
mod session;
mod settings;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rumqttc::{
    PubAck, PubAckReason, Publish, PublishNotice, PublishOptions, PublishProperties, PublishResult,
    QoS,
};
use rustls::ClientConfig;
use tracing::{info, warn};

use self::probe::probe;
use self::session::Session;
pub use self::settings::Config;
use super::link::Link;
use super::{BoxFuture, Limits, OpenError, Outcome, Parcel, Probed, Refusal, Settings, Sink};
use crate::time::{self, Instant};

/// The most events that one call publishes before it waits for the acknowledgements.
const BATCH: usize = 32;

/// The most calls at the same time.
const CONCURRENCY: usize = 8;

/// That the payload is UTF-8.
const IS_TEXT: u8 = 1;

impl Settings for Config {
    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn open(&self, name: &str) -> Result<Arc<dyn Sink>, OpenError> {
        let tls = self.tls().map_err(|problem| OpenError::new(name, problem))?;
        let client_id = self.client_id.clone().unwrap_or_else(session::made_up_id);
        Ok(Arc::new(Mqtt {
            name: name.to_owned(),
            config: self.clone(),
            client_id,
            tls: RwLock::new(tls),
            link: Link::default(),
        }))
    }

    fn probe(&self) -> BoxFuture<'_, Probed> {
        Box::pin(probe(self))
    }
}

/// The sink.
#[derive(Debug)]
pub struct Mqtt {
    name: String,
    config: Config,
    client_id: String,
    /// Where the URL asks for TLS.
    tls: RwLock<Option<Arc<ClientConfig>>>,
    link: Link<Session>,
}

/// A message that was handed to the client and is not acknowledged yet.
struct Sent {
    topic: String,
    notice: PublishNotice,
}

impl Mqtt {
    /// Gives a message to the client, which sends it when the server may get another one.
    async fn publish(
        &self,
        session: &Session,
        parcel: &Parcel,
        until: Instant,
    ) -> Result<Sent, Refusal> {
        let Config { shown, format, retain, .. } = &self.config;
        let rendered = parcel.render(format)?;
        let event = &parcel.event;
        let topic = self.config.topic.fill(event);
        let property = |name: &str, value: &str| (name.to_owned(), plain(value));
        let properties = PublishProperties {
            payload_format_indicator: Some(IS_TEXT),
            content_type: Some(rendered.content_type.to_owned()),
            user_properties: vec![
                property("id", &event.id().to_string()),
                property("type", event.event_type()),
            ],
            ..PublishProperties::default()
        };
        let size = size(&topic, &rendered.body, &properties);
        if size > session.packet_max {
            return Err(Refusal::permanent(format!(
                "{shown} takes packets of {} bytes at the most, and this one has {size}",
                session.packet_max
            )));
        }
        let options = PublishOptions::new(QoS::AtLeastOnce).retain(*retain).properties(properties);
        let sent = session.client.publish_tracked(topic.clone(), rendered.body, options);
        match tokio::time::timeout_at(until, sent).await {
            Ok(Ok(notice)) => Ok(Sent { topic, notice }),
            Ok(Err(_)) => Err(self.lost(session)),
            Err(_) => Err(self.late()),
        }
    }

    /// Waits for the server's word on a message.
    async fn acknowledged(&self, session: &Session, sent: Sent, until: Instant) -> Outcome {
        let Sent { topic, notice } = sent;
        match tokio::time::timeout_at(until, notice.wait_async()).await {
            Ok(Ok(PublishResult::Qos1(acknowledgement))) => self.judge(&topic, &acknowledgement),
            // The others are for other kinds of messages, or tell that the connection broke.
            Ok(Ok(_) | Err(_)) => Err(self.lost(session)),
            Err(_) => Err(self.late()),
        }
    }

    fn judge(&self, topic: &str, acknowledgement: &PubAck) -> Outcome {
        let shown = &self.config.shown;
        let said = acknowledgement.properties.as_ref().and_then(|all| all.reason_string.as_ref());
        let said = said.map(|said| format!(" ({said})")).unwrap_or_default();
        Err(match acknowledgement.reason {
            PubAckReason::Success => return Ok(()),
            PubAckReason::NoMatchingSubscribers if !self.config.require_subscriber => return Ok(()),
            PubAckReason::NoMatchingSubscribers => Refusal::transient(format!(
                "nobody is subscribed to {topic} at {shown}, so it keeps nothing; subscribe, with \
                 a session that lasts, or set require_subscriber = false"
            )),
            PubAckReason::NotAuthorized => Refusal::transient(format!(
                "{shown} refuses it{said}; let the user publish to {topic}"
            )),
            PubAckReason::QuotaExceeded => Refusal::transient(format!(
                "{shown} refuses it, because a quota is exceeded{said}; see to the server"
            )),
            PubAckReason::PayloadFormatInvalid => {
                Refusal::permanent(format!("{shown} finds the payload invalid{said}"))
            }
            // Only a name that the event itself has a part in is the event's fault.
            PubAckReason::TopicNameInvalid if self.config.topic.varies() => Refusal::permanent(
                format!("{shown} finds the name of the topic {topic} invalid{said}"),
            ),
            PubAckReason::TopicNameInvalid => Refusal::transient(format!(
                "{shown} finds the name of the topic {topic} invalid{said}; mend topic"
            )),
            PubAckReason::UnspecifiedError
            | PubAckReason::ImplementationSpecificError
            | PubAckReason::PacketIdentifierInUse => Refusal::transient(format!(
                "{shown} did not take it: {:?}{said}",
                acknowledgement.reason
            )),
        })
    }

    fn lost(&self, session: &Session) -> Refusal {
        Refusal::transient(format!("{}: {}", self.config.shown, session.end()))
    }

    fn late(&self) -> Refusal {
        Refusal::transient(format!("{}: no acknowledgement in time", self.config.shown))
    }

    async fn session(&self, until: Instant) -> Result<Arc<Session>, Refusal> {
        let tls = self.tls.read().unwrap_or_else(PoisonError::into_inner).clone();
        let connect = || async {
            let session = Session::open(&self.config, tls, &self.client_id).await;
            session.map_err(|refused| Refusal::transient(refused.reason))
        };
        self.link.get_by(until, &self.config.shown, connect).await
    }

    async fn deliver_all(&self, batch: &[Parcel]) -> Vec<Outcome> {
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
        if time::now() >= until {
            // Nobody knows whether a connection that owes answers still works, and the client would
            // send later what waits in it.
            self.link.retire(&session);
        }
        outcomes
    }
}

impl Sink for Mqtt {
    fn limits(&self) -> Limits {
        Limits { timeout: self.config.timeout, concurrency: CONCURRENCY, batch: BATCH }
    }

    fn deliver<'a>(&'a self, batch: &'a [Parcel]) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(self.deliver_all(batch))
    }

    /// Reads the certificates again, which may have been renewed under the same names, and connects
    /// anew.
    fn reopen(&self) {
        if self.config.tls.is_empty() {
            return;
        }
        match self.config.tls() {
            Ok(tls) => {
                *self.tls.write().unwrap_or_else(PoisonError::into_inner) = tls;
                self.link.renew();
                info!(sink = self.name, "read the certificates again");
            }
            Err(error) => warn!(sink = self.name, error, "keeping the old certificates"),
        }
    }
}

/// How many bytes the packet of a message has.
fn size(topic: &str, body: &bytes::Bytes, properties: &PublishProperties) -> usize {
    let mut packet = Publish::new(topic, QoS::AtLeastOnce, body.clone(), Some(properties.clone()));
    // Any number takes as much room as the one that it will have.
    packet.pkid = 1;
    packet.size()
}

/// A text that MQTT can have.
fn plain(text: &str) -> String {
    text.replace(char::is_control, " ")
}
