//! What runs, and how it fares, as JSON.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Serialize, Serializer};

use super::health::{self, Reason};
use super::measure;
use crate::board::{Board, PullFace, SinkFace, SourceFace};
use crate::config::Ack;
use crate::ledger;
use crate::progress::{SinkVitals, Snapshot, Vitals};
use crate::time;

/// The whole relay.
#[derive(Debug, Serialize)]
pub(super) struct Status {
    version: &'static str,
    #[serde(serialize_with = "time")]
    started: Option<SystemTime>,
    uptime_seconds: u64,
    ready: bool,
    reasons: Vec<Reason>,
    /// The sums over all sources since the start.
    counts: Counts,
    sources: BTreeMap<String, SourceStatus>,
    sinks: BTreeMap<String, SinkStatus>,
    spool: Option<SpoolStatus>,
    dead_letters: Option<u64>,
    shared_ledger: Option<LedgerStatus>,
}

#[derive(Debug, Serialize)]
struct Counts {
    pulled: u64,
    posted: u64,
    redelivered: u64,
    delivered: u64,
    dead_letters: u64,
    confirmed: u64,
    left: u64,
    refused_confirms: u64,
}

#[derive(Debug, Serialize)]
struct SourceStatus {
    r#type: &'static str,
    endpoint: String,
    sub_app_id: Option<u64>,
    ack: &'static str,
    /// `up`, or what is wrong in one word.
    state: &'static str,
    #[serde(serialize_with = "time")]
    last_answer: Option<SystemTime>,
    trouble: Option<Trouble>,
    last_error: Option<Failure>,
    #[serde(serialize_with = "time")]
    credentials_expire: Option<SystemTime>,
    in_flight: u64,
    backlog: Option<u64>,
    counts: Counts,
}

#[derive(Debug, Serialize)]
struct SinkStatus {
    required: bool,
    /// `up`, `down`, or `unused` while nothing was delivered to it yet.
    state: &'static str,
    #[serde(serialize_with = "time")]
    last_worked: Option<SystemTime>,
    #[serde(serialize_with = "time")]
    failing_since: Option<SystemTime>,
    last_error: Option<Failure>,
    delivered: u64,
    failed: u64,
    dead_letters: u64,
    refused: u64,
    expired: u64,
}

#[derive(Debug, Serialize)]
struct SpoolStatus {
    events: u64,
    bytes: u64,
    bytes_max: u64,
    #[serde(serialize_with = "time")]
    oldest: Option<SystemTime>,
}

#[derive(Debug, Serialize)]
struct LedgerStatus {
    r#type: &'static str,
    /// `up` or `failing`.
    state: &'static str,
    #[serde(serialize_with = "time")]
    failing_since: Option<SystemTime>,
    last_error: Option<Failure>,
}

#[derive(Debug, Serialize)]
struct Trouble {
    kind: &'static str,
    message: String,
    #[serde(serialize_with = "time")]
    since: Option<SystemTime>,
}

#[derive(Debug, Serialize)]
struct Failure {
    message: String,
    #[serde(serialize_with = "time")]
    at: Option<SystemTime>,
}

impl Status {
    pub(super) async fn of(board: &Board) -> Self {
        let shown = board.shown();
        let vitals = board.totals.vitals();
        let sources = shown.sources.iter().map(|source| {
            let status = SourceStatus::of(board, source, vitals.get(&source.name));
            (source.name.clone(), status)
        });
        let sinks = shown.sinks.iter().map(|sink| (sink.name.clone(), SinkStatus::of(sink)));
        let spool = board.spool().zip(board.store()).map(|(spool, store)| {
            let stats = store.spool_stats();
            let bytes_max = spool.bounds().bytes_max;
            SpoolStatus {
                events: stats.events,
                bytes: stats.bytes,
                bytes_max,
                oldest: stats.oldest,
            }
        });
        let letters = match board.store() {
            Some(store) => store.dead_letter_total().await.ok().map(|total| total.entries),
            None => None,
        };
        let reasons = health::obstacles(board);
        Self {
            version: env!("CARGO_PKG_VERSION"),
            started: Some(board.started.wall),
            uptime_seconds: board.started.at.elapsed().as_secs(),
            ready: reasons.is_empty(),
            reasons,
            counts: board.totals.snapshot().into(),
            sources: sources.collect(),
            sinks: sinks.collect(),
            spool,
            dead_letters: letters,
            shared_ledger: board.shared_ledger().map(LedgerStatus::from),
        }
    }
}

impl SourceStatus {
    fn of(board: &Board, source: &SourceFace, vitals: Option<&Vitals>) -> Self {
        let (progress, pull) = (board.totals.of(&source.name), source.pull.as_ref());
        let troubles = pull.zip(vitals).map(|(pull, vitals)| pull.troubles(vitals));
        let trouble = troubles.into_iter().flatten().next().map(|trouble| Trouble {
            kind: measure::word(trouble.kind),
            message: trouble.message.clone(),
            since: Some(trouble.since.wall),
        });
        let last_error = vitals.and_then(|vitals| vitals.last_error.clone());
        let problem = health::of_source(source, vitals, time::now());
        Self {
            r#type: if source.pull.is_some() { "pull" } else { "callback" },
            endpoint: source.endpoint.clone(),
            sub_app_id: source.sub_app_id,
            ack: match source.ack {
                Ack::Delivered => "delivered",
                Ack::Spooled => "spooled",
            },
            state: problem.map_or("up", |problem| problem.problem),
            last_answer: vitals.and_then(|vitals| vitals.answered).map(|answered| answered.wall),
            trouble,
            last_error: last_error.map(|(message, at)| Failure { message, at: Some(at) }),
            credentials_expire: pull.and_then(PullFace::credentials_expire),
            in_flight: progress.in_flight(),
            backlog: pull.and_then(|pull| pull.backlog.events()),
            counts: progress.snapshot().into(),
        }
    }
}

impl SinkStatus {
    fn of(sink: &SinkFace) -> Self {
        let vitals = sink.progress.vitals();
        let is_up = health::of_sink(&vitals, time::now()).is_none();
        let SinkVitals { worked, failing, last_error, .. } = vitals;
        let counts = sink.progress.counts();
        let is_unused = worked.is_none() && failing.is_none();
        Self {
            required: sink.required,
            state: match (is_up, is_unused) {
                (false, _) => "down",
                (true, true) => "unused",
                (true, false) => "up",
            },
            last_worked: worked,
            failing_since: failing.map(|failing| failing.wall),
            last_error: last_error
                .map(|error| Failure { message: error.message, at: Some(error.at) }),
            delivered: counts.delivered.get(),
            failed: counts.failed.get(),
            dead_letters: counts.buried.get(),
            refused: counts.refused.get(),
            expired: counts.expired.get(),
        }
    }
}

impl From<ledger::Vitals> for LedgerStatus {
    fn from(vitals: ledger::Vitals) -> Self {
        let ledger::Vitals { kind, failing_since, last_error } = vitals;
        Self {
            r#type: kind,
            state: if failing_since.is_some() { "failing" } else { "up" },
            failing_since,
            last_error: last_error.map(|(message, at)| Failure { message, at: Some(at) }),
        }
    }
}

impl From<Snapshot> for Counts {
    fn from(snapshot: Snapshot) -> Self {
        Self {
            pulled: snapshot.pulled,
            posted: snapshot.posted,
            redelivered: snapshot.redelivered,
            delivered: snapshot.delivered,
            dead_letters: snapshot.dead,
            confirmed: snapshot.confirmed,
            left: snapshot.left,
            refused_confirms: snapshot.refused_confirms,
        }
    }
}

/// A time as RFC 3339, or null.
pub(super) fn time<S: Serializer>(
    time: &Option<SystemTime>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.collect_str(&humantime::format_rfc3339_millis(*time)),
        None => serializer.serialize_none(),
    }
}
