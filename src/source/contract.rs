//! What a source needs, and what it has to say.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::config::{Convert, Unrouted};
use crate::exit;
use crate::fanout;
use crate::flight::InFlight;
use crate::ledger::Ledger;
use crate::spool::Spool;
use crate::tencent::client::Client;

/// What every source is made of.
#[derive(Debug)]
pub struct Parts {
    /// The room for its events.
    pub in_flight: Arc<InFlight>,
    /// What is settled already.
    pub ledger: Arc<Ledger>,
    /// Where its events go.
    pub fanout: fanout::Shared,
    /// Where its events go first, if they are confirmed as soon as they are on disk.
    pub spool: Option<Arc<Spool>>,
    /// What becomes of events that no sink takes.
    pub unrouted: Unrouted,
    /// Which events are converted as they come in.
    pub convert: Convert,
    /// Told when VOD answers for the first time, and when it refuses.
    pub news: mpsc::Sender<News>,
    /// Stop now: pulls that VOD has not begun to answer are given up.
    pub stop: CancellationToken,
    /// Take in nothing new, but wait for what is on its way.
    pub retire: CancellationToken,
}

/// What a source that pulls is made of besides.
#[derive(Debug)]
pub struct Pulling {
    /// Makes the calls.
    pub client: Arc<Client>,
    /// How long VOD waits for a confirm.
    pub lease: Duration,
    /// The most pulls at the same time.
    pub pulls_max: usize,
    /// Whether to end once the queue is empty.
    pub once: bool,
}

/// What a source has to say while it runs.
#[derive(Debug)]
pub enum News {
    /// VOD answered a pull, or can post events.
    Live {
        /// The source.
        source: Arc<str>,
    },
    /// VOD refuses, and only a person can mend it.
    Refused {
        /// The source.
        source: Arc<str>,
        /// The exit code that says so.
        code: u8,
    },
}

/// How a source ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// It was told to.
    Stopped,
    /// The queue is empty, or what is left in it was given up in this run already.
    Drained,
    /// It could not go on; the code says why.
    Failed(u8),
}

impl End {
    /// The exit code that this asks for.
    pub fn code(self) -> u8 {
        match self {
            Self::Stopped | Self::Drained => exit::OK,
            Self::Failed(code) => code,
        }
    }
}
