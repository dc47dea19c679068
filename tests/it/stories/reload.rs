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
    let relay = world.config(&world.lease(), &wrong.sink("app", "")).start();
    wrong.until_received(8).await;
    world.config(&world.lease(), &right.sink("app", ""));
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
    let source = &world.lease();
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

#[tokio::test]
async fn the_log_says_what_a_reload_has_changed() {
    let world = World::new().await;
    let app = App::new().await;
    let two = [app.sink("app", ""), app.sink("old", "")].concat();
    let relay = world.config("", &two).start();
    relay.says("VOD answers").await;
    let new = [app.sink("app", "events = [\"NewFileUpload\"]"), app.sink("new", "")].concat();
    world.config("max_pulls = 2", &[&new, "[relay]\nshutdown_grace = \"3s\"\n"].concat());
    relay.reload().await;
    let changes = "in force: sources: changed main, 0 unchanged; sinks: added new, changed app, \
                   removed old, 0 unchanged; changed relay.shutdown_grace\n";
    relay.says(changes).await;
    relay.signal("KILL");
}

#[tokio::test]
async fn another_state_dir_waits_for_a_restart_and_the_rest_is_applied() {
    let world = World::with_leases(Duration::from_secs(30)).await;
    let (old, new) = (App::answering(|_| Answer::HeldThen(503)).await, App::new().await);
    let config = |dir: &str, grace: u64, app: &App| {
        let relay = format!("[relay]\nstate_dir = \"{dir}\"\nshutdown_grace = \"{grace}s\"\n");
        world.config("ack = \"spooled\"", &[relay, app.sink("app", "")].concat())
    };
    let relay = config("old", 25, &old).start();
    let ids = world.push(5);
    world.until_confirmed(5).await;
    old.until_received(1).await;
    config("new", 25, &new);
    relay.reload().await;
    relay.says("relay.state_dir cannot change while vod-relay runs").await;
    old.open_gate();
    new.until_received(5).await;
    assert_eq!(new.distinct_ids(), sorted(&ids), "what was in the spool is still there");
    assert!(!world.path("new").exists());
    // It is said each time, and again nothing else is held up by it.
    config("new", 26, &old);
    relay.reload().await;
    relay.says("sinks: changed app, 0 unchanged; changed relay.shutdown_grace").await;
    // The warning follows in the same breath, and the relay does not stop in the midst of it.
    let ended = relay.stop().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.stderr.matches("relay.state_dir cannot change").count(), 2, "{ended:?}");
}

#[tokio::test]
async fn what_needs_a_state_dir_is_not_taken_over_without_one() {
    let world = World::new().await;
    let app = App::new().await;
    let relay = world.config("", &app.sink("app", "")).start();
    relay.says("VOD answers").await;
    let dir = "[relay]\nstate_dir = \"state\"\n".to_owned();
    world.config("ack = \"spooled\"", &[dir.clone(), app.sink("app", "")].concat());
    relay.signal("HUP");
    relay.says("the old configuration stays in force: ack = \"spooled\" and max_attempts").await;
    world.push(1);
    world.until_confirmed(1).await;
    assert!(!world.path("state").exists());
    // The same without what needs it.
    world.config("", &[dir, app.sink("app", "timeout = \"9s\"")].concat());
    relay.reload().await;
    relay.says("sinks: changed app").await;
    relay.says("relay.state_dir cannot change").await;
    assert_eq!(relay.stop().await.code, Some(0));
    assert!(!world.path("state").exists());
}

#[tokio::test]
async fn the_level_and_the_format_of_the_log_change_at_once() {
    let world = World::new().await;
    let app = App::new().await;
    let config = |log: &str| world.config("", &[&app.sink("app", ""), "[log]\n", log].concat());
    let relay = config("level = \"warn\"").start();
    world.push(1);
    world.until_confirmed(1).await;
    config("level = \"info,vod_relay::lane=off\"\nformat = \"json\"");
    relay.signal("HUP");
    // The reload itself is not told at the old level.
    relay.says("\"message\":\"the log has changed\"").await;
    world.push(1);
    world.until_confirmed(2).await;
    config("");
    relay.signal("HUP");
    relay.says("INFO the log has changed").await;
    world.push(1);
    world.until_confirmed(3).await;
    let ended = relay.stop().await;
    assert_eq!(ended.stderr.matches("delivered event.id").count(), 1, "{ended:?}");
    assert!(!ended.stderr.contains("\"message\":\"delivered\""), "{ended:?}");
}

#[tokio::test]
async fn the_level_of_the_environment_comes_before_that_of_a_reload() {
    let world = World::new().await;
    let app = App::new().await;
    let relay = world.config("", &app.sink("app", "")).env("VOD_RELAY_LOG", "warn").start();
    world.push(1);
    world.until_confirmed(1).await;
    world.config("", &[&app.sink("app", ""), "[log]\nlevel = \"debug\"\n"].concat());
    relay.signal("HUP");
    relay.says("log.level has changed, but the variable VOD_RELAY_LOG overrides it").await;
    let ended = relay.stop().await;
    assert!(!ended.stderr.contains("INFO") && !ended.stderr.contains("DEBUG"), "{ended:?}");
}

#[tokio::test]
async fn the_grace_of_a_reload_bounds_the_stop() {
    let world = World::with_leases(Duration::from_secs(30)).await;
    let app = App::answering(|_| Answer::Held).await;
    world.push(1);
    let config = |grace: &str| {
        let relay = format!("[relay]\nshutdown_grace = \"{grace}\"\n");
        world.config("", &[app.sink("app", ""), relay].concat())
    };
    let relay = config("1h").start();
    app.until_received(1).await;
    config("100ms");
    relay.reload().await;
    let ended = relay.stop().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("were settled within 100ms"), "{ended:?}");
}
