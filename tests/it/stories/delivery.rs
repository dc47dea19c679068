//! How events get to their sinks, whatever happens on the way.

use std::time::Duration;

use vod_relay::emulator::{FaultKind, Options};

use crate::world::{App, World, faults, sorted};

#[tokio::test]
async fn all_faults_at_once_lose_nothing() {
    let all = [
        FaultKind::Http500,
        FaultKind::Reset,
        FaultKind::Truncate,
        FaultKind::Throttle,
        FaultKind::InternalError,
        FaultKind::LostPull,
        FaultKind::LostConfirm,
    ];
    let world = World::with(Options {
        visibility: Duration::from_secs(3),
        hold: Duration::from_millis(200),
        seed: Some(1),
        faults: faults(&all, 0.05),
        ..Options::default()
    });
    let world = world.await;
    let ids = world.push(2000);
    let app = App::new().await;
    let relay = world.config("lease = \"3s\"", &app.sink("app", "timeout = \"2s\"")).start();
    world.until_confirmed(2000).await;
    let ended = relay.stop().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(app.distinct_ids(), sorted(&ids));
    let calls: u64 = world.vod.state().calls.values().sum();
    assert!(calls < 2000, "{calls} calls");
}
