//! Start, reload and end of a listener.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{DELIVERED, Hook, event, source};
use crate::world::{Answer, App, World, sorted, unstuck};

#[tokio::test]
async fn a_stop_answers_what_is_in_flight_and_lets_nobody_in() {
    let world = World::new().await;
    let app = App::answering(|_| Answer::Held).await;
    let text = [source(DELIVERED), app.sink("app", "")].concat();
    let hook = Hook::start(&world.raw_config(&text)).await;
    let post = hook.post(event(0).0);
    let end = async {
        app.until_received(1).await;
        hook.relay.signal("TERM");
        hook.relay.says("stopping").await;
        let refused = || std::net::TcpStream::connect(hook.url.socket_addrs(|| None).unwrap()[0]);
        crate::world::eventually("a closed door", || refused().is_err().then_some(())).await;
        app.open_gate();
    };
    let (reply, ()) = tokio::join!(post, end);
    assert_eq!(reply.status, 200);
    let ended = hook.relay.end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(!ended.stderr.contains("not all events in flight"), "{ended:?}");
}

#[tokio::test]
async fn a_reload_refuses_no_request() {
    let world = World::new().await;
    let (old, new) = (App::new().await, App::new().await);
    let config = |app: &App, keys: &str| {
        world.raw_config(&[source(&format!("{DELIVERED}{keys}\n")), app.sink("app", "")].concat())
    };
    let hook = Hook::start(&config(&old, "")).await;
    let done = Arc::new(AtomicBool::new(false));
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..4 {
        let (http, url, done) = (hook.http.clone(), hook.url.clone(), done.clone());
        clients.spawn(async move {
            let mut posted = 0;
            while !done.load(Ordering::SeqCst) {
                let (body, _) = event(client * 100_000 + posted);
                let answer = http.post(url.clone()).body(body).send().await.unwrap();
                assert_eq!(answer.status(), 200);
                posted += 1;
            }
            posted
        });
    }
    old.until_received(20).await;
    for round in 1..=5 {
        let (app, keys) =
            [(&new, "max_in_flight = 32"), (&old, "reply_timeout = \"3s\"")][round % 2];
        config(app, &format!("{keys}\nmax_connections = {}", 100 + round));
        hook.relay.signal("HUP");
        hook.says_times(round, "the new configuration is in force").await;
        let before = app.requests().len();
        app.until_received(before + 10).await;
    }
    done.store(true, Ordering::SeqCst);
    let posted: u64 = clients.join_all().await.into_iter().sum();
    let received = old.requests().len() + new.requests().len();
    assert_eq!(received as u64, posted, "each once");
    assert_eq!(hook.relay.stop().await.code, Some(0));
}

#[tokio::test]
async fn an_open_connection_meets_the_new_configuration() {
    let world = World::new().await;
    let app = App::new().await;
    let config = |keys: &str| {
        world.raw_config(&[source(&format!("{DELIVERED}{keys}\n")), app.sink("app", "")].concat())
    };
    let hook = Hook::start(&config("")).await;
    assert_eq!(hook.post(event(0).0).await.status, 200);
    config("sign_key = \"abc\"");
    hook.relay.reload().await;
    assert_eq!(hook.post(event(1).0).await.status, 401);
    // A source that is taken out lets nobody in any more.
    let file = "[sinks.app]\ntype = \"file\"\npath = \"events.jsonl\"\n";
    world.config("", file);
    hook.relay.signal("HUP");
    hook.says_times(2, "the new configuration is in force").await;
    let refused = || std::net::TcpStream::connect(hook.url.socket_addrs(|| None).unwrap()[0]);
    crate::world::eventually("a closed door", || refused().is_err().then_some(())).await;
    assert_eq!(hook.relay.stop().await.code, Some(0));
}

#[tokio::test]
async fn another_address_waits_for_a_restart_and_another_name_does_not() {
    let world = World::new().await;
    let app = App::new().await;
    // Of all loopback addresses one that nobody else uses.
    let here = "127.77.4.1:18080";
    let config = |name: &str, listen: &str| {
        world.raw_config(&format!(
            "[sources.{name}]\ntype = \"callback\"\nlisten = \"{listen}\"\n{DELIVERED}\n{}",
            app.sink("app", "")
        ))
    };
    let hook = Hook::start(&config("hook", here)).await;
    config("hook", "127.77.4.1:18081");
    hook.relay.reload().await;
    hook.relay
        .says("sources.hook.listen cannot change while vod-relay runs, and stays 127.77.4.1:18080")
        .await;
    assert_eq!(hook.post(event(0).0).await.status, 200);
    config("doorbell", here);
    hook.relay.reload().await;
    hook.relay.says("source.name=doorbell").await;
    assert_eq!(hook.post(event(1).0).await.status, 200);
    assert_eq!(app.requests().len(), 2);
    assert_eq!(hook.relay.stop().await.code, Some(0));
}

#[tokio::test]
async fn what_changes_beside_an_address_is_applied() {
    let world = World::new().await;
    let (old, new) = (App::new().await, App::new().await);
    let here = "127.77.5.1:18080";
    let config = |listen: &str, keys: &str, app: &App| {
        let source = source(&format!("{DELIVERED}{keys}\n")).replace("127.0.0.1:0", listen);
        world.raw_config(&[source, app.sink("app", "")].concat())
    };
    let hook = Hook::start(&config(here, "", &old)).await;
    config("127.77.5.1:18081", "sign_key = \"abc\"", &new);
    hook.relay.reload().await;
    hook.relay.says("in force: sources: changed hook, 0 unchanged; sinks: changed app").await;
    assert_eq!(hook.post(event(0).0).await.status, 401);
    config("127.77.5.1:18081", "", &new);
    hook.relay.signal("HUP");
    hook.says_times(2, "the new configuration is in force").await;
    assert_eq!(hook.post(event(1).0).await.status, 200);
    assert_eq!((old.requests().len(), new.requests().len()), (0, 1));
    // Another source cannot have the address that is kept; nothing of this reload is applied.
    let other = source(DELIVERED).replace("hook", "bell").replace("127.0.0.1:0", here);
    let moved = source(DELIVERED).replace("127.0.0.1:0", "127.77.5.1:18081");
    world.raw_config(&[moved, other, old.sink("app", "")].concat());
    hook.relay.signal("HUP");
    hook.relay.says("source bell: cannot listen on 127.77.5.1:18080").await;
    assert_eq!(hook.post(event(2).0).await.status, 200);
    assert_eq!((old.requests().len(), new.requests().len()), (0, 2));
    let ended = hook.relay.stop().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.stderr.matches("sources.hook.listen cannot change").count(), 2, "{ended:?}");
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_and_may_be_free_the_next_time() {
    let world = World::new().await;
    let app = App::new().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let text = [source(DELIVERED).replace("127.0.0.1:0", &listen), app.sink("app", "")].concat();
    let ended = world.raw_config(&text).start().end().await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let problem = format!("source hook: cannot listen on {listen}: Address already in use");
    assert!(ended.stderr.contains(&problem), "{ended:?}");
}

#[tokio::test]
async fn a_run_until_the_queue_is_empty_waits_for_no_callbacks() {
    let world = World::new().await;
    let ids = world.push(5);
    let app = App::new().await;
    let sink = app.sink("app", "");
    let ended = world.raw_config(&[source(DELIVERED), sink.clone()].concat()).once().await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("no source has type = \"pull\""), "{ended:?}");
    let relay = world.config("", &[source(DELIVERED), sink].concat());
    let ended = unstuck("the run does not end", relay.once()).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("--once leaves this source out"), "{ended:?}");
    assert_eq!(app.distinct_ids(), sorted(&ids));
}
