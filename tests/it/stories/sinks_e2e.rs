//! The other sinks, from VOD's queue to the place where the events end.

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;

use tokio::io::AsyncReadExt as _;
use vod_relay::emulator::sample;
use vod_relay::event::Event;

use crate::world::{Relay, World, ids_in, sorted, unstuck};

const STDOUT: &str = "[sinks.print]\ntype = \"stdout\"\n";

#[tokio::test]
async fn standard_output_gets_one_line_per_event_and_nothing_else() {
    let world = World::new().await;
    world.push(100);
    let ended = world.config("", STDOUT).once().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let mut lines: Vec<_> = ended.stdout.lines().map(str::to_owned).collect();
    let mut sent: Vec<_> = (0..100).map(sample).collect();
    lines.sort();
    sent.sort();
    assert!(lines == sent, "{ended:?}");
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_is_a_clean_end() {
    for args in [&["--once"][..], &[]] {
        let world = World::new().await;
        world.push(1000);
        let mut child = world.config("", STDOUT).command(args).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let mut some = [0; 100];
        unstuck("the first line", stdout.read_exact(&mut some)).await.unwrap();
        drop(stdout);
        let ended = Relay::watch(child).end().await;
        assert_eq!(ended.code, Some(0), "{args:?}: {ended:?}");
        assert!(!ended.stderr.contains("panicked"), "{ended:?}");
        assert!(world.vod.state().counts.confirmed < 1000, "what nobody read is not confirmed");
    }
}

#[tokio::test]
async fn nobody_reads_from_the_start() {
    let world = World::new().await;
    world.push(10);
    let relay = world.config("", STDOUT);
    let mut command = relay.command(&["--once"]);
    // A pipe whose other end is closed already.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ended = Relay::watch(command.stdout(Stdio::from(writer)).spawn().unwrap()).end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(world.vod.state().counts.confirmed, 0);
}

#[tokio::test]
async fn the_exit_code_of_a_command_decides() {
    let world = World::new().await;
    let ids = world.push(32);
    // Uploads are refused for good, deletions fail at first, all else is taken.
    let script = r#"#!/bin/sh
cat > "seen/$VOD_RELAY_EVENT_ID.$VOD_RELAY_ATTEMPT"
echo "$VOD_RELAY_EVENT_TYPE $VOD_RELAY_TASK_ID $VOD_RELAY_FILE_ID $VOD_RELAY_STATUS" >> told
case "$VOD_RELAY_EVENT_TYPE" in
    NewFileUpload) exit 65 ;;
    FileDeleted) [ "$VOD_RELAY_ATTEMPT" -gt 1 ] || exit 1 ;;
esac
"#;
    fs::write(world.path("on-event"), script).unwrap();
    fs::create_dir(world.path("seen")).unwrap();
    let sink = "[sinks.script]\ntype = \"command\"\ncommand = [\"/bin/sh\", \"on-event\"]\n";
    let ended = world.config("", sink).once().await;
    assert_eq!(ended.code, Some(75), "the uploads are left: {ended:?}");

    let events: BTreeMap<_, _> =
        (0..32).map(|n| (ids[n], Event::from_content(sample(n as u64)))).collect();
    let of_type = |wanted: &str| {
        let found = events.iter().filter(|(_, event)| event.event_type() == wanted);
        sorted(found.map(|(id, _)| id))
    };
    assert_eq!(sorted(&world.vod.state().open_ids), of_type("NewFileUpload"));
    for (id, event) in &events {
        let attempts = if event.event_type() == "FileDeleted" { 2 } else { 1 };
        assert!(!world.path(&format!("seen/{id}.{}", attempts + 1)).exists(), "{id}");
        for attempt in 1..=attempts {
            assert_eq!(world.read(&format!("seen/{id}.{attempt}")).as_bytes(), event.text());
        }
        let fields = event.fields();
        let field = |value: &Option<Box<str>>| value.as_deref().unwrap_or_default().to_owned();
        let told = format!(
            "{} {} {} {}\n",
            event.event_type(),
            field(&fields.task_id),
            field(&fields.file_id),
            field(&fields.status)
        );
        assert!(world.read("told").contains(&told), "{told}");
    }
    assert!(ended.stderr.contains("status 65"), "{ended:?}");
}

#[tokio::test]
async fn what_a_command_prints_is_in_the_log() {
    let world = World::new().await;
    let ids = world.push(1);
    let sink = "[sinks.script]\ntype = \"command\"\n\
                command = [\"/bin/sh\", \"-c\", \"echo transcoded; seq 101 >&2\"]\n";
    let relay = world.config("", sink).env("VOD_RELAY_LOG", "off,vod_relay::sink::command=info");
    let ended = relay.once().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.stdout, "", "it is not the relay's own output");
    let about = |stream: &str| {
        let id = &ids[0];
        format!("sink=\"script\" event.id={id} stream=\"{stream}\"")
    };
    let mut expected = vec![format!("transcoded {}", about("stdout"))];
    expected.extend((1..=100).map(|number| format!("{number} {}", about("stderr"))));
    let left_out = "left out 1 more lines that the command printed";
    expected.push(format!("{left_out} {} dropped=1", about("stderr")));
    let lines = ended.stderr.lines().map(|line| line.split_once(" INFO ").unwrap().1);
    assert_eq!(sorted(lines), sorted(expected));
}

#[tokio::test]
async fn a_file_that_is_rotated_under_load_keeps_every_event() {
    let world = World::new().await;
    let ids = world.push(1000);
    let sink = "[sinks.archive]\ntype = \"file\"\npath = \"events.jsonl\"\n\
                rotate_size = \"64 KiB\"\nrotate_keep = 1000\n";
    let ended = world.config("", sink).once().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let names: Vec<_> =
        fs::read_dir(world.dir.path()).unwrap().map(|e| e.unwrap().path()).collect();
    let files = names.iter().filter(|path| path.to_str().unwrap().contains("events.jsonl"));
    let written: Vec<_> = files.clone().flat_map(|path| ids_in(path)).collect();
    assert!(files.count() > 5, "{names:?}");
    assert_eq!(written.len(), 1000);
    assert_eq!(sorted(written), sorted(ids));
}
