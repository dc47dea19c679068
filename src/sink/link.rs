//! A connection that all calls of a sink share: made when a call first needs it, and made anew once
//! it has broken.
//!
//! Only one attempt to connect runs at a time, and whoever waited for it shares its failure. There
//! is no pause here: the lane waits longer and longer between the calls of a sink that fails.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Mutex;

use super::Refusal;
use crate::time::Instant;

/// What can break and tell so.
pub(super) trait Connection: Send + Sync {
    /// Whether it is still worth being used.
    fn is_alive(&self) -> bool;
}

/// The place of the connection.
#[derive(Debug)]
pub(super) struct Link<C> {
    current: RwLock<Option<Arc<C>>>,
    /// Held by the one who connects; why the last attempt failed.
    connecting: Mutex<Option<Refusal>>,
    /// How many attempts have failed.
    failures: AtomicU64,
}

impl<C> Default for Link<C> {
    fn default() -> Self {
        let (current, connecting) = (RwLock::default(), Mutex::default());
        Self { current, connecting, failures: AtomicU64::default() }
    }
}

impl<C: Connection> Link<C> {
    /// The connection that there is, or a new one.
    ///
    /// # Errors
    ///
    /// Why there is none, from this attempt to connect or from the one that was waited for.
    async fn get<F>(&self, connect: impl FnOnce() -> F) -> Result<Arc<C>, Refusal>
    where
        F: Future<Output = Result<C, Refusal>>,
    {
        let failures = self.failures.load(Ordering::Acquire);
        if let Some(current) = self.current() {
            return Ok(current);
        }
        let mut last = self.connecting.lock().await;
        if let Some(current) = self.current() {
            return Ok(current);
        }
        if failures != self.failures.load(Ordering::Acquire)
            && let Some(refusal) = &*last
        {
            return Err(refusal.clone());
        }
        match connect().await {
            Ok(connection) => {
                let connection = Arc::new(connection);
                self.put(Some(connection.clone()));
                Ok(connection)
            }
            Err(refusal) => {
                *last = Some(refusal.clone());
                self.failures.fetch_add(1, Ordering::Release);
                Err(refusal)
            }
        }
    }

    /// The same, by an instant at the latest. `server` is what the reason calls it.
    ///
    /// # Errors
    ///
    /// Also that the time is over.
    pub(super) async fn get_by<F>(
        &self,
        until: Instant,
        server: &str,
        connect: impl FnOnce() -> F,
    ) -> Result<Arc<C>, Refusal>
    where
        F: Future<Output = Result<C, Refusal>>,
    {
        let late = |_| Err(Refusal::transient(format!("{server}: no connection in time")));
        tokio::time::timeout_at(until, self.get(connect)).await.unwrap_or_else(late)
    }

    /// Lets the connection go, if it is still this one. Calls that have it may end with it.
    pub(super) fn retire(&self, connection: &Arc<C>) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, connection)) {
            *current = None;
        }
    }

    /// Lets whatever connection there is go, so that the next call makes a new one.
    pub(super) fn renew(&self) {
        self.put(None);
    }

    fn current(&self) -> Option<Arc<C>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.clone().filter(|connection| connection.is_alive())
    }

    fn put(&self, connection: Option<Arc<C>>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = connection;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use tokio::sync::Semaphore;

    use super::*;

    #[derive(Debug)]
    struct Wire(u32, AtomicBool);

    impl Connection for Wire {
        fn is_alive(&self) -> bool {
            self.1.load(Ordering::Relaxed)
        }
    }

    async fn wire(number: u32) -> Result<Wire, Refusal> {
        Ok(Wire(number, true.into()))
    }

    #[tokio::test]
    async fn a_connection_serves_until_it_breaks_or_is_let_go() {
        let link = Link::default();
        let first = link.get(|| wire(1)).await.unwrap();
        assert_eq!(link.get(|| wire(2)).await.unwrap().0, 1);
        first.1.store(false, Ordering::Relaxed);
        let third = link.get(|| wire(3)).await.unwrap();
        assert_eq!(third.0, 3);
        // Whoever finds out late that the first one broke does no harm to the next.
        link.retire(&first);
        assert_eq!(link.get(|| wire(4)).await.unwrap().0, 3);
        link.retire(&third);
        assert_eq!(link.get(|| wire(5)).await.unwrap().0, 5);
        link.renew();
        assert_eq!(link.get(|| wire(6)).await.unwrap().0, 6);
    }

    #[tokio::test]
    async fn who_waits_for_an_attempt_shares_its_failure_and_the_next_one_tries() {
        let link = Link::<Wire>::default();
        let gate = Semaphore::new(0);
        let failing = || async {
            let _ = gate.acquire().await;
            Err(Refusal::transient("down"))
        };
        let untried = || async { panic!("tried again at once") };
        let open = async { gate.add_permits(1) };
        let (first, second, ()) = tokio::join!(link.get(failing), link.get(untried), open);
        assert_eq!(first.unwrap_err(), Refusal::transient("down"));
        assert_eq!(second.unwrap_err(), Refusal::transient("down"));
        assert_eq!(link.get(|| wire(1)).await.unwrap().0, 1);
    }

    #[tokio::test]
    async fn an_attempt_that_is_dropped_leaves_the_way_free() {
        let link = Link::default();
        let never = || std::future::pending::<Result<Wire, Refusal>>();
        tokio::select! {
            _ = link.get(never) => panic!("connected"),
            () = std::future::ready(()) => {}
        }
        assert_eq!(link.get(|| wire(1)).await.unwrap().0, 1);
    }
}
