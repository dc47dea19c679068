//! How the relay ends.

use super::Relay;
use crate::crash;
use crate::exit::{self, worse};
use crate::source::End;

impl Relay {
    /// Ends everything in order; once told to stop, within the grace.
    pub(super) async fn finish(mut self, code: u8) -> u8 {
        let grace = self.config.relay.shutdown_grace;
        let (mut loops, mut stages) = (std::mem::take(&mut self.loops), self.stages);
        // The lanes end when nobody can give them events any more.
        drop((self.outlets, self.sources, self.fanout, self.news));
        let ordered = async {
            let mut code = code;
            while let Some(ended) = loops.join_next().await {
                code = worse(code, ended.map_or(exit::INTERNAL, End::code));
            }
            self.drain.cancel();
            while let Some(ended) = stages.join_next().await {
                code = worse(code, ended.map_or(exit::INTERNAL, |()| exit::OK));
            }
            self.ledger.catch_up().await;
            code
        };
        let out_of_time = async {
            self.stop.cancelled().await;
            tokio::time::sleep(grace).await;
        };
        let code = tokio::select! {
            code = ordered => {
                crash::point("stop-drained");
                code
            }
            () = out_of_time => {
                let grace = humantime::format_duration(grace);
                tracing::warn!(
                    "not all events in flight were settled within {grace}; they come again"
                );
                worse(code, if self.once { exit::LEFT_OVER } else { exit::OK })
            }
        };
        // A reader of standard output that has seen enough wants nothing more of this run.
        if !self.once || self.gone.is_cancelled() {
            return code;
        }
        let mut left = self.totals.left_over();
        if let Some(storage) = &self.storage {
            left += storage.left_in_spool().await;
        }
        worse(code, if left > 0 { exit::LEFT_OVER } else { exit::OK })
    }
}
