//! What is wrong: whether the relay is alive, and whether it is ready.
//!
//! Judged by the last that was heard of each part, and never by asking it: a sink that nothing is
//! delivered to may be down and nobody knows.

use std::time::{Duration, SystemTime};

use crate::board::{Board, SourceFace};
use crate::config::Ack;
use crate::progress::{SinkVitals, TroubleKind, Vitals};
use crate::time::{self, Instant};

/// How long a pull loop may take to turn, beside two calls that take as long as they may: the
/// second is made when the first found out that the clocks differ.
const TURN_MARGIN: Duration = Duration::from_secs(30);

/// Something that keeps the relay from doing its work.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
pub(super) struct Reason {
    /// What it is about: `source main`, `sink app`, `spool`, `store`, `relay`.
    part: String,
    #[serde(flatten)]
    problem: Problem,
}

/// What is wrong with one part.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(super) struct Problem {
    /// In one word.
    pub(super) problem: &'static str,
    /// In many.
    pub(super) message: String,
    /// Since when, as far as is known.
    #[serde(serialize_with = "super::status::time", skip_serializing_if = "Option::is_none")]
    pub(super) since: Option<SystemTime>,
}

impl Problem {
    fn new(problem: &'static str, message: impl Into<String>, since: Option<SystemTime>) -> Self {
        Self { problem, message: message.into(), since }
    }
}

/// What is stuck, so that only a restart helps. While the relay stops nothing is expected to turn.
pub(super) fn stuck(board: &Board) -> Vec<Reason> {
    if board.stopping.is_cancelled() {
        return Vec::new();
    }
    let (vitals, now) = (board.totals.vitals(), time::now());
    let shown = board.shown();
    let stuck = shown.sources.iter().filter_map(|source| {
        let pull = source.pull.as_ref()?;
        let turned = vitals.get(&source.name).map_or(pull.started, |vitals| vitals.turned);
        let still = now.saturating_duration_since(turned.max(pull.started));
        let message = format!("the pull loop has not turned for {} s", still.as_secs());
        let reason = Reason {
            part: format!("source {}", source.name),
            problem: Problem::new("stuck", message, None),
        };
        (still > pull.request_timeout * 2 + TURN_MARGIN).then_some(reason)
    });
    stuck.collect()
}

/// What keeps events from flowing.
pub(super) fn obstacles(board: &Board) -> Vec<Reason> {
    let (vitals, now) = (board.totals.vitals(), time::now());
    let shown = board.shown();
    let mut reasons = Vec::new();
    let mut add = |part: String, problem: Option<Problem>| {
        reasons.extend(problem.map(|problem| Reason { part, problem }));
    };
    if board.stopping.is_cancelled() {
        let stops = Problem::new("stopping", "the relay stops", None);
        add("relay".to_owned(), Some(stops));
    }
    if shown.sources.is_empty() {
        let starts = Problem::new("starting", "the relay starts", None);
        add("relay".to_owned(), Some(starts));
    }
    for source in &shown.sources {
        let problem = of_source(source, vitals.get(&source.name), now);
        add(format!("source {}", source.name), problem);
    }
    for sink in shown.sinks.iter().filter(|sink| sink.required) {
        add(format!("sink {}", sink.name), of_sink(&sink.progress.vitals(), now));
    }
    if shown.sources.iter().any(|source| source.ack == Ack::Spooled) {
        add("spool".to_owned(), of_spool(board));
    }
    let trouble = board.store().and_then(|store| store.trouble());
    add("store".to_owned(), trouble.map(|error| Problem::new("failing", error.to_string(), None)));
    reasons
}

/// What keeps a source's events from coming. One that listens runs only as long as it does.
pub(super) fn of_source(
    source: &SourceFace,
    vitals: Option<&Vitals>,
    now: Instant,
) -> Option<Problem> {
    judge_source(vitals, source.pull.as_ref()?.patience(), now)
}

fn judge_source(vitals: Option<&Vitals>, patience: Duration, now: Instant) -> Option<Problem> {
    let Some(vitals) = vitals else {
        return Some(Problem::new("starting", "no pull has ended yet", None));
    };
    let confirms = vitals.confirms.trouble(patience, now).map(|trouble| {
        let word = super::measure::word(trouble.kind);
        Problem::new(word, &trouble.message, Some(trouble.since.wall))
    });
    let problems = judge_pulls(vitals, patience, now).into_iter().chain(confirms);
    problems.min_by_key(|problem| problem.problem != "refused")
}

fn judge_pulls(vitals: &Vitals, patience: Duration, now: Instant) -> Option<Problem> {
    let is_late = vitals.answered.is_none_or(|answered| answered.at + patience < now);
    let word = match vitals.trouble.as_ref().map(|trouble| trouble.kind) {
        Some(TroubleKind::Refused) => "refused",
        Some(TroubleKind::Unreachable) if is_late => "unreachable",
        Some(TroubleKind::Failing) if is_late => "failing",
        None if is_late => "silent",
        // The pause is the relay's own wish; what is full says so itself.
        Some(TroubleKind::NoRoom | TroubleKind::Unreachable | TroubleKind::Failing) | None => {
            return None;
        }
    };
    Some(match &vitals.trouble {
        Some(trouble) => Problem::new(word, &trouble.message, Some(trouble.since.wall)),
        None => {
            let last = vitals.answered.map(|answered| answered.wall);
            Problem::new(word, "VOD has not answered a pull since", last)
        }
    })
}

/// What keeps events from being delivered to a sink.
pub(super) fn of_sink(vitals: &SinkVitals, now: Instant) -> Option<Problem> {
    let down = vitals.down(now)?;
    Some(Problem::new("down", down.reason, Some(down.since)))
}

fn of_spool(board: &Board) -> Option<Problem> {
    let spool = board.spool().filter(|spool| spool.is_full())?;
    let message =
        format!("it holds as much as it may, {} bytes: pulling pauses", spool.bounds().bytes_max);
    Some(Problem::new("full", message, None))
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::board::Shown;
    use crate::board::fixture::source;
    use crate::progress::{Pulse, Totals};

    const SECOND: Duration = Duration::from_secs(1);
    const PATIENCE: Duration = Duration::from_secs(20);

    #[tokio::test(start_paused = true)]
    async fn a_pull_loop_that_does_not_turn_is_stuck_until_it_does() {
        let (totals, stop) = (Totals::new(false), CancellationToken::new());
        let board = Board::new(totals.clone(), None, None, None, stop.clone());
        assert_eq!(obstacles(&board)[0].part, "relay", "nothing runs yet");
        board.show(Shown { sources: vec![source("main")], ..Shown::default() });
        let bound = SECOND * 20 + TURN_MARGIN;
        tokio::time::advance(bound).await;
        assert_eq!(stuck(&board), []);
        tokio::time::advance(SECOND).await;
        assert_eq!(stuck(&board)[0].part, "source main", "it has not turned once");
        assert_eq!(obstacles(&board)[0].problem.problem, "starting");
        let next = time::now() + SECOND * 300;
        totals.of("main").pulse().refused("unknown key".to_owned(), next);
        tokio::time::advance(SECOND * 300 + bound).await;
        assert_eq!(stuck(&board), [], "it has said how long it waits");
        tokio::time::advance(SECOND).await;
        assert_eq!(stuck(&board).len(), 1);
        totals.of("main").pulse().answered();
        assert_eq!(stuck(&board), []);
        tokio::time::advance(bound * 2).await;
        stop.cancel();
        assert_eq!(stuck(&board), [], "nothing needs to turn while the relay stops");
        assert_eq!(obstacles(&board)[0].problem.problem, "stopping");
    }

    fn word(pulse: &Pulse) -> Option<&'static str> {
        let vitals = pulse.vitals();
        judge_source(vitals.as_ref(), PATIENCE, time::now()).map(|problem| problem.problem)
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_is_cut_off_when_it_has_had_no_good_answer_for_a_while() {
        let pulse = Pulse::default();
        assert_eq!(word(&pulse), Some("starting"));
        pulse.unreachable("no route".to_owned(), time::now());
        assert_eq!(word(&pulse), Some("unreachable"), "it never had one");
        pulse.answered();
        assert_eq!(word(&pulse), None);
        pulse.unreachable("reset".to_owned(), time::now());
        assert_eq!(word(&pulse), None, "once is no outage");
        tokio::time::advance(PATIENCE + SECOND).await;
        assert_eq!(word(&pulse), Some("unreachable"));
        pulse.failed("internal error".to_owned(), time::now());
        assert_eq!(word(&pulse), Some("failing"));
        pulse.answered();
        assert_eq!(word(&pulse), None);
        // A call that hangs says nothing.
        tokio::time::advance(PATIENCE + SECOND).await;
        assert_eq!(word(&pulse), Some("silent"));
        pulse.paused("the spool is full", time::now());
        assert_eq!(word(&pulse), None, "the spool says so itself");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_counts_at_once_and_until_the_next_good_answer() {
        let pulse = Pulse::default();
        pulse.answered();
        pulse.refused("unknown key".to_owned(), time::now() + SECOND * 300);
        assert_eq!(word(&pulse), Some("refused"));
        tokio::time::advance(SECOND * 300).await;
        assert_eq!(word(&pulse), Some("refused"));
        pulse.answered();
        assert_eq!(word(&pulse), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_cannot_confirm_is_as_bad_as_one_that_cannot_pull() {
        let pulse = Pulse::default();
        pulse.answered();
        pulse.unconfirmed(TroubleKind::Unreachable, "ConfirmEvents: reset".to_owned(), time::now());
        assert_eq!(word(&pulse), None, "once is no outage");
        tokio::time::advance(PATIENCE).await;
        pulse.unconfirmed(
            TroubleKind::Failing,
            "ConfirmEvents: internal error".to_owned(),
            time::now(),
        );
        pulse.answered();
        assert_eq!(word(&pulse), Some("failing"));
        pulse.paused("there is no room", time::now());
        assert_eq!(word(&pulse), Some("failing"), "it is the confirms that make no room");
        pulse.unconfirmed(TroubleKind::Refused, "ConfirmEvents: no rights".to_owned(), time::now());
        tokio::time::advance(PATIENCE + SECOND).await;
        pulse.unreachable("PullEvents: reset".to_owned(), time::now());
        assert_eq!(word(&pulse), Some("refused"), "what only a person can mend comes first");
        pulse.answered();
        pulse.confirmed();
        assert_eq!(word(&pulse), None);
    }
}
