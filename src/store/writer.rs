//! The one thread that writes.
//!
//! It takes whatever has queued up while the last transaction was being synced and puts it into the
//! next one: one sync for many callers. A caller has its answer after the sync, never before. A
//! piece of work that is refused is undone alone; when the transaction itself fails, all its
//! callers hear of it, nothing of it is stored, and the next transaction starts afresh.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::Connection;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};

use super::{Shared, StoreError, room, schema, spool};
use crate::crash;

/// How much work may wait before callers do.
const QUEUE: usize = 256;

/// The most pieces of work in one transaction, so that its first caller does not wait for long.
const GROUP_MAX: usize = 128;

/// Nothing to write for so long is an idle moment.
const IDLE: Duration = Duration::from_millis(100);

/// How long to wait when the log could not be checked in.
const CHECK_IN_AGAIN: Duration = Duration::from_secs(2);

/// The log's length, in pages of 4 KiB, at which it is checked in without waiting for an idle
/// moment. The next write then begins at the log's start.
const LOG_PAGES: i64 = 2_000;

/// What a piece of work sees of the database.
#[derive(Debug)]
pub(super) struct Tables<'a> {
    pub(super) connection: &'a Connection,
    pub(super) shared: &'a Shared,
}

/// Why a piece of work could not be done.
#[derive(Debug)]
pub(super) enum Fault {
    /// The database failed.
    Sqlite(rusqlite::Error),
    /// It is not to be done.
    Refused(StoreError),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Fault {
    pub(super) fn at(self, doing: &'static str, shared: &Shared) -> StoreError {
        match self {
            Self::Sqlite(error) => StoreError::sqlite(doing, shared.place.database(), &error),
            Self::Refused(error) => error,
        }
    }
}

/// A piece of work that waits for its transaction.
trait Work: Send {
    /// Does it. An error leaves what was done of it to be undone.
    fn run(&mut self, tables: &Tables<'_>) -> Result<(), StoreError>;
    /// Tells the caller how it ended, after the transaction has.
    fn answer(self: Box<Self>, transaction: &Result<(), StoreError>);
}

struct Order<T, F> {
    work: Option<F>,
    outcome: Result<T, StoreError>,
    caller: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Work for Order<T, F>
where
    T: Send,
    F: FnOnce(&Tables<'_>) -> Result<T, Fault> + Send,
{
    fn run(&mut self, tables: &Tables<'_>) -> Result<(), StoreError> {
        let Some(work) = self.work.take() else { return Ok(()) };
        self.outcome = work(tables).map_err(|fault| fault.at("write to", tables.shared));
        self.outcome.as_ref().map(|_| ()).map_err(Clone::clone)
    }

    fn answer(self: Box<Self>, transaction: &Result<(), StoreError>) {
        let outcome = transaction.clone().and(self.outcome);
        // A caller that has gone does not want to know.
        let _ = self.caller.send(outcome);
    }
}

/// The end that callers hold. When it is dropped, what has queued up is still written.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Box<dyn Work>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(
        connection: Connection,
        shared: Arc<Shared>,
        at_end: AtEnd,
    ) -> std::io::Result<Self> {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let runtime = Builder::new_current_thread().enable_time().build()?;
        let desk = Desk { connection, shared, log: Log::Filling, at_end };
        let thread = thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || desk.run(&runtime, waiting))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Has work done in a transaction; what it answers is on disk.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Tables<'_>) -> Result<T, Fault> + Send + 'static,
    {
        let (caller, answer) = oneshot::channel();
        let order = Order { work: Some(work), outcome: Err(StoreError::Gone), caller };
        let queue = self.queue.as_ref().ok_or(StoreError::Gone)?;
        queue.send(Box::new(order)).await.map_err(|_| StoreError::Gone)?;
        answer.await.unwrap_or(Err(StoreError::Gone))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the store's writer broke down");
        }
    }
}

/// What happens to the log when the thread ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AtEnd {
    /// It is moved into the database's own file, for which writers wait.
    EmptyLog,
    /// It is left to the owner of the directory, who may be writing.
    LeaveLog,
}

/// How much of the log is not in the database's own file yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Log {
    Filling,
    CheckedIn,
    /// By a reader, or because the disk is full.
    Held,
}

/// The thread's own things.
struct Desk {
    connection: Connection,
    shared: Arc<Shared>,
    log: Log,
    at_end: AtEnd,
}

impl Desk {
    fn run(mut self, runtime: &Runtime, mut waiting: mpsc::Receiver<Box<dyn Work>>) {
        let mut group = Vec::with_capacity(GROUP_MAX);
        loop {
            let next = waiting.recv_many(&mut group, GROUP_MAX);
            let next = runtime.block_on(async {
                match self.log {
                    Log::CheckedIn => Some(next.await),
                    Log::Filling => tokio::time::timeout(IDLE, next).await.ok(),
                    Log::Held => tokio::time::timeout(CHECK_IN_AGAIN, next).await.ok(),
                }
            });
            match next {
                None => self.check_in(),
                Some(0) => break,
                Some(_) => self.commit(&mut group),
            }
        }
        self.close();
    }

    /// One transaction for a group of work.
    fn commit(&mut self, group: &mut Vec<Box<dyn Work>>) {
        if self.log == Log::Filling && room::is_tight(&self.shared.place) {
            // So that it is written from its start again and needs no more space.
            self.check_in();
        }
        let outcome = self.transact(group).map_err(|fault| fault.at("write to", &self.shared));
        self.shared.health.wrote(outcome.as_ref().err());
        match &outcome {
            Ok(()) => {
                self.shared.count_commit();
                self.log = Log::Filling;
                if let Err(error) = spool::refresh(&self.connection, &self.shared) {
                    tracing::error!("failed to count what is spooled: {error}");
                }
            }
            Err(error) => {
                tracing::debug!(callers = group.len(), "the transaction failed: {error}");
                self.roll_back();
            }
        }
        for work in group.drain(..) {
            work.answer(&outcome);
        }
        let pages = self.look_at_log("PRAGMA wal_checkpoint(NOOP)").map_or(0, |(pages, _)| pages);
        if outcome.is_err() || pages > LOG_PAGES {
            // After a failure too: room at the log's start may be what is needed.
            self.check_in();
        }
    }

    fn transact(&self, group: &mut [Box<dyn Work>]) -> Result<(), Fault> {
        let tables = Tables { connection: &self.connection, shared: &self.shared };
        self.execute("BEGIN IMMEDIATE")?;
        for work in group {
            self.execute("SAVEPOINT work")?;
            if let Err(error) = work.run(&tables) {
                // After some failures, a full disk among them, SQLite has undone everything.
                if self.connection.is_autocommit() {
                    return Err(Fault::Refused(error));
                }
                self.execute("ROLLBACK TO work")?;
            }
            self.execute("RELEASE work")?;
        }
        crash::point("before-commit");
        self.execute("COMMIT")?;
        crash::point("after-commit");
        Ok(())
    }

    fn execute(&self, sql: &'static str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(drop)
    }

    fn roll_back(&self) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::error!("failed to undo a transaction of the store: {error}");
        }
    }

    /// Moves the log's content into the database's own file, as far as readers let it.
    fn check_in(&mut self) {
        self.log = match self.look_at_log("PRAGMA wal_checkpoint(PASSIVE)") {
            Ok((pages, moved)) if pages == moved => Log::CheckedIn,
            Ok(_) => Log::Held,
            Err(error) => {
                tracing::debug!("failed to check in the store's log: {error}");
                Log::Held
            }
        };
    }

    /// The pages of the log, and how many of them are in the database's own file.
    fn look_at_log(&self, pragma: &str) -> rusqlite::Result<(i64, i64)> {
        let mut look = self.connection.prepare_cached(pragma)?;
        let (pages, moved): (i64, i64) =
            look.query_row([], |row| Ok((row.get(1)?, row.get(2)?)))?;
        let waiting = u64::try_from(pages - moved).unwrap_or_default();
        self.shared.set_log_bytes(waiting.saturating_mul(schema::PAGE));
        Ok((pages, moved))
    }

    /// Leaves the database's own file complete and its log empty, as far as others let it.
    fn close(self) {
        if self.at_end == AtEnd::LeaveLog {
            return;
        }
        let emptied = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        if let Err(error) = emptied {
            // The log is on disk and is read at the next start.
            tracing::debug!("failed to empty the store's log: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::store::Store;

    fn store(dir: &Path) -> Store {
        Store::open(dir).unwrap()
    }

    #[tokio::test]
    async fn a_panic_in_the_writer_is_an_error_to_its_callers() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let broken = store.writer.write(|_| -> Result<(), Fault> { panic!("on purpose") });
        assert!(matches!(broken.await, Err(StoreError::Gone)));
        assert!(matches!(store.record(Vec::new()).await, Err(StoreError::Gone)));
    }

    #[tokio::test]
    async fn work_that_is_refused_is_undone_alone() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let good = |name: &'static str| {
            store.writer.write(move |tables| Ok(crate::store::names::intern(tables, name)?))
        };
        let bad = store.writer.write(|tables| -> Result<(), Fault> {
            crate::store::names::intern(tables, "bad")?;
            Err(Fault::Refused(StoreError::Gone))
        });
        let (a, bad, b) = tokio::join!(good("a"), bad, good("b"));
        assert!(a.is_ok() && bad.is_err() && b.is_ok());
        let names = store.reader.read(|connection| {
            let mut names = connection.prepare("SELECT name FROM names ORDER BY name")?;
            names.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()
        });
        assert_eq!(names.await.unwrap(), ["a", "b"]);
    }
}
