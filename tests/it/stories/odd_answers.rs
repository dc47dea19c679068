//! Answers of VOD that are not as documented, or not VOD's at all.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use vod_relay::emulator::{Account, sample};
use vod_relay::time::{self, Instant};

use crate::world::{Answer, App, Relay, World, eventually, source_of};

#[tokio::test]
async fn an_element_that_is_no_event_spoils_no_other() {
    let world = World::new().await;
    let elements = [
        with_handle("\"h-0\"", &sample(0)),
        sample(1),
        "7".to_owned(),
        "null".to_owned(),
        with_handle("8078360634045903972", &sample(2)),
        with_handle("null", &sample(3)),
        with_handle("\"h-4\"", &sample(4)),
    ];
    let vod = Vod::giving(events(&elements)).await;
    let app = App::new().await;
    let ended = vod.relay(&world, "", &app.sink("app", "")).once().await;
    assert_eq!(ended.code, Some(75), "some are left: {ended:?}");
    assert_eq!(bodies(&app), sorted([sample(0), sample(2), sample(4)]));
    assert_eq!(vod.confirmed(), ["8078360634045903972", "h-0", "h-4"]);
    assert!(ended.stderr.contains("cannot be relayed"), "{ended:?}");
}

#[tokio::test]
async fn a_handle_of_several_events_is_confirmed_with_the_last() {
    let world = World::new().await;
    let elements: Vec<_> = ["h", "one", "h", "h"]
        .iter()
        .enumerate()
        .map(|(n, handle)| with_handle(&format!("{handle:?}"), &sample(n as u64 % 3)))
        .collect();
    let vod = Vod::giving(events(&elements)).await;
    let app = App::answering(|one| match one.body == sample(2).as_bytes() {
        true => Answer::Held,
        false => Answer::Status(204),
    });
    let app = app.await;
    let relay = vod.relay(&world, "", &app.sink("app", "")).start();
    app.until_received(3).await;
    vod.until_called("ConfirmEvents", 1).await;
    // The last pull was answered after the others were safe.
    vod.until_called("PullEvents", vod.calls("PullEvents").len() + 2).await;
    assert_eq!(vod.confirmed(), ["one"], "one of its events is not safe");
    app.open_gate();
    eventually("the other", || (vod.confirmed() == ["h", "one"]).then_some(())).await;
    assert!(relay.stderr.so_far().contains("several events the same handle"));
}

#[tokio::test]
async fn an_element_that_is_no_json_spoils_no_other() {
    let world = World::new().await;
    let elements = [
        with_handle("\"h-0\"", &sample(0)),
        with_handle("\"h-1\"", "{\"EventType\":\"X\",\"X\":{\"Name\":\"a\tb\nc\"}}"),
        with_handle("\"h-2\"", &sample(2)),
        with_handle("\"h-3\"", "{\"EventType\":\"X\",\"X\":{\"Size\":01}}"),
        with_handle("\"h-4\"", &sample(4)),
    ];
    let vod = Vod::giving(events(&elements)).await;
    let app = App::new().await;
    let ended = vod.relay(&world, "", &app.sink("app", "")).once().await;
    assert_eq!(ended.code, Some(75), "some are left: {ended:?}");
    assert_eq!(bodies(&app), sorted([sample(0), sample(2), sample(4)]));
    assert_eq!(vod.confirmed(), ["h-0", "h-2", "h-4"]);
    assert!(ended.stderr.contains("it is not well-formed JSON: control character"), "{ended:?}");
}

#[tokio::test]
async fn more_events_than_documented_are_taken() {
    let world = World::new().await;
    let elements: Vec<_> =
        (0..100).map(|n| with_handle(&format!("\"h-{n}\""), &sample(n))).collect();
    let vod = Vod::giving(events(&elements)).await;
    let app = App::new().await;
    let ended = vod.relay(&world, "", &app.sink("app", "")).once().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(bodies(&app), sorted((0..100).map(sample)));
    assert_eq!(vod.confirmed().len(), 100);
    for call in vod.calls("ConfirmEvents") {
        assert!(call.handles().len() <= 16, "{call:?}");
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_spoil_only_their_own_event() {
    let world = World::new().await;
    let elements = [
        with_handle("\"h-0\"", &sample(0)),
        with_handle("\"h-1\"", "{\"EventType\":\"X\",\"X\":{\"Name\":\"@\"}}"),
        with_handle("\"h-2\"", &sample(2)),
    ];
    let body: Vec<u8> = events(&elements).into_bytes();
    let body = body.into_iter().map(|byte| if byte == b'@' { 0xff } else { byte }).collect();
    let vod = Vod::giving_bytes(body).await;
    let app = App::new().await;
    let ended = vod.relay(&world, "", &app.sink("app", "")).once().await;
    assert_eq!(ended.code, Some(75), "one is left: {ended:?}");
    assert_eq!(bodies(&app), sorted([sample(0), sample(2)]));
    assert_eq!(vod.confirmed(), ["h-0", "h-2"]);
    assert!(ended.stderr.contains("UTF-8"), "{ended:?}");
}

#[tokio::test]
async fn half_a_character_goes_on_as_it_came() {
    const ODD: &str = r#"{"EventType":"X","X":{"TaskId":"\ud83d","Name":"\ude00 \ud83d\ude00"}}"#;
    let world = World::new().await;
    let vod = Vod::giving(events(&[with_handle("\"h\"", ODD)])).await;
    let app = App::new().await;
    let ended = vod.relay(&world, "", &app.sink("app", "")).once().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(bodies(&app), [ODD]);
    assert_eq!(vod.confirmed(), ["h"]);
}

#[tokio::test]
async fn compressed_answers_are_unpacked() {
    let world = World::new().await;
    let body = gzip(events(&[with_handle("\"h\"", &sample(0))]).as_bytes());
    let vod = Vod::answering(move |call| match (call.action.as_str(), call.number) {
        ("PullEvents", 0) => ([(header::CONTENT_ENCODING, "gzip")], body.clone()).into_response(),
        ("PullEvents", _) => error("ResourceNotFound"),
        _ => done(),
    });
    let vod = vod.await;
    let app = App::new().await;
    let ended = vod.relay(&world, "", &app.sink("app", "")).once().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(bodies(&app), [sample(0)]);
    assert_eq!(vod.confirmed(), ["h"]);
}

#[tokio::test]
async fn what_is_no_answer_is_told_and_asked_for_again() {
    let world = World::new().await;
    let good = events(&[with_handle("\"h\"", &sample(0))]);
    let vod = Vod::answering(move |call| match (call.action.as_str(), call.number) {
        ("PullEvents", 0) => (StatusCode::BAD_GATEWAY, "<html>bad gateway</html>").into_response(),
        ("PullEvents", 1) => {
            r#"{"code":4000,"message":"an old error","codeDesc":"InternalError"}"#.into_response()
        }
        ("PullEvents", 2) => "{\"Response\":{\"EventSet\":7}}".into_response(),
        ("PullEvents", 3) => good.clone().into_response(),
        ("PullEvents", _) => error("ResourceNotFound"),
        _ => done(),
    });
    let vod = vod.await;
    let app = App::new().await;
    let relay = vod.relay(&world, "", &app.sink("app", "")).env("VOD_RELAY_LOG", "debug").start();
    relay.says("502 Bad Gateway").await;
    app.until_received(1).await;
    let ended = relay.stop().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(vod.confirmed(), ["h"]);
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_the_signature() {
    let world = World::new().await;
    let elsewhere = Vod::answering(|_| done()).await;
    let target = elsewhere.url.clone();
    let vod = Vod::answering(move |call| match call.number {
        0 => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, target.clone())]).into_response(),
        1 => (StatusCode::FOUND, [(header::LOCATION, target.clone())]).into_response(),
        _ => error("ResourceNotFound"),
    });
    let vod = vod.await;
    let app = App::new().await;
    let relay = vod.relay(&world, "", &app.sink("app", "")).start();
    vod.until_called("PullEvents", 3).await;
    let ended = relay.stop().await;
    assert!(ended.stderr.contains("307"), "{ended:?}");
    assert!(elsewhere.calls.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_answer_without_an_end_is_cut_off() {
    let world = World::new().await;
    let good = events(&[with_handle("\"h\"", &sample(0))]);
    let vod = Vod::answering(move |call| match (call.action.as_str(), call.number) {
        ("PullEvents", 0) => vec![b' '; 33 << 20].into_response(),
        ("PullEvents", 1) => good.clone().into_response(),
        ("PullEvents", _) => error("ResourceNotFound"),
        _ => done(),
    });
    let vod = vod.await;
    let app = App::new().await;
    let relay = vod.relay(&world, "", &app.sink("app", "")).start();
    relay.says("the answer is longer than 32 MiB and is left unread").await;
    relay.says(&format!("check that the endpoint {}/ is VOD's", vod.url)).await;
    app.until_received(1).await;
    assert_eq!(relay.stop().await.code, Some(0));
}

#[tokio::test]
async fn what_only_a_person_can_mend_ends_a_start_with_its_exit_code() {
    let cases = [
        ("UnauthorizedOperation", 77),
        ("AuthFailure.SecretIdNotFound", 77),
        ("FailedOperation.InvalidVodUser", 77),
        ("InvalidParameterValue", 78),
        ("NoSuchVersion", 78),
    ];
    let world = World::new().await;
    let app = App::new().await;
    for (code, exit) in cases {
        let vod = Vod::answering(move |_| error(code)).await;
        for args in [&[][..], &["--once"]] {
            let ended = vod.relay(&world, "", &app.sink("app", "")).run(args).await;
            assert_eq!(ended.code, Some(exit), "{code}: {ended:?}");
            assert!(ended.stderr.contains(code), "{code}: {ended:?}");
            assert!(ended.stderr.contains("the-request-id"), "{code}: {ended:?}");
        }
        assert_eq!(vod.calls("PullEvents").len(), 2, "{code}: one call for each start");
    }
}

#[tokio::test]
async fn what_vod_says_forges_no_line_and_floods_none() {
    let world = World::new().await;
    let long = format!("so it is\\nforged {}", "x".repeat(1 << 20));
    let refusal = format!("\"Code\":\"UnauthorizedOperation.{long}\",\"Message\":\"{long}\"");
    let body = format!("{{\"Response\":{{\"Error\":{{{refusal}}},\"RequestId\":\"{long}\"}}}}");
    let vod = Vod::answering(move |_| body.clone().into_response()).await;
    let app = App::new().await;
    let ended = vod.relay(&world, "", &app.sink("app", "")).once().await;
    assert_eq!(ended.code, Some(77), "the code is recognised");
    assert!(ended.stderr.contains("so it is forged x"), "{ended:?}");
    for line in ended.stderr.lines() {
        assert!(!line.starts_with("forged") && line.len() < 4096, "{line}");
    }
}

#[tokio::test]
async fn a_run_that_ends_ends_when_vod_refuses_to_confirm() {
    let world = World::new().await;
    let app = App::new().await;
    for (code, exit) in [("UnauthorizedOperation", 77), ("NoSuchVersion", 78)] {
        let body = events(&[with_handle("\"h\"", &sample(0))]);
        let vod = Vod::answering(move |call| match (call.action.as_str(), call.number) {
            ("PullEvents", 0) => body.clone().into_response(),
            ("PullEvents", _) => error("ResourceNotFound"),
            _ => error(code),
        });
        let vod = vod.await;
        let ended = vod.relay(&world, SHORT, &app.sink("app", "timeout = \"1s\"")).once().await;
        assert_eq!(ended.code, Some(exit), "{code}: {ended:?}");
        let says = format!("VOD refuses: ConfirmEvents: {code}: so it is (RequestId");
        assert_eq!(ended.stderr.matches(&says).count(), 1, "{code}: {ended:?}");
    }
}

#[tokio::test]
async fn a_run_that_ends_gives_up_when_events_come_again_and_no_confirm_works() {
    let world = World::new().await;
    let app = App::new().await;
    let failures: [fn() -> Response; 3] = [
        || error("InvalidParameterValue"),
        || error("ResourceNotFound"),
        || StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    ];
    for failure in failures {
        let vod = Vod::hiding(move |_| failure()).await;
        let ended = vod.relay(&world, SHORT, &app.sink("app", "timeout = \"1s\"")).once().await;
        assert_eq!(ended.code, Some(75), "{ended:?}");
        assert!(ended.stderr.contains("VOD has confirmed none of them"), "{ended:?}");
        let rounds = vod.calls("PullEvents").iter().filter(|call| call.good).count();
        assert_eq!(rounds, 2, "{ended:?}");
    }
}

#[tokio::test]
async fn a_run_that_ends_goes_on_while_confirms_work() {
    let world = World::new().await;
    let app = App::new().await;
    // The first event in the first round, the second in the second.
    let vod = Vod::hiding(|call| match call.handles().as_slice() {
        [one] if ["0-in-0", "1-in-1", "2-in-2"].contains(&one.as_str()) => done(),
        _ => error("InvalidParameterValue"),
    });
    let vod = vod.await;
    let ended = vod.relay(&world, SHORT, &app.sink("app", "timeout = \"1s\"")).once().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(vod.confirmed(), ["0-in-0", "1-in-1", "2-in-2"]);
}

#[tokio::test]
async fn a_throttled_relay_waits_as_long_as_it_is_told() {
    let world = World::new().await;
    let vod = Vod::answering(|call| match call.number {
        0 => ([(header::RETRY_AFTER, "1")], error("RequestLimitExceeded")).into_response(),
        _ => error("ResourceNotFound"),
    });
    let vod = vod.await;
    let app = App::new().await;
    let relay = vod.relay(&world, "", &app.sink("app", "")).start();
    vod.until_called("PullEvents", 2).await;
    let calls = vod.calls("PullEvents");
    assert!(calls[1].at - calls[0].at >= Duration::from_secs(1));
    assert_eq!(relay.stop().await.code, Some(0));
}

#[tokio::test]
async fn a_handle_that_vod_stumbles_over_does_not_hold_up_the_others() {
    let world = World::new().await;
    let elements: Vec<_> =
        (0..16).map(|n| with_handle(&format!("\"h-{n}\""), &sample(n))).collect();
    let body = events(&elements);
    let vod = Vod::answering(move |call| match (call.action.as_str(), call.number) {
        ("PullEvents", 0) => body.clone().into_response(),
        ("PullEvents", _) => error("ResourceNotFound"),
        _ if call.handles().contains(&"h-0".to_owned()) => error("FailedOperation"),
        _ => done(),
    });
    let vod = vod.await;
    let app = App::new().await;
    let _relay = vod.relay(&world, "lease = \"10s\"", &app.sink("app", "timeout = \"2s\"")).start();
    eventually("the others confirmed", || (vod.confirmed().len() == 15).then_some(())).await;
    let pulled = vod.calls("PullEvents")[0].at;
    let took = vod.calls("ConfirmEvents").iter().rev().find(|call| call.good).unwrap().at - pulled;
    assert!(took < Duration::from_secs(5), "{took:?} of a lease of 10 s");
}

#[tokio::test]
async fn an_empty_answer_that_comes_at_once_makes_no_busy_loop() {
    const EMPTY_FOR: Duration = Duration::from_millis(1400);
    let world = World::new().await;
    let marker = events(&[with_handle("\"h\"", &sample(0))]);
    let started = time::now();
    let vod = Vod::answering(move |call| match call.action.as_str() {
        "PullEvents" if call.at - started > EMPTY_FOR => marker.clone().into_response(),
        "PullEvents" => match call.number % 3 {
            0 => error("ResourceNotFound"),
            1 => response("\"EventSet\":null,"),
            _ => response("\"EventSet\":[],"),
        },
        _ => done(),
    });
    let vod = vod.await;
    let app = App::new().await;
    let _relay = vod.relay(&world, "", &app.sink("app", "")).start();
    app.until_received(1).await;
    let calls = vod.calls("PullEvents");
    let empty = calls.iter().filter(|call| call.at - started <= EMPTY_FOR).count();
    assert!(empty <= 4, "{empty} calls until the first event");
}

#[tokio::test]
async fn no_log_shows_a_secret_at_any_level() {
    let world = World::new().await;
    world.push(20);
    let app = App::new().await;
    let keys = "headers = { Authorization = \"Bearer hunter2\" }";
    let relay = world.config("", &app.sink("app", keys)).env("VOD_RELAY_LOG", "trace");
    let ended = relay.once().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("TRACE"), "{ended:?}");
    assert_eq!(app.requests()[0].headers["authorization"], "Bearer hunter2");
    let Account { secret_id, secret_key, .. } = Account::default();
    for secret in [secret_id.as_str(), &secret_key, "Signature=", "hunter2"] {
        let line = ended.stderr.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{secret}: {line:?}");
    }
}

/// Leases that are soon over.
const LEASE: Duration = Duration::from_secs(3);
const SHORT: &str = "lease = \"3s\"";

/// Something that answers in VOD's place.
struct Vod {
    url: String,
    calls: Arc<Mutex<Vec<Call>>>,
}

/// One call of the API.
#[derive(Debug, Clone)]
struct Call {
    action: String,
    /// How many calls of the same action came before.
    number: usize,
    at: Instant,
    body: Value,
    /// Whether it was answered without an error.
    good: bool,
}

impl Call {
    /// The handles that it confirms, if it does.
    fn handles(&self) -> Vec<String> {
        let handles = self.body["EventHandles"].as_array().into_iter().flatten();
        handles.map(|handle| handle.as_str().unwrap().to_owned()).collect()
    }
}

type Answers = Arc<dyn Fn(&Call) -> Response + Send + Sync>;

impl Vod {
    async fn answering(answer: impl Fn(&Call) -> Response + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let calls = Arc::new(Mutex::new(Vec::new()));
        let answer: Answers = Arc::new(answer);
        let app = Router::new().fallback(called).with_state((answer, calls.clone()));
        tokio::spawn(axum::serve(listener, app).into_future());
        Self { url, calls }
    }

    /// Answers the first pull with this, and takes every confirm.
    async fn giving(body: String) -> Self {
        Self::giving_bytes(body.into_bytes()).await
    }

    async fn giving_bytes(body: Vec<u8>) -> Self {
        Self::answering(move |call| match (call.action.as_str(), call.number) {
            ("PullEvents", 0) => body.clone().into_response(),
            ("PullEvents", _) => error("ResourceNotFound"),
            _ => done(),
        })
        .await
    }

    /// Has three events, hands each out again when its lease is over, and answers confirms with this.
    async fn hiding(confirm: impl Fn(&Call) -> Response + Send + Sync + 'static) -> Self {
        let queue = Mutex::new((vec![0, 1, 2], 0, None::<Instant>));
        Self::answering(move |call| {
            let mut queue = queue.lock().unwrap();
            let (open, rounds, hidden_until) = &mut *queue;
            if call.action == "PullEvents" {
                if open.is_empty() || hidden_until.is_some_and(|until| call.at < until) {
                    return error("ResourceNotFound");
                }
                let event = |n: &u64| with_handle(&format!("\"{n}-in-{rounds}\""), &sample(*n));
                let elements: Vec<_> = open.iter().map(event).collect();
                *rounds += 1;
                *hidden_until = Some(call.at + LEASE);
                return events(&elements).into_response();
            }
            let answer = confirm(call);
            if is_good(&answer) {
                let handles = call.handles();
                open.retain(|n| !handles.iter().any(|one| one.starts_with(&format!("{n}-"))));
            }
            answer
        })
        .await
    }

    fn relay(&self, world: &World, source: &str, sinks: &str) -> Relay {
        let source = source_of(&self.url, "main", &Account::default(), source);
        world.raw_config(&[&source, sinks].concat())
    }

    fn calls(&self, action: &str) -> Vec<Call> {
        let calls = self.calls.lock().unwrap();
        calls.iter().filter(|call| call.action == action).cloned().collect()
    }

    async fn until_called(&self, action: &str, times: usize) {
        eventually(action, || (self.calls(action).len() >= times).then_some(())).await;
    }

    /// The handles in confirms that were not answered with an error.
    fn confirmed(&self) -> Vec<String> {
        let calls = self.calls("ConfirmEvents");
        sorted(calls.iter().filter(|call| call.good).flat_map(Call::handles))
    }
}

async fn called(
    State((answer, calls)): State<(Answers, Arc<Mutex<Vec<Call>>>)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let action = headers["x-tc-action"].to_str().unwrap().to_owned();
    let body = serde_json::from_slice(&body).unwrap();
    let mut calls = calls.lock().unwrap();
    let number = calls.iter().filter(|call| call.action == action).count();
    let mut call = Call { action, number, at: time::now(), body, good: false };
    let answer = answer(&call);
    call.good = is_good(&answer);
    calls.push(call);
    answer
}

/// Marks an answer that holds an error.
#[derive(Debug, Clone, Copy)]
struct IsError;

fn is_good(answer: &Response) -> bool {
    answer.extensions().get::<IsError>().is_none() && answer.status().is_success()
}

fn response(members: &str) -> Response {
    format!("{{\"Response\":{{{members}\"RequestId\":\"the-request-id\"}}}}").into_response()
}

fn done() -> Response {
    response("")
}

fn error(code: &str) -> Response {
    let mut answer =
        response(&format!("\"Error\":{{\"Code\":\"{code}\",\"Message\":\"so it is\"}},"));
    answer.extensions_mut().insert(IsError);
    answer
}

/// An answer with these elements.
fn events(elements: &[String]) -> String {
    let set = elements.join(",");
    format!("{{\"Response\":{{\"EventSet\":[{set}],\"RequestId\":\"the-request-id\"}}}}")
}

/// An event with a handle, given as JSON, in front.
fn with_handle(handle: &str, content: &str) -> String {
    format!("{{\"EventHandle\":{handle},{}", content.strip_prefix('{').unwrap())
}

fn bodies(app: &App) -> Vec<String> {
    let bodies = app.requests().into_iter();
    sorted(bodies.map(|request| String::from_utf8(request.body.to_vec()).unwrap()))
}

fn sorted(texts: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut texts: Vec<_> = texts.into_iter().collect();
    texts.sort();
    texts
}

/// RFC 1952, with blocks that are stored as they are.
fn gzip(data: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let length = u16::try_from(data.len()).expect("one block is enough");
    out.push(1);
    out.extend(length.to_le_bytes());
    out.extend((!length).to_le_bytes());
    out.extend(data);
    let crc = data.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    });
    out.extend((!crc).to_le_bytes());
    out.extend(u32::from(length).to_le_bytes());
    out
}
