//! SIGHUP: another configuration without an end, and a log that was moved away.

use std::fs;
use std::time::Duration;

use vod_relay::emulator::{Account, Options};

use crate::world::{Answer, App, World, ids_in, sorted, source_of};

#[tokio::test]
async fn a_changed_sink_gets_the_new_events_and_the_old_one_finishes_its_own() {
    let world = World::with_leases(Duration::from_secs(30)).await;
    let before = world.push(10);
    let (old, new) = (App::answering(|_| Answer::Held).await, App::new().await);
    let relay = world.config("", &old.sink("app", "")).start();
    old.until_received(10).await;
    world.config("", &new.sink("app", ""));
    relay.reload().await;
    let after = world.push(10);
    new.until_received(10).await;
    old.open_gate();
    world.until_confirmed(20).await;
    let ended = relay.stop().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(old.distinct_ids(), sorted(&before));
    assert_eq!(new.distinct_ids(), sorted(&after));
    assert_eq!((old.requests().len(), new.requests().len()), (10, 10), "none twice");
}

#[tokio::test]
async fn a_wrong_configuration_is_refused_with_its_reasons_and_the_old_one_goes_on() {
    let world = World::with_leases(Duration::from_secs(30)).await;
    let app = App::new().await;
    let relay = world.config("", &app.sink("app", "")).start();
    world.push(1);
    world.until_confirmed(1).await;
    world.config("max_pulls = 0", "[sinks.app]\ntype = \"webhok\"\n");
    relay.signal("HUP");
    relay.says("the old configuration stays in force").await;
    relay.says("sources.main.max_pulls").await;
    relay.says("webhok").await;
    // Well-formed, but it cannot be opened.
    let sink = "[sinks.app]\ntype = \"file\"\npath = \"no/such/directory/events.jsonl\"\n";
    world.config("", sink);
    relay.signal("HUP");
    relay.says("no/such/directory").await;
    world.push(10);
    world.until_confirmed(11).await;
    assert_eq!(app.requests().len(), 11);
    assert_eq!(relay.stop().await.code, Some(0));
}

#[tokio::test]
async fn a_changed_source_loses_nothing_under_load() {
    let account = |id: &str| Account { secret_id: id.to_owned(), ..Account::default() };
    let (old, new) = (account("old"), account("new"));
    let accounts = vec![old.clone(), new.clone()];
    let world = World::with(Options { accounts, ..Options::default() }).await;
    let mut ids = world.push(300);
    let app = App::new().await;
    let config = |account: &Account, keys: &str| {
        world.raw_config(
            &[source_of(&world.url, "main", account, keys), app.sink("app", "")].concat(),
        )
    };
    let relay = config(&old, "max_pulls = 2").start();
    app.until_received(50).await;
    config(&new, "max_pulls = 5\nmax_in_flight = 64");
    relay.reload().await;
    ids.extend(world.push(200));
    world.until_confirmed(500).await;
    // The old one pulls no more.
    let pulls = |account: &Account| world.vod.state().secret_ids[&account.secret_id]["PullEvents"];
    let before = pulls(&old);
    for n in 1..=5 {
        ids.extend(world.push(20));
        world.until_confirmed(500 + 20 * n).await;
    }
    assert_eq!(pulls(&old), before);
    let ended = relay.stop().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(app.distinct_ids(), sorted(&ids));
    assert_eq!(app.requests().len(), 600, "none twice");
    assert_eq!(world.vod.state().counts.handed_out, 600, "no lease ran out");
}

#[tokio::test]
async fn a_file_that_was_moved_away_is_made_again() {
    let world = World::with_leases(Duration::from_secs(30)).await;
    let file = "[sinks.archive]\ntype = \"file\"\npath = \"events.jsonl\"\n";
    let relay = world.config("", file).start();
    let before = world.push(10);
    world.until_confirmed(10).await;
    fs::rename(world.path("events.jsonl"), world.path("events.jsonl.old")).unwrap();
    relay.reload().await;
    let after = world.push(10);
    world.until_confirmed(20).await;
    assert_eq!(relay.stop().await.code, Some(0));
    assert_eq!(sorted(ids_in(&world.path("events.jsonl.old"))), sorted(&before));
    assert_eq!(sorted(ids_in(&world.path("events.jsonl"))), sorted(&after));
}

#[tokio::test]
async fn a_sink_that_fails_is_mended_by_a_reload() {
    let world = World::with_leases(Duration::from_secs(2)).await;
    let ids = world.push(40);
    let (wrong, right) = (App::answering(|_| Answer::Status(503)).await, App::new().await);
    let keys = "timeout = \"1s\"";
    let relay = world.config("lease = \"2s\"", &wrong.sink("app", keys)).start();
    wrong.until_received(8).await;
    world.config("lease = \"2s\"", &right.sink("app", keys));
    relay.reload().await;
    world.until_confirmed(40).await;
    assert_eq!(right.distinct_ids(), sorted(&ids));
    assert_eq!(right.requests().len(), 40, "none twice");
    assert_eq!(relay.stop().await.code, Some(0));
}

#[tokio::test]
async fn a_sink_that_is_taken_out_while_it_fails_lets_its_events_go() {
    let world = World::with_leases(Duration::from_secs(2)).await;
    world.push(20);
    let (kept, dropped) = (App::new().await, App::answering(|_| Answer::Status(503)).await);
    let keys = "timeout = \"1s\"";
    let source = "lease = \"2s\"";
    let both = [kept.sink("kept", keys), dropped.sink("dropped", keys)].concat();
    let relay = world.config(source, &both).start();
    dropped.until_received(8).await;
    world.config(source, &kept.sink("kept", keys));
    relay.reload().await;
    // They come again, and nobody lacks them any more.
    world.until_confirmed(20).await;
    assert_eq!(kept.requests().len(), 20, "none twice");
    let ended = relay.stop().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(!ended.stderr.contains("not all events in flight"), "nothing is left: {ended:?}");
}

#[tokio::test]
async fn events_on_a_pull_of_the_old_source_are_not_dropped_by_the_new_routes() {
    // A long poll is open when the source gets another name, and with it other sinks.
    let world = World::with(Options { hold: Duration::from_secs(30), ..Options::default() }).await;
    let app = App::new().await;
    let named = |name: &str| {
        let sources = format!("sources = [\"{name}\"]");
        let keys = "unrouted = \"confirm\"";
        let source = source_of(&world.url, name, &Account::default(), keys);
        format!("{source}{}", app.sink("app", &sources))
    };
    let relay = world.raw_config(&named("films")).start();
    world.until("a pull is open", |state| state.waiting == 1).await;
    world.raw_config(&named("news"));
    relay.reload().await;
    let ids = world.push(1);
    // The old pull may get the event or the new one; it is confirmed only once the sink has it.
    let settled = |state: &vod_relay::emulator::State| {
        state.counts.confirmed == 1 || (state.counts.leased == 1 && app.requests().is_empty())
    };
    world.until("the event is handed out", settled).await;
    if world.vod.state().counts.confirmed == 1 {
        assert_eq!(app.distinct_ids(), sorted(&ids));
    }
    relay.signal("KILL");
}

#[tokio::test]
async fn a_key_that_is_refused_after_a_reload_ends_no_service() {
    let world = World::with_leases(Duration::from_secs(30)).await;
    let app = App::new().await;
    let relay = world.config("", &app.sink("app", "")).start();
    relay.says("VOD answers").await;
    let wrong = Account { secret_key: "wrong".to_owned(), ..Account::default() };
    let source = source_of(&world.url, "main", &wrong, "");
    world.raw_config(&format!("{source}{}", app.sink("app", "")));
    relay.reload().await;
    relay.says("VOD refuses").await;
    world.config("", &app.sink("app", ""));
    relay.signal("HUP");
    world.push(3);
    world.until_confirmed(3).await;
    assert_eq!(relay.stop().await.code, Some(0));
}
