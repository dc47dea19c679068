//! Answers the posts of events that are taken, the last step of each.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::flight::{Claim, Delivered};
use crate::progress::Progress;

/// The answering stage of a source whose events are posted.
#[derive(Debug)]
pub struct Replier {
    /// Told what was answered.
    pub progress: Arc<Progress>,
}

impl Replier {
    /// Answers what comes in until all senders are gone.
    pub async fn run(self, mut inbox: mpsc::Receiver<Delivered>) {
        while let Some(Delivered { id, leases, place }) = inbox.recv().await {
            for lease in leases {
                if let Claim::Reply(reply) = lease.claim {
                    reply.taken();
                    self.progress.confirmed(id);
                }
            }
            drop(place);
        }
    }
}
