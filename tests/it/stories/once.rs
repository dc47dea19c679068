//! `--once`: until the queue is empty, then out, with an exit code that says how it went.

use std::time::Duration;

use vod_relay::emulator::{Empty, FaultKind, Options, sample};

use crate::world::{Answer, App, World, faults, ids_in, sorted, unhurried};

const FILE: &str = "[sinks.archive]\ntype = \"file\"\npath = \"events.jsonl\"\n";

#[tokio::test]
async fn a_thousand_events_stand_in_the_file_as_vod_sent_them() {
    let world = World::new().await;
    let ids = world.push(1000);
    let ended = world.config("", FILE).once().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let mut written: Vec<_> = world.read("events.jsonl").lines().map(str::to_owned).collect();
    let mut sent: Vec<_> = (0..1000).map(sample).collect();
    written.sort();
    sent.sort();
    assert!(written == sent, "every event once, byte for byte");
    let state = world.vod.state();
    assert_eq!(state.counts.confirmed, 1000);
    assert_eq!(sorted(&state.confirmed_ids), sorted(&ids));
    let calls: u64 = state.calls.values().sum();
    assert!(calls <= 2 * 63 + 10, "{calls} calls: {:?}", state.calls);
}

#[tokio::test]
async fn an_empty_queue_ends_at_once_in_each_form_of_empty() {
    for empty in [Empty::Error, Empty::Null, Empty::Absent, Empty::List] {
        let options = Options { hold: Duration::ZERO, empty, ..Options::default() };
        let world = World::with(options).await;
        let ended = world.config("", FILE).once().await;
        assert_eq!(ended.code, Some(0), "{empty:?}: {ended:?}");
        assert_eq!(world.calls("PullEvents"), 1, "{empty:?}");
    }
}

#[tokio::test]
async fn every_third_request_fails_and_every_event_is_delivered() {
    let world = World::new().await;
    let ids = world.push(100);
    let app =
        App::answering(|request| Answer::Status(if request.number % 3 == 2 { 500 } else { 204 }));
    let app = app.await;
    let ended = world.config("", &app.sink("app", "")).once().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(app.distinct_ids(), sorted(&ids));
    assert_eq!(world.vod.state().counts.confirmed, 100);
}

#[tokio::test]
async fn what_is_refused_for_good_is_not_confirmed() {
    let world = World::new().await;
    world.push(40);
    let app = App::answering(|_| Answer::Status(404)).await;
    let ended = world.config("", &app.sink("app", "")).once().await;
    assert_eq!(ended.code, Some(75), "{ended:?}");
    assert_eq!(world.calls("ConfirmEvents"), 0);
    assert_eq!(app.requests().len(), 40, "each tried once");
    assert!(ended.stderr.contains("404"), "{ended:?}");
}

#[tokio::test]
async fn one_event_that_is_refused_does_not_stop_the_others() {
    let world = World::new().await;
    let ids = world.push(100);
    let poison = ids[17].to_string();
    let app =
        App::answering(move |request| Answer::Status(if request.id == poison { 422 } else { 200 }));
    let app = app.await;
    let ended = world.config("", &app.sink("app", "")).once().await;
    assert_eq!(ended.code, Some(75), "{ended:?}");
    let state = world.vod.state();
    assert_eq!(state.counts.confirmed, 99);
    assert_eq!(state.open_ids, [ids[17]]);
}

#[tokio::test]
async fn a_sink_that_is_down_ends_the_run_when_the_leases_do() {
    let world = World::new().await;
    world.push(20);
    let app = App::answering(|_| Answer::Status(503)).await;
    let relay = world.config("lease = \"2s\"", &app.sink("app", "timeout = \"1s\""));
    let ended = relay.once().await;
    assert_eq!(ended.code, Some(75), "{ended:?}");
    assert_eq!(world.vod.state().counts.confirmed, 0);
    assert!(app.requests().len() < 20 * 6, "{} requests", app.requests().len());
}

#[tokio::test]
async fn lost_answers_are_waited_for() {
    let visibility = unhurried(Duration::from_millis(1500));
    let world = World::with(Options {
        visibility,
        hold: Duration::from_millis(50),
        seed: Some(7),
        faults: faults(&[FaultKind::LostPull], 0.3),
        ..Options::default()
    });
    let world = world.await;
    let ids = world.push(200);
    let ended = world.config(&world.lease(), FILE).once().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(sorted(ids_in(&world.path("events.jsonl"))), sorted(&ids));
    assert_eq!(world.vod.state().counts.confirmed, 200, "{ended:?}");
}

#[tokio::test]
async fn a_wrong_key_is_told_with_its_cause_and_request_id() {
    let world = World::new().await;
    let text = format!(
        "[sources.main]\ntype = \"pull\"\nendpoint = \"{}\"\n[sources.main.credentials]\n\
         secret_id = \"AKIDemulator\"\nsecret_key = \"wrong-and-secret\"\n{FILE}",
        world.url
    );
    for args in [&["--once"][..], &[]] {
        let ended = world.raw_config(&text).run(args).await;
        assert_eq!(ended.code, Some(77), "{ended:?}");
        assert!(ended.stderr.contains("AuthFailure.SignatureFailure"), "{ended:?}");
        assert!(ended.stderr.contains("RequestId"), "{ended:?}");
        assert!(!ended.stderr.contains("wrong-and-secret"), "{ended:?}");
    }
}

#[tokio::test]
async fn an_endpoint_that_is_down_is_unreachable() {
    let world = World::new().await;
    // A port that was free a moment ago and that nobody listens at.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let text = format!(
        "[sources.main]\ntype = \"pull\"\nendpoint = \"http://{address}\"\n\
         [sources.main.credentials]\nsecret_id = \"a\"\nsecret_key = \"b\"\n{FILE}"
    );
    let ended = world.raw_config(&text).once().await;
    assert_eq!(ended.code, Some(69), "{ended:?}");
    assert!(ended.stderr.contains("connection refused"), "{ended:?}");
}
