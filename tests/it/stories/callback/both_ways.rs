//! An event that is pulled and posted is delivered once.

use std::time::Duration;

use super::{DELIVERED, Hook, event, source};
use crate::stories::violence::RELAY;
use crate::world::{Answer, App, World, sorted, source_of};

/// What a lane says of an event that is on its way into its sink already.
const WAITS: &str = "the event is on its way into this sink already";

/// Shows it.
const LOG: &str = "[log]\nlevel = \"info,vod_relay::lane=debug\"\n";

/// VOD, and a relay with both kinds of sources.
async fn both(rest: &[&str], pull: &str, hook: &str, app: &App) -> (World, Hook) {
    let world = World::with_leases(Duration::from_secs(30)).await;
    let text = [
        rest.concat(),
        LOG.to_owned(),
        source_of(&world.url, "queue", &Default::default(), pull),
        source(hook),
        app.sink("app", ""),
    ];
    let relay = world.raw_config(&text.concat());
    let hook = Hook::start(&relay).await;
    (world, hook)
}

#[tokio::test]
async fn one_after_the_other() {
    for (rest, pull, keys) in [("", "", DELIVERED), (RELAY, "ack = \"spooled\"", "")] {
        let app = App::new().await;
        let (world, hook) = both(&[rest], pull, keys, &app).await;
        let first = world.push(2);
        world.until_confirmed(2).await;
        app.until_received(2).await;
        for n in 0..4 {
            hook.post_until_taken(&event(n).0).await;
        }
        app.until_received(4).await;
        let all = world.push(4);
        world.until_confirmed(6).await;
        assert_eq!(hook.relay.stop().await.code, Some(0));
        assert_eq!(app.requests().len(), 4 + 2, "each once: {first:?} {all:?}");
    }
}

#[tokio::test]
async fn at_the_same_moment_the_second_waits_for_the_first() {
    let app = App::answering(|_| Answer::Held).await;
    let (world, hook) = both(&[], "", DELIVERED, &app).await;
    let ids = world.push(1);
    app.until_received(1).await;
    let gate = async {
        hook.relay.says(WAITS).await;
        app.open_gate();
    };
    let (reply, ()) = tokio::join!(hook.post(event(0).0), gate);
    assert_eq!(reply.status, 200);
    world.until_confirmed(1).await;
    assert_eq!(hook.relay.stop().await.code, Some(0));
    assert_eq!((app.requests().len(), app.distinct_ids()), (1, sorted(&ids)), "once");
}

#[tokio::test]
async fn when_the_first_fails_the_second_goes_on_by_itself() {
    let app = App::answering(|request| match request.number {
        0 => Answer::HeldThen(410),
        _ => Answer::Status(204),
    });
    let app = app.await;
    // Without a state directory what is refused is left to VOD.
    let (world, hook) = both(&[], "", DELIVERED, &app).await;
    world.push(1);
    app.until_received(1).await;
    let gate = async {
        hook.relay.says(WAITS).await;
        app.open_gate();
    };
    let (reply, ()) = tokio::join!(hook.post(event(0).0), gate);
    assert_eq!(reply.status, 200);
    assert_eq!(app.requests().len(), 2);
}

#[tokio::test]
async fn from_the_spool_and_from_the_queue_at_the_same_moment() {
    let app = App::answering(|_| Answer::Held).await;
    let (world, hook) = both(&[RELAY], "ack = \"delivered\"", "", &app).await;
    let ids = world.push(1);
    app.until_received(1).await;
    assert_eq!(hook.post(event(0).0).await.status, 200, "it is on disk");
    hook.relay.says(WAITS).await;
    app.open_gate();
    world.until_confirmed(1).await;
    let ended = hook.relay.stop().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!((app.requests().len(), app.distinct_ids()), (1, sorted(&ids)), "once");
    let kept = crate::stories::violence::Kept::of(&world);
    assert!(kept.spooled.is_empty(), "{kept:?}");
}

#[tokio::test]
async fn under_load_each_event_arrives_once() {
    let app = App::answering(|_| Answer::Late(Duration::from_millis(2), 204)).await;
    let (world, hook) = both(&[], "", DELIVERED, &app).await;
    let ids = world.push(300);
    let mut posts = tokio::task::JoinSet::new();
    for n in 0..300 {
        let (http, url, body) = (hook.http.clone(), hook.url.clone(), event(n).0);
        posts.spawn(async move {
            while http.post(url.clone()).body(body.clone()).send().await.unwrap().status() != 200 {}
        });
    }
    posts.join_all().await;
    world.until_confirmed(300).await;
    assert_eq!(hook.relay.stop().await.code, Some(0));
    assert_eq!(app.distinct_ids(), sorted(&ids));
    assert_eq!(app.requests().len(), 300, "none twice");
}
