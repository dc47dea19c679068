//! The log where standard error is the systemd journal.

use std::io::{PipeReader, Read as _};
use std::process::Stdio;

use rustix::fs::fstat;
use vod_relay::emulator::Account;

use crate::world::{App, Relay, World, source_of, unstuck};

/// Runs `--once` with a pipe for the journal, which `names` says whether the environment names: the
/// exit code and what came through it.
async fn logged(relay: Relay, names: bool) -> (Option<i32>, String) {
    let (reader, writer) = std::io::pipe().unwrap();
    let pipe = fstat(&writer).unwrap();
    let inode = if names { pipe.st_ino } else { pipe.st_ino + 1 };
    let relay = relay.env("JOURNAL_STREAM", &format!("{}:{inode}", pipe.st_dev));
    let mut command = relay.command(&["--once"]);
    let mut child = command.stderr(Stdio::from(writer)).spawn().unwrap();
    // The command holds the pipe's other end too.
    drop(command);
    let text = tokio::task::spawn_blocking(move || read(reader));
    let status = unstuck("vod-relay does not end", child.wait()).await.unwrap();
    (status.code(), unstuck("the log does not end", text).await.unwrap())
}

fn read(mut pipe: PipeReader) -> String {
    let mut text = String::new();
    pipe.read_to_string(&mut text).unwrap();
    text
}

fn refused(world: &World, log: &str, sink: &str) -> Relay {
    let account = Account { secret_key: "wrong".to_owned(), ..Account::default() };
    world.raw_config(&[log, &source_of(&world.url, "main", &account, ""), sink].concat())
}

#[tokio::test]
async fn each_line_has_its_priority_and_no_time() {
    let world = World::new().await;
    let sink = App::new().await.sink("app", "");
    world.push(2);
    let (code, log) = logged(world.config("", &sink), true).await;
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(log.matches("<6>INFO delivered event.id=").count(), 2, "{log}");
    assert!(log.lines().all(|line| line.starts_with('<')), "{log}");
    assert!(log.contains("\n<6>INFO ended pulled=2 "), "{log}");

    let (code, log) = logged(refused(&world, "", &sink), true).await;
    assert_eq!(code, Some(77), "{log}");
    assert!(log.contains("<3>ERROR VOD refuses: "), "{log}");

    // A report of several lines, before there is a log.
    let wrong = world.config("max_pulls = 0\nlease = 3", &sink);
    let (code, log) = logged(wrong, true).await;
    assert_eq!(code, Some(78), "{log}");
    assert!(log.lines().count() >= 2 && log.lines().all(|line| line.starts_with("<3>")), "{log}");
}

#[tokio::test]
async fn json_stays_json_behind_the_priority() {
    let world = World::new().await;
    let sink = App::new().await.sink("app", "");
    let (_, log) = logged(refused(&world, "[log]\nformat = \"json\"\n", &sink), true).await;
    let mut levels = Vec::new();
    for line in log.lines() {
        let (priority, json) = line.split_at(3);
        let record: serde_json::Value = serde_json::from_str(json).unwrap();
        assert!(record["timestamp"].is_string(), "{line}");
        levels.push((priority.to_owned(), record["level"].as_str().unwrap().to_owned()));
    }
    for (priority, level) in [("<3>", "ERROR"), ("<6>", "INFO")] {
        assert!(levels.contains(&(priority.to_owned(), level.to_owned())), "{log}");
    }
}

#[tokio::test]
async fn another_stream_than_the_journals_is_left_as_it_is() {
    let world = World::new().await;
    let sink = App::new().await.sink("app", "");
    let (code, log) = logged(world.config("", &sink), false).await;
    assert_eq!(code, Some(0), "{log}");
    assert!(log.starts_with("20") && !log.contains('<'), "{log}");
}
