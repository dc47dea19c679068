//! The command line, as people and scripts meet it.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::AsyncReadExt as _;

use crate::world::{App, Ended, Relay, World, unstuck};

#[tokio::test]
async fn check_prints_what_would_run() {
    let world = World::new().await;
    let app = App::new().await;
    let ended = world.config("", &app.sink("app", "")).run(&["check"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("[sinks.app]") && ended.stdout.contains("max_pulls"));
    assert!(!ended.stdout.contains("emulator-secret"), "{ended:?}");
    assert!(world.vod.state().calls.is_empty() && app.requests().is_empty(), "no network");
}

#[tokio::test]
async fn every_mistake_is_listed_at_once() {
    let world = World::new().await;
    let relay = world.config("max_pulls = 0\nlease = \"x\"", "[sinks.app]\ntype = \"webhook\"\n");
    for args in [&["check"][..], &["--once"], &[]] {
        let ended = relay.run(args).await;
        assert_eq!(ended.code, Some(78), "{args:?}: {ended:?}");
        for mistake in ["sources.main.max_pulls", "sources.main.lease", "sinks.app.url"] {
            assert!(ended.stderr.contains(mistake), "{args:?}: {mistake}: {ended:?}");
        }
        assert_eq!(ended.stdout, "", "{args:?}");
    }
}

#[tokio::test]
async fn a_configuration_that_is_not_there_is_told_with_its_name() {
    let world = World::new().await;
    let relay = world.raw_config("");
    std::fs::remove_file(world.path("config.toml")).unwrap();
    for args in [&[][..], &["--once"], &["check"]] {
        let ended = relay.run(args).await;
        assert_eq!(ended.code, Some(78), "{args:?}: {ended:?}");
        assert!(ended.stderr.contains("config.toml"), "{ended:?}");
        assert!(ended.stderr.contains("--config"), "what to do about it: {ended:?}");
    }
}

#[tokio::test]
async fn version_help_and_wrong_usage() {
    let world = World::new().await;
    let relay = world.raw_config("");
    let ended = relay.run(&["--version"]).await;
    assert_eq!(ended.code, Some(0));
    let version = format!("vod-relay {}\nsinks: stdout, file, ", env!("CARGO_PKG_VERSION"));
    assert!(ended.stdout.starts_with(&version), "{ended:?}");
    let ended = relay.run(&["-V"]).await;
    assert_eq!(ended.stdout, format!("vod-relay {}\n", env!("CARGO_PKG_VERSION")));
    let ended = relay.run(&["--help"]).await;
    assert_eq!(ended.code, Some(0));
    for word in [
        "check",
        "doctor",
        "peek",
        "dead-letters",
        "convert",
        "emulate",
        "demo",
        "--once",
        "--config",
        "Exit codes",
        "78",
    ] {
        assert!(ended.stdout.contains(word), "{word}: {ended:?}");
    }
    for subcommand in ["check", "doctor", "peek", "dead-letters", "convert", "emulate", "demo"] {
        let ended = relay.run(&[subcommand, "--help"]).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.stdout.contains(&format!("vod-relay {subcommand}")), "{ended:?}");
    }
    for wrong in
        [&["--onc"][..], &["chek"], &["emulate", "--fault", "fire=1"], &["--once", "check"]]
    {
        let ended = relay.run(wrong).await;
        assert_eq!(ended.code, Some(2), "{wrong:?}: {ended:?}");
        assert_eq!(ended.stdout, "", "{wrong:?}");
    }
}

#[tokio::test]
async fn the_demo_shows_everything_and_ends() {
    let world = World::new().await;
    let ended = world.raw_config("").run(&["demo", "--events", "10"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.stdout.matches("vod_").count(), 10, "{ended:?}");
    assert!(ended.stdout.contains("10 pulled, 10 delivered, 10 confirmed in "), "{ended:?}");
}

#[tokio::test]
async fn the_demo_ends_with_its_reader() {
    let world = World::new().await;
    for args in [&["demo"][..], &["demo", "--keep"]] {
        let mut child = world.raw_config("").command(args).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let mut some = [0; 10];
        unstuck("the first line", stdout.read_exact(&mut some)).await.unwrap();
        drop(stdout);
        let ended = Relay::watch(child).end().await;
        assert_eq!(ended.code, Some(0), "{args:?}: {ended:?}");
        assert!(!ended.stderr.contains("panicked"), "{args:?}: {ended:?}");
    }
}

#[tokio::test]
async fn an_address_that_is_taken_is_told_with_a_way_out() {
    let world = World::new().await;
    let taken = world.url.trim_start_matches("http://");
    let ended = world.raw_config("").run(&["emulate", "--listen", taken]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains(taken) && ended.stderr.contains("--listen"), "{ended:?}");
}

#[tokio::test]
async fn the_emulator_serves_until_it_is_told_to_stop() {
    let world = World::new().await;
    let emulator = world.raw_config("").start_with(&["emulate", "--listen", "127.0.0.1:0"]);
    emulator.says("listening on http://127.0.0.1:").await;
    assert_eq!(emulator.stop().await.code, Some(0));
}

#[tokio::test]
async fn the_log_in_json_can_be_parsed_line_by_line() {
    let world = World::new().await;
    let ids = world.push(5);
    let app = App::new().await;
    let text = [app.sink("app", ""), "[log]\nformat = \"json\"\n".to_owned()].concat();
    let ended = world.config("", &text).once().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let lines: Vec<Value> =
        ended.stderr.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let delivered = lines.iter().filter(|line| line["message"] == "delivered");
    let mut logged: Vec<_> = delivered.map(|line| line["event.id"].as_str().unwrap()).collect();
    let mut sent: Vec<_> = ids.iter().map(ToString::to_string).collect();
    logged.sort_unstable();
    sent.sort_unstable();
    assert_eq!(logged, sent);
}

#[tokio::test]
async fn the_environment_decides_what_is_logged() {
    let run = async |wish: &str| -> Ended {
        let world = World::new().await;
        world.push(1);
        let app = App::new().await;
        world.config("", &app.sink("app", "")).env("VOD_RELAY_LOG", wish).once().await
    };
    let quiet = run("off").await;
    assert_eq!((quiet.code, quiet.stderr.as_str()), (Some(0), ""));
    let chatty = run("warn,vod_relay::confirm=debug").await;
    assert!(chatty.stderr.contains("DEBUG") && chatty.stderr.contains("confirmed"), "{chatty:?}");
    assert!(!chatty.stderr.contains("INFO"), "{chatty:?}");
    for wrong in ["vod_relay=loud", "inof"] {
        let refused = run(wrong).await;
        assert_eq!(refused.code, Some(2), "{wrong}: {refused:?}");
        assert!(refused.stderr.contains("VOD_RELAY_LOG"), "{refused:?}");
        assert!(refused.stderr.contains(wrong), "{refused:?}");
    }
}

#[tokio::test]
async fn what_is_no_terminal_gets_no_colours() {
    let world = World::new().await;
    world.push(5);
    let app = App::answering(|_| crate::world::Answer::Status(422)).await;
    let relay = world.config("", &app.sink("app", ""));
    let ended = relay.once().await;
    assert!(ended.stderr.contains("refused") && !ended.stderr.contains('\x1b'), "{ended:?}");
    let mut demo = relay.command(&["demo", "--events", "3"]);
    let ended = Relay::watch(demo.stdin(Stdio::null()).spawn().unwrap()).end().await;
    assert!(!ended.stdout.contains('\x1b') && !ended.stderr.contains('\x1b'), "{ended:?}");
}
