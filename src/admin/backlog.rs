//! How many events wait at VOD.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::task::JoinSet;

use super::board::{Board, PullFace, Shown};
use crate::tencent::error::Class;

/// What VOD last said of one source.
#[derive(Debug, Default)]
pub struct Backlog(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    events: Option<u64>,
    /// Whether the log has it that VOD does not say.
    told: bool,
}

impl Backlog {
    /// How many events wait, if VOD said so when it was last asked.
    pub(super) fn events(&self) -> Option<u64> {
        self.state().events
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

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
                    pulling(&shown).for_each(|(_, pull)| pull.backlog.state().events = None);
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
    let answer = pull.client.describe_events_state().await;
    let mut state = pull.backlog.state();
    match answer {
        Ok(answer) => *state = State { events: answer.count_of_events_to_pull, told: false },
        Err(error) => {
            state.events = None;
            let is_refusal = match error.class {
                Class::Token | Class::Credentials | Class::Parameter | Class::Permanent => true,
                Class::Transient | Class::Throttled | Class::Clock | Class::Cancelled => false,
            };
            if is_refusal && !state.told {
                state.told = true;
                tracing::warn!(
                    source.name = name,
                    "VOD does not say how many events wait: {error}; this needs the right \
                     vod:DescribeEventsState, and nothing else does"
                );
            } else {
                tracing::debug!(source.name = name, "{error}");
            }
        }
    }
}
