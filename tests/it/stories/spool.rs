//! `ack = "spooled"`: events are confirmed as soon as they are on disk, and delivered from there for
//! as long as it takes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use vod_relay::emulator::FaultKind;

use crate::small_disk::SmallDisk;
use crate::world::{
    Answer, App, Closed, Relay, World, eventually, faults, ids_in, sorted, webhook,
};

const LEASE: Duration = Duration::from_secs(1);

/// The keys of a source that is spooled.
fn spooled(world: &World) -> String {
    format!("ack = \"spooled\"\n{}", world.lease())
}

/// A relay that spools, with more keys of `[relay]` if wanted.
fn spooling(world: &World, keys: &str, sinks: &str) -> Relay {
    world.config(&spooled(world), &format!("[relay]\nstate_dir = \"state\"\n{keys}\n{sinks}"))
}

/// A command that waits for the file `gate` and then appends its event to `done`.
const SLOW: &str = "\
[sinks.job]
type = \"command\"
command = [\"sh\", \"-c\", \"until [ -e gate ]; do sleep 0.01; done; cat >> done; echo >> done\"]
timeout = \"1m\"
max_concurrency = 1
";

/// The events in the spool.
fn in_spool(state_dir: &Path) -> BTreeSet<String> {
    let database = state_dir.join("vod-relay.db");
    let connection =
        Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut select = connection.prepare("SELECT event FROM spool_view").unwrap();
    let events = select.query_map([], |row| row.get(0)).unwrap();
    events.collect::<Result<_, _>>().unwrap()
}

async fn until_spool_is_empty(world: &World) {
    let state = world.path("state");
    eventually("an empty spool", || in_spool(&state).is_empty().then_some(())).await;
}

#[tokio::test]
async fn a_sink_that_needs_longer_than_the_lease_gets_every_event() {
    let world = World::with_leases(LEASE).await;
    let ids = world.push(20);
    let relay = spooling(&world, "", SLOW).start();
    world.until_confirmed(20).await;
    assert_eq!(world.read("done"), "", "confirmed before anything is delivered");
    assert_eq!(in_spool(&world.path("state")).len(), 20);
    fs::write(world.path("gate"), "").unwrap();
    until_spool_is_empty(&world).await;
    let ended = relay.stop().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(sorted(ids_in(&world.path("done"))), sorted(&ids));
    assert_eq!(world.vod.state().redelivered_ids.len(), 0);
}

#[tokio::test]
async fn a_sink_is_told_how_often_its_event_was_tried() {
    let world = World::with_leases(LEASE).await;
    world.push(1);
    let picky = "[sinks.job]\ntype = \"command\"\ncommand = [\"sh\", \"-c\", \
                 \"echo $$VOD_RELAY_ATTEMPT >> tries; test $$VOD_RELAY_ATTEMPT = 2\"]\n";
    let relay = spooling(&world, "", picky).start();
    eventually("two tries", || (world.read("tries").lines().count() == 2).then_some(())).await;
    assert_eq!(world.read("tries"), "1\n2\n");
    until_spool_is_empty(&world).await;
    assert_eq!(relay.stop().await.code, Some(0));
}

#[tokio::test]
async fn what_is_spooled_survives_a_kill() {
    let world = World::with_leases(LEASE).await;
    let ids = world.push(100);
    let hung = App::answering(|_| Answer::Held).await;
    let relay = spooling(&world, "", &hung.sink("app", "")).start();
    world.until_confirmed(100).await;
    relay.signal("KILL");
    relay.end().await;
    let app = App::new().await;
    let relay = spooling(&world, "", &app.sink("app", "")).start();
    app.until_received(100).await;
    let ended = relay.stop().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(app.distinct_ids(), sorted(&ids));
    assert_eq!(app.requests().len(), 100, "none twice");
    assert!(in_spool(&world.path("state")).is_empty());
}

#[tokio::test]
async fn a_sink_that_is_down_gets_its_events_when_it_is_up() {
    let world = World::with_leases(LEASE).await;
    let ids = world.push(50);
    let down = Closed::new();
    let relay = spooling(&world, "", &webhook(&down.url, "app", "")).start();
    world.until_confirmed(50).await;
    relay.says("not delivered").await;
    let app = down.open();
    app.until_received(50).await;
    let ended = relay.stop().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(app.distinct_ids(), sorted(&ids));
}

#[tokio::test]
async fn once_tells_what_is_left_in_the_spool() {
    let world = World::with_leases(LEASE).await;
    let ids = world.push(400);
    let down = Closed::new();
    let relay = spooling(&world, "", &webhook(&down.url, "app", ""));
    let ended = relay.once().await;
    assert_eq!(ended.code, Some(75), "{ended:?}");
    assert_eq!(world.vod.state().counts.confirmed, 400);
    assert_eq!(in_spool(&world.path("state")).len(), 400);
    let app = down.open();
    let ended = relay.once().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(app.distinct_ids(), sorted(&ids));
    assert_eq!(app.requests().len(), 400, "none twice");
}

#[tokio::test]
async fn a_full_spool_leaves_the_rest_to_vod_until_it_has_drained() {
    // Nothing here waits for the end of a lease.
    let world = World::with_leases(Duration::from_secs(30)).await;
    let ids = world.push(1500);
    let app = App::answering(|_| Answer::Held).await;
    let relay = spooling(&world, "spool_max_size = \"1 MiB\"", &app.sink("app", "")).start();
    relay.says("the spool is full").await;
    let counts = world.vod.counts();
    assert!(counts.confirmed < 1200, "{counts:?}");
    assert!(counts.handed_out - counts.redelivered < 1500, "not all are pulled: {counts:?}");
    app.open_gate();
    world.until_confirmed(1500).await;
    app.until_received(1500).await;
    let ended = relay.stop().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(app.distinct_ids(), sorted(&ids));
}

#[tokio::test]
async fn a_spool_that_was_full_takes_more_after_a_reload_with_more_room() {
    // Nothing here waits for the end of a lease.
    let world = World::with_leases(Duration::from_secs(30)).await;
    world.push(1500);
    let app = App::answering(|_| Answer::Held).await;
    let relay = spooling(&world, "spool_max_size = \"1 MiB\"", &app.sink("app", "")).start();
    relay.says("the spool is full").await;
    spooling(&world, "spool_max_size = \"100 MiB\"", &app.sink("app", ""));
    relay.reload().await;
    world.until_confirmed(1500).await;
    relay.signal("KILL");
}

#[tokio::test]
async fn nothing_is_confirmed_that_a_full_disk_did_not_take() {
    let Some(disk) = SmallDisk::mount(24 << 20) else { return };
    let world = World::with_leases(LEASE).await;
    let mut ids = world.push(20);
    let app = App::answering(|_| Answer::Held).await;
    let state = disk.state_dir();
    let state_dir = format!("[relay]\nstate_dir = \"{}\"\n", state.display());
    let relay =
        world.config(&spooled(&world), &[&state_dir, &*app.sink("app", "")].concat()).start();
    world.until_confirmed(20).await;
    disk.fill();
    let pulls = world.calls("PullEvents");
    ids.extend(world.push(400));
    relay.says("events are not confirmed, and pulling pauses: no space").await;
    world.until("a redelivery", |state| !state.redelivered_ids.is_empty()).await;
    let pulls = world.calls("PullEvents") - pulls;
    assert!(pulls < 16, "{pulls} pulls while the disk was full");
    assert_eq!(in_spool(&state), sorted(&world.vod.state().confirmed_ids).into_iter().collect());
    assert_eq!(world.vod.state().counts.confirmed, 20);
    disk.clear();
    world.until_confirmed(420).await;
    app.open_gate();
    app.until_received(420).await;
    let ended = relay.stop().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(app.distinct_ids(), sorted(&ids));
}

#[tokio::test]
async fn what_is_too_old_becomes_a_dead_letter() {
    let world = World::with_leases(LEASE).await;
    let ids = world.push(2);
    let app = App::answering(|_| Answer::Status(503)).await;
    let relay = spooling(&world, "spool_max_age = \"1s\"", &app.sink("app", ""));
    let running = relay.start();
    running.says("not delivered within 1s; kept as a dead letter").await;
    until_spool_is_empty(&world).await;
    assert_eq!(running.stop().await.code, Some(0));
    let listed = relay.run(&["dead-letters", "list"]).await;
    for id in ids {
        assert!(listed.stdout.contains(&id.to_string()), "{listed:?}");
    }
}

#[tokio::test]
async fn a_sink_that_is_down_does_not_hold_back_the_other() {
    let world = World::with_leases(LEASE).await;
    let ids = world.push(200);
    let (app, down) = (App::new().await, Closed::new());
    let sinks = [app.sink("app", ""), webhook(&down.url, "other", "")].concat();
    let relay = spooling(&world, "", &sinks).start();
    app.until_received(200).await;
    assert_eq!(app.distinct_ids(), sorted(&ids));
    let other = down.open();
    other.until_received(200).await;
    assert_eq!(relay.stop().await.code, Some(0));
    assert_eq!(other.distinct_ids(), sorted(&ids));
    assert_eq!(app.requests().len(), 200, "none twice");
}

#[tokio::test]
async fn events_wait_for_a_sink_that_is_taken_out_and_put_back() {
    let world = World::with_leases(LEASE).await;
    let ids = world.push(30);
    let (app, down) = (App::new().await, Closed::new());
    let both = [app.sink("app", ""), webhook(&down.url, "other", "")].concat();
    let relay = spooling(&world, "", &both).start();
    world.until_confirmed(30).await;
    app.until_received(30).await;
    spooling(&world, "", &app.sink("app", ""));
    relay.reload().await;
    relay.says("spooled events wait for a sink that is not configured").await;
    let other = down.open();
    spooling(&world, "", &both);
    relay.signal("HUP");
    other.until_received(30).await;
    assert_eq!(relay.stop().await.code, Some(0));
    assert_eq!(other.distinct_ids(), sorted(&ids));
    assert_eq!((app.requests().len(), other.requests().len()), (30, 30), "none twice");
}

#[tokio::test]
async fn what_waits_goes_to_where_the_sink_leads_now() {
    let world = World::with_leases(LEASE).await;
    let ids = world.push(300);
    let (hung, new) = (App::answering(|_| Answer::Held).await, App::new().await);
    let relay = spooling(&world, "", &hung.sink("app", "")).start();
    world.until_confirmed(300).await;
    hung.until_received(1).await;
    spooling(&world, "", &new.sink("app", ""));
    relay.reload().await;
    hung.open_gate();
    until_spool_is_empty(&world).await;
    assert_eq!(relay.stop().await.code, Some(0));
    let (old, new) = (hung.requests(), new.requests());
    assert!(!new.is_empty());
    assert_eq!(old.len() + new.len(), 300, "none twice");
    assert_eq!(sorted(old.iter().chain(&new).map(|one| &one.id)), sorted(&ids));
}

#[tokio::test]
async fn the_ledger_knows_after_a_restart_what_was_delivered() {
    let world = World::with_leases(Duration::from_secs(2)).await;
    let ids = world.push(60);
    let app = App::answering(|_| Answer::Held).await;
    let config = ["[relay]\nstate_dir = \"state\"\n", &app.sink("app", "")].concat();
    let relay = world.config(&world.lease(), &config);
    let first = relay.start();
    app.until_received(16).await;
    // What is delivered from now on cannot be confirmed before its lease is over.
    world.vod.set_faults(faults(&[FaultKind::Http500], 1.0));
    app.open_gate();
    let ended = first.stop().await;
    assert_eq!((ended.code, world.vod.counts().confirmed), (Some(0), 0), "{ended:?}");
    world.vod.set_faults(faults(&[FaultKind::LostConfirm], 0.5));
    let second = relay.start();
    world.until_confirmed(60).await;
    assert_eq!(second.stop().await.code, Some(0));
    assert_eq!(app.distinct_ids(), sorted(&ids));
    assert_eq!(app.requests().len(), 60, "none twice");
}

#[tokio::test]
async fn a_state_directory_has_one_owner() {
    let world = World::with_leases(LEASE).await;
    let app = App::new().await;
    let relay = spooling(&world, "", &app.sink("app", ""));
    let first = relay.start();
    world.push(1);
    world.until_confirmed(1).await;
    let second = relay.once().await;
    assert_eq!(second.code, Some(78), "{second:?}");
    assert!(second.stderr.contains("belongs to another vod-relay that runs (pid "), "{second:?}");
    world.push(1);
    world.until_confirmed(2).await;
    assert_eq!(first.stop().await.code, Some(0));
}

#[tokio::test]
async fn a_damaged_store_is_told_and_not_made_anew() {
    let world = World::with_leases(LEASE).await;
    let app = App::new().await;
    let relay = spooling(&world, "", &app.sink("app", ""));
    assert_eq!(relay.once().await.code, Some(0));
    let database = world.path("state/vod-relay.db");
    let mut bytes = fs::read(&database).unwrap();
    bytes[4096..8192].fill(0x5a);
    fs::write(&database, &bytes).unwrap();
    world.push(1);
    for args in [&["--once"][..], &[]] {
        let ended = relay.run(args).await;
        assert_eq!(ended.code, Some(78), "{ended:?}");
        assert!(ended.stderr.contains("is damaged"), "{ended:?}");
    }
    assert_eq!(fs::read(&database).unwrap(), bytes, "left as it was");
    assert_eq!(world.calls("ConfirmEvents"), 0);
}

#[tokio::test]
async fn without_a_spool_a_slow_sink_is_told_of_it() {
    let world = World::with_leases(LEASE).await;
    world.push(2);
    let relay = world.config(&world.lease(), &SLOW.replace("timeout = \"1m\"\n", "")).start();
    relay.says("not delivered while its lease lasted").await;
    relay.says("set ack = \"spooled\"").await;
    fs::write(world.path("gate"), "").unwrap();
    assert_eq!(world.vod.state().counts.confirmed, 0);
    relay.stop().await;
}

#[tokio::test]
async fn a_sink_that_asks_to_be_left_alone_for_ages_ends_nothing() {
    let world = World::with_leases(LEASE).await;
    world.push(3);
    let ages = u64::MAX.to_string();
    let app = App::answering(move |request| match request.number {
        0 => Answer::With(503, "retry-after", ages.clone()),
        _ => Answer::Status(204),
    });
    let app = app.await;
    let relay = spooling(&world, "", &app.sink("app", "")).start();
    app.until_received(3).await;
    world.push(5);
    app.until_received(8).await;
    let ended = relay.stop().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(!ended.stderr.contains("broke down"), "{ended:?}");
}
