//! # Delivered when
//!
//! The server answers the event's `XADD` with the id of a new entry; with `wait_replicas`, when that many
//! replicas have said within the rest of the `timeout` that they have it too.
//!
//! Redis says so before, or after, the entry is on disk, as its `appendfsync` has it: with `always`
//! what is acknowledged outlasts a crash; with `everysec` a power loss may take the last second, and
//! without `appendonly` everything since the last snapshot.
//!
//! An entry has the fields `id`, `type`, `task`, `file`, `received` and `body`. A stream has no unique
//! key: an event that is delivered again is another entry with the same `id`.
//!
//! An event that is larger than the server's `proto-max-bulk-len`, on which it would hang up, is refused
//! for good. Everything else may mend: another try follows.

mod probe;

use std::sync::Arc;
use std::time::Duration;

use ::redis::{Cmd, Value};

use self::probe::probe;
use super::{BoxFuture, Limits, OpenError, Outcome, Parcel, Probed, Refusal, Settings, Sink};
use crate::config::Section;
use crate::format::Format;
use crate::redis::{Address, EXAMPLE, Failure, SCHEMES, Server};
use crate::time::{self, Instant};
use crate::tls;

/// The most entries in one call: some hundred kilobytes of VOD's events.
const BATCH: usize = 256;

/// The most calls at the same time. They share one connection.
const CONCURRENCY: usize = 4;

/// The least that a server's `proto-max-bulk-len` can be. A larger entry goes alone, so that a server
/// which hangs up on it has answered for the others before.
const BULK_MIN: usize = 1 << 20;

/// What is left of a timeout for the way back of an answer: a twentieth, at most this.
const MARGIN: Duration = Duration::from_millis(200);

/// What `[sinks.NAME]` with `type = "redis"` says.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where the server is, and who calls it.
    pub address: Address,
    /// The files of its TLS.
    pub files: tls::Files,
    /// The key of the stream.
    pub stream: String,
    /// About how many entries the stream keeps; absent means all.
    pub max_len: Option<u64>,
    /// How many replicas must have an entry too.
    pub wait_replicas: u64,
    /// The shape of the body.
    pub format: Format,
    /// The most time that one call may take.
    pub timeout: Duration,
}

impl Config {
    /// Reads the sink's keys.
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let url = section.url("url", None, &SCHEMES);
        let (user, password) = (section.string("user"), section.secret("password"));
        let is_secure = url.as_ref().is_none_or(|url| url.scheme() == SCHEMES[1]);
        let files = section.tls_files_if(is_secure, "rediss://");
        let stream = section.string_or("stream", "vod:events");
        if stream.is_empty() {
            section.mistake("stream", "is empty", "for example \"vod:events\"");
        }
        let right = "a whole number from 1; leave it out to keep all entries";
        let max_len = section.optional_integer("max_len", right);
        if max_len == Some(0) {
            section.mistake("max_len", "is 0", right);
        }
        let wait_replicas = section.integer("wait_replicas", 0, 0..=100);
        let timeout = super::timeout(section, Duration::from_secs(10));
        let format = section.format();
        let right = format!("for example \"{EXAMPLE}\"");
        let address = match Address::from_url(&url?) {
            Ok(address) => address,
            Err(flaw) => {
                section.mistake("url", flaw, &right);
                return None;
            }
        };
        for (key, given, in_url) in [
            ("user", user.is_some(), address.user().is_some()),
            ("password", password.is_some(), address.has_password()),
        ] {
            if given && in_url {
                section.mistake(key, "stands beside one in url", "either there or here");
            }
        }
        let user = user.filter(|user| !user.is_empty());
        let password = password.filter(|password| !password.is_empty());
        let user_from = if user.is_some() { "user" } else { "url" };
        let address = match address.with(user, password).whole() {
            Ok(address) => address,
            Err(flaw) => {
                section.mistake(user_from, flaw, &format!("with password, or {right}"));
                return None;
            }
        };
        let format = format?;
        Some(Self { address, files, stream, max_len, wait_replicas, format, timeout })
    }
}

impl Settings for Config {
    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn open(&self, name: &str) -> Result<Arc<dyn Sink>, OpenError> {
        let server = Server::new(self.address.clone(), self.files.clone());
        let server = server.map_err(|error| OpenError::new(name, error.to_string()))?;
        Ok(Arc::new(Stream { name: name.to_owned(), config: self.clone(), server }))
    }

    fn probe(&self) -> BoxFuture<'_, Probed> {
        Box::pin(probe(self))
    }
}

/// The sink.
#[derive(Debug)]
struct Stream {
    name: String,
    config: Config,
    server: Server,
}

impl Stream {
    /// Adds entries, all on one connection, and waits for the replicas: an outcome for each.
    async fn add(&self, mut entries: Vec<Cmd>, until: Instant) -> Vec<Outcome> {
        let wanted = self.config.wait_replicas;
        let count = entries.len();
        let left = until.saturating_duration_since(time::now()) * 9 / 10;
        if wanted > 0 {
            // On the same connection: it is about what was written there before.
            let millis = u64::try_from(left.as_millis()).unwrap_or(u64::MAX).max(1);
            let mut wait = ::redis::cmd("WAIT");
            wait.arg(wanted).arg(millis);
            entries.push(wait);
        }
        let mut answers = match self.server.ask(&entries, until).await {
            Ok(answers) => answers,
            Err(failure) => return vec![Err(self.refusal(&failure)); count],
        };
        let replicas = answers.split_off(count).pop();
        let outcome = |answer: Result<Value, Failure>| match answer {
            Ok(Value::BulkString(_)) => self.replicated(replicas.as_ref(), left),
            Ok(other) => Err(Refusal::transient(format!(
                "{} answers XADD with {other:?}, which is no id of an entry",
                self.server.address()
            ))),
            Err(failure) => Err(self.refusal(&failure)),
        };
        answers.into_iter().map(outcome).collect()
    }

    /// Whether as many replicas have an entry as should.
    fn replicated(&self, answer: Option<&Result<Value, Failure>>, waited: Duration) -> Outcome {
        let wanted = self.config.wait_replicas;
        match answer {
            None => Ok(()),
            Some(Ok(Value::Int(have))) if u64::try_from(*have).is_ok_and(|n| n >= wanted) => Ok(()),
            Some(Ok(Value::Int(have))) => {
                let waited = humantime::format_duration(time::whole_millis(waited));
                Err(Refusal::transient(format!(
                    "{}: only {have} of {wanted} replicas have it within {waited}; look at the \
                     replicas, or lower wait_replicas",
                    self.server.address()
                )))
            }
            Some(Ok(other)) => Err(Refusal::transient(format!(
                "{} answers WAIT with {other:?}",
                self.server.address()
            ))),
            Some(Err(failure)) => Err(self.refusal(failure)),
        }
    }

    /// The most bytes of one field, if the server tells. It hangs up on more, and what it says before
    /// that may get lost with the connection.
    async fn bulk_limit(&self, until: Instant) -> Option<u64> {
        let mut ask = ::redis::cmd("CONFIG");
        ask.arg("GET").arg("proto-max-bulk-len");
        match self.server.ask(&[ask], until).await.ok()?.pop()?.ok()? {
            Value::Array(pair) => match pair.get(1)? {
                Value::BulkString(number) => std::str::from_utf8(number).ok()?.parse().ok(),
                _ => None,
            },
            _ => None,
        }
    }

    fn entry(&self, parcel: &Parcel) -> Result<(Cmd, usize), Refusal> {
        let body = parcel.render(&self.config.format)?.body;
        let mut entry = ::redis::cmd("XADD");
        entry.arg(&self.config.stream);
        if let Some(most) = self.config.max_len {
            entry.arg("MAXLEN").arg("~").arg(most);
        }
        let event = &parcel.event;
        entry.arg("*").arg("id").arg(event.id().to_string()).arg("type").arg(event.event_type());
        let fields = event.fields();
        for (name, value) in [("task", &fields.task_id), ("file", &fields.file_id)] {
            if let Some(value) = value {
                entry.arg(name).arg(&**value);
            }
        }
        entry.arg("received").arg(time::rfc3339(parcel.received)).arg("body").arg(&body[..]);
        Ok((entry, body.len()))
    }

    fn refusal(&self, failure: &Failure) -> Refusal {
        let (code, text) = match failure {
            Failure::Unreachable(text) => return Refusal::transient(text.clone()),
            Failure::Refused(text) => return Refusal::transient(format!("{text}; {REFUSED}")),
            Failure::Answered { code, text } => (code.as_str(), text),
        };
        if text.contains("invalid bulk length") {
            return Refusal::permanent(format!(
                "{text}: the event is larger than its proto-max-bulk-len"
            ));
        }
        let key = &self.config.stream;
        let mend = match code {
            "WRONGTYPE" => format!("{key} is no stream there: delete it, or name another stream"),
            "MISCONF" => "it cannot write to its disk: look at its log".to_owned(),
            "READONLY" => "it is a replica: name the primary in url".to_owned(),
            "LOADING" => "it is about to read its data from disk".to_owned(),
            "OOM" => "its maxmemory is reached: raise it, or set max_len".to_owned(),
            "NOREPLICAS" => "it has fewer replicas than its min-replicas-to-write".to_owned(),
            "MOVED" | "ASK" | "CLUSTERDOWN" | "TRYAGAIN" => {
                format!("it is part of a cluster: name the node in url that has the slot of {key}")
            }
            _ => return Refusal::transient(text.clone()),
        };
        Refusal::transient(format!("{text} ({mend})"))
    }
}

/// What to do about refused credentials.
const REFUSED: &str =
    "mend user and password (or what url has of them), or the user's rights there";

impl Sink for Stream {
    fn limits(&self) -> Limits {
        // A wait for replicas holds up whatever follows on the connection.
        let concurrency = if self.config.wait_replicas > 0 { 1 } else { CONCURRENCY };
        Limits { timeout: self.config.timeout, concurrency, batch: BATCH }
    }

    fn deliver<'a>(&'a self, batch: &'a [Parcel]) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(async move {
            let timeout = self.config.timeout;
            let until = time::now() + timeout.saturating_sub(MARGIN.min(timeout / 20));
            let mut outcomes = vec![Err(Refusal::transient("no outcome")); batch.len()];
            let (mut small, mut large) = (Vec::new(), Vec::new());
            for (at, parcel) in batch.iter().enumerate() {
                match self.entry(parcel) {
                    Ok((entry, size)) if size < BULK_MIN => small.push((at, entry)),
                    Ok((entry, size)) => large.push((at, entry, size)),
                    Err(refusal) => outcomes[at] = Err(refusal),
                }
            }
            if !small.is_empty() {
                let (places, entries): (Vec<_>, Vec<_>) = small.into_iter().unzip();
                for (at, outcome) in places.into_iter().zip(self.add(entries, until).await) {
                    outcomes[at] = outcome;
                }
            }
            let limit = if large.is_empty() { None } else { self.bulk_limit(until).await };
            for (at, entry, size) in large {
                outcomes[at] = match limit {
                    Some(most) if size as u64 > most => Err(Refusal::permanent(format!(
                        "{}: the event has {size} bytes and is larger than its \
                         proto-max-bulk-len, {most}",
                        self.server.address()
                    ))),
                    Some(_) | None => self.add(vec![entry], until).await.remove(0),
                };
            }
            outcomes
        })
    }

    /// Reads the certificates again, which may have been renewed under the same names. They hold for
    /// the next connection.
    fn reopen(&self) {
        super::tell_of_certificates(&self.name, self.server.renew());
    }
}
