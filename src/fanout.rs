//! Where the events of all sources go: the routes, and the lanes at their ends.

use std::sync::Arc;

use crate::event::Event;
use crate::lane::Lane;
use crate::route::Router;

/// Routes and lanes as one value, so that a reload swaps both at once.
#[derive(Debug, Default)]
pub struct Fanout {
    router: Router,
    lanes: Vec<Lane>,
}

impl Fanout {
    /// The lanes stand in the order of the router's sinks.
    pub fn new(router: Router, lanes: Vec<Lane>) -> Self {
        Self { router, lanes }
    }

    /// The lanes that take this event of this source.
    pub fn targets(&self, source: &str, event: &Event) -> Vec<usize> {
        self.router.targets(source, event)
    }

    /// Whether the lane at this place takes events of this source at all.
    pub fn serves(&self, at: usize, source: &str) -> bool {
        self.router.serves(at, source)
    }

    /// The lanes, in the order that [`Fanout::targets`] counts in.
    pub fn lanes(&self) -> &[Lane] {
        &self.lanes
    }
}

/// The fanout of the moment, shared by all sources.
pub type Shared = tokio::sync::watch::Receiver<Arc<Fanout>>;
