//! Limits that have a name hold.

use std::time::Duration;

use vod_relay::time;

use crate::world::{Answer, App, World};

#[tokio::test]
async fn a_webhook_gets_no_more_requests_at_a_time_than_it_wants() {
    let world = World::new().await;
    world.push(100);
    let app = App::answering(|_| Answer::Late(Duration::from_millis(20), 204)).await;
    let ended = world.config("", &app.sink("app", "max_concurrency = 5")).once().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(app.most_at_once(), 5);
}

#[tokio::test]
async fn no_more_events_are_held_than_allowed() {
    let world = World::with_leases(Duration::from_secs(30)).await;
    world.push(200);
    let app = App::answering(|_| Answer::Held).await;
    let _relay = world.config("max_in_flight = 32", &app.sink("app", "")).start();
    app.until_received(32).await;
    // A pull that had no room would have come by the time that this one is here.
    let before = world.calls("PullEvents");
    assert_eq!(world.vod.state().counts.handed_out, 32);
    app.open_gate();
    world.until_confirmed(200).await;
    assert!(app.most_at_once() <= 32, "{}", app.most_at_once());
    assert!(world.calls("PullEvents") > before);
}

#[tokio::test]
async fn calls_keep_to_the_rate() {
    let world = World::new().await;
    world.push(16 * 30);
    let app = App::new().await;
    let started = time::now();
    let relay = world.config("max_requests_per_second = 20", &app.sink("app", "")).start();
    world.until_confirmed(16 * 30).await;
    let seconds = started.elapsed().as_secs_f64();
    assert_eq!(relay.stop().await.code, Some(0));
    for action in ["PullEvents", "ConfirmEvents"] {
        let calls = world.calls(action);
        // What the limiter may let out at once after a pause, and calls that were begun.
        let most = 20.0 * seconds + 2.0 + 2.0;
        assert!(calls >= 30, "{action}: {calls}");
        assert!(calls as f64 <= most, "{action}: {calls} calls in {seconds} s");
    }
}
