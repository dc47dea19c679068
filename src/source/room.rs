//! Makes room when a sink that does not keep up holds most of it.

use std::time::Duration;

use crate::fanout;
use crate::flight::InFlight;
use crate::lane::Holding;

/// How long a source may wait for room before events that wait for a slow sink are left to VOD.
pub(super) const PATIENCE: Duration = Duration::from_millis(100);

/// If another sink of the source could go on meanwhile, the one that holds most of the room gives up
/// what it holds beyond its share: those events are left to VOD for now. As long as every other has
/// events that wait for their turn, more of them would help none.
pub(super) async fn shed(in_flight: &InFlight, fanout: &fanout::Shared) {
    let fanout = fanout.borrow().clone();
    let (lanes, source) = (fanout.lanes(), in_flight.source());
    let mut holdings = Vec::with_capacity(lanes.len());
    for (at, lane) in lanes.iter().enumerate() {
        holdings.push((at, lane.holds(source).await));
    }
    let Some((most, _)) = holdings.iter().max_by_key(|(_, holding)| holding.events) else { return };
    let could_go_on = |(at, holding): &(usize, Holding)| {
        at != most && holding.wants_more && fanout.serves(*at, source)
    };
    if holdings.iter().any(could_go_on) {
        let share = in_flight.capacity() / (lanes.len() + 1);
        lanes[*most].shed(source, share).await;
    }
}
