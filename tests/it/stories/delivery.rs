//! How events get to their sinks, whatever happens on the way.

use std::collections::BTreeSet;
use std::time::Duration;

use vod_relay::emulator::{BadHandle, FaultKind, Options, sample};

use crate::world::{Answer, App, World, faults, scaled, sorted, unhurried};

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
        visibility: unhurried(Duration::from_secs(3)),
        hold: Duration::from_millis(200),
        seed: Some(1),
        faults: faults(&all, 0.05),
        ..Options::default()
    });
    let world = world.await;
    let ids = world.push(2000);
    let app = App::new().await;
    let relay = world.config(&world.lease(), &app.sink("app", "timeout = \"2s\"")).start();
    world.until_confirmed(2000).await;
    let ended = relay.stop().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(app.distinct_ids(), sorted(&ids));
    let calls: u64 = world.vod.state().calls.values().sum();
    assert!(calls < 2000, "{calls} calls");
}

#[tokio::test]
async fn every_attempt_carries_the_same_id_and_its_own_time() {
    let world = World::with(scaled(Duration::from_millis(1500))).await;
    let ids = world.push(1);
    // The first wait is longer than the lease, so the event comes again with another handle; the
    // second fits into it.
    let app = App::answering(|request| match request.earlier {
        0 => Answer::With(503, "retry-after", "5".to_owned()),
        1 => Answer::With(503, "retry-after", "1".to_owned()),
        _ => Answer::Status(204),
    });
    let app = app.await;
    let _relay = world.config("lease = \"1500ms\"", &app.sink("app", "timeout = \"1s\"")).start();
    world.until_confirmed(1).await;
    let requests = app.requests();
    assert!(requests.len() >= 3, "{requests:?}");
    assert_eq!(app.distinct_ids(), sorted(&ids));
    let time = |n: usize| requests[n].headers["webhook-timestamp"].to_str().unwrap().to_owned();
    let times: Vec<u64> = (0..3).map(|n| time(n).parse().unwrap()).collect();
    assert!(times[0] < times[1] && times[1] < times[2], "{times:?}");
    assert!(world.vod.state().counts.redelivered >= 1);
}

#[tokio::test]
async fn a_body_is_what_vod_sent_to_the_byte() {
    // White space, nulls, numbers beyond floating point, escapes, members nobody knows.
    const ODD: &str = "{ \"EventType\" : \"Hologram\",\n\t\"New\": {\"Id\":12345678901234567890123,\
                       \"X\":1.50,\"Y\":1e2,\"Z\":null,\"S\":\"\\u52a8\\/\\ud83d\\ude00 é\"},\
                       \"T\":1,\"Sign\":\"s\" }";
    let world = World::new().await;
    let mut sent: BTreeSet<_> = (0..32).map(sample).collect();
    world.push(32);
    world.vod.push(None, ODD).unwrap();
    sent.insert(ODD.to_owned());
    let app = App::new().await;
    let ended = world.config("", &app.sink("app", "")).once().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let requests = app.requests();
    let got = requests.iter().map(|request| String::from_utf8(request.body.to_vec()).unwrap());
    assert_eq!(got.collect::<BTreeSet<_>>(), sent);
    assert!(requests.iter().all(|request| request.headers["content-type"] == "application/json"));
}

#[tokio::test]
async fn an_event_that_comes_again_while_it_is_delivered_is_delivered_once() {
    let world = World::with_leases(Duration::from_millis(400)).await;
    world.push(1);
    let app = App::answering(|_| Answer::Held).await;
    let _relay = world.config("", &app.sink("app", "")).start();
    // VOD hands out faster than the relay was told. Pulls follow each other, so by the third time
    // the relay has met the second.
    world.until("handed out again", |state| state.counts.handed_out >= 3).await;
    app.open_gate();
    world.until_confirmed(1).await;
    assert_eq!(app.requests().len(), 1);
}

#[tokio::test]
async fn a_call_that_is_underway_when_its_lease_ends_is_not_made_again() {
    let world = World::with_leases(Duration::from_secs(1)).await;
    world.push(1);
    let app = App::answering(|_| Answer::Held).await;
    let _relay = world.config(&world.lease(), &app.sink("app", "")).start();
    world.until("its lease has ended", |state| !state.redelivered_ids.is_empty()).await;
    app.open_gate();
    world.until_confirmed(1).await;
    assert_eq!(app.requests().len(), 1);
}

#[tokio::test]
async fn lost_confirms_do_not_make_duplicates() {
    let world = World::with(Options {
        seed: Some(3),
        faults: faults(&[FaultKind::LostConfirm], 0.5),
        ..scaled(unhurried(Duration::from_secs(2)))
    });
    let world = world.await;
    let ids = world.push(100);
    let app = App::new().await;
    let relay = world.config(&world.lease(), &app.sink("app", "")).start();
    world.until_confirmed(100).await;
    let ended = relay.stop().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(app.distinct_ids(), sorted(&ids));
    assert_eq!(app.requests().len(), 100, "each exactly once");
}

#[tokio::test]
async fn a_refused_handle_spoils_no_other_and_is_not_tried_for_ever() {
    for bad_handle in [BadHandle::All, BadHandle::One] {
        let visibility = Duration::from_millis(500);
        let world = World::with(Options { bad_handle, ..scaled(visibility) }).await;
        world.push(40);
        let app = App::answering(|_| Answer::Held).await;
        let source = "max_requests_per_second = 1000";
        let relay = world.config(source, &app.sink("app", "")).start();
        // Each event gets a second handle while it is delivered, and the first one dies.
        world.until("all handed out again", |state| state.redelivered_ids.len() == 40).await;
        app.open_gate();
        world.until_confirmed(40).await;
        let ended = relay.stop().await;
        assert_eq!(ended.code, Some(0), "{bad_handle:?}: {ended:?}");
        assert_eq!(app.requests().len(), 40, "{bad_handle:?}");
        // No handle is sent more than twice: with others, and alone.
        let state = world.vod.state();
        let calls = world.calls("ConfirmEvents");
        assert!(state.refused_confirms > 0, "{bad_handle:?}: {state:?}");
        assert!(calls <= 2 * state.counts.handed_out, "{bad_handle:?}: {calls} calls");
    }
}

#[tokio::test]
async fn an_application_is_left_alone_for_as_long_as_it_asks() {
    let world = World::new().await;
    world.push(1);
    let app = App::answering(|request| match request.earlier {
        0 => Answer::With(429, "retry-after", "1".to_owned()),
        _ => Answer::Status(204),
    });
    let app = app.await;
    let ended = world.config("", &app.sink("app", "")).once().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let requests = app.requests();
    assert_eq!(requests.len(), 2);
    let waited = requests[1].at - requests[0].at;
    assert!(waited >= Duration::from_secs(1), "{waited:?}");
}

#[tokio::test]
async fn equal_events_are_one_event_with_several_handles() {
    let world = World::with_leases(Duration::from_secs(30)).await;
    let same = sample(0);
    // Two in one answer.
    world.vod.push_all(None, &format!("[{same},{same}]")).unwrap();
    let app = App::new().await;
    let relay = world.config("", &app.sink("app", "")).start();
    world.until_confirmed(2).await;
    // One more, after the first are done.
    world.vod.push(None, &same).unwrap();
    world.until_confirmed(3).await;
    let ended = relay.stop().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(app.requests().len(), 1);
    assert_eq!(world.vod.state().counts.redelivered, 0);
}

#[tokio::test]
async fn leases_shorter_than_a_long_poll_are_enough() {
    // A redelivery answers a long poll that was sent longer ago than a whole lease.
    let world = World::with(Options {
        visibility: Duration::from_secs(1),
        hold: Duration::from_secs(5),
        seed: Some(3),
        faults: faults(&[FaultKind::LostPull], 0.5),
        ..Options::default()
    });
    let world = world.await;
    let ids = world.push(100);
    let app = App::new().await;
    let relay = world.config("lease = \"1s\"", &app.sink("app", "")).start();
    world.until_confirmed(100).await;
    assert_eq!(app.distinct_ids(), sorted(&ids));
    assert_eq!(relay.stop().await.code, Some(0));
}
