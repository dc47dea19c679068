//! Measures what is not counted as it happens, when somebody asks.

use std::time::SystemTime;

use super::{health, process};
use crate::board::{Board, Shown};
use crate::metrics::{Gauges, Of, TROUBLES};
use crate::progress::TroubleKind;
use crate::time;

/// All metrics now, in Prometheus' text format.
pub(super) async fn metrics(board: &Board) -> String {
    let _alone = board.measuring.lock().await;
    let letters = match board.store() {
        Some(store) => store.dead_letters_by_sink().await.unwrap_or_else(|error| {
            tracing::debug!("dead letters cannot be counted: {error}");
            Vec::new()
        }),
        None => Vec::new(),
    };
    let (metrics, shown) = (board.totals.metrics(), board.shown());
    let gauges = metrics.gauges();
    gauges.clear();
    sources(board, &shown, gauges);
    for sink in &shown.sinks {
        let is_up = health::of_sink(&sink.progress.vitals(), time::now()).is_none();
        gauges.sink_up.set(Of::One(&sink.name), one_if(is_up));
        if board.store().is_some() {
            gauges.dead_letters.set(Of::One(&sink.name), 0.0);
        }
    }
    for (sink, events) in letters {
        gauges.dead_letters.set(Of::One(&sink), events as f64);
    }
    storage(board, gauges);
    if let Some(ledger) = board.shared_ledger() {
        gauges.shared_ledger_up.set(Of::All, one_if(ledger.failing_since.is_none()));
    }
    gauges.ready.set(Of::All, one_if(health::obstacles(board).is_empty()));
    gauges.build_info.set(Of::One(env!("CARGO_PKG_VERSION")), 1.0);
    gauges.process_start.set(Of::All, unix(board.started.wall));
    process::measure(gauges);
    metrics.text()
}

fn sources(board: &Board, shown: &Shown, gauges: &Gauges) {
    let (vitals, now) = (board.totals.vitals(), time::now());
    for source in &shown.sources {
        let (name, vitals) = (source.name.as_str(), vitals.get(&source.name));
        let is_up = health::of_source(source, vitals, now).is_none();
        gauges.source_up.set(Of::One(name), one_if(is_up));
        let troubles = source.pull.as_ref().zip(vitals).map(|(pull, vitals)| pull.troubles(vitals));
        let troubles = troubles.unwrap_or_default();
        for kind in TROUBLES {
            let is_there = troubles.iter().any(|trouble| word(trouble.kind) == kind);
            gauges.source_trouble.set(Of::Kind(name, kind), one_if(is_there));
        }
        if let Some(answered) = vitals.and_then(|vitals| vitals.answered) {
            gauges.last_pull.set(Of::One(name), unix(answered.wall));
        }
        let Some(pull) = &source.pull else { continue };
        if let Some(expires) = pull.credentials_expire() {
            gauges.credentials_expiry.set(Of::One(name), unix(expires));
        }
        if let Some(events) = pull.backlog.events() {
            gauges.backlog.set(Of::One(name), events as f64);
        }
    }
}

fn storage(board: &Board, gauges: &Gauges) {
    let (Some(store), Some(spool)) = (board.store(), board.spool()) else { return };
    let stats = store.spool_stats();
    let age = stats.oldest.and_then(|oldest| time::wall_clock().duration_since(oldest).ok());
    gauges.spool_events.set(Of::All, stats.events as f64);
    gauges.spool_bytes.set(Of::All, stats.bytes as f64);
    gauges.spool_limit.set(Of::All, spool.bounds().bytes_max as f64);
    gauges.spool_age.set(Of::All, age.unwrap_or_default().as_secs_f64());
    gauges.store_up.set(Of::All, one_if(store.trouble().is_none()));
}

/// The word for a kind of trouble, one of [`TROUBLES`].
pub(super) fn word(kind: TroubleKind) -> &'static str {
    let [refused, failing, unreachable, no_room] = TROUBLES;
    match kind {
        TroubleKind::Refused => refused,
        TroubleKind::Failing => failing,
        TroubleKind::Unreachable => unreachable,
        TroubleKind::NoRoom => no_room,
    }
}

fn one_if(yes: bool) -> f64 {
    f64::from(u8::from(yes))
}

fn unix(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
