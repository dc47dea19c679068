//! The shapes in which events go out, at every sink, and the signatures of webhooks.

use std::fs;
use std::time::Duration;

use md5::{Digest as _, Md5};
use reqwest::header::HeaderMap;
use serde_json::Value;
use serde_json::value::RawValue;
use standardwebhooks::Webhook;
use vod_relay::emulator::sample;
use vod_relay::event::{Event, EventId};
use vod_relay::json;
use vod_relay::legacy;
use vod_relay::time::{unix_seconds, wall_clock};

use crate::world::{Answer, App, Received, Switch, World, sorted};

const STATE: &str = "[relay]\nstate_dir = \"state\"\n";
const SUB_APP: u64 = 1_500_000_001;
const SUB_APP_KEY: &str = "sub_app_id = 1500000001";

/// Each event goes to each kind of sink.
const SINKS: [&str; 3] = [
    "[sinks.file]\ntype = \"file\"\npath = \"file\"\n",
    "[sinks.print]\ntype = \"stdout\"\n",
    "[sinks.script]\ntype = \"command\"\ncommand = [\"/bin/sh\", \"-c\", \
     \"cat > script.$VOD_RELAY_EVENT_ID\"]\n",
];

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW_SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Events that are hard to leave alone: numbers, escapes, nulls, white space, members of any name.
fn events() -> Vec<String> {
    let mut events: Vec<_> = (0..8).map(sample).collect();
    events.push(
        "{ \"EventType\" : \"ProcedureStateChanged\",\"New\":null,\n\t\"ProcedureStateChangeEvent\":\
         {\"FileId\":\"\\u52a8 100%\",\"TaskId\":\"t\",\"Status\":\"FINISH\",\"Unknown\":1.500,\
         \"big\":12345678901234567890123} }"
            .to_owned(),
    );
    // It has come through a normal callback that VOD signed.
    let signed =
        r#"{"Sign":"00","FileDeleteEvent":{"FileIdSet":["1"]},"EventType":"FileDeleted","T":1}"#;
    events.push(signed.to_owned());
    events
}

/// What each of the sinks has got of the event, by the name of the sink: the webhook's headers go along.
struct Got {
    bodies: Vec<(&'static str, String)>,
    headers: HeaderMap,
}

/// Sends all events to every kind of sink in one format, and gives what has arrived of each.
async fn through_every_sink(format: &str) -> Vec<(String, EventId, Got)> {
    let world = World::new().await;
    let app = App::new().await;
    let events = events();
    let ids: Vec<_> =
        events.iter().map(|event| world.vod.push(Some(SUB_APP), event).unwrap()).collect();
    let mut sinks = app.sink("app", format);
    for sink in SINKS.iter().filter(|_| !format.contains("-binary")) {
        sinks.push_str(&format!("{sink}{format}\n"));
    }
    // A dollar sign in the configuration is written twice.
    let sinks = sinks.replace("$VOD", "$$VOD");
    let ended = world.config(SUB_APP_KEY, &sinks).once().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let file = world.read("file");
    let find = |lines: &str, id: EventId| {
        let mut lines = lines.lines().filter(|line| id_of(line) == id.to_string());
        let line = lines.next().unwrap_or_else(|| panic!("no {id}")).to_owned();
        assert_eq!(lines.next(), None, "twice");
        line
    };
    let got = |id: EventId| {
        let request = app.requests().into_iter().find(|it| it.id == id.to_string()).unwrap();
        let mut bodies = vec![("webhook", String::from_utf8(request.body.to_vec()).unwrap())];
        if !format.contains("-binary") {
            bodies.push(("file", find(&file, id)));
            bodies.push(("stdout", find(&ended.stdout, id)));
            bodies.push(("command", world.read(&format!("script.{id}"))));
        }
        Got { bodies, headers: request.headers }
    };
    assert_eq!(app.requests().len(), events.len());
    events.into_iter().zip(ids).map(|(event, id)| (event, id, got(id))).collect()
}

/// The id of the event in a line of whatever format.
fn id_of(line: &str) -> String {
    let value: Value = serde_json::from_str(line).unwrap();
    let of_event = |text: String| Event::from_content(text).id().to_string();
    match &value["id"] {
        Value::String(id) => id.clone(),
        // The old format does not hold all of an event, so that its id is not to be had from there.
        _ if legacy::is_legacy(line) => {
            let same = |event: &String| as_sent("file", &legacy::to_v2(event).unwrap()) == line;
            events().into_iter().find(same).map_or_else(String::new, of_event)
        }
        _ => of_event(line.to_owned()),
    }
}

/// What a sink gets of a text: lines have no line breaks inside.
fn as_sent(sink: &str, text: &str) -> String {
    let in_a_line = ["file", "stdout"].contains(&sink);
    if in_a_line { json::on_one_line(text).into_owned() } else { text.to_owned() }
}

#[tokio::test]
async fn callback_is_the_event_as_vod_wrote_it() {
    for (event, _, got) in through_every_sink("format = \"callback\"").await {
        for (sink, body) in got.bodies {
            assert_eq!(body, as_sent(sink, &event), "{sink}");
        }
        assert_eq!(got.headers["content-type"], "application/json");
        assert!(!got.headers.contains_key("webhook-signature"));
    }
}

#[tokio::test]
async fn a_sign_key_adds_the_signature_that_vod_would_send_and_nothing_else() {
    for (event, _, got) in through_every_sink("sign_key = \"Key4VodCallbacks\"").await {
        for (sink, body) in got.bodies {
            let (rest, own) = body.split_once("\"Sign\":\"").unwrap();
            let (sign, own) = own.split_once("\",\"T\":").unwrap();
            let end = own.find(|c: char| !c.is_ascii_digit()).unwrap();
            let t = &own[..end];
            let expected = Md5::digest(format!("Key4VodCallbacks{t}"));
            assert_eq!(sign, hex::encode(expected), "{sink}");
            let left = t.parse::<u64>().unwrap() - unix_seconds(wall_clock());
            assert!((500..=600).contains(&left), "{left}");
            let unsigned = match event.contains("\"Sign\"") {
                true => r#"{"FileDeleteEvent":{"FileIdSet":["1"]},"EventType":"FileDeleted"}"#,
                false => &event,
            };
            let rest = format!("{}{}", rest.strip_suffix(',').unwrap(), &own[end..]);
            assert_eq!(rest, as_sent(sink, unsigned), "{sink}");
        }
    }
}

#[tokio::test]
async fn callback_v2_is_what_the_old_format_says() {
    for (event, _, got) in through_every_sink("format = \"callback-v2\"").await {
        let expected = legacy::to_v2(&event).unwrap();
        for (sink, body) in got.bodies {
            assert_eq!(body, as_sent(sink, &expected), "{sink}");
        }
    }
}

#[tokio::test]
async fn cloudevents_hold_the_event_byte_for_byte() {
    #[derive(serde::Deserialize)]
    struct Envelope<'a> {
        #[serde(borrow)]
        data: &'a RawValue,
    }
    for (event, id, got) in through_every_sink("format = \"cloudevents\"").await {
        let time = serde_json::from_str::<Value>(&got.bodies[0].1).unwrap()["time"].clone();
        for (sink, body) in got.bodies {
            let value: Value = serde_json::from_str(&body).unwrap();
            let names = ["specversion", "id", "source", "datacontenttype", "time"];
            let said = names.map(|name| value[name].as_str().unwrap());
            let source = format!("//vod.tencentcloudapi.com/{SUB_APP}");
            let id = id.to_string();
            let time = time.as_str().unwrap();
            assert_eq!(said, ["1.0", &id, &source, "application/json", time], "{sink}");
            let data = serde_json::from_str::<Envelope<'_>>(&body).unwrap().data.get();
            assert_eq!(data, as_sent(sink, &event), "{sink}");
            let read = Event::from_content(event.clone());
            let event_type = format!("com.tencentcloud.vod.{}", read.event_type());
            assert_eq!(value["type"].as_str().unwrap(), event_type);
            let fields = read.fields();
            let subject = fields.file_id.as_ref().or(fields.task_id.as_ref());
            assert_eq!(value["subject"].as_str(), subject.map(AsRef::as_ref), "{sink}");
        }
        assert_eq!(got.headers["content-type"], "application/cloudevents+json");
    }
}

#[tokio::test]
async fn cloudevents_binary_is_the_event_with_attributes_as_headers() {
    for (event, id, got) in through_every_sink("format = \"cloudevents-binary\"").await {
        assert_eq!(got.bodies, [("webhook", event.clone())]);
        let read = Event::from_content(event);
        let header = |name: &str| got.headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(header("content-type"), Some("application/json"));
        assert_eq!(header("ce-specversion"), Some("1.0"));
        assert_eq!(header("ce-id"), Some(&*id.to_string()));
        let event_type = format!("com.tencentcloud.vod.{}", read.event_type());
        assert_eq!(header("ce-type"), Some(&*event_type));
        assert!(header("ce-time").unwrap().ends_with('Z'));
        let fields = read.fields();
        let subject = match fields.file_id.as_deref() {
            Some("动 100%") => Some("%E5%8A%A8%20100%25"),
            Some(id) => Some(id),
            None => fields.task_id.as_deref(),
        };
        assert_eq!(header("ce-subject"), subject);
        assert_eq!(header("ce-datacontenttype"), None);
    }
}

#[tokio::test]
async fn an_event_without_the_old_shape_is_a_dead_letter_and_the_others_of_its_batch_are_written() {
    let world = World::new().await;
    let hologram = r#"{"EventType":"HologramComplete","HologramCompleteEvent":{"TaskId":"h"}}"#;
    world.push(3);
    let odd = world.vod.push(None, hologram).unwrap();
    world.push(3);
    let sink = |keys: &str| {
        let sink = format!("{STATE}{}format = \"callback-v2\"\n{keys}", SINKS[0]);
        world.config("", &sink)
    };
    let relay = sink("");
    let ended = relay.once().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(world.read("file").lines().filter(|line| legacy::is_legacy(line)).count(), 6);
    assert_eq!(world.read("file").lines().count(), 6);
    let listed = relay.run(&["dead-letters", "list"]).await.stdout;
    assert_eq!(listed.matches("vod_").count(), 1, "{listed}");
    assert!(listed.contains(&odd.to_string()), "{listed}");
    assert!(ended.stderr.contains("has no event HologramComplete"), "{ended:?}");

    // With the fallback it is delivered after all.
    let ended = sink("fallback = \"callback\"\n").run(&["dead-letters", "replay", "--all"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(world.read("file").lines().last(), Some(hologram));
}

/// What a receiver checks: the signature, by each of these secrets.
fn assert_signed(request: &Received, secrets: &[&str]) {
    for secret in secrets {
        let receiver = Webhook::new(secret).unwrap();
        receiver.verify(&request.body, &request.headers).unwrap();
    }
    let signatures = request.headers["webhook-signature"].to_str().unwrap().split(' ').count();
    assert_eq!(signatures, secrets.len());
}

fn timestamp(request: &Received) -> u64 {
    request.headers["webhook-timestamp"].to_str().unwrap().parse().unwrap()
}

fn signed(keys: &str) -> String {
    format!("format = \"cloudevents\"\nsigning_secrets = [\"{SECRET}\", \"{NEW_SECRET}\"]\n{keys}")
}

/// All requests are one event in one shape; each was signed when it was made.
fn assert_the_same_event(requests: &[Received], id: EventId) {
    for request in requests {
        assert_eq!(request.id, id.to_string());
        assert_eq!(request.body, requests[0].body, "the time in it included");
        assert_signed(request, &[SECRET, NEW_SECRET]);
    }
    assert!(requests.is_sorted_by_key(timestamp));
}

#[tokio::test]
async fn a_retry_and_a_replay_are_the_same_event_signed_afresh() {
    let world = World::new().await;
    let app = App::answering(|request| match request.number {
        0 => Answer::With(503, "retry-after", "1".to_owned()),
        1 => Answer::Status(410),
        _ => Answer::Status(204),
    })
    .await;
    let id = world.vod.push(Some(SUB_APP), &sample(0)).unwrap();
    let relay = world.config(SUB_APP_KEY, &[STATE, &app.sink("app", &signed(""))].concat());
    let ended = relay.once().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let ended = relay.run(&["dead-letters", "replay", "--all"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let requests = app.requests();
    assert_eq!(requests.len(), 3);
    assert_the_same_event(&requests, id);
    assert!(timestamp(&requests[0]) < timestamp(&requests[1]), "signed afresh");
}

#[tokio::test]
async fn a_redelivery_has_the_id_of_the_first() {
    let world = World::with_leases(Duration::from_secs(1)).await;
    let up = Switch::default();
    let answer = up.clone();
    let app = App::answering(move |_| Answer::Status(if answer.is_on() { 204 } else { 503 })).await;
    let id = world.push(1)[0];
    let relay = world.config(&world.lease(), &app.sink("app", &signed("timeout = \"500ms\"\n")));
    let relay = relay.start();
    world.until("a redelivery", |state| !state.redelivered_ids.is_empty()).await;
    up.turn_on();
    world.until_confirmed(1).await;
    assert_eq!(relay.stop().await.code, Some(0));
    for request in app.requests() {
        assert_eq!(request.id, id.to_string());
        assert_signed(&request, &[SECRET, NEW_SECRET]);
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body["id"], id.to_string());
    }
}

#[tokio::test]
async fn a_spooled_event_is_the_same_after_a_restart() {
    let world = World::new().await;
    let up = Switch::default();
    let answer = up.clone();
    let app = App::answering(move |_| Answer::Status(if answer.is_on() { 204 } else { 503 })).await;
    let id = world.vod.push(Some(SUB_APP), &sample(0)).unwrap();
    let source = format!("ack = \"spooled\"\n{SUB_APP_KEY}");
    let relay = world.config(&source, &[STATE, &app.sink("app", &signed(""))].concat());
    let running = relay.start();
    app.until_received(1).await;
    running.signal("KILL");
    running.end().await;
    up.turn_on();
    let ended = relay.once().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(app.requests().len() > 1, "it came from the spool");
    assert_the_same_event(&app.requests(), id);
}

#[tokio::test]
async fn a_secret_in_a_file_is_read_again_on_sighup() {
    let world = World::with_leases(Duration::from_secs(30)).await;
    let app = App::new().await;
    fs::write(world.path("secret"), format!("{SECRET}\n")).unwrap();
    let relay = world.config("", &app.sink("app", "signing_secret_files = [\"secret\"]")).start();
    let first = world.push(1);
    app.until_received(1).await;
    fs::write(world.path("secret"), NEW_SECRET).unwrap();
    relay.reload().await;
    let second = world.push(1);
    world.until_confirmed(2).await;
    assert_eq!(relay.stop().await.code, Some(0));
    assert_eq!(app.distinct_ids(), sorted(first.iter().chain(&second)));
    let requests = app.requests();
    assert_signed(&requests[0], &[SECRET]);
    assert_signed(&requests[1], &[NEW_SECRET]);
}

#[tokio::test]
async fn a_changed_sub_app_id_shows_in_the_events_of_the_source() {
    let world = World::new().await;
    let app = App::new().await;
    let sink = app.sink("app", "format = \"cloudevents\"");
    let relay = world.config("sub_app_id = 1", &sink).start();
    world.vod.push(Some(1), &sample(0)).unwrap();
    app.until_received(1).await;
    world.config("sub_app_id = 2", &sink);
    relay.reload().await;
    world.vod.push(Some(2), &sample(1)).unwrap();
    app.until_received(2).await;
    assert_eq!(relay.stop().await.code, Some(0));
    let sources = app
        .requests()
        .into_iter()
        .map(|request| serde_json::from_slice::<Value>(&request.body).unwrap()["source"].clone());
    let expected = ["//vod.tencentcloudapi.com/1", "//vod.tencentcloudapi.com/2"];
    assert_eq!(sources.collect::<Vec<_>>(), expected);
}
