//! The end: asked for, asked for twice, or without asking.

use std::time::Duration;

use vod_relay::emulator::Options;
use vod_relay::time;

use crate::world::{Answer, App, Switch, World, scaled, sorted};

const UNSETTLED: &str = "not all events in flight were settled";

/// Shorter than the leases, so that whoever waits for their end meets the grace first.
const SHORT_GRACE: &str = "[relay]\nshutdown_grace = \"10s\"\n";

#[tokio::test]
async fn a_stop_finishes_what_is_in_flight_and_pulls_nothing_more() {
    for signal in ["TERM", "INT"] {
        // A pull that is not given up would be open for long.
        let hold = Duration::from_secs(9);
        let world = World::with(Options { hold, ..Options::default() }).await;
        let ids = world.push(100);
        let app = App::answering(|_| Answer::Held).await;
        let relay = world.config("", &app.sink("app", "")).start();
        app.until_received(100).await;
        world.until("a pull waits", |state| state.waiting > 0).await;
        let told = time::now();
        relay.signal(signal);
        relay.says("stopping").await;
        world.until("no pull waits", |state| state.waiting == 0).await;
        assert!(told.elapsed() < hold / 2, "the long poll is given up");
        let pulls = world.calls("PullEvents");
        world.push(50);
        app.open_gate();
        let ended = relay.end().await;
        assert_eq!(ended.code, Some(0), "SIG{signal}: {ended:?}");
        assert!(!ended.stderr.contains(UNSETTLED), "SIG{signal}: {ended:?}");
        let state = world.vod.state();
        assert_eq!(sorted(&state.confirmed_ids), sorted(&ids), "SIG{signal}");
        assert_eq!(state.counts.handed_out, 100, "SIG{signal}");
        assert_eq!(world.calls("PullEvents"), pulls, "SIG{signal}");
    }
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let world = World::with_leases(Duration::from_secs(30)).await;
    world.push(1);
    let app = App::answering(|_| Answer::Held).await;
    let relay = world.config("", &app.sink("app", "")).start();
    app.until_received(1).await;
    relay.signal("TERM");
    relay.says("stopping").await;
    relay.signal("TERM");
    let ended = relay.end().await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("told to stop again"), "{ended:?}");
    assert_eq!(world.vod.state().counts.confirmed, 0);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_sink_that_is_down() {
    let world = World::with_leases(Duration::from_secs(30)).await;
    world.push(40);
    let app = App::answering(|_| Answer::Status(503)).await;
    let relay = world.config("", &[&app.sink("app", ""), SHORT_GRACE].concat()).start();
    // As many failures in a row as it takes to be sure.
    app.until_received(8).await;
    let ended = relay.stop().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(!ended.stderr.contains(UNSETTLED), "it waited for the grace: {ended:?}");
    assert_eq!(world.vod.state().counts.confirmed, 0);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_sink_that_goes_down_meanwhile() {
    let world = World::with_leases(Duration::from_secs(30)).await;
    world.push(20);
    let app = App::answering(|_| Answer::HeldThen(503)).await;
    let relay = world.config("", &[&app.sink("app", ""), SHORT_GRACE].concat()).start();
    app.until_received(20).await;
    relay.signal("TERM");
    relay.says("stopping").await;
    world.until("no pull waits", |state| state.waiting == 0).await;
    app.open_gate();
    let ended = relay.end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(!ended.stderr.contains(UNSETTLED), "it waited for the grace: {ended:?}");
}

#[tokio::test]
async fn the_grace_bounds_a_delivery_that_never_ends_and_the_event_comes_again() {
    let world = World::with(scaled(Duration::from_secs(2))).await;
    let ids = world.push(1);
    let app = App::answering(|_| Answer::Held).await;
    let text = [app.sink("app", ""), "[relay]\nshutdown_grace = \"300ms\"\n".to_owned()].concat();
    let config = world.config("", &text);
    let relay = config.start();
    app.until_received(1).await;
    let ended = relay.stop().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains(UNSETTLED), "{ended:?}");
    app.open_gate();
    let _next = config.start();
    world.until_confirmed(1).await;
    assert_eq!(app.requests().len(), 2);
    assert_eq!(app.distinct_ids(), sorted(&ids));
}

#[tokio::test]
async fn a_kill_loses_nothing() {
    let world = World::with_leases(Duration::from_secs(2)).await;
    let ids = world.push(60);
    let again = Switch::default();
    let is_again = again.clone();
    // Some are delivered, some are on their way when the end comes.
    let app = App::answering(move |request| match request.number % 3 == 0 || is_again.is_on() {
        true => Answer::Status(204),
        false => Answer::Held,
    });
    let app = app.await;
    let config = world.config(&world.lease(), &app.sink("app", "timeout = \"1s\""));
    let relay = config.start();
    app.until_received(60).await;
    relay.signal("KILL");
    let ended = relay.end().await;
    assert_eq!(ended.code, None, "{ended:?}");
    again.turn_on();
    let _next = config.start();
    world.until_confirmed(60).await;
    assert_eq!(app.distinct_ids(), sorted(&ids));
    assert!(app.requests().len() <= 120, "each at most once more");
}

#[tokio::test]
async fn a_run_that_is_stopped_tells_that_its_time_ran_out() {
    let world = World::with_leases(Duration::from_secs(30)).await;
    world.push(1);
    let app = App::answering(|_| Answer::Held).await;
    let rest = format!("[relay]\nshutdown_grace = \"100ms\"\n{}", app.sink("app", ""));
    let run = world.config("", &rest).start_with(&["--once"]);
    app.until_received(1).await;
    let ended = run.stop().await;
    assert_eq!(ended.code, Some(75), "{ended:?}");
}
