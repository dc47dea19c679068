//! What the relay keeps in its state directory.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::StartError;
use crate::board::Board;
use crate::config;
use crate::ledger::Ledger;
use crate::progress::Totals;
use crate::spool::{Bounds, Spool};
use crate::store::{Store, StoreError};

/// How often old entries are removed and disk space is given back.
const UPKEEP: Duration = Duration::from_secs(5 * 60);

/// The state directory in use.
#[derive(Debug)]
pub(super) struct Storage {
    store: Arc<Store>,
    pub(super) spool: Arc<Spool>,
}

impl Storage {
    /// Opens the store if there is a state directory.
    pub(super) fn open(config: &config::Relay) -> Result<Option<Self>, StoreError> {
        let Some(dir) = config.state_dir.as_deref() else { return Ok(None) };
        let store = Arc::new(Store::open(dir)?);
        let spool = Spool::new(store.clone(), bounds(config));
        Ok(Some(Self { store, spool }))
    }

    /// The ledger: on disk if there is a state directory, and beside a shared one if that is wanted.
    pub(super) fn ledger(
        storage: Option<&Self>,
        config: &config::Relay,
        totals: &Totals,
    ) -> Result<Arc<Ledger>, StartError> {
        let own = storage
            .map_or_else(Ledger::in_memory, |storage| Ledger::on_disk(storage.store.clone()));
        let Some(shared) = &config.ledger else { return Ok(Arc::new(own)) };
        let counts = totals.metrics().shared_ledger();
        let both = own.sharing(shared, counts);
        both.map(Arc::new).map_err(|error| StartError::Ledger(error.to_string()))
    }

    /// Warns of events in the spool that wait for a sink which is not configured.
    pub(super) async fn warn_of_strays(spool: Arc<Spool>, sinks: Vec<String>) {
        let Ok(pending) = spool.pending().await else { return };
        for (sink, events) in pending {
            if !sinks.iter().any(|known| **known == *sink) {
                tracing::warn!(
                    sink.name = %sink,
                    events,
                    "spooled events wait for a sink that is not configured; configure it again to \
                     deliver them"
                );
            }
        }
    }

    /// Keeps the store small until the relay ends.
    pub(super) fn upkeep(&self, end: CancellationToken) -> impl Future<Output = ()> + use<> {
        let store = self.store.clone();
        async move {
            loop {
                tokio::select! {
                    () = tokio::time::sleep(UPKEEP) => keep_small(&store).await,
                    () = end.cancelled() => return,
                }
            }
        }
    }

    /// How many events a run that ends leaves in the spool, once the store is small again.
    pub(super) async fn left_in_spool(&self) -> u64 {
        keep_small(&self.store).await;
        self.store.spool_stats().events
    }
}

/// Keeps the shared ledger in order until the relay ends.
pub(super) async fn maintain_shared(ledger: Arc<Ledger>, end: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(UPKEEP) => ledger.maintain_shared().await,
            () = end.cancelled() => return,
        }
    }
}

/// What others may see of a relay that starts.
pub(super) fn board(
    storage: Option<&Storage>,
    ledger: &Arc<Ledger>,
    totals: &Totals,
    stop: &CancellationToken,
) -> Arc<Board> {
    let store = storage.map(|storage| &storage.store);
    let spool = storage.map(|storage| &storage.spool);
    Board::new(totals.clone(), store, spool, Some(ledger), stop.clone())
}

/// The bounds that a configuration sets.
pub(super) fn bounds(config: &config::Relay) -> Bounds {
    Bounds { bytes_max: config.spool_max_size, age_max: config.spool_max_age }
}

async fn keep_small(store: &Store) {
    if let Err(error) = store.maintain().await {
        tracing::warn!("old entries stay in the store: {error}");
    }
}
