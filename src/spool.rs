//! `ack = "spooled"`: events are confirmed once they are on local disk, and delivered from there.
//!
//! The spool itself is in the [`crate::store`]. Here is what goes in, with a limit on its size, and
//! the [`Feed`] of each sink, which takes out.

mod backlog;
mod feed;
mod parts;
mod recent;
mod window;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

pub use self::feed::Feed;
pub use self::parts::Parts;
use self::recent::Recent;
use crate::store::{Appended, NewSpooled, SpoolStats, Spooled, Store, StoreError};

/// How much the spool holds, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The most bytes of events.
    pub bytes_max: u64,
    /// How long it tries to deliver an event; absent means for ever.
    pub age_max: Option<Duration>,
}

/// The way into the spool.
#[derive(Debug)]
pub struct Spool {
    store: Arc<Store>,
    bounds: Mutex<Bounds>,
    recent: Recent,
    /// Changes when events came in.
    grown: watch::Sender<Grown>,
}

/// How the spool has grown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Grown {
    /// How often an event that was in it already got another sink, which a feed may have passed.
    in_the_middle: u64,
}

impl Spool {
    /// The spool of a store.
    pub fn new(store: Arc<Store>, bounds: Bounds) -> Arc<Self> {
        Arc::new(Self {
            store,
            bounds: Mutex::new(bounds),
            recent: Recent::default(),
            grown: watch::Sender::default(),
        })
    }

    /// Other bounds from now on.
    pub fn set_bounds(&self, bounds: Bounds) {
        *self.bounds.lock().unwrap_or_else(PoisonError::into_inner) = bounds;
    }

    /// The bounds.
    pub fn bounds(&self) -> Bounds {
        *self.bounds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is in it.
    pub fn stats(&self) -> SpoolStats {
        self.store.spool_stats()
    }

    /// Whether it holds as much as it may, so that nothing more should be pulled.
    pub fn is_full(&self) -> bool {
        self.stats().bytes >= self.bounds().bytes_max
    }

    /// Takes in the events of one answer. When this returns they are on disk and may be confirmed.
    ///
    /// # Errors
    ///
    /// They are not on disk, none of them.
    pub async fn append(
        &self,
        source: Arc<str>,
        events: Vec<NewSpooled>,
    ) -> Result<Vec<Appended>, StoreError> {
        let appended = self.store.append(source.clone(), events.clone()).await?;
        let added = events.into_iter().zip(&appended).filter_map(|(event, appended)| {
            let Appended::Added { key, sinks } = appended else { return None };
            let (key, sinks, source) = (*key, sinks.clone(), source.clone());
            let NewSpooled { id, text, received, .. } = event;
            Some(Spooled { key, id, source, text, intact: true, sinks, received })
        });
        self.recent.keep(added);
        let is_passed = |one: &Appended| match one {
            Appended::Known { sinks, .. } => !sinks.is_empty(),
            Appended::Added { .. } | Appended::Settled => false,
        };
        let passed = appended.iter().any(is_passed);
        self.grown.send_modify(|grown| grown.in_the_middle += u64::from(passed));
        Ok(appended)
    }

    /// How many events wait for each sink, also for sinks that are not configured any more.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub async fn pending(&self) -> Result<Vec<(Arc<str>, u64)>, StoreError> {
        Ok(self.store.spool_pending().await?.into_iter().collect())
    }
}
