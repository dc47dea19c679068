//! `vod-relay convert`: events in one shape on standard input, in another on standard output.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use crate::world::{Ended, Relay, World, unstuck};

const LEGACY: &str =
    include_str!("../../data/events/procedure-state-changed.en-legacy.normal.json");
const NORMAL: &str = include_str!("../../data/events/procedure-state-changed.zh.normal.json");
const PULLED: &str = include_str!("../../data/events/procedure-state-changed.zh.pulled.json");

/// What becomes of an input.
async fn convert(args: &[&str], input: &str) -> Ended {
    let world = World::new().await;
    let mut child = world
        .raw_config("")
        .command(&[&["convert"], args].concat())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // Beside it, because neither side need read all before it writes.
    let feed = tokio::spawn(async move { stdin.write_all(input.as_bytes()).await });
    let ended = Relay::watch(child).end().await;
    let _ = feed.await.unwrap();
    ended
}

fn values(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn a_legacy_callback_becomes_a_new_one_and_comes_back() {
    let current = convert(&["--from", "callback-v2", "--to", "callback"], LEGACY).await;
    assert_eq!((current.code, current.stderr.as_str()), (Some(0), ""), "{current:?}");
    assert_eq!(values(&current.stdout)[0]["ProcedureStateChangeEvent"]["FileId"], "123123123");
    let legacy = convert(&["--from", "callback", "--to", "callback-v2"], &current.stdout).await;
    assert_eq!(legacy.code, Some(0), "{legacy:?}");
    assert_eq!(values(&legacy.stdout), [value(LEGACY)]);
}

#[tokio::test]
async fn every_kind_of_input_is_found_out() {
    let single = value(PULLED)["Response"]["EventSet"][0].to_string();
    let old = format!(
        r#"{{"code":0,"message":"","eventList":[{{"msgHandle":"h","eventContent":{LEGACY}}}]}}"#
    );
    let empty = r#"{"Response":{"Error":{"Code":"ResourceNotFound","Message":"no event"},"RequestId":"r"}}
        {"Response":{"EventSet":null,"RequestId":"r"}} {"Response":{"EventSet":[]}}"#;
    let input = [NORMAL, PULLED, &single, empty, LEGACY, &old, &format!("[{LEGACY},{NORMAL}]")];
    let ended = convert(&["--to", "callback"], &input.join("\n")).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    let found = values(&ended.stdout);
    let names = found.iter().map(|event| event["ProcedureStateChangeEvent"]["FileId"].as_str());
    let [new, old] = [Some("5285890784246869930"), Some("123123123")];
    let pulled = value(PULLED)["Response"]["EventSet"].as_array().unwrap().len();
    let kinds: Vec<_> = found.iter().map(|event| event["EventType"].as_str().unwrap()).collect();
    assert_eq!(kinds.len(), pulled + 6, "{kinds:?}");
    assert_eq!(names.clone().filter(|name| *name == new).count(), 4, "{kinds:?}");
    assert_eq!(names.filter(|name| *name == old).count(), 3, "{kinds:?}");
    assert!(!ended.stdout.contains("EventHandle") && !ended.stdout.contains("msgHandle"));
    assert_eq!(found[0], value(NORMAL));
}

#[tokio::test]
async fn signatures_are_left_out_and_values_stay_as_written() {
    let event = "{\"EventType\" : \"FileDeleted\", \"Sign\":\"s\",\n  \"T\":1, \"FileDeleteEvent\": {\"FileIdSet\": [5285485487985271490, \"\\u4e2d\"]}}";
    let ended = convert(&["--to", "callback"], event).await;
    assert_eq!(
        ended.stdout,
        "{\"EventType\" : \"FileDeleted\",\"FileDeleteEvent\": {\"FileIdSet\": [5285485487985271490, \"\\u4e2d\"]}}\n"
    );
    let ended = convert(&["--to", "callback-v2"], event).await;
    assert_eq!(
        ended.stdout,
        "{\"version\":\"4.0\",\"eventType\":\"FileDeleted\",\"data\":{\"fileInfo\":[{\"fileId\":5285485487985271490},{\"fileId\":\"\\u4e2d\"}]}}\n"
    );
}

#[tokio::test]
async fn what_cannot_be_converted_is_told_and_the_rest_goes_on() {
    let good = r#"{"EventType":"FileDeleted","FileDeleteEvent":{"FileIdSet":["1"]}}"#;
    let edit = r#"{"EventType":"EditMediaComplete","EditMediaCompleteEvent":{"TaskId":"1"}}"#;
    let input = format!(
        "{good}\n{edit}\n{{\"a\":1}}\n{{\"EventType\":\"Cut\n{good}\n{{\"Response\":{{\"EventSet\":[{good},{edit},5]}}}}\n\
         {{\"Response\":{{\"Error\":{{\"Code\":\"AuthFailure.SignatureFailure\"}}}}}}\nnothing\n{good}"
    );
    let ended = convert(&["--to", "callback-v2"], &input).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(values(&ended.stdout).len(), 4, "{ended:?}");
    let told: Vec<_> = ended.stderr.lines().collect();
    let expected = [
        "line 2: the legacy 2.0 format has no event EditMediaComplete",
        "line 3: it is no event of the 3.0 format",
        "line 4: it is not JSON",
        "line 6, event 2: the legacy 2.0 format has no event EditMediaComplete",
        "line 6, event 3: it is no JSON object",
        "line 7: it holds no events but the error AuthFailure.SignatureFailure",
        "line 8: it is no JSON object but starts with \"nothing\"",
        "7 could not be converted",
    ];
    assert_eq!(told.len(), expected.len(), "{told:?}");
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.starts_with(&format!("vod-relay convert: {expected}")), "{told}");
    }
}

#[tokio::test]
async fn another_kind_than_the_one_asked_for_is_refused() {
    for (from, input, expected) in [
        ("callback", LEGACY, "it is an event of the legacy 2.0 format"),
        ("callback-v2", NORMAL, "it is no event of the legacy 2.0 format"),
        ("callback", PULLED, "it is an answer of a pull"),
        ("pull", NORMAL, "it has no handle"),
    ] {
        let ended = convert(&["--from", from, "--to", "callback"], input).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{from}: {ended:?}");
        assert!(ended.stderr.contains(expected), "{from}: {ended:?}");
    }
    let ended = convert(&["--from", "pull", "--to", "callback"], PULLED).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[tokio::test]
async fn of_many_failures_only_the_first_are_told_one_by_one() {
    let ended = convert(&["--to", "callback"], &"{}\n".repeat(1000)).await;
    assert_eq!(ended.code, Some(1));
    assert_eq!(ended.stderr.lines().count(), 101);
    assert!(ended.stderr.ends_with("vod-relay convert: 1000 could not be converted\n"));
}

#[tokio::test]
async fn each_event_goes_out_before_more_input_is_waited_for() {
    let world = World::new().await;
    let args = ["convert", "--to", "callback-v2"];
    let mut child = world.raw_config("").command(&args).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for id in ["1", "2", "3"] {
        let event = format!("{{\"FileDeleteEvent\":{{\"FileIdSet\":[\"{id}\"]}}}}\n");
        stdin.write_all(event.as_bytes()).await.unwrap();
        let line = unstuck("an event", lines.next_line()).await.unwrap().unwrap();
        assert!(line.contains(&format!("\"fileId\":\"{id}\"")), "{line}");
    }
    drop(stdin);
    assert_eq!(Relay::watch(child).end().await.code, Some(0));
}

#[tokio::test]
async fn a_reader_that_goes_ends_it_cleanly() {
    let world = World::new().await;
    let args = ["convert", "--to", "callback-v2"];
    let mut child = world.raw_config("").command(&args).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    drop(child.stdout.take());
    let feed = tokio::spawn(async move {
        while stdin.write_all(b"{\"FileDeleteEvent\":{\"FileIdSet\":[]}}\n").await.is_ok() {}
    });
    let ended = Relay::watch(child).end().await;
    unstuck("the feed ends with its reader", feed).await.unwrap();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
}
