//! The emulator, as a client of the VOD API and its control addresses see it.

mod temporary;

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;
use vod_relay::emulator::{
    Account, BadHandle, ClockSkew, Control, Empty, Emulator, FaultKind, Faults, Options, State,
    sample,
};
use vod_relay::event::{Event, EventId};
use vod_relay::time;

/// Long enough to be sure that it did not run out by chance on a busy machine.
const LONG: Duration = Duration::from_secs(30);
/// Short, for leases and holds that a story waits out.
const SHORT: Duration = Duration::from_millis(60);

#[tokio::test]
async fn an_event_is_pulled_confirmed_and_gone() {
    let world = World::start(quick()).await;
    let id = world.push(None, &sample(0));
    let pulled = world.pull().await;
    assert_eq!(texts_of(&pulled), [sample(0)]);
    let state = world.state();
    assert_eq!((state.counts.open, state.counts.leased, state.counts.handed_out), (1, 1, 1));
    assert_eq!(state.open_ids, [id]);

    let answer = world.confirm(&handles_of(&pulled)).await;
    assert_eq!(answer.code(), None, "{answer:?}");
    let state = world.state();
    assert_eq!((state.counts.open, state.counts.confirmed), (0, 1));
    assert_eq!((state.open_ids, state.confirmed_ids), (vec![], vec![id]));
    assert_eq!(world.call("PullEvents", "{}").await.code(), Some("ResourceNotFound"));
    assert_eq!(state.calls.get("PullEvents"), Some(&1));
    assert_eq!(state.secret_ids.get("AKIDemulator").and_then(|c| c.get("ConfirmEvents")), Some(&1));
}

#[tokio::test]
async fn an_event_not_confirmed_in_time_comes_again_with_a_new_handle() {
    let world = World::start(Options { visibility: SHORT, hold: LONG, ..quick() }).await;
    let id = world.push(None, &sample(0));
    let first = world.pull().await;
    // This pull waits, and the end of the lease wakes it.
    let second = world.pull().await;
    assert_eq!(texts_of(&first), texts_of(&second));
    assert_ne!(handles_of(&first), handles_of(&second));
    let state = world.state();
    assert_eq!((state.counts.handed_out, state.counts.redelivered), (2, 1));
    assert_eq!(state.redelivered_ids, [(id, 2)]);

    let old = world.confirm(&handles_of(&first)).await;
    assert_eq!(old.code(), Some("InvalidParameterValue"), "the old handle is dead");
    assert_eq!(world.state().counts.open, 1);
    assert_eq!(world.state().refused_confirms, 1);
}

#[tokio::test]
async fn a_late_confirm_is_refused_and_so_is_a_second_one() {
    let world = World::start(Options { visibility: SHORT, ..quick() }).await;
    world.push(None, &sample(0));
    let pulled = world.pull().await;
    world.until(|state| state.counts.leased == 0).await;
    let late = world.confirm(&handles_of(&pulled)).await;
    assert_eq!(late.code(), Some("InvalidParameterValue"));

    let world = World::start(quick()).await;
    world.push(None, &sample(0));
    let handles = handles_of(&world.pull().await);
    assert_eq!(world.confirm(&handles).await.code(), None);
    assert_eq!(world.confirm(&handles).await.code(), Some("InvalidParameterValue"));
}

#[tokio::test]
async fn at_most_sixteen_events_come_and_sixteen_handles_go() {
    let world = World::start(quick()).await;
    world.control.push_samples(None, 0, 17).expect("room for 17");
    let mut handles = handles_of(&world.pull().await);
    assert_eq!(handles.len(), 16);
    let rest = handles_of(&world.pull().await);
    assert_eq!(rest.len(), 1);
    handles.extend(rest);
    let too_many = world.confirm(&handles).await;
    assert_eq!(too_many.code(), Some("InvalidParameterValue"));
    assert_eq!(world.confirm(&[]).await.code(), Some("InvalidParameterValue"));
    assert_eq!(world.state().counts.confirmed, 0);
    assert_eq!(world.confirm(&handles[..16]).await.code(), None);
    // A handle given twice counts once.
    let twice = [handles[16].clone(), handles[16].clone()];
    assert_eq!(world.confirm(&twice).await.code(), None);
    assert_eq!(world.state().counts.confirmed, 17);
}

#[tokio::test]
async fn an_empty_queue_is_told_in_four_forms() {
    for (empty, expected) in [
        (Empty::Error, json!({ "Error": { "Code": "ResourceNotFound", "Message": "no event" } })),
        (Empty::Null, json!({ "EventSet": null })),
        (Empty::Absent, json!({})),
        (Empty::List, json!({ "EventSet": [] })),
    ] {
        let world = World::start(Options { empty, ..quick() }).await;
        let answer = world.call("PullEvents", "{}").await;
        assert_eq!(answer.status, 200);
        let mut response = answer.response().clone();
        let request_id = response.as_object_mut().and_then(|r| r.remove("RequestId"));
        assert_eq!(response, expected);
        assert_eq!(request_id.as_ref().and_then(Value::as_str).map(str::len), Some(36));
    }
}

#[tokio::test]
async fn a_pull_waits_for_the_event() {
    let world = World::start(Options { hold: LONG, ..quick() }).await;
    let (pulled, ()) = tokio::join!(world.pull(), async {
        world.until(|state| state.waiting == 1).await;
        world.push(None, &sample(7));
    });
    assert_eq!(texts_of(&pulled), [sample(7)]);
    assert_eq!(world.state().waiting, 0);
}

#[tokio::test]
async fn a_client_that_goes_away_while_it_waits_leases_nothing() {
    let world = World::start(Options { hold: LONG, ..quick() }).await;
    tokio::select! {
        _ = world.pull() => panic!("there is no event"),
        () = world.until(|state| state.waiting == 1) => {}
    }
    world.until(|state| state.waiting == 0).await;
    world.push(None, &sample(0));
    let counts = world.state().counts;
    assert_eq!((counts.open, counts.leased, counts.handed_out), (1, 0, 0));
}

#[tokio::test]
async fn applications_are_kept_apart() {
    let world = World::start(quick()).await;
    world.push(Some(15), &sample(0));
    world.push(None, &sample(1));
    let other = world.call("PullEvents", r#"{"SubAppId":16}"#).await;
    assert_eq!(texts_of(&other), [sample(1)], "what was pushed for none goes to the first");
    let own = world.call("PullEvents", r#"{"SubAppId":15,"ExtInfo":"x"}"#).await;
    assert_eq!(texts_of(&own), [sample(0)]);
    let none = world.call("PullEvents", "{}").await;
    assert_eq!(none.code(), Some("ResourceNotFound"));

    let body = json!({ "SubAppId": 16, "EventHandles": handles_of(&own) }).to_string();
    let crossed = world.call("ConfirmEvents", &body).await;
    assert_eq!(crossed.code(), Some("InvalidParameterValue"));
    let body = json!({ "SubAppId": 15, "EventHandles": handles_of(&own) }).to_string();
    assert_eq!(world.call("ConfirmEvents", &body).await.code(), None);
    let queues: Vec<_> = world.state().queues.iter().map(|q| (q.sub_app_id, q.leased)).collect();
    assert_eq!(queues, [(Some(15), 0), (Some(16), 1)]);
}

#[tokio::test]
async fn an_account_is_held_to_its_applications_and_its_token() {
    let limited: Account = "AKIDlimited:key@15".parse().expect("an account");
    let temporary = Account {
        secret_id: "AKIDtemporary".to_owned(),
        token: Some("tok".to_owned()),
        ..Account::default()
    };
    let accounts = vec![limited.clone(), temporary.clone()];
    let world = World::start(Options { accounts, ..quick() }).await;

    let caller = Caller { account: limited, ..Caller::default() };
    let code = |body: &'static str| world.code_of(&caller, body);
    assert_eq!(code(r#"{"SubAppId":15}"#).await, "ResourceNotFound");
    assert_eq!(code(r#"{"SubAppId":16}"#).await, "UnauthorizedOperation");
    assert_eq!(code("{}").await, "UnauthorizedOperation");

    let with_token = Caller { account: temporary.clone(), ..Caller::default() };
    assert_eq!(world.code_of(&with_token, "{}").await, "ResourceNotFound");
    for token in [None, Some("other".to_owned())] {
        let account = Account { token, ..temporary.clone() };
        let caller = Caller { account, ..Caller::default() };
        assert_eq!(world.code_of(&caller, "{}").await, "AuthFailure.TokenFailure");
    }
}

#[tokio::test]
async fn whoever_is_not_who_they_say_is_refused() {
    let world = World::start(quick()).await;
    let with = |change: fn(&mut Caller)| {
        let mut caller = Caller::default();
        change(&mut caller);
        caller
    };
    let cases = [
        (with(|c| c.account.secret_key = "wrong".to_owned()), "AuthFailure.SignatureFailure"),
        (with(|c| c.account.secret_id = "AKIDnobody".to_owned()), "AuthFailure.SecretIdNotFound"),
        (with(|c| c.authorization = Some("SKIP")), "AuthFailure.InvalidAuthorization"),
        (with(|c| c.authorization = Some("")), "AuthFailure.InvalidAuthorization"),
        (with(|c| c.late_by = 301), "AuthFailure.SignatureExpire"),
        (with(|c| c.late_by = -301), "AuthFailure.SignatureExpire"),
        (with(|c| c.late_by = 290), "ResourceNotFound"),
        (with(|c| c.service = "cvm"), "AuthFailure.SignatureFailure"),
        // The Node.js SDK takes the service from the endpoint, and signs the host without port.
        (with(|c| c.service = "127"), "ResourceNotFound"),
        (with(|c| c.port_is_signed = false), "ResourceNotFound"),
        (with(|c| c.version = Some("2017-03-12")), "NoSuchVersion"),
        (with(|c| c.version = None), "MissingParameter"),
        (with(|c| c.action = Some("PullEvent")), "InvalidAction"),
        (with(|c| c.signed = "content-type;host;x-tc-action"), "ResourceNotFound"),
        (with(|c| c.signed = "host"), "AuthFailure.InvalidAuthorization"),
    ];
    for (caller, expected) in cases {
        assert_eq!(world.code_of(&caller, "{}").await, expected, "{caller:?}");
    }
    let state = world.state();
    assert_eq!(state.secret_ids.get("unknown").map(|c| c.values().sum()), Some(4));
    assert_eq!(state.calls.get("other"), Some(&1));
}

#[tokio::test]
async fn parameters_are_checked() {
    let world = World::start(quick()).await;
    for (action, body, expected) in [
        ("PullEvents", "", "InvalidParameter"),
        ("PullEvents", "[]", "InvalidParameter"),
        ("PullEvents", r#"{"SubAppId":"15"}"#, "InvalidParameter"),
        ("PullEvents", r#"{"MaxNumber":16}"#, "UnknownParameter"),
        ("PullEvents", r#"{"SubAppId":null}"#, "ResourceNotFound"),
        ("ConfirmEvents", "{}", "MissingParameter"),
        ("ConfirmEvents", r#"{"EventHandles":"h"}"#, "InvalidParameter"),
        ("ConfirmEvents", r#"{"EventHandles":[1]}"#, "InvalidParameter"),
        ("ConfirmEvents", r#"{"EventHandles":["h"]}"#, "InvalidParameterValue"),
        ("ConfirmEvents", r#"{"EventHandles":["tdmq+1"]}"#, "InvalidParameterValue"),
        ("ModifyEventConfig", r#"{"Mode":"pull"}"#, "InvalidParameterValue"),
    ] {
        let answer = world.call(action, body).await;
        assert_eq!(answer.code(), Some(expected), "{action} {body}");
        assert_eq!(answer.status, 200);
    }
}

#[tokio::test]
async fn the_clock_can_be_wrong_and_says_so_in_the_date() {
    let clock_skew: ClockSkew = "-10m".parse().expect("a skew");
    let world = World::start(Options { clock_skew, ..quick() }).await;
    let answer = world.call("PullEvents", "{}").await;
    assert_eq!(answer.code(), Some("AuthFailure.SignatureExpire"));
    let date = httpdate::parse_http_date(&answer.date).expect("a date");
    let behind = time::wall_clock().duration_since(date).expect("it is behind");
    assert!((595..605).contains(&behind.as_secs()), "{behind:?}");
    let corrected = Caller { late_by: -600, ..Caller::default() };
    assert_eq!(world.code_of(&corrected, "{}").await, "ResourceNotFound");
}

#[tokio::test]
async fn get_requests_are_signed_too() {
    let world = World::start(quick()).await;
    world.push(Some(15), &sample(0));
    let caller = Caller { method: Method::GET, ..Caller::default() };
    let pulled = world.call_by(&caller, "PullEvents", "SubAppId=15").await;
    assert_eq!(texts_of(&pulled), [sample(0)]);
    let query = format!("EventHandles.0={}&SubAppId=15", handles_of(&pulled)[0]);
    assert_eq!(world.call_by(&caller, "ConfirmEvents", &query).await.code(), None);
    let caller = Caller { method: Method::PUT, ..Caller::default() };
    assert_eq!(world.code_of(&caller, "{}").await, "UnsupportedProtocol");
}

#[tokio::test]
async fn one_bad_handle_fails_the_confirm_in_two_ways() {
    for (bad_handle, confirmed) in [(BadHandle::All, 0), (BadHandle::One, 2)] {
        let world = World::start(Options { bad_handle, ..quick() }).await;
        world.control.push_samples(None, 0, 2).expect("room for 2");
        let mut handles = handles_of(&world.pull().await);
        handles.insert(1, "tdmq830894935510738067".to_owned());
        let answer = world.confirm(&handles).await;
        assert_eq!(answer.code(), Some("InvalidParameterValue"));
        assert_eq!(world.state().counts.confirmed, confirmed, "{bad_handle:?}");
    }
}

#[tokio::test]
async fn faults_that_do_nothing_are_seen_and_lease_nothing() {
    let world = World::start(quick()).await;
    world.push(None, &sample(0));
    for (kind, status, code) in [
        (FaultKind::Http500, 500, None),
        (FaultKind::Garbage, 200, None),
        (FaultKind::Throttle, 200, Some("RequestLimitExceeded")),
        (FaultKind::InternalError, 200, Some("InternalError")),
        (FaultKind::Refuse, 200, Some("UnauthorizedOperation")),
    ] {
        world.control.set_faults(Faults::always(kind));
        let answer = world.call("PullEvents", "{}").await;
        assert_eq!((answer.status, answer.code()), (status, code), "{kind}");
        assert_eq!(answer.json.is_null(), code.is_none(), "{kind}");
    }
    world.control.set_faults(Faults::always(FaultKind::Reset));
    let error = world.try_call(&Caller::default(), "PullEvents", "{}").await.expect_err("a reset");
    assert!(error.is_request(), "{error:?}");
    let state = world.state();
    assert_eq!((state.counts.leased, state.counts.handed_out), (0, 0));
    assert_eq!(state.faults.values().sum::<u64>(), 6);
    assert_eq!(state.calls.get("PullEvents"), Some(&6));

    world.control.set_faults(Faults::default());
    assert_eq!(texts_of(&world.pull().await), [sample(0)]);
}

#[tokio::test]
async fn a_lost_or_broken_answer_leaves_the_events_leased() {
    for kind in [FaultKind::LostPull, FaultKind::Truncate, FaultKind::Stall] {
        let faults = Faults::always(kind);
        let world = World::start(Options { faults, stall: LONG, ..quick() }).await;
        world.push(None, &sample(0));
        let call = async {
            let caller = Caller::default();
            world.try_call(&caller, "PullEvents", "{}").await.expect_err("a broken answer");
        };
        tokio::select! {
            () = call => assert_ne!(kind, FaultKind::Stall),
            () = world.until(|state| state.faults.contains_key("stall")) => {
                assert_eq!(kind, FaultKind::Stall);
            }
        }
        assert_eq!(world.state().counts.leased, 1, "{kind}");
        assert_eq!(world.state().faults.get(kind.name()), Some(&1));
    }
    let faults = Faults::always(FaultKind::LostPull);
    let world = World::start(Options { faults, ..quick() }).await;
    let empty = world.call("PullEvents", "{}").await;
    assert_eq!(empty.code(), Some("ResourceNotFound"), "nothing was leased, nothing is lost");
}

#[tokio::test]
async fn a_stalled_answer_arrives_in_the_end() {
    let faults = Faults::always(FaultKind::Stall);
    let world = World::start(Options { faults, stall: SHORT, ..quick() }).await;
    world.push(None, &sample(0));
    let start = time::now();
    assert_eq!(texts_of(&world.pull().await), [sample(0)]);
    assert!(start.elapsed() >= SHORT);
}

#[tokio::test]
async fn every_call_takes_as_long_as_the_way_is() {
    let world = World::start(Options { latency: SHORT, ..quick() }).await;
    world.push(None, &sample(0));
    let start = time::now();
    let pulled = world.pull().await;
    assert!(start.elapsed() >= SHORT);
    assert_eq!(world.confirm(&handles_of(&pulled)).await.code(), None);
    assert!(start.elapsed() >= 2 * SHORT);
}

#[tokio::test]
async fn the_answer_to_a_confirm_can_be_lost_after_it_was_done() {
    let world = World::start(quick()).await;
    world.push(None, &sample(0));
    world.control.set_faults(Faults::always(FaultKind::LostConfirm));
    let handles = handles_of(&world.pull().await);
    let body = json!({ "EventHandles": handles }).to_string();
    let error = world.try_call(&Caller::default(), "ConfirmEvents", &body).await;
    error.expect_err("no answer");
    assert_eq!(world.state().counts.confirmed, 1);
}

#[tokio::test]
async fn events_are_pushed_over_http_in_every_form() {
    let world = World::start(quick()).await;
    let (a, b) = (sample(0), "{\n  \"EventType\": \"Later\",\n  \"X\": [1.50, \"\\u52a8物\"]\n}");
    let pull_answer = format!(r#"{{"Response":{{"EventSet":[{a},{b}],"RequestId":"r"}}}}"#);
    let forms = [b.to_owned(), format!("[{a},{b}]"), format!("{a}\n{}\n", sample(1)), pull_answer];
    for (body, count) in forms.into_iter().zip([1, 2, 2, 2]) {
        let answer = world.control_request(Method::POST, "events?sub_app_id=15", body).await;
        assert_eq!((answer.status, &answer.json["count"]), (200, &json!(count)), "{answer:?}");
        let pulled = world.call("PullEvents", r#"{"SubAppId":15}"#).await;
        let ids: Vec<_> = texts_of(&pulled).iter().map(|text| id_of(text).to_string()).collect();
        assert_eq!(answer.json["ids"], json!(ids));
    }
    let pushed = world.control_request(Method::POST, "events", b.to_owned()).await;
    let pulled = world.call("PullEvents", "{}").await;
    assert_eq!(texts_of(&pulled), [b], "byte for byte");
    assert_eq!(pushed.json["ids"][0], id_of(b).to_string());

    for (path, body, message) in [
        ("events", "{\"A\":1}\n{oops", "line 2"),
        ("events", "[1]", "event 1 is not a JSON object"),
        ("events?sub_app_id=x", "{}", "sub_app_id=x"),
        ("events?sub_app=1", "{}", "sub_app=1"),
    ] {
        let answer = world.control_request(Method::POST, path, body.to_owned()).await;
        let error = answer.json["error"].as_str().expect("an error");
        assert!(answer.status == 400 && error.contains(message), "{path} {body}: {answer:?}");
    }
}

#[tokio::test]
async fn the_state_is_told_and_faults_are_set_over_http() {
    let world = World::start(quick()).await;
    let id = world.push(None, &sample(0)).to_string();
    let put = |body: &'static str| world.control_request(Method::PUT, "faults", body.to_owned());
    assert_eq!(put(r#"{"throttle":1}"#).await.status, 200);
    assert_eq!(world.call("PullEvents", "{}").await.code(), Some("RequestLimitExceeded"));
    for (body, message) in [
        (r#"{"fire":1}"#, "lost-confirm"),
        (r#"{"reset":2}"#, "from 0 to 1"),
        ("reset=1", "throttle"),
    ] {
        let answer = put(body).await;
        let error = answer.json["error"].as_str().expect("an error");
        assert!(answer.status == 400 && error.contains(message), "{body}: {answer:?}");
    }
    assert_eq!(world.call("PullEvents", "{}").await.code(), Some("RequestLimitExceeded"));
    assert_eq!(put("{}").await.status, 200);
    let handles = handles_of(&world.pull().await);
    world.confirm(&handles).await;

    let state = world.control_request(Method::GET, "state", String::new()).await.json;
    assert_eq!(state["counts"]["pushed"], 1);
    assert_eq!(state["confirmed_ids"], json!([id]));
    assert_eq!(state["open_ids"], json!([]));
    assert_eq!(state["errors"], json!({ "RequestLimitExceeded": 2 }));
    assert_eq!(state["queues"][0]["sub_app_id"], Value::Null);
    let counts = world.control_request(Method::GET, "counts", String::new()).await.json;
    assert_eq!(counts, state["counts"]);
    let nowhere = world.control_request(Method::DELETE, "state", String::new()).await;
    assert_eq!(nowhere.status, 404);
}

#[tokio::test]
async fn the_settings_of_an_application_are_kept_and_told() {
    let world = World::start(quick()).await;
    let body = r#"{"SubAppId":15,"Mode":"PUSH","NotificationUrl":"http://app/\"动物\"",
        "UploadMediaCompleteEventSwitch":"ON"}"#;
    assert_eq!(world.call("ModifyEventConfig", body).await.code(), None);
    let answer = world.call("DescribeEventConfig", r#"{"SubAppId":15}"#).await;
    let response = answer.response();
    assert_eq!(response["Mode"], "PUSH");
    assert_eq!(response["NotificationUrl"], "http://app/\"动物\"");
    assert_eq!(response["UploadMediaCompleteEventSwitch"], "ON");
    assert_eq!(response["DeleteMediaCompleteEventSwitch"], "OFF");
    assert_eq!(world.call("DescribeEventConfig", "{}").await.response()["Mode"], "PULL");

    world.push(Some(15), &sample(0));
    world.push(None, &sample(1));
    let answer = world.call("DescribeEventsState", r#"{"SubAppId":15}"#).await;
    assert_eq!(answer.response()["CountOfEventsToPull"], 2);
}

#[tokio::test]
async fn a_stop_ends_pulls_that_wait() {
    let mut world = World::start(Options { hold: LONG, ..quick() }).await;
    let (answer, ()) = tokio::join!(world.call("PullEvents", "{}"), async {
        world.until(|state| state.waiting == 1).await;
        world.stop.cancel();
    });
    assert_eq!(answer.code(), Some("ResourceNotFound"));
    (&mut world.task).await.expect("the emulator should end");
}

/// Answers at once; everything else as in VOD.
fn quick() -> Options {
    Options { hold: Duration::ZERO, ..Options::default() }
}

/// A running emulator and a client.
struct World {
    url: String,
    control: Control,
    client: Client,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl World {
    async fn start(options: Options) -> Self {
        let listen = ([127, 0, 0, 1], 0).into();
        let emulator = Emulator::bind(Options { listen, ..options }).await.expect("a free port");
        let (url, control) = (emulator.url(), emulator.control());
        let stop = CancellationToken::new();
        let task = tokio::spawn(emulator.run(stop.clone().cancelled_owned()));
        // An error only says that another test was first.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        // A connection for every request, so that no request meets the end of another one.
        let client = Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(LONG);
        let client = client.build().expect("a client");
        Self { url, control, client, stop, task }
    }

    fn push(&self, app: Option<u64>, text: &str) -> EventId {
        self.control.push(app, text).expect("an event")
    }

    fn state(&self) -> State {
        self.control.state()
    }

    /// Returns as soon as the state is so.
    async fn until(&self, is_so: impl Fn(&State) -> bool) {
        let look = async {
            while !is_so(&self.state()) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(LONG, look).await.expect("the state should come about");
    }

    async fn pull(&self) -> Answer {
        self.call("PullEvents", "{}").await
    }

    async fn confirm(&self, handles: &[String]) -> Answer {
        self.call("ConfirmEvents", &json!({ "EventHandles": handles }).to_string()).await
    }

    async fn call(&self, action: &str, body: &str) -> Answer {
        self.call_by(&Caller::default(), action, body).await
    }

    async fn code_of(&self, caller: &Caller, body: &str) -> String {
        let answer = self.call_by(caller, "PullEvents", body).await;
        answer.code().unwrap_or("no error").to_owned()
    }

    async fn call_by(&self, caller: &Caller, action: &str, body: &str) -> Answer {
        self.try_call(caller, action, body).await.expect("an answer")
    }

    async fn try_call(&self, caller: &Caller, action: &str, body: &str) -> reqwest::Result<Answer> {
        let host = self.url.trim_start_matches("http://");
        let action = caller.action.unwrap_or(action);
        let (url, query, body) = match caller.method {
            Method::GET => (format!("{}/?{body}", self.url), body, ""),
            _ => (self.url.clone(), "", body),
        };
        let mut request = self.client.request(caller.method.clone(), url).body(body.to_owned());
        for (name, value) in caller.headers(host, action, query, body) {
            request = request.header(name, value);
        }
        Answer::read(request.send().await?).await
    }

    async fn control_request(&self, method: Method, path: &str, body: String) -> Answer {
        let url = format!("{}/_emulator/{path}", self.url);
        let request = self.client.request(method, url).body(body);
        let answer = request.send().await.expect("an answer");
        Answer::read(answer).await.expect("a whole answer")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Who calls, and how. The signer is the tests' own.
#[derive(Debug, Clone)]
struct Caller {
    account: Account,
    method: Method,
    service: &'static str,
    version: Option<&'static str>,
    action: Option<&'static str>,
    signed: &'static str,
    authorization: Option<&'static str>,
    port_is_signed: bool,
    /// How many seconds later than now the request says it was signed.
    late_by: i64,
}

impl Default for Caller {
    fn default() -> Self {
        Self {
            account: Account::default(),
            method: Method::POST,
            service: "vod",
            version: Some("2018-07-17"),
            action: None,
            signed: "content-type;host",
            authorization: None,
            port_is_signed: true,
            late_by: 0,
        }
    }
}

impl Caller {
    fn headers(
        &self,
        host: &str,
        action: &str,
        query: &str,
        body: &str,
    ) -> Vec<(&'static str, String)> {
        let content_type = match self.method {
            Method::GET => "application/x-www-form-urlencoded",
            _ => "application/json",
        };
        let (name, _) = host.split_once(':').expect("a port");
        let host = if self.port_is_signed { host } else { name };
        let now = time::unix_seconds(time::wall_clock());
        let timestamp = now.saturating_add_signed(self.late_by);
        let signed: String = self
            .signed
            .split(';')
            .map(|name| match name {
                "content-type" => format!("content-type:{content_type}\n"),
                "host" => format!("host:{host}\n"),
                _ => format!("{name}:{}\n", action.to_lowercase()),
            })
            .collect();
        let canonical = format!(
            "{}\n/\n{query}\n{signed}\n{}\n{}",
            self.method,
            self.signed,
            hex::encode(Sha256::digest(body))
        );
        let date = time::utc_date(time::from_unix_seconds(timestamp));
        let scope = format!("{date}/{}/tc3_request", self.service);
        let hash = hex::encode(Sha256::digest(canonical));
        let mut key = format!("TC3{}", self.account.secret_key).into_bytes();
        for step in scope.split('/') {
            key = hmac(&key, step);
        }
        let text = format!("TC3-HMAC-SHA256\n{timestamp}\n{scope}\n{hash}");
        let authorization = format!(
            "TC3-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={}, Signature={}",
            self.account.secret_id,
            self.signed,
            hex::encode(hmac(&key, &text))
        );
        let authorization = self.authorization.map_or(authorization, str::to_owned);
        let mut headers = vec![
            ("Content-Type", content_type.to_owned()),
            ("Authorization", authorization),
            ("X-TC-Action", action.to_owned()),
            ("X-TC-Timestamp", timestamp.to_string()),
        ];
        headers.extend(self.version.map(|version| ("X-TC-Version", version.to_owned())));
        headers.extend(self.account.token.clone().map(|token| ("X-TC-Token", token)));
        headers
    }
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key is good");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// An answer over HTTP; the JSON is null if it is none.
#[derive(Debug)]
struct Answer {
    status: u16,
    date: String,
    text: String,
    json: Value,
}

impl Answer {
    async fn read(response: reqwest::Response) -> reqwest::Result<Self> {
        let status = response.status().as_u16();
        let date = response.headers().get("date").and_then(|date| date.to_str().ok());
        let date = date.unwrap_or_default().to_owned();
        let text = response.text().await?;
        let json = serde_json::from_str(&text).unwrap_or_default();
        Ok(Self { status, date, text, json })
    }

    fn response(&self) -> &Value {
        &self.json["Response"]
    }

    fn code(&self) -> Option<&str> {
        self.response()["Error"]["Code"].as_str()
    }

    /// The events with their handles, read as the relay reads them.
    fn events(&self) -> Vec<(Event, String)> {
        let member = |text: &str, name: &str| {
            let mut members = vod_relay::json::members(text);
            members.find(|member| member.key() == name).map(|member| member.value.to_owned())
        };
        let response = member(&self.text, "Response").expect("a response");
        let set = member(&response, "EventSet").unwrap_or_else(|| panic!("no events: {self:?}"));
        let read = |text| {
            let (event, handle) = Event::from_event_set(text).expect("an event");
            (event, handle.as_str().to_owned())
        };
        vod_relay::json::elements(&set).map(read).collect()
    }
}

fn handles_of(answer: &Answer) -> Vec<String> {
    answer.events().into_iter().map(|(_, handle)| handle).collect()
}

fn texts_of(answer: &Answer) -> Vec<String> {
    let text = |(event, _): (Event, String)| String::from_utf8(event.text().to_vec());
    answer.events().into_iter().map(text).collect::<Result<_, _>>().expect("UTF-8")
}

fn id_of(text: &str) -> EventId {
    Event::from_content(text.to_owned()).id()
}
