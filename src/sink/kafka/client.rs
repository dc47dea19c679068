//! The producers.

use std::fmt;
use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError, RwLock, mpsc};
use std::thread;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::producer::{FutureProducer, Producer as _};
use tracing::{info, warn};

use super::trouble::{Failure, Watch};
use super::{BATCH, CONCURRENCY, Config};
use crate::secret::Secret;

/// Records that the producer holds at the most: those under way, and as many whose calls ended
/// before the producer gave them up.
const RECORDS_MAX: usize = 2 * BATCH * CONCURRENCY;

/// The most KiB of them.
const KBYTES_MAX: &str = "65536";

/// How long a record waits for others to share a request with.
const LINGER_MS: &str = "2";

/// Between two tries to reach a broker that is down, at the most: a call should see it come back.
const RECONNECT_MAX_MS: &str = "1000";

/// The most time that opening a connection may take.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// The most time that one request may take; what it had is sent again within the records' own time.
const REQUEST_MAX: Duration = Duration::from_secs(60);

/// How long a topic may be unknown before its records are refused. One that the broker makes by
/// itself is known in less.
const UNKNOWN_MAX: Duration = Duration::from_secs(3);

/// The settings that are names of files.
const FILES: [&str; 3] = ["ssl.ca.location", "ssl.certificate.location", "ssl.key.location"];

/// How long the end of a producer is waited for. It takes a tenth of that, unless the network hangs.
const END_MAX: Duration = Duration::from_millis(500);

/// A producer, and what it says of its connections.
pub(super) struct Client {
    /// There until it is dropped.
    producer: Option<FutureProducer<Watch>>,
    watch: Watch,
}

impl Client {
    /// Makes a producer. It connects by itself, when there is something to send.
    ///
    /// # Errors
    ///
    /// A certificate cannot be used, or two settings contradict each other.
    pub(super) fn new(settings: &ClientConfig, sink: &str) -> Result<Self, String> {
        for name in FILES {
            // OpenSSL's own words would leave the file's name out.
            if let Some(path) = settings.get(name) {
                File::open(path).map_err(|error| format!("cannot read {path}: {error}"))?;
            }
        }
        let watch = Watch::of(sink);
        match settings.create_with_context(watch.clone()) {
            Ok(producer) => Ok(Self { producer: Some(producer), watch }),
            Err(KafkaError::ClientCreation(flaw)) => Err(format!("cannot set up Kafka: {flaw}")),
            // Its text would quote the value, which may be a secret.
            Err(KafkaError::ClientConfig(_, _, key, _)) => {
                Err(format!("cannot set up Kafka: {key} has a value that librdkafka does not take"))
            }
            Err(error) => Err(format!("cannot set up Kafka: {error}")),
        }
    }

    pub(super) fn producer(&self) -> &FutureProducer<Watch> {
        self.producer.as_ref().expect("it is taken out only when the client is dropped")
    }

    pub(super) fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Whether the producer will never send anything again.
    fn is_dead(&self) -> bool {
        self.producer().client().fatal_error().is_some()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("watch", &self.watch).finish_non_exhaustive()
    }
}

impl Drop for Client {
    /// Ends the producer on a thread of its own, because that waits for its connections. It is
    /// waited for only so long that a process which ends does not take OpenSSL away under it.
    fn drop(&mut self) {
        let Some(producer) = self.producer.take() else { return };
        let (ended, end) = mpsc::sync_channel(1);
        let thread = thread::Builder::new().name("kafka-end".to_owned());
        let spawned = thread.spawn(move || {
            drop(producer);
            // Whoever waited may have gone on.
            let _ = ended.send(());
        });
        if spawned.is_ok() {
            // Both answers are fine: it has ended, or takes longer than anybody should wait.
            let _ = end.recv_timeout(END_MAX);
        }
    }
}

/// The producers of a sink.
#[derive(Debug)]
pub(super) struct Clients {
    sink: String,
    config: Config,
    together: RwLock<Arc<Client>>,
    /// Made when it is needed first.
    alone: Mutex<Option<Arc<Client>>>,
}

impl Clients {
    pub(super) fn open(config: &Config, sink: &str) -> Result<Self, String> {
        let client = Client::new(&settings(config), sink)?;
        Ok(Self {
            sink: sink.to_owned(),
            config: config.clone(),
            together: RwLock::new(Arc::new(client)),
            alone: Mutex::default(),
        })
    }

    /// The one that puts many records into one request.
    pub(super) fn together(&self) -> Arc<Client> {
        Arc::clone(&self.together.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The one that gives each record a request of its own.
    pub(super) fn alone(&self) -> Result<Arc<Client>, String> {
        let mut alone = self.alone.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = alone.as_ref().filter(|client| !client.is_dead()) {
            return Ok(Arc::clone(client));
        }
        let mut settings = settings(&self.config);
        settings.set("batch.num.messages", "1");
        let client = Arc::new(Client::new(&settings, &self.sink)?);
        Ok(Arc::clone(alone.insert(client)))
    }

    /// Takes another producer if this one will never send anything again, or believes that there is
    /// no such topic, which it does not ask about soon.
    pub(super) fn replace_if_broken(&self, client: &Arc<Client>, outcomes: &[Result<(), Failure>]) {
        let misses_topic = outcomes.iter().any(|o| matches!(o, Err(Failure::NoTopic(_))));
        if !misses_topic && !client.is_dead() {
            return;
        }
        let mut together = self.together.write().unwrap_or_else(PoisonError::into_inner);
        // Another call may have done it.
        if Arc::ptr_eq(&together, client) {
            match Client::new(&settings(&self.config), &self.sink) {
                Ok(another) => *together = Arc::new(another),
                Err(error) => warn!(sink = self.sink, error, "cannot begin with Kafka anew"),
            }
        }
    }

    /// Takes other producers, which have read the certificates anew.
    pub(super) fn read_again(&self) {
        match Client::new(&settings(&self.config), &self.sink) {
            Ok(client) => {
                *self.together.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(client);
                *self.alone.lock().unwrap_or_else(PoisonError::into_inner) = None;
                info!(sink = self.sink, "read the certificates again");
            }
            Err(error) => warn!(sink = self.sink, error, "keeping the old certificates"),
        }
    }
}

/// The settings of librdkafka.
pub(super) fn settings(config: &Config) -> ClientConfig {
    let mut settings = ClientConfig::new();
    let millis = |time: Duration| time.as_millis().max(10).to_string();
    let patience = config.patience();
    // So soon that a failure is known before the records are given up. librdkafka takes no less.
    let connecting = (patience / 2).clamp(Duration::from_secs(1), CONNECT_MAX);
    let own = [
        ("client.id", env!("CARGO_PKG_NAME").to_owned()),
        // Java's way to choose a partition, so that records of other producers with the same key are
        // in the same one.
        ("partitioner", "murmur2_random".to_owned()),
        ("queue.buffering.max.kbytes", KBYTES_MAX.to_owned()),
        ("linger.ms", LINGER_MS.to_owned()),
        ("reconnect.backoff.max.ms", RECONNECT_MAX_MS.to_owned()),
        ("socket.keepalive.enable", "true".to_owned()),
        ("socket.timeout.ms", millis(patience.min(REQUEST_MAX))),
        ("request.timeout.ms", millis(patience.min(REQUEST_MAX))),
        ("socket.connection.setup.timeout.ms", millis(connecting)),
        ("topic.metadata.propagation.max.ms", millis((patience / 2).min(UNKNOWN_MAX))),
        ("log.connection.close", "false".to_owned()),
    ];
    settings.extend(own.map(|(key, value)| (key.to_owned(), value)));
    settings
        .extend(config.options.iter().map(|(key, value)| (key.clone(), value.expose().to_owned())));
    // What the promise rests on comes last.
    settings
        .set("bootstrap.servers", config.brokers.join(","))
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("queue.buffering.max.messages", RECORDS_MAX.to_string())
        .set("message.timeout.ms", millis(patience))
        .set("security.protocol", protocol(config))
        .set_log_level(RDKafkaLogLevel::Notice);
    if let Some(login) = &config.login {
        settings
            .set("sasl.mechanism", login.mechanism.name())
            .set("sasl.username", &login.user)
            .set("sasl.password", Secret::expose(&login.password));
    }
    if let Some(files) = &config.tls {
        if let Some(file) = &files.ca_file {
            settings.set("ssl.ca.location", file.display().to_string());
        }
        if let Some((cert_file, key_file)) = &files.identity {
            settings.set("ssl.certificate.location", cert_file.display().to_string());
            settings.set("ssl.key.location", key_file.display().to_string());
        }
    }
    settings
}

fn protocol(config: &Config) -> &'static str {
    match (&config.tls, &config.login) {
        (None, None) => "plaintext",
        (Some(_), None) => "ssl",
        (None, Some(_)) => "sasl_plaintext",
        (Some(_), Some(_)) => "sasl_ssl",
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Key, Login, Mechanism};
    use super::*;
    use crate::format::Format;
    use crate::tls;

    #[test]
    fn the_settings_are_what_the_keys_say_and_the_promise_stands_above_the_options() {
        let text = |text: &str| Secret::from(text.to_owned());
        let login = Login {
            mechanism: Mechanism::ScramSha256,
            user: "relay".to_owned(),
            password: text("hunter2"),
        };
        let files = tls::Files {
            ca_file: Some("/ca.pem".into()),
            identity: Some(("/cert.pem".into(), "/key.pem".into())),
        };
        let plain = Config {
            brokers: vec!["a:1".to_owned(), "b:2".to_owned()],
            topic: "t".to_owned(),
            key: Key::File,
            tls: None,
            login: None,
            options: vec![("acks".to_owned(), text("0")), ("linger.ms".to_owned(), text("9"))],
            format: Format::Callback,
            timeout: Duration::from_secs(10),
        };
        let all = Config { tls: Some(files), login: Some(login), ..plain.clone() };
        for (config, protocol) in [
            (&plain, "plaintext"),
            (&all, "sasl_ssl"),
            (&Config { login: None, ..all.clone() }, "ssl"),
            (&Config { tls: None, ..all.clone() }, "sasl_plaintext"),
        ] {
            assert_eq!(settings(config).get("security.protocol"), Some(protocol));
        }
        let settings = settings(&all);
        for (name, value) in [
            ("bootstrap.servers", "a:1,b:2"),
            ("acks", "all"),
            ("enable.idempotence", "true"),
            ("linger.ms", "9"),
            ("message.timeout.ms", "8000"),
            ("sasl.mechanism", "SCRAM-SHA-256"),
            ("sasl.username", "relay"),
            ("sasl.password", "hunter2"),
            ("ssl.ca.location", "/ca.pem"),
            ("ssl.certificate.location", "/cert.pem"),
            ("ssl.key.location", "/key.pem"),
        ] {
            assert_eq!(settings.get(name), Some(value), "{name}");
        }
    }

    #[test]
    fn the_shortest_and_the_longest_timeout_make_settings_that_agree() {
        for timeout in [crate::sink::TIMEOUT_MIN, crate::sink::TIMEOUT_MAX] {
            let config = Config {
                brokers: vec!["127.0.0.1:1".to_owned()],
                topic: "t".to_owned(),
                key: Key::None,
                tls: None,
                login: None,
                options: Vec::new(),
                format: Format::Callback,
                timeout,
            };
            Client::new(&settings(&config), "app").unwrap();
        }
    }
}
