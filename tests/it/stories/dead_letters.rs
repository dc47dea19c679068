//! Events that a sink refuses for good: kept, looked at, delivered after all, or dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use serde_json::Value;
use vod_relay::emulator::{Options, sample};

use crate::world::{Answer, App, Ended, Relay, World, sorted};

const STATE: &str = "[relay]\nstate_dir = \"state\"\n";

/// How the application answers, which can change while it runs.
#[derive(Clone)]
struct Mood(Arc<AtomicU16>);

impl Mood {
    fn new(status: u16) -> Self {
        Self(Arc::new(AtomicU16::new(status)))
    }

    fn set(&self, status: u16) {
        self.0.store(status, Ordering::SeqCst);
    }

    fn status(&self) -> u16 {
        self.0.load(Ordering::SeqCst)
    }
}

/// An application that answers these events with this status, and takes all others.
async fn refusing(ids: &[String], mood: &Mood) -> App {
    let (ids, mood) = (ids.to_vec(), mood.clone());
    App::answering(move |request| {
        Answer::Status(if ids.contains(&request.id) { mood.status() } else { 204 })
    })
    .await
}

/// Every tenth of these events.
fn every_tenth<T: ToString>(ids: &[T]) -> Vec<String> {
    ids.iter().step_by(10).map(ToString::to_string).collect()
}

/// The configuration with a state directory and the sink `app`.
fn config(world: &World, app: &App) -> Relay {
    world.config("", &[STATE, &app.sink("app", "")].concat())
}

/// The letters as `list --format json` tells them.
async fn letters(relay: &Relay) -> Vec<Value> {
    let ended = relay.run(&["dead-letters", "list", "--format", "json"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn letter_ids(relay: &Relay) -> Vec<String> {
    sorted(letters(relay).await.iter().map(|letter| letter["id"].as_str().unwrap().to_owned()))
}

fn assert_ended(ended: &Ended, code: i32, says: &str) {
    assert_eq!(ended.code, Some(code), "{ended:?}");
    assert!(ended.stderr.contains(says), "no {says:?}: {ended:?}");
}

/// A world with `n` dead letters at the sink `app`, which refuses everything while in the mood.
async fn with_letters(n: u64) -> (World, Relay, App, Mood) {
    let world = World::new().await;
    let mood = Mood::new(410);
    let ids = world.push(n);
    let app = refusing(&sorted(&ids), &mood).await;
    let relay = config(&world, &app);
    assert_ended(&relay.once().await, 0, "kept as a dead letter");
    (world, relay, app, mood)
}

#[tokio::test]
async fn what_is_refused_for_good_is_kept_and_delivered_after_all() {
    let world = World::new().await;
    let ids = world.push(100);
    let poison = every_tenth(&ids);
    let mood = Mood::new(410);
    let app = refusing(&poison, &mood).await;
    let relay = config(&world, &app);
    assert_ended(&relay.once().await, 0, "kept as a dead letter");
    assert_eq!(world.vod.state().counts.confirmed, 100);
    assert_eq!(letter_ids(&relay).await, sorted(&poison));
    assert_eq!(app.requests().len(), 100, "each sent once");

    mood.set(204);
    let ended = relay.run(&["dead-letters", "replay", "--all"]).await;
    assert_ended(&ended, 0, "10 dead letters delivered");
    let again = app.requests().split_off(100);
    assert_eq!(sorted(again.iter().map(|request| &request.id)), sorted(&poison));
    let first = &app.requests()[..100];
    for request in &again {
        let before = first.iter().find(|other| other.id == request.id).unwrap();
        assert_eq!(request.body, before.body, "byte for byte what it was");
    }
    assert!(letters(&relay).await.is_empty());
}

#[tokio::test]
async fn a_replay_removes_only_what_was_delivered() {
    let (_world, relay, app, mood) = with_letters(3).await;
    let kept = letters(&relay).await[1].clone();
    let stubborn = kept["id"].as_str().unwrap().to_owned();
    let second = refusing(std::slice::from_ref(&stubborn), &mood).await;
    // The letters go to where the sink leads now.
    let relay = relay.moved(&app.url, &second.url);
    let ended = relay.run(&["dead-letters", "replay", "--all", "--format", "json"]).await;
    assert_ended(&ended, 75, "2 of 3 dead letters delivered; 1 stays");
    assert_eq!(ended.stdout.matches(r#""outcome":"delivered","reason":null}"#).count(), 2);
    let refused = format!(
        r#"{{"key":2,"sink":"app","id":"{stubborn}","outcome":"refused","reason":"POST {} answered 410 Gone"}}"#,
        second.url
    );
    assert!(ended.stdout.contains(&refused), "{ended:?}");
    assert_eq!(letters(&relay).await, [kept]);
}

#[tokio::test]
async fn a_sink_that_is_down_is_spared_the_rest() {
    let (_world, relay, app, mood) = with_letters(200).await;
    mood.set(503);
    let ended = relay.run(&["dead-letters", "replay", "--all"]).await;
    assert_ended(&ended, 75, "0 of 200 dead letters delivered; 200 stay");
    assert!(ended.stderr.contains("seems to be down"), "{ended:?}");
    assert!(app.requests().len() < 200 + 100, "{}", app.requests().len());
    assert_eq!(letters(&relay).await.len(), 200);
}

#[tokio::test]
async fn a_buried_event_that_comes_again_is_confirmed_and_not_delivered() {
    let (world, relay, app, _mood) = with_letters(1).await;
    world.vod.push(None, &sample(0)).unwrap();
    assert_ended(&relay.once().await, 0, "");
    assert_eq!(world.vod.state().counts.confirmed, 2);
    assert_eq!(app.requests().len(), 1);
}

#[tokio::test]
async fn tries_are_counted_over_redeliveries_and_restarts() {
    let options = Options {
        visibility: Duration::from_secs(1),
        hold: Duration::from_millis(50),
        ..Options::default()
    };
    let world = World::with(options).await;
    world.push(1);
    let app = App::answering(|_| Answer::Status(503)).await;
    let sink = app.sink("app", "timeout = \"300ms\"\nmax_attempts = 7");
    let relay =
        world.config("lease = \"1s\"\nconfirm_margin = \"200ms\"", &[STATE, &sink].concat());
    let first = relay.start();
    app.until_received(3).await;
    first.signal("KILL");
    first.end().await;
    let second = relay.start();
    world.until_confirmed(1).await;
    assert_ended(&second.stop().await, 0, "given up after 7 attempts");
    assert_eq!(letters(&relay).await[0]["attempts"], 7);
    // A try whose outcome was not noted before the kill is not counted.
    assert!((7..=8).contains(&app.requests().len()), "{} tries", app.requests().len());
}

#[tokio::test]
async fn a_killed_relay_keeps_its_letters() {
    let world = World::new().await;
    let mood = Mood::new(422);
    let ids = world.push(20);
    let app = refusing(&every_tenth(&ids), &mood).await;
    let relay = config(&world, &app);
    let running = relay.start();
    world.until_confirmed(20).await;
    running.signal("KILL");
    running.end().await;
    assert_eq!(letter_ids(&relay).await, sorted(every_tenth(&ids)));
    assert_ended(&relay.once().await, 0, "");
    assert_eq!(app.requests().len(), 20);
}

#[tokio::test]
async fn what_cannot_be_kept_is_not_confirmed() {
    let (world, relay, _app, _mood) = with_letters(1).await;
    // As if there were as many as may be.
    let database = rusqlite::Connection::open(world.path("state/vod-relay.db")).unwrap();
    let fill = "UPDATE totals SET entries = 100000 WHERE table_name = 'dead_letters'";
    assert_eq!(database.execute(fill, []).unwrap(), 1);
    drop(database);
    let app = App::answering(|_| Answer::Status(410)).await;
    let full = world.config("", &[STATE, &app.sink("app", "")].concat());
    world.push(1);
    let ended = full.once().await;
    assert_ended(&ended, 75, "no room for another dead letter");
    assert_eq!(world.vod.state().counts.confirmed, 1);
    assert_eq!(letters(&relay).await.len(), 1);
}

#[tokio::test]
async fn everything_works_while_the_service_runs() {
    let world = World::new().await;
    let mood = Mood::new(410);
    let ids = world.push(2000);
    let poison = every_tenth(&ids);
    let app = refusing(&poison, &mood).await;
    let relay = config(&world, &app);
    let service = relay.start();
    app.until_received(1).await;
    // The commands write again and again to the database that the service writes to.
    let mut dropped = 0;
    while world.vod.counts().confirmed < 2000 {
        let ended = relay.run(&["dead-letters", "drop", "--sink", "app"]).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let said = ended.stderr.split(' ').nth(2).unwrap().to_owned();
        dropped += said.parse::<usize>().unwrap();
        let ended = relay.run(&["dead-letters", "list"]).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
    mood.set(204);
    let rest = letters(&relay).await.len();
    assert_eq!(dropped + rest, 200);
    let ended = relay.run(&["dead-letters", "replay", "--since", "1h"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let ended = service.stop().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for word in ["locked", "busy", "cannot be", "failed to"] {
        assert!(!ended.stderr.contains(word), "{word}: {ended:?}");
    }
    assert_eq!(app.requests().len(), 2000 + rest, "each sent once, and once more by the replay");
}

/// One letter, then another. What differs from run to run is made equal in a text of theirs.
async fn two_letters() -> (World, Relay, impl Fn(&str) -> String) {
    let world = World::new().await;
    let app = App::answering(|_| Answer::Status(410)).await;
    let relay = config(&world, &app);
    for _ in 0..2 {
        world.push(1);
        assert_ended(&relay.once().await, 0, "");
    }
    let mut times = Vec::new();
    for letter in letters(&relay).await {
        for member in ["first_seen", "buried"] {
            let time = letter[member].as_str().unwrap();
            times.push((time.to_owned(), "2026-01-31T12:00:00.000Z"));
            times.push((format!("{}Z", &time[..19]), "2026-01-31T12:00:00Z"));
        }
    }
    let steady = move |text: &str| {
        let text = text.replace(&app.url, "http://app/vod");
        times.iter().fold(text, |text, (time, steady)| text.replace(time, steady))
    };
    (world, relay, steady)
}

const FIRST: &str = "vod_c2db57dcbf5b73b25e7be2eb6e73ac9f";
const SECOND: &str = "vod_ad4627c2c370ab9be8b64b4d0a60e109";

#[tokio::test]
async fn they_are_listed() {
    let (_world, relay, steady) = two_letters().await;
    let listed = relay.run(&["dead-letters", "list"]).await;
    let expected = "\
KEY  BURIED                SINK  TYPE                   EVENT                                 ATTEMPTS  REASON
1    2026-01-31T12:00:00Z  app   ProcedureStateChanged  vod_c2db57dcbf5b73b25e7be2eb6e73ac9f  1         POST http://app/vod answered 410 Gone
2    2026-01-31T12:00:00Z  app   ProcedureStateChanged  vod_ad4627c2c370ab9be8b64b4d0a60e109  1         POST http://app/vod answered 410 Gone
";
    assert_eq!((listed.code, &*steady(&listed.stdout), &*listed.stderr), (Some(0), expected, ""));

    let json = ["dead-letters", "list", "--id", FIRST, "--since", "1h", "--format", "json"];
    let listed = relay.run(&json).await;
    let expected = r#"{"key":1,"id":"vod_c2db57dcbf5b73b25e7be2eb6e73ac9f","type":"ProcedureStateChanged","task_id":"1256768367-Procedure-e220a8397b1dcdaft1","file_id":"5285890784246869930","source":"main","sink":"app","first_seen":"2026-01-31T12:00:00.000Z","buried":"2026-01-31T12:00:00.000Z","attempts":1,"reason":"POST http://app/vod answered 410 Gone","intact":true,"event":"#;
    assert_eq!(steady(&listed.stdout), format!("{expected}{}}}\n", sample(0)), "byte for byte");

    for nothing in [["--sink", "other"], ["--type", "NewFileUpload"], ["--until", "1h"]] {
        let listed = relay.run(&[&["dead-letters", "list"], &nothing[..]].concat()).await;
        assert_ended(&listed, 0, "there are no such dead letters");
        assert_eq!(listed.stdout, "");
    }
}

#[tokio::test]
async fn one_is_shown_in_full() {
    let (_world, relay, steady) = two_letters().await;
    let shown = relay.run(&["dead-letters", "show", SECOND]).await;
    let expected = "\
key         2
event       vod_ad4627c2c370ab9be8b64b4d0a60e109
type        ProcedureStateChanged
task        1256768367-Procedure-910a2dec89025cc1t1
file        5285890784246869931
source      main
sink        app
first seen  2026-01-31T12:00:00.000Z
buried      2026-01-31T12:00:00.000Z
attempts    1
reason      POST http://app/vod answered 410 Gone
";
    let expected = format!("{expected}\n{}\n", sample(1));
    assert_eq!((shown.code, &*steady(&shown.stdout), &*shown.stderr), (Some(0), &*expected, ""));
    let by_key = relay.run(&["dead-letters", "show", "2"]).await;
    assert_eq!(by_key.stdout, shown.stdout);
    assert_ended(&relay.run(&["dead-letters", "show", "3"]).await, 2, "no dead letter 3");
}

#[tokio::test]
async fn what_is_dropped_is_gone() {
    let (_world, relay, _) = two_letters().await;
    let dropped = relay.run(&["dead-letters", "drop", "1", FIRST, "17"]).await;
    assert_ended(&dropped, 2, "there is no dead letter 17\n");
    assert!(dropped.stderr.ends_with(": 1 dead letter dropped\n"), "{dropped:?}");
    assert_eq!(letter_ids(&relay).await, [SECOND]);
    let dropped = relay.run(&["dead-letters", "drop", "--type", "ProcedureStateChanged"]).await;
    assert_ended(&dropped, 0, ": 1 dead letter dropped\n");
    assert!(letters(&relay).await.is_empty());
}

#[tokio::test]
async fn nothing_is_taken_for_everything() {
    let (_world, relay, _) = two_letters().await;
    for action in ["replay", "drop"] {
        let ended = relay.run(&["dead-letters", action]).await;
        assert_ended(&ended, 2, "or --all");
        let ended = relay.run(&["dead-letters", action, "--all", "--sink", "app"]).await;
        assert_ended(&ended, 2, "cannot be used with");
    }
    assert_eq!(letters(&relay).await.len(), 2);
}

#[tokio::test]
async fn what_stands_in_the_way_is_said() {
    let world = World::new().await;
    let app = App::new().await;
    let list = ["dead-letters", "list"];
    let without = world.config("", &app.sink("app", ""));
    assert_ended(&without.run(&list).await, 78, "has no relay.state_dir");
    let relay = config(&world, &app);
    assert_ended(&relay.run(&list).await, 78, "there is no store in state");

    let (_world, relay, _) = two_letters().await;
    let renamed = relay.moved("[sinks.app]", "[sinks.other]");
    let ended = renamed.run(&["dead-letters", "replay", "--all"]).await;
    assert_ended(&ended, 78, "the sink app is not in the configuration any more");
    assert_ended(&ended, 78, "0 of 2 dead letters delivered; 2 stay");
    assert_eq!(letters(&relay).await.len(), 2);
}

#[tokio::test]
async fn what_the_disk_has_altered_is_never_delivered() {
    let (world, relay, _) = two_letters().await;
    let app = App::new().await;
    let database = rusqlite::Connection::open(world.path("state/vod-relay.db")).unwrap();
    let alter = "UPDATE dead_letters SET text = CAST(replace(text, 'Task', 'Tusk') AS BLOB)
                 WHERE letter_key = 1";
    assert_eq!(database.execute(alter, []).unwrap(), 1);
    let altered = letters(&relay).await[0].clone();
    assert_eq!((&altered["intact"], &altered["event"]), (&Value::Bool(false), &Value::Null));
    let old = world.read("config.toml");
    let url = old.lines().find_map(|line| line.strip_prefix("url = ")).unwrap().trim_matches('"');
    let ended = relay.moved(url, &app.url).run(&["dead-letters", "replay", "--all"]).await;
    assert_ended(&ended, 75, "1 of 2 dead letters delivered; 1 stays");
    assert!(ended.stdout.contains("not tried: the disk has altered its text"), "{ended:?}");
    assert_eq!(app.distinct_ids(), [SECOND]);
}
