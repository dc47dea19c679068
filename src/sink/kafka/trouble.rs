//! What went wrong, in words, and whether trying again can mend it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use humantime::format_duration;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use tracing::{debug, trace};

use super::Config;
use crate::sink::Refusal;

/// Why a record was not taken.
#[derive(Debug)]
pub(super) enum Failure {
    /// The event's own outcome.
    Refused(Refusal),
    /// There is no such topic.
    NoTopic(Refusal),
    /// The broker refused a request, of which the record was a part. Alone it would be refused with
    /// this.
    OfTheRequest(Refusal),
}

impl Failure {
    /// The outcome, when it was the event's own.
    pub(super) fn judged(self) -> Refusal {
        match self {
            Self::Refused(refusal) | Self::NoTopic(refusal) | Self::OfTheRequest(refusal) => {
                refusal
            }
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// What librdkafka last said of its connections.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    code: Code,
    said: String,
}

/// Listens to what librdkafka says. Its lines repeat with every try to connect, so they are in the
/// log for debugging alone; what stands behind a failure is in the failure's reason.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    sink: Arc<str>,
    trouble: Arc<Mutex<Option<Trouble>>>,
}

impl Watch {
    pub(super) fn of(sink: &str) -> Self {
        Self { sink: sink.into(), trouble: Arc::default() }
    }

    /// Everything went well.
    pub(super) fn forget(&self) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn trouble(&self) -> Option<Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ClientContext for Watch {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        match level {
            RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
                trace!(sink = %self.sink, "librdkafka: {facility}: {text}");
            }
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning
            | RDKafkaLogLevel::Notice => {
                debug!(sink = %self.sink, "librdkafka: {facility}: {text}");
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let Some(code) = error.rdkafka_error_code() else { return };
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        // That all are down says nothing of why.
        if trouble.is_none() || code != Code::AllBrokersDown {
            *trouble = Some(Trouble { code, said: reason.to_owned() });
        }
    }

    /// Nobody asked for them, unless by an option.
    fn stats_raw(&self, _: &[u8]) {}
}

/// What is delivered to, as failures call it.
#[derive(Debug)]
pub(super) struct Target {
    brokers: String,
    topic: String,
    user: Option<String>,
    patience: Duration,
}

impl Target {
    pub(super) fn of(config: &Config) -> Self {
        Self {
            brokers: config.brokers.join(","),
            topic: config.topic.clone(),
            user: config.login.as_ref().map(|login| login.user.clone()),
            patience: config.patience(),
        }
    }

    /// Why a record was not even taken to be sent.
    pub(super) fn unsent(&self, error: &KafkaError) -> Failure {
        let topic = &self.topic;
        match error.rdkafka_error_code() {
            Some(Code::MessageSizeTooLarge) => Failure::Refused(Refusal::permanent(format!(
                "Kafka topic {topic}: the event is larger than message.max.bytes, 1000000 unless \
                 it is among the options"
            ))),
            Some(Code::QueueFull) => Failure::Refused(Refusal::transient(format!(
                "Kafka topic {topic}: too much waits to be sent to {}",
                self.brokers
            ))),
            Some(Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition) => {
                self.no_topic()
            }
            Some(_) | None => {
                Failure::Refused(Refusal::transient(format!("Kafka topic {topic}: {error}")))
            }
        }
    }

    /// Why a record was not acknowledged.
    pub(super) fn failure(&self, error: &KafkaError, watch: &Watch) -> Failure {
        let topic = &self.topic;
        let transient = |what: String| {
            Failure::Refused(Refusal::transient(format!("Kafka topic {topic}: {what}")))
        };
        let shared = |what: &str| {
            Failure::OfTheRequest(Refusal::permanent(format!("Kafka topic {topic}: {what}")))
        };
        match error.rdkafka_error_code() {
            Some(Code::MessageSizeTooLarge | Code::MessageBatchTooLarge) => {
                shared("the broker finds the event too large; its limit is max.message.bytes")
            }
            Some(Code::InvalidRecord | Code::InvalidDifferentRecord) => shared(
                "the broker finds the record invalid; a compacted topic takes none without a key",
            ),
            Some(Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition) => {
                self.no_topic()
            }
            Some(Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed) => {
                transient(self.forbidden())
            }
            Some(Code::NotEnoughReplicas | Code::NotEnoughReplicasAfterAppend) => transient(
                "fewer replicas are in sync than min.insync.replicas asks for; see to the brokers"
                    .to_owned(),
            ),
            Some(
                Code::MessageTimedOut
                | Code::RequestTimedOut
                | Code::OperationTimedOut
                | Code::PurgeQueue
                | Code::PurgeInflight
                | Code::Fatal,
            )
            | None => self.unanswered(watch),
            Some(code) => transient(code.to_string()),
        }
    }

    /// Why there is no acknowledgement, as far as it is known.
    pub(super) fn unanswered(&self, watch: &Watch) -> Failure {
        let what = match watch.trouble() {
            Some(trouble) => self.told(&trouble),
            None => "see whether its partitions have leaders, and how busy the brokers are".into(),
        };
        let (topic, patience) = (&self.topic, format_duration(self.patience));
        Failure::Refused(Refusal::transient(format!(
            "Kafka topic {topic}: not acknowledged within {patience}: {what}"
        )))
    }

    /// What librdkafka said, with what to do where it says no more than what happened.
    fn told(&self, Trouble { code, said }: &Trouble) -> String {
        match code {
            Code::Authentication | Code::SaslAuthenticationFailed => {
                let user = self.user.as_deref().unwrap_or_default();
                format!(
                    "the broker refuses user {user:?}: {said}; mend user, password or mechanism"
                )
            }
            Code::ClusterAuthorizationFailed | Code::TopicAuthorizationFailed => {
                format!("{}: {said}", self.forbidden())
            }
            Code::BrokerTransportFailure if said.contains("SSL_HANDSHAKE") => {
                format!("{said}; does this port talk TLS?")
            }
            _ => said.clone(),
        }
    }

    fn forbidden(&self) -> String {
        let user = self.user.as_deref().unwrap_or("ANONYMOUS");
        format!(
            "the broker refuses what user {user:?} wants; grant it Write and Describe on topic {}, \
             and before Kafka 2.8 IdempotentWrite on the cluster",
            self.topic
        )
    }

    fn no_topic(&self) -> Failure {
        let topic = &self.topic;
        Failure::NoTopic(Refusal::transient(format!(
            "Kafka topic {topic}: there is none at {}; create it, or let the brokers do so \
             (auto.create.topics.enable)",
            self.brokers
        )))
    }

    /// Why the brokers could not be asked, and whether that is a matter of the configuration.
    pub(super) fn unreachable(&self, error: &KafkaError, watch: &Watch) -> (String, bool) {
        let Some(trouble) = watch.trouble() else {
            return (format!("Kafka at {}: {error}", self.brokers), false);
        };
        let is_ours = matches!(trouble.code, Code::Authentication | Code::SaslAuthenticationFailed);
        (format!("Kafka at {}: {}", self.brokers, self.told(&trouble)), is_ours)
    }
}
