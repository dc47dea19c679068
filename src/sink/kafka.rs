//! # Delivered when
//!
//! The broker that leads the partition acknowledges the record after all in-sync replicas have it
//! (`acks=all`). The producer is idempotent: what it sends again by itself, because an
//! acknowledgement got lost, is no second record.
//!
//! A record has the event as its value, a key that the configuration chooses, and the headers `id`
//! (the event's id), `type` and `content-type`. An event that the relay sends again, because no
//! acknowledgement came in time, is a second record with the same `id`.
//!
//! What the broker finds too large, or invalid as a record, is refused for good. It refuses the
//! records of one request together, so each of them is sent again alone before it is judged.

mod client;
mod keys;
mod probe;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{DeliveryFuture, FutureRecord};

use self::client::{Client, Clients};
pub use self::keys::{Key, Login, Mechanism};
use self::trouble::{Failure, Target};
use super::{BoxFuture, Limits, OpenError, Outcome, Parcel, Probed, Refusal, Settings, Sink};
use crate::config::Section;
use crate::format::Format;
use crate::secret::Secret;
use crate::time::{self, Instant};
use crate::tls;

/// How many events one call hands over. The producer gathers the records of all calls into requests
/// by itself; an event waits for no more than these.
const BATCH: usize = 16;

/// The most calls at the same time.
const CONCURRENCY: usize = 64;

/// What `[sinks.NAME]` with `type = "kafka"` says.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Brokers to ask for the others, each `host:port`.
    pub brokers: Vec<String>,
    /// The topic.
    pub topic: String,
    /// What becomes the key of a record.
    pub key: Key,
    /// Whether to talk TLS, and with which files.
    pub tls: Option<tls::Files>,
    /// Who to be, by SASL.
    pub login: Option<Login>,
    /// More settings of librdkafka. Their values may be secrets.
    pub options: Vec<(String, Secret)>,
    /// The shape of the value.
    pub format: Format,
    /// The most time that one delivery may take.
    pub timeout: Duration,
}

impl Config {
    /// Reads the sink's keys.
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let brokers = keys::brokers(section);
        let topic = keys::topic(section);
        let key = section.choice("key", &Key::NAMES, "file");
        let tls = keys::tls(section);
        let login = keys::login(section);
        let options = keys::options(section);
        let format = section.format();
        let timeout = super::timeout(section, Duration::from_secs(10));
        let (brokers, topic, key, format) = (brokers?, topic?, key?, format?);
        Some(Self { brokers, topic, key, tls, login, options, format, timeout })
    }

    /// How long the producer tries to deliver a record. It ends before a call does, so that nothing
    /// is under way any more when the relay tries again.
    fn patience(&self) -> Duration {
        self.timeout - (self.timeout / 4).min(Duration::from_secs(2))
    }

    /// How long a call waits for its outcomes: less than its time, so that those which came are not
    /// lost for the sake of one that did not.
    fn wait(&self) -> Duration {
        self.timeout - (self.timeout / 8).min(Duration::from_millis(500))
    }
}

impl Settings for Config {
    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn open(&self, name: &str) -> Result<Arc<dyn Sink>, OpenError> {
        Ok(Arc::new(Kafka::open(self, name)?))
    }

    fn probe(&self) -> BoxFuture<'_, Probed> {
        Box::pin(probe::probe(self))
    }
}

/// The sink.
#[derive(Debug)]
pub struct Kafka {
    config: Config,
    target: Target,
    clients: Clients,
}

impl Kafka {
    fn open(config: &Config, name: &str) -> Result<Self, OpenError> {
        let clients = Clients::open(config, name).map_err(|flaw| OpenError::new(name, flaw))?;
        Ok(Self { config: config.clone(), target: Target::of(config), clients })
    }

    /// Gives a record to the producer, which sends it with those of other calls.
    fn send(&self, client: &Client, parcel: &Parcel) -> Result<DeliveryFuture, Failure> {
        let rendered = parcel.render(&self.config.format)?;
        let event = &parcel.event;
        let id = event.id().to_string();
        let header = |key, value| Header { key, value: Some(value) };
        let headers = OwnedHeaders::new_with_capacity(3)
            .insert(header("id", id.as_str()))
            .insert(header("type", event.event_type()))
            .insert(header("content-type", rendered.content_type));
        let key = self.config.key.of(event, &id);
        let mut record = FutureRecord::to(&self.config.topic).payload(&rendered.body[..]);
        record = record.headers(headers);
        if let Some(key) = key.as_deref() {
            record = record.key(key);
        }
        client.producer().send_result(record).map_err(|(error, _)| self.target.unsent(&error))
    }

    /// Hands events over through one producer.
    async fn hand_over(
        &self,
        client: &Client,
        parcels: impl Iterator<Item = &Parcel>,
        until: Instant,
    ) -> Vec<Result<(), Failure>> {
        let sent: Vec<_> = parcels.map(|parcel| self.send(client, parcel)).collect();
        let mut outcomes = Vec::with_capacity(sent.len());
        for sent in sent {
            outcomes.push(match sent {
                Ok(acknowledged) => self.outcome(client, acknowledged, until).await,
                Err(failure) => Err(failure),
            });
        }
        outcomes
    }

    async fn outcome(
        &self,
        client: &Client,
        acknowledged: DeliveryFuture,
        until: Instant,
    ) -> Result<(), Failure> {
        match tokio::time::timeout_at(until, acknowledged).await {
            Ok(Ok(Ok(_))) => {
                client.watch().forget();
                Ok(())
            }
            Ok(Ok(Err((error, _)))) => Err(self.target.failure(&error, client.watch())),
            // Without an answer, or with a producer that has gone.
            Ok(Err(_)) | Err(_) => Err(self.target.unanswered(client.watch())),
        }
    }

    async fn deliver_all(&self, batch: &[Parcel]) -> Vec<Outcome> {
        let until = time::now() + self.config.wait();
        let client = self.clients.together();
        let mut outcomes = self.hand_over(&client, batch.iter(), until).await;
        self.clients.replace_if_broken(&client, &outcomes);
        let is_shared = |outcome: &&mut Result<(), Failure>| {
            matches!(outcome, Err(Failure::OfTheRequest { .. }))
        };
        let shared = batch.iter().zip(&outcomes);
        let shared = shared.filter(|(_, o)| matches!(o, Err(Failure::OfTheRequest { .. })));
        let shared: Vec<_> = shared.map(|(parcel, _)| parcel).collect();
        if !shared.is_empty() {
            match self.clients.alone() {
                Ok(client) => {
                    let judged = self.hand_over(&client, shared.into_iter(), until).await;
                    for (outcome, judged) in outcomes.iter_mut().filter(is_shared).zip(judged) {
                        *outcome = judged.map_err(|failure| failure.judged().into());
                    }
                }
                Err(flaw) => {
                    for outcome in outcomes.iter_mut().filter(is_shared) {
                        *outcome = Err(Failure::from(Refusal::transient(flaw.clone())));
                    }
                }
            }
        }
        outcomes.into_iter().map(|outcome| outcome.map_err(Failure::judged)).collect()
    }
}

impl Sink for Kafka {
    fn limits(&self) -> Limits {
        let Config { timeout, .. } = self.config;
        Limits { timeout, concurrency: CONCURRENCY, batch: BATCH }
    }

    fn deliver<'a>(&'a self, batch: &'a [Parcel]) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(self.deliver_all(batch))
    }

    /// Reads the certificates again, which may have been renewed under the same names.
    fn reopen(&self) {
        if self.config.tls.as_ref().is_some_and(|files| !files.is_empty()) {
            self.clients.read_again();
        }
    }
}
