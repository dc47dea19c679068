//! A consumer without anything that makes one: each call is signed, sent and read, no more.

use std::sync::Arc;

use reqwest::Url;
use tokio::task::JoinSet;

use super::Outcome;
use super::caller::{self, Caller};

/// Runs the loops until the process is ended.
pub(crate) async fn run(url: Url, loops: usize) -> Outcome {
    let caller = Arc::new(Caller::new(url)?);
    let mut tasks = JoinSet::new();
    for _ in 0..loops {
        tasks.spawn(consume(Arc::clone(&caller)));
    }
    while let Some(end) = tasks.join_next().await {
        end??;
    }
    Ok(())
}

async fn consume(caller: Arc<Caller>) -> Result<(), reqwest::Error> {
    loop {
        let answer = caller.pull().await?;
        let handles = caller::handles(&answer);
        if !handles.is_empty() {
            caller.confirm(&handles).await?;
        }
    }
}
