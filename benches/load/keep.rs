//! The least that a consumer must do: what comes is appended to a file, synced, and then confirmed.
//!
//! Nobody looks into the events. Answers that come while the disk is busy share the next sync, and
//! pulling goes on meanwhile, as the relay does it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use reqwest::Url;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::Outcome;
use super::caller::{self, Caller};

/// The most answers that wait for the disk, or share a sync: the events of as many are under way in the
/// relay that this stands beside.
const WAITING_MAX: usize = 128;

/// An answer, and who waits until it is on disk.
struct Answer {
    text: Vec<u8>,
    kept: oneshot::Sender<()>,
}

/// Runs the loops until the process is ended.
pub(crate) async fn run(url: Url, loops: usize, path: &Path) -> Outcome {
    let file = OpenOptions::new().append(true).create(true).open(path)?;
    let (disk, waiting) = mpsc::channel(WAITING_MAX);
    let caller = Arc::new(Caller::new(url)?);
    let mut tasks = JoinSet::new();
    tasks.spawn_blocking(move || Ok(write(file, waiting)?));
    for _ in 0..loops {
        tasks.spawn(consume(Arc::clone(&caller), disk.clone()));
    }
    while let Some(end) = tasks.join_next().await {
        end??;
    }
    Ok(())
}

/// Appends answers, as many with one sync as have come.
fn write(mut file: File, mut waiting: mpsc::Receiver<Answer>) -> io::Result<()> {
    let (mut answers, mut text) = (Vec::new(), Vec::new());
    while waiting.blocking_recv_many(&mut answers, WAITING_MAX) > 0 {
        text.clear();
        for answer in &answers {
            text.extend_from_slice(&answer.text);
            text.push(b'\n');
        }
        file.write_all(&text)?;
        file.sync_data()?;
        for answer in answers.drain(..) {
            // Whoever waits for it is there until the process ends.
            let _ = answer.kept.send(());
        }
    }
    Ok(())
}

async fn consume(caller: Arc<Caller>, disk: mpsc::Sender<Answer>) -> Outcome {
    let mut confirms = JoinSet::new();
    loop {
        let text = caller.pull().await?;
        let handles = caller::handles(&text);
        if !handles.is_empty() {
            let (kept, is_kept) = oneshot::channel();
            disk.send(Answer { text, kept }).await?;
            let caller = Arc::clone(&caller);
            confirms.spawn(async move {
                is_kept.await?;
                Outcome::Ok(caller.confirm(&handles).await?)
            });
        }
        while let Some(end) = confirms.try_join_next() {
            end??;
        }
    }
}
