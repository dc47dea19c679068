//! What 200 promises, and what anything else leads to.

use super::{DELIVERED, Hook, event, source};
use crate::stories::violence::{Kept, RELAY};
use crate::world::{Answer, App, Closed, Switch, World, eventually, sorted, unstuck, webhook};

/// Nobody waits long for what does not come.
const SHORT: &str = "ack = \"delivered\"\nreply_timeout = \"200ms\"\n";

#[tokio::test]
async fn by_default_an_event_is_taken_once_it_is_on_disk() {
    let world = World::new().await;
    let closed = Closed::new();
    let text = [RELAY.to_owned(), source(""), webhook(&closed.url, "app", "")].concat();
    let hook = Hook::start(&world.raw_config(&text)).await;
    let (body, id) = event(0);
    for _ in 0..2 {
        assert_eq!(hook.post(body.clone()).await.status, 200);
    }
    assert_eq!(sorted(&Kept::while_it_runs(&world).spooled), sorted([id]));
    // Whatever happens to the relay, the event is there.
    hook.relay.signal("KILL");
    hook.relay.end().await;
    let app = closed.open();
    let hook = Hook::start(&world.raw_config(&text)).await;
    app.until_received(1).await;
    let settled = || Kept::while_it_runs(&world).spooled.is_empty().then_some(());
    eventually("an empty spool", settled).await;
    assert_eq!(hook.post(body).await.status, 200, "it is known");
    assert_eq!(hook.relay.stop().await.code, Some(0));
    assert_eq!(app.distinct_ids(), sorted([id]));
    assert_eq!(app.requests().len(), 1, "once");
}

#[cfg(debug_assertions)]
#[tokio::test]
async fn a_relay_that_dies_before_it_answers_has_the_event_or_gets_it_again() {
    // On disk and not answered, delivered and not noted, noted and not answered.
    let cases =
        [("after-spool", "", 1), ("after-sink", DELIVERED, 2), ("after-ledger", DELIVERED, 1)];
    for (point, ack, times) in cases {
        let world = World::new().await;
        let app = App::new().await;
        let text = [RELAY.to_owned(), source(ack), app.sink("app", "")].concat();
        let config = world.raw_config(&text);
        let armed = config.clone().env(vod_relay::crash::VARIABLE, point);
        let hook = Hook::start(&armed).await;
        let (body, id) = event(0);
        let posted = hook.try_send(reqwest::Method::POST, hook.url.clone(), body.clone()).await;
        assert!(posted.is_err(), "{point}: {posted:?}");
        assert_eq!(hook.relay.end().await.signal, Some(6), "{point}");
        let hook = Hook::start(&config).await;
        if ack.is_empty() {
            // It does not take another post.
            app.until_received(1).await;
        }
        hook.post_until_taken(&body).await;
        assert_eq!(hook.relay.stop().await.code, Some(0), "{point}");
        assert_eq!(app.distinct_ids(), sorted([id]), "{point}");
        assert_eq!(app.requests().len(), times, "{point}");
    }
}

#[tokio::test]
async fn while_a_sink_is_down_vod_is_told_to_post_again() {
    let world = World::new().await;
    let up = Switch::default();
    let is_up = up.clone();
    let app = App::answering(move |_| Answer::Status(if is_up.is_on() { 204 } else { 503 })).await;
    let other = App::new().await;
    let text = [source(SHORT), app.sink("app", ""), other.sink("other", "")].concat();
    let hook = Hook::start(&world.raw_config(&text)).await;
    let (body, id) = event(0);
    let reply = hook.post(body.clone()).await;
    assert_eq!(reply.status, 503);
    assert!(reply.text.contains("send it again"), "{reply:?}");
    up.turn_on();
    hook.post_until_taken(&body).await;
    assert_eq!(app.distinct_ids(), sorted([id]));
    assert_eq!(other.requests().len(), 1, "the other had it already");
    hook.relay.says("a callback was not taken").await;
}

#[tokio::test]
async fn a_delivery_that_outlasts_the_answer_is_not_repeated() {
    let world = World::new().await;
    let app = App::answering(|_| Answer::Held).await;
    let text = [source(SHORT), app.sink("app", "")].concat();
    let hook = Hook::start(&world.raw_config(&text)).await;
    let (body, _) = event(0);
    assert_eq!(hook.post(body.clone()).await.status, 503);
    app.until_received(1).await;
    assert_eq!(hook.post(body.clone()).await.status, 503);
    app.open_gate();
    hook.post_until_taken(&body).await;
    assert_eq!(app.requests().len(), 1, "once");
}

#[tokio::test]
async fn posts_of_an_event_that_is_on_its_way_all_get_its_answer() {
    let world = World::new().await;
    let app = App::answering(|_| Answer::Held).await;
    let text = [source(DELIVERED), app.sink("app", "")].concat();
    let hook = Hook::start(&world.raw_config(&text)).await;
    let (body, _) = event(0);
    let posts = async {
        tokio::join!(hook.post(body.clone()), hook.post(body.clone()), hook.post(body.clone()))
    };
    let gate = async {
        app.until_received(1).await;
        app.open_gate();
    };
    let ((a, b, c), ()) = tokio::join!(posts, gate);
    assert_eq!([a.status, b.status, c.status], [200, 200, 200]);
    assert_eq!(app.requests().len(), 1, "once");
}

#[tokio::test]
async fn what_a_sink_refuses_is_taken_only_as_a_dead_letter() {
    let app = App::answering(|_| Answer::Status(410)).await;
    for (relay, status, dead) in [("", 503, 0), (RELAY, 200, 1)] {
        let world = World::new().await;
        let text = [relay.to_owned(), source(DELIVERED), app.sink("app", "")].concat();
        let hook = Hook::start(&world.raw_config(&text)).await;
        assert_eq!(hook.post(event(0).0).await.status, status);
        assert_eq!(Kept::while_it_runs(&world).dead.len(), dead);
    }
}

#[tokio::test]
async fn an_event_that_no_sink_takes_is_taken_only_if_it_may_be_dropped() {
    let world = World::new().await;
    let app = App::new().await;
    for (unrouted, status) in [("leave", 503), ("confirm", 200)] {
        let keys = format!("{DELIVERED}unrouted = \"{unrouted}\"\n");
        let sink = app.sink("app", "events = [\"ConcatComplete\"]");
        let hook = Hook::start(&world.raw_config(&[source(&keys), sink].concat())).await;
        assert_eq!(hook.post(event(0).0).await.status, status, "{unrouted}");
        let stderr = hook.relay.stop().await.stderr;
        assert_eq!(stderr.contains("no sink takes this event"), status == 503, "{stderr}");
    }
    assert!(app.requests().is_empty());
}

#[tokio::test]
async fn a_full_spool_takes_nothing_more_and_loses_nothing() {
    let world = World::new().await;
    let closed = Closed::new();
    let keys = "spool_max_size = \"1 MiB\"\n";
    let text = [RELAY, keys, &source(""), &webhook(&closed.url, "app", "")].concat();
    let hook = Hook::start(&world.raw_config(&text)).await;
    let large = |n: u32| {
        format!(
            "{{\"EventType\":\"A\",\"AEvent\":{{\"n\":{n},\"x\":\"{}\"}}}}",
            "x".repeat(200_000)
        )
    };
    let mut taken = Vec::new();
    let mut next = 0;
    let refused = loop {
        let reply = hook.post(large(next)).await;
        if reply.status != 200 {
            break reply;
        }
        taken.push(vod_relay::event::Event::from_content(large(next)).id());
        next += 1;
    };
    assert_eq!(refused.status, 503);
    assert!(refused.text.contains("the spool is full"), "{refused:?}");
    assert!((5..=7).contains(&taken.len()), "{}", taken.len());
    let app = closed.open();
    hook.post_until_taken(&large(next)).await;
    taken.push(vod_relay::event::Event::from_content(large(next)).id());
    app.until_received(taken.len()).await;
    assert_eq!(app.distinct_ids(), sorted(&taken));
}

#[tokio::test]
async fn room_that_a_slow_sink_holds_is_made_for_others() {
    let world = World::new().await;
    let (slow, quick) = (App::answering(|_| Answer::Held).await, App::new().await);
    let keys = format!("{DELIVERED}max_in_flight = 16\nreply_timeout = \"60s\"\n");
    let text = [
        source(&keys),
        slow.sink("slow", "events = [\"A\"]\nmax_concurrency = 1"),
        quick.sink("quick", "events = [\"B\"]"),
    ];
    let hook = Hook::start(&world.raw_config(&text.concat())).await;
    let of = |event_type: &str, n: u32| {
        format!("{{\"EventType\":\"{event_type}\",\"{event_type}Event\":{{\"n\":{n}}}}}")
    };
    let mut waiting = tokio::task::JoinSet::new();
    for n in 0..40 {
        let (http, url, body) = (hook.http.clone(), hook.url.clone(), of("A", n));
        waiting.spawn(async move { http.post(url).body(body).send().await.unwrap().status() });
    }
    slow.until_received(1).await;
    // Those that have to make room are told at once to come again.
    let first = unstuck("there is no room", waiting.join_next()).await.unwrap().unwrap();
    assert_eq!(first, 503);
    assert_eq!(unstuck("there is no room", hook.post(of("B", 0))).await.status, 200);
    assert_eq!(quick.requests().len(), 1);
}
