//! Makes room when a sink that does not keep up holds most of it.

use std::time::Duration;

use crate::fanout;
use crate::flight::InFlight;

/// How long a source may wait for room before events that wait for a slow sink are left to VOD.
pub(super) const PATIENCE: Duration = Duration::from_millis(100);

/// If another sink could go on meanwhile, the one that holds most of the room gives up what it holds
/// beyond its share: those events are left to VOD for now.
pub(super) async fn shed(in_flight: &InFlight, fanout: &fanout::Shared) {
    let fanout = fanout.borrow().clone();
    let (lanes, source) = (fanout.lanes(), in_flight.source());
    if lanes.len() < 2 {
        return;
    }
    let mut most = (0, None);
    for lane in lanes {
        let holds = lane.holds(source).await;
        if holds > most.0 {
            most = (holds, Some(lane));
        }
    }
    let share = in_flight.capacity() / (lanes.len() + 1);
    if let (_, Some(lane)) = most {
        lane.shed(source, share).await;
    }
}
