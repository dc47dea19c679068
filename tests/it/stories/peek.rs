//! `vod-relay peek`: events are seen and not taken away.

use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncReadExt as _;
use vod_relay::emulator::{Account, Action, Options, sample};
use vod_relay::event::Event;

use crate::world::{App, Closed, Relay, World, scaled, sorted, source_of, unstuck};

const STDOUT: &str = "[sinks.out]\ntype = \"stdout\"\n";

#[tokio::test]
async fn what_was_seen_comes_back_and_is_delivered() {
    let visibility = Duration::from_millis(1500);
    let world = World::with(scaled(visibility)).await;
    let ids = world.push(5);
    let app = App::new().await;
    let relay = world.config("lease = \"1500ms\"", &app.sink("app", ""));
    let ended = relay.run(&["peek", "--max", "3"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let seen: Vec<_> = ended.stdout.lines().collect();
    assert_eq!(seen, [sample(0), sample(1), sample(2)], "byte for byte");
    assert!(ended.stderr.contains("5 events pulled and none confirmed"), "{ended:?}");
    assert!(ended.stderr.contains("1s 500ms"), "{ended:?}");
    let state = world.vod.state();
    assert_eq!((state.counts.confirmed, state.counts.handed_out), (0, 5));
    let running = relay.start();
    world.until_confirmed(5).await;
    assert_eq!(running.stop().await.code, Some(0));
    assert_eq!(app.distinct_ids(), sorted(&ids));
}

#[tokio::test]
async fn more_than_one_pull_brings_is_pulled_until_there_is_enough_or_nothing() {
    for (max, printed, handed_out) in [("20", 20, 32), ("1000", 40, 40)] {
        let world = World::new().await;
        let ids = world.push(40);
        let ended = world.config("", STDOUT).run(&["peek", "--with-ids", "--max", max]).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let lines: Vec<Value> =
            ended.stdout.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
        assert_eq!(lines.len(), printed, "{ended:?}");
        for (line, id) in lines.iter().zip(&ids) {
            assert_eq!(line["id"], id.to_string());
            assert_eq!(Event::from_content(line["event"].to_string()).id(), *id);
        }
        let state = world.vod.state();
        assert_eq!((state.counts.handed_out, state.counts.confirmed), (handed_out, 0));
    }
}

#[tokio::test]
async fn an_event_that_comes_again_meanwhile_is_printed_once() {
    // Leases so short that the second pull brings what the first one did.
    let world = World::with(Options {
        visibility: Duration::from_millis(1),
        hold: Duration::from_millis(50),
        ..Options::default()
    });
    let world = world.await;
    world.push(3);
    let ended = world.config("", STDOUT).run(&["peek", "--max", "100"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.stdout.lines().count(), 3, "{ended:?}");
}

#[tokio::test]
async fn nothing_to_see() {
    let world = World::new().await;
    let ended = world.config("", STDOUT).run(&["peek"]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""));
    assert!(ended.stderr.contains("there is nothing to pull"), "{ended:?}");
}

#[tokio::test]
async fn one_of_several_sources_must_be_named() {
    let world = World::new().await;
    let source = |name: &str, app| {
        source_of(&world.url, name, &Account::default(), &format!("sub_app_id = {app}"))
    };
    let relay = world.raw_config(&[&source("films", 1), &source("news", 2), STDOUT].concat());
    world.vod.push(Some(1), &sample(1)).unwrap();
    world.vod.push(Some(2), &sample(2)).unwrap();
    for wrong in [&["peek"][..], &["peek", "--source", "sports"], &["peek", "--max", "0"]] {
        let ended = relay.run(wrong).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
        assert!(wrong.contains(&"--max") || ended.stderr.contains("films, news"), "{ended:?}");
    }
    let ended = relay.run(&["peek", "--source", "news"]).await;
    assert_eq!((ended.code, ended.stdout.trim_end()), (Some(0), sample(2).as_str()));
}

#[tokio::test]
async fn what_keeps_it_from_seeing_is_in_the_exit_code() {
    let denied = vec![Action::PullEvents];
    let world = World::with(Options { denied, ..Options::default() }).await;
    let ended = world.config("", STDOUT).run(&["peek"]).await;
    assert_eq!(ended.code, Some(77), "{ended:?}");
    assert!(ended.stderr.contains("UnauthorizedOperation"), "{ended:?}");
    let closed = Closed::new();
    let url = closed.url.trim_end_matches("/vod");
    let source = source_of(url, "main", &Account::default(), "");
    let ended = world.raw_config(&[&source, STDOUT].concat()).run(&["peek"]).await;
    assert_eq!(ended.code, Some(69), "{ended:?}");
    let ended = world.raw_config("").run(&["peek"]).await;
    assert_eq!(ended.code, Some(78), "{ended:?}");
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_and_a_signal_end_it_cleanly() {
    let world = World::new().await;
    world.push(40);
    let mut child = world.config("", STDOUT).command(&["peek", "--max", "40"]).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut some = [0; 1];
    unstuck("the first line", stdout.read_exact(&mut some)).await.unwrap();
    drop(stdout);
    let ended = Relay::watch(child).end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("none confirmed"), "{ended:?}");

    let world = World::with(Options { hold: Duration::from_secs(60), ..Options::default() }).await;
    let peeking = world.config("", STDOUT).start_with(&["peek"]);
    world.until("it waits", |state| state.waiting == 1).await;
    let ended = peeking.stop().await;
    assert_eq!((ended.code, ended.signal), (Some(0), None), "{ended:?}");
}
