//! What the sink's keys say.

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;

use crate::config::Section;
use crate::event::Event;
use crate::secret::Secret;
use crate::tls;

const BROKERS_RIGHT: &str =
    "for example [\"kafka-1.example.com:9092\", \"kafka-2.example.com:9092\"]";

/// The longest name of a topic that Kafka takes.
const TOPIC_MAX: usize = 249;

/// Settings of librdkafka that are not in `options`, because the sink sets them, or because it could
/// not keep its promise with another value.
const OWN: [(&str, &str); 22] = [
    ("bootstrap.servers", "brokers"),
    ("metadata.broker.list", "brokers"),
    ("security.protocol", "tls and user"),
    ("sasl.username", "user"),
    ("sasl.password", "password"),
    ("sasl.mechanism", "mechanism"),
    ("sasl.mechanisms", "mechanism"),
    ("ssl.ca.location", "ca_file"),
    ("ssl.certificate.location", "client_cert_file"),
    ("ssl.key.location", "client_key_file"),
    ("message.timeout.ms", "timeout"),
    ("delivery.timeout.ms", "timeout"),
    ("acks", ""),
    ("request.required.acks", ""),
    ("enable.idempotence", ""),
    ("transactional.id", ""),
    ("delivery.report.only.error", ""),
    ("queue.buffering.max.messages", ""),
    ("test.mock.num.brokers", ""),
    ("test.mock.broker.rtt", ""),
    ("enabled_events", ""),
    ("log.queue", ""),
];

/// What becomes the key of a record. Records with the same key are in the same partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// The media file, `FileId`; an event without one has no key.
    File,
    /// The task, `TaskId`; an event without one has no key.
    Task,
    /// The event's id.
    Id,
    /// Nothing: the events are spread over all partitions.
    None,
}

impl Key {
    /// The names under `key`.
    pub(super) const NAMES: [(&'static str, Self); 4] =
        [("file", Self::File), ("task", Self::Task), ("id", Self::Id), ("none", Self::None)];

    /// The key of an event that has this id.
    pub(super) fn of(self, event: &Event, id: &str) -> Option<Box<str>> {
        match self {
            Self::File => event.fields().file_id,
            Self::Task => event.fields().task_id,
            Self::Id => Some(id.into()),
            Self::None => None,
        }
    }
}

/// How the password is shown to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// As it is.
    Plain,
    /// By a proof that does not give it away.
    ScramSha256,
    /// The same with a longer hash.
    ScramSha512,
}

impl Mechanism {
    const NAMES: [(&'static str, Self); 3] = [
        ("PLAIN", Self::Plain),
        ("SCRAM-SHA-256", Self::ScramSha256),
        ("SCRAM-SHA-512", Self::ScramSha512),
    ];

    /// The name that SASL has for it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

/// Who the relay is to the brokers, by SASL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// How the password is shown.
    pub mechanism: Mechanism,
    /// The name.
    pub user: String,
    /// The password.
    pub password: Secret,
}

/// The brokers to begin with.
pub(super) fn brokers(section: &Section<'_>) -> Option<Vec<String>> {
    let brokers = section.strings("brokers", BROKERS_RIGHT);
    if !section.has("brokers") {
        section.missing("brokers", BROKERS_RIGHT);
    }
    let brokers = brokers?;
    if brokers.is_empty() {
        section.mistake("brokers", "is empty", BROKERS_RIGHT);
    }
    for broker in &brokers {
        if !is_broker(broker) {
            let problem = format!("holds {broker:?}, which is no host with a port");
            section.mistake("brokers", &problem, BROKERS_RIGHT);
        }
    }
    Some(brokers)
}

/// Whether a text is `host:port`, without a scheme.
fn is_broker(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
    let is_host = |letter: char| letter.is_alphanumeric() || ".-_:[]%".contains(letter);
    is_port && !host.is_empty() && host.chars().all(is_host)
}

/// The topic.
pub(super) fn topic(section: &Section<'_>) -> Option<String> {
    let topic = section.required_string("topic", "vod-events")?;
    let is_fine = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    if topic.len() > TOPIC_MAX || topic == "." || topic == ".." || !topic.chars().all(is_fine) {
        let right = format!("up to {TOPIC_MAX} letters, digits, \".\", \"_\" and \"-\"");
        section.mistake("topic", "is no name that Kafka takes", &right);
    }
    Some(topic)
}

/// Whether to talk TLS, and with which files.
pub(super) fn tls(section: &Section<'_>) -> Option<tls::Files> {
    let is_on = section.boolean("tls", false);
    let files = section.tls_files_if(is_on, "tls = true");
    is_on.then_some(files)
}

/// Who to be.
pub(super) fn login(section: &Section<'_>) -> Option<Login> {
    let user = section.string("user").filter(|user| !user.is_empty());
    let password = section.secret("password");
    let mechanism = section.choice("mechanism", &Mechanism::NAMES, "PLAIN");
    let has_password = section.has("password") || section.has("password_file");
    match &user {
        Some(_) if !has_password => {
            section.mistake("user", "stands without a password", "password or password_file");
        }
        None if password.as_ref().is_some_and(|password| !password.is_empty()) => {
            let key = if section.has("password") { "password" } else { "password_file" };
            section.mistake(key, "stands without user", "both or neither");
        }
        Some(_) | None => {}
    }
    Some(Login { user: user?, password: password?, mechanism: mechanism? })
}

/// The other settings of librdkafka, as far as it knows them.
pub(super) fn options(section: &Section<'_>) -> Vec<(String, Secret)> {
    let options = section.masked_map("options", "for example { \"compression.type\" = \"lz4\" }");
    for (name, value) in &options {
        if let Some((problem, right)) = flaw(name, value) {
            section.mistake("options", &problem, &right);
        }
    }
    options
}

/// What is wrong with an option, and what would be right. Its value is not told.
fn flaw(name: &str, value: &Secret) -> Option<(String, String)> {
    if let Some((_, key)) = OWN.iter().find(|(own, _)| *own == name) {
        let right = match *key {
            "" => "leave it out: the sink could not keep its promise".to_owned(),
            key => format!("use {key}"),
        };
        return Some((format!("sets {name}, which belongs to the sink"), right));
    }
    let tried = ClientConfig::new().set(name, value.expose()).create_native_config();
    let right = "a setting of librdkafka, as its CONFIGURATION.md lists them";
    match tried.err()? {
        KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..) => {
            Some((format!("sets {name:?}, which librdkafka does not know"), right.to_owned()))
        }
        _ => Some((format!("gives {name} a value that it cannot have"), right.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::fixture::read;

    #[test]
    fn brokers_are_hosts_with_ports() {
        for right in ["kafka:9092", "10.0.0.7:1", "[2001:db8::1]:9092", "kafka-1.a.example:65535"] {
            assert!(is_broker(right), "{right}");
        }
        for wrong in
            ["kafka", "kafka:", ":9092", "kafka:0", "kafka:65536", "ssl://kafka:9092", "a,b:1"]
        {
            assert!(!is_broker(wrong), "{wrong}");
        }
    }

    #[test]
    fn what_the_promise_rests_on_cannot_be_set() {
        let mistakes = |keys: &str| read(keys, options).1;
        assert_eq!(mistakes("options = { 'compression.type' = 'lz4', 'client.id' = 'x' }"), "");
        for (keys, expected) in [
            ("options = { acks = '1' }", "sets acks, which belongs to the sink (leave it out"),
            ("options = { 'sasl.password' = 'hunter2' }", "belongs to the sink (use password)"),
            (
                "options = { 'no.such' = 'hunter2' }",
                "sets \"no.such\", which librdkafka does not know",
            ),
            (
                "options = { 'linger.ms' = 'hunter2' }",
                "gives linger.ms a value that it cannot have",
            ),
        ] {
            let found = mistakes(keys);
            assert!(found.contains(expected), "{found}");
            assert!(!found.contains("hunter2"), "{found}");
        }
    }

    #[test]
    fn a_login_is_whole_or_it_is_a_mistake() {
        let login = |keys: &str| read(keys, login);
        assert_eq!(login(""), (None, String::new()));
        let (found, mistakes) = login("user = 'u'\npassword = 'p'\nmechanism = 'SCRAM-SHA-512'");
        let password = Secret::from("p".to_owned());
        let whole = Login { mechanism: Mechanism::ScramSha512, user: "u".to_owned(), password };
        assert_eq!((found, mistakes.as_str()), (Some(whole), ""));
        assert!(login("user = 'u'").1.contains("user: stands without a password"));
        assert!(login("password = 'p'").1.contains("password: stands without user"));
    }
}
