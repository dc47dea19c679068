//! The thread that reads, on a connection of its own, so that no read waits for a sync and no task
//! for a disk.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::{Shared, StoreError};

/// How many reads may wait before callers do.
const QUEUE: usize = 256;

type Read = Box<dyn FnOnce(&Connection) + Send>;

/// The end that callers hold.
#[derive(Debug)]
pub(super) struct Reader {
    queue: Option<mpsc::Sender<Read>>,
    thread: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
}

impl Reader {
    pub(super) fn start(connection: Connection, shared: Arc<Shared>) -> std::io::Result<Self> {
        let (queue, mut waiting) = mpsc::channel::<Read>(QUEUE);
        let thread = thread::Builder::new().name("store-reader".into()).spawn(move || {
            while let Some(read) = waiting.blocking_recv() {
                read(&connection);
            }
        })?;
        Ok(Self { queue: Some(queue), thread: Some(thread), shared })
    }

    /// Reads in one transaction, so all that is read belongs to one moment.
    pub(super) async fn read<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (caller, answer) = oneshot::channel();
        let work = move |connection: &Connection| {
            let found = connection.unchecked_transaction().and_then(|transaction| {
                let found = read(&transaction)?;
                transaction.commit()?;
                Ok(found)
            });
            // A caller that has gone does not want to know.
            let _ = caller.send(found);
        };
        let queue = self.queue.as_ref().ok_or(StoreError::Gone)?;
        queue.send(Box::new(work)).await.map_err(|_| StoreError::Gone)?;
        let found = answer.await.map_err(|_| StoreError::Gone)?;
        found.map_err(|error| StoreError::sqlite("read", self.shared.place.database(), &error))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the store's reader broke down");
        }
    }
}
