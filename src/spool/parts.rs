//! What a feed is made of.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::Spool;
use crate::lane::Lane;
use crate::ledger::Ledger;
use crate::progress::Totals;

/// What a feed is made of.
#[derive(Debug)]
pub struct Parts {
    /// Where the events are.
    pub spool: Arc<Spool>,
    /// Where they go.
    pub lane: Lane,
    /// Where events go that nobody tries any more.
    pub ledger: Arc<Ledger>,
    /// Told what was delivered.
    pub totals: Totals,
    /// Ends the feed when the lane has given everything back.
    pub retire: CancellationToken,
    /// Ends the feed when every event has been tried, or the sink turns out to be down.
    pub drain: CancellationToken,
    /// Comes when the feed before has ended, which may still have events of the same sink.
    pub after: Option<oneshot::Receiver<()>>,
    /// Goes when this feed has ended.
    pub ended: oneshot::Sender<()>,
}
