//! Files that a crash, a disk or a hand has damaged: nothing acknowledged is lost, nothing is
//! overwritten, and what cannot be mended is left as it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use vod_relay::emulator::{Options, sample};

use super::violence::{Kept, RELAY, STATE_DIR, lines_of};
use crate::world::{Answer, App, World, sorted, unhurried};

/// A file with room for some events, and for so many files that none is given up.
const FILE: &str = "[sinks.archive]\ntype = \"file\"\npath = \"events.jsonl\"\n\
                    rotate_size = \"4096B\"\nrotate_keep = 1000\n";

#[tokio::test]
async fn a_line_that_was_torn_is_closed_and_comes_whole() {
    let torn = sample(0);
    // In the middle of a character too.
    let inside = torn.find(|c: char| c.len_utf8() > 1).unwrap() + 1;
    for length in [1, torn.len() / 2, inside, torn.len()] {
        let world = World::new().await;
        let before = format!("{}\n", sample(100));
        fs::write(
            world.path("events.jsonl"),
            [before.as_bytes(), &torn.as_bytes()[..length]].concat(),
        )
        .unwrap();
        let ids = world.push(3);
        let ended = world.config("", "[sinks.archive]\ntype = \"file\"\npath = \"events.jsonl\"\n");
        let ended = ended.once().await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let content = fs::read(world.path("events.jsonl")).unwrap();
        let mut lines = content.split(|byte| *byte == b'\n');
        assert_eq!(lines.next().unwrap(), sample(100).as_bytes());
        assert_eq!(lines.next().unwrap(), &torn.as_bytes()[..length], "as it was torn");
        let whole: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
        assert_eq!(whole.len(), ids.len());
        for line in whole {
            serde_json::from_slice::<serde_json::Value>(line).unwrap();
        }
    }
}

#[tokio::test]
async fn a_rotation_that_broke_off_anywhere_loses_and_overwrites_nothing() {
    let world = World::new().await;
    let file = world.path("events.jsonl");
    let relay = world.config("", FILE);
    let four_more = async || {
        world.push(4);
        let ended = relay.once().await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
    };
    four_more().await;
    four_more().await;
    four_more().await;
    for moved in 1..=3 {
        // What a rotation does: each file moves on by one, the oldest first.
        let row = row_of(&file);
        assert!(row.len() >= 3, "{row:?}");
        for index in (0..row.len()).rev().take(moved) {
            fs::rename(&row[index], rotated(&file, index + 1)).unwrap();
        }
        let before = contents(&world);
        four_more().await;
        let after = contents(&world);
        for content in before {
            let is_there = after.iter().any(|now| now.starts_with(&content));
            assert!(is_there, "a file was overwritten after {moved} renames");
        }
        let (ids, torn) = lines_of(&file);
        let all = world.vod.state().confirmed_ids;
        assert_eq!((ids.len(), torn), (all.len(), 0), "after {moved} renames");
        assert_eq!(sorted(ids), sorted(all));
    }
}

#[tokio::test]
async fn a_damaged_database_stops_the_start_and_stays_as_it_is() {
    let damages: [fn(Vec<u8>) -> Vec<u8>; 5] = [
        |_| Vec::new(),
        |whole| whole[..whole.len() / 2].to_vec(),
        |whole| whole[..50].to_vec(),
        |whole| b"not a database, but somebody's notes".repeat(whole.len() / 36),
        |mut whole| {
            whole[8192..12288].fill(0xa5);
            whole
        },
    ];
    let world = World::new().await;
    let app = App::new().await;
    world.push(50);
    let relay = world.config("ack = \"spooled\"", &format!("{RELAY}{}", app.sink("app", "")));
    assert_eq!(relay.once().await.code, Some(0));
    let database = world.path(STATE_DIR).join("vod-relay.db");
    let whole = fs::read(&database).unwrap();
    world.push(5);
    for (number, damage) in damages.into_iter().enumerate() {
        let damaged = damage(whole.clone());
        fs::write(&database, &damaged).unwrap();
        for args in [&["--once"][..], &[]] {
            let ended = relay.run(args).await;
            assert_eq!(ended.code, Some(78), "damage {number}: {ended:?}");
            assert!(ended.stderr.contains("vod-relay.db"), "{ended:?}");
        }
        assert!(fs::read(&database).unwrap() == damaged, "damage {number} was touched");
    }
    assert_eq!(world.vod.state().counts.confirmed, 50, "nothing was pulled meanwhile");
    fs::write(&database, whole).unwrap();
    assert_eq!(relay.once().await.code, Some(0));
    assert_eq!(app.distinct_ids(), sorted(world.vod.state().confirmed_ids));
}

#[tokio::test]
async fn what_was_confirmed_before_the_log_was_torn_is_there() {
    let world = World::with(Options {
        visibility: unhurried(Duration::from_secs(2)),
        hold: Duration::from_millis(50),
        ..Options::default()
    });
    let world = world.await;
    let app = App::answering(|_| Answer::Held).await;
    world.push(40);
    let source = format!("ack = \"spooled\"\n{}", world.lease());
    let relay = world.config(&source, &format!("{RELAY}{}", app.sink("app", "")));
    let running = relay.start();
    world.until_confirmed(40).await;
    running.signal("KILL");
    running.end().await;
    // A write that was under way: it was never acknowledged.
    let log = world.path(STATE_DIR).join("vod-relay.db-wal");
    let mut torn = fs::read(&log).unwrap();
    let frame = torn[torn.len() - 4096 - 24..][..2000].to_vec();
    torn.extend(frame);
    fs::write(&log, torn).unwrap();
    assert_eq!(Kept::of(&world).spooled.len(), 40);
    app.open_gate();
    let ended = relay.once().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(app.distinct_ids(), sorted(world.vod.state().confirmed_ids));
    assert_eq!(Kept::of(&world).spooled.len(), 0);
}

/// The files of a row without a gap, the newest first.
fn row_of(file: &Path) -> Vec<PathBuf> {
    let names = std::iter::once(file.to_owned()).chain((1..).map(|index| rotated(file, index)));
    names.take_while(|name| name.exists()).collect()
}

fn rotated(file: &Path, index: usize) -> PathBuf {
    format!("{}.{index}", file.display()).into()
}

/// The contents of all files of the row, with or without a gap.
fn contents(world: &World) -> Vec<String> {
    let files = fs::read_dir(world.dir.path()).unwrap().flatten().map(|entry| entry.path());
    let row = files.filter(|file| file.to_str().unwrap().contains("events.jsonl"));
    row.map(|file| fs::read_to_string(file).unwrap()).collect()
}
