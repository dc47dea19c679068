//! Asks VOD how many events wait.

use tokio::task::JoinSet;

use crate::board::{Board, PullFace, Shown};
use crate::tencent::error::Class;

/// Asks for every source, again and again, as often as the configuration in force has it.
pub(super) async fn watch(board: &Board) {
    let mut changes = board.subscribe();
    loop {
        let shown = changes.borrow_and_update().clone();
        let mut asking: JoinSet<()> = match shown.backlog_interval {
            Some(_) => pulling(&shown).map(|(name, pull)| ask(name.into(), pull.clone())).collect(),
            None => JoinSet::new(),
        };
        let next = async {
            while asking.join_next().await.is_some() {}
            match shown.backlog_interval {
                Some(interval) => tokio::time::sleep(interval).await,
                None => {
                    pulling(&shown).for_each(|(_, pull)| pull.backlog.unknown());
                    std::future::pending().await
                }
            }
        };
        tokio::select! {
            () = next => {}
            changed = changes.changed() => if changed.is_err() {
                return;
            }
        }
    }
}

/// The sources that have a queue at VOD.
fn pulling(shown: &Shown) -> impl Iterator<Item = (&str, &PullFace)> {
    shown.sources.iter().filter_map(|source| Some((source.name.as_str(), source.pull.as_ref()?)))
}

async fn ask(name: String, pull: PullFace) {
    match pull.client.describe_events_state().await {
        Ok(answer) => pull.backlog.answered(answer.count_of_events_to_pull),
        Err(error) => {
            let is_refusal = match error.class {
                Class::Token | Class::Credentials | Class::Parameter | Class::Permanent => true,
                Class::Transient | Class::Throttled | Class::Clock | Class::Cancelled => false,
            };
            if is_refusal && pull.backlog.refused() {
                tracing::warn!(
                    source.name = name,
                    "VOD does not say how many events wait: {error}; this needs the right \
                     vod:DescribeEventsState, and nothing else does"
                );
            } else {
                pull.backlog.unknown();
                tracing::debug!(source.name = name, "{error}");
            }
        }
    }
}
