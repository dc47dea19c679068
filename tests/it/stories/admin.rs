//! The admin server of the real program: what it tells, and to whom.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use reqwest::{Client, Method, StatusCode, Url};
use serde_json::Value;
use vod_relay::emulator::{Account, FaultKind, Faults, Options};
use vod_relay::http::{self, Settings};
use vod_relay::metrics::Metrics;
use vod_relay::time;

use crate::small_disk::SmallDisk;
use crate::world::{
    Answer, App, Closed, Relay, Running, STUCK, Switch, World, scaled, source_of, webhook,
};

/// An admin server on a free port.
const ADMIN: &str = "[admin]\nlisten = \"127.0.0.1:0\"\n";

/// Between two looks at an answer that changes.
const LOOK: Duration = Duration::from_millis(20);

/// A client of the admin server.
struct Admin {
    http: Client,
    url: String,
    token: Option<&'static str>,
}

impl Admin {
    /// Once it listens.
    async fn of(relay: &Running) -> Self {
        let says = "the admin server listens on ";
        relay.says(says).await;
        let log = relay.stderr.so_far();
        let url = log.split_once(says).unwrap().1.split_whitespace().next().unwrap().to_owned();
        let parsed: Url = url.parse().unwrap();
        Self { http: http::client(Settings::to(&parsed)).unwrap(), url, token: None }
    }

    async fn ask(&self, method: Method, path: &str) -> (StatusCode, String) {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if let Some(token) = self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let response = request.send().await.unwrap();
        (response.status(), response.text().await.unwrap())
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let (status, body) = self.ask(Method::GET, path).await;
        (status.as_u16(), body)
    }

    async fn status(&self) -> Value {
        serde_json::from_str(&self.get("/status").await.1).unwrap()
    }

    /// Waits until the answer is as wanted.
    async fn until(&self, path: &str, wanted: impl Fn(u16, &str) -> bool) -> String {
        let give_up = time::now() + STUCK;
        loop {
            let (status, body) = self.get(path).await;
            if wanted(status, &body) {
                return body;
            }
            assert!(time::now() < give_up, "never came about at {path}: {status} {body}");
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn until_ready(&self) {
        let body = self.until("/readyz", |status, _| status == 200).await;
        assert_eq!(body, "{\"ready\":true,\"reasons\":[]}\n");
    }

    /// Waits until it is not ready for this reason: the reason.
    async fn until_unready(&self, part: &str, problem: &str) -> Value {
        let reason = |body: &str| {
            let body: Value = serde_json::from_str(body).unwrap();
            let reasons = body["reasons"].as_array().unwrap().clone();
            reasons.into_iter().find(|one| one["part"] == part && one["problem"] == problem)
        };
        let body = self.until("/readyz", |status, body| status == 503 && reason(body).is_some());
        reason(&body.await).unwrap()
    }

    /// The value of a series: `vod_relay_ready`, `vod_relay_sink_up{sink="app"}`.
    async fn metric(&self, series: &str) -> f64 {
        let (status, text) = self.get("/metrics").await;
        assert_eq!(status, 200, "{text}");
        value(&text, series).unwrap_or_else(|| panic!("no {series} in {text}"))
    }
}

fn value(text: &str, series: &str) -> Option<f64> {
    let values = text.lines().filter_map(|line| line.rsplit_once(' '));
    let mut found = values.filter(|(name, _)| *name == series);
    found.next().map(|(_, value)| value.parse().unwrap())
}

/// VOD with times so short that an outage is soon noticed.
async fn quick_world() -> World {
    World::with(scaled(Duration::from_secs(3))).await
}

const QUICK: &str = "lease = \"3s\"";

#[tokio::test]
async fn everything_that_happens_is_counted() {
    let world = World::with_leases(Duration::from_secs(30)).await;
    let unwanted = Switch::default();
    let app = App::answering({
        let unwanted = unwanted.clone();
        move |_| Answer::Status(if unwanted.is_on() { 410 } else { 204 })
    });
    let app = app.await;
    let state = "[relay]\nstate_dir = \"state\"\n";
    let relay = world.config("", &[state, ADMIN, &app.sink("app", "")].concat()).start();
    let admin = Admin::of(&relay).await;
    world.push(20);
    world.until_confirmed(20).await;
    unwanted.turn_on();
    let new = "{\"EventType\":\"BrandNew\",\"BrandNewEvent\":{\"FileId\":\"1\"}}";
    world.vod.push(None, new).unwrap();
    world.until_confirmed(21).await;
    let counted = |text: &str| value(text, "vod_relay_events_confirmed_total{source=\"main\"}");
    let text = admin.until("/metrics", |_, text| counted(text) == Some(21.0)).await;
    let expect = |series: &str, expected: f64| {
        assert_eq!(value(&text, series), Some(expected), "{series} in {text}")
    };
    expect("vod_relay_events_received_total{source=\"main\",type=\"other\"}", 1.0);
    expect("vod_relay_deliveries_total{sink=\"app\",outcome=\"delivered\"}", 20.0);
    expect("vod_relay_deliveries_total{sink=\"app\",outcome=\"dead_letter\"}", 1.0);
    expect("vod_relay_dead_letters_total{sink=\"app\"}", 1.0);
    expect("vod_relay_dead_letters_kept{sink=\"app\"}", 1.0);
    expect("vod_relay_events_in_flight{source=\"main\"}", 0.0);
    expect("vod_relay_delivery_duration_seconds_count{sink=\"app\"}", 21.0);
    expect("vod_relay_source_up{source=\"main\"}", 1.0);
    expect("vod_relay_sink_up{sink=\"app\"}", 1.0);
    expect("vod_relay_spool_events", 0.0);
    expect("vod_relay_store_up", 1.0);
    let calls = |action: &str| {
        let series = format!(
            "vod_relay_api_calls_total{{source=\"main\",action=\"{action}\",outcome=\"ok\"}}"
        );
        value(&text, &series).unwrap()
    };
    assert!(calls("PullEvents") >= 2.0 && calls("ConfirmEvents") >= 2.0, "{text}");
    let typed: f64 = text
        .lines()
        .filter(|line| line.starts_with("vod_relay_events_received_total{"))
        .map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap())
        .sum();
    assert_eq!(typed, 21.0, "{text}");
    for measured in ["process_resident_memory_bytes", "process_open_fds", "process_max_fds"] {
        assert!(value(&text, measured).unwrap() > 0.0, "{measured} in {text}");
    }
    let last_pull = value(&text, "vod_relay_last_pull_timestamp_seconds{source=\"main\"}").unwrap();
    assert!(last_pull >= value(&text, "process_start_time_seconds").unwrap());
    // Whatever has a value is described, and nothing but what is described has one.
    let metrics = Metrics::default();
    let described: Vec<_> = metrics.descriptions().iter().map(|one| one.name).collect();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let name = line.split(' ').next().unwrap();
        assert!(described.contains(&name), "{name}");
    }
    let status = admin.status().await;
    assert_eq!(status["counts"]["confirmed"], 21);
    assert_eq!(status["sources"]["main"]["state"], "up");
    assert_eq!(status["sinks"]["app"]["dead_letters"], 1);
    let refusal = status["sinks"]["app"]["last_error"]["message"].as_str().unwrap();
    assert!(refusal.contains("410"), "{status}");
    assert_eq!(status["dead_letters"], 1);
    assert_eq!(relay.stop().await.code, Some(0));
}

#[tokio::test]
async fn ten_thousand_kinds_of_events_make_no_new_series() {
    let world = World::with_leases(Duration::from_secs(30)).await;
    let keys = "max_requests_per_second = 1000\nmax_pulls = 16\nmax_in_flight = 2048";
    let file = "[sinks.archive]\ntype = \"file\"\npath = \"events.jsonl\"\n";
    let relay = world
        .config(keys, &[ADMIN, file, "[log]\nlevel = \"warn,vod_relay::relay=info\"\n"].concat())
        .start();
    let admin = Admin::of(&relay).await;
    world.push(1);
    world.until_confirmed(1).await;
    admin.until_ready().await;
    let series = |text: String| -> Vec<String> {
        let values = text.lines().filter(|line| !line.starts_with('#'));
        let mut names: Vec<_> =
            values.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect();
        names.sort();
        names
    };
    let before = series(admin.get("/metrics").await.1);
    for n in 0..10_000 {
        let event = format!(
            "{{\"EventType\":\"Type{n}\",\"Type{n}Event\":{{\"FileId\":\"{n}\",\"TaskId\":\"{n}\"}}}}"
        );
        world.vod.push(None, &event).unwrap();
    }
    world.until_confirmed(10_001).await;
    let after = admin.get("/metrics").await.1;
    let other = "vod_relay_events_received_total{source=\"main\",type=\"other\"}";
    assert_eq!(value(&after, other), Some(10_000.0));
    assert_eq!(series(after), before);
    assert_eq!(relay.stop().await.code, Some(0));
}

#[tokio::test]
async fn an_endpoint_that_cannot_be_reached_makes_it_unready_until_it_can() {
    let world = quick_world().await;
    let app = App::new().await;
    let relay =
        world.config(QUICK, &[ADMIN, &app.sink("app", "timeout = \"1s\"")].concat()).start();
    let admin = Admin::of(&relay).await;
    admin.until_ready().await;
    world.vod.set_faults(Faults::always(FaultKind::Reset));
    let reason = admin.until_unready("source main", "unreachable").await;
    assert!(reason["message"].as_str().unwrap().contains("connection reset"), "{reason}");
    assert_eq!(admin.metric("vod_relay_source_up{source=\"main\"}").await, 0.0);
    let trouble = "vod_relay_source_trouble{source=\"main\",kind=\"unreachable\"}";
    assert_eq!(admin.metric(trouble).await, 1.0);
    assert_eq!(admin.get("/healthz").await, (200, "{\"alive\":true,\"reasons\":[]}\n".to_owned()));
    world.vod.set_faults(Faults::default());
    admin.until_ready().await;
    assert_eq!(admin.metric("vod_relay_ready").await, 1.0);
    let status = admin.status().await;
    let last = status["sources"]["main"]["last_error"]["message"].as_str().unwrap();
    assert!(last.contains("connection reset"), "{status}");
    assert_eq!(relay.stop().await.code, Some(0));
}

#[tokio::test]
async fn an_endpoint_that_does_not_answer_makes_it_unready_before_any_call_has_failed() {
    let stall = Duration::from_secs(60);
    let world = World::with(Options { stall, ..scaled(Duration::from_secs(3)) }).await;
    let app = App::new().await;
    let relay =
        world.config(QUICK, &[ADMIN, &app.sink("app", "timeout = \"1s\"")].concat()).start();
    let admin = Admin::of(&relay).await;
    admin.until_ready().await;
    world.vod.set_faults(Faults::always(FaultKind::Stall));
    let reason = admin.until_unready("source main", "silent").await;
    assert!(reason["since"].is_string(), "{reason}");
    relay.signal("KILL");
}

#[tokio::test]
async fn credentials_that_are_revoked_make_it_unready_until_they_are_good_again() {
    let world = quick_world().await;
    let app = App::new().await;
    let config = |keys: &str| {
        let rest = [ADMIN, &app.sink("app", "timeout = \"1s\"")].concat();
        world.config(&format!("{QUICK}\n{keys}"), &rest)
    };
    let relay = config("").start();
    let admin = Admin::of(&relay).await;
    admin.until_ready().await;
    world.vod.set_faults(Faults::always(FaultKind::Refuse));
    let reason = admin.until_unready("source main", "refused").await;
    assert!(reason["message"].as_str().unwrap().contains("UnauthorizedOperation"), "{reason}");
    let refused =
        "vod_relay_api_calls_total{source=\"main\",action=\"PullEvents\",outcome=\"credentials\"}";
    assert!(admin.metric(refused).await >= 1.0);
    world.vod.set_faults(Faults::default());
    // It tries again by itself, but half a minute later; a source that starts anew tries at once.
    config("max_pulls = 2");
    relay.reload().await;
    admin.until_ready().await;
    assert_eq!(relay.stop().await.code, Some(0));
}

#[tokio::test]
async fn a_refusal_to_confirm_makes_it_unready_until_a_confirm_works() {
    let world = quick_world().await;
    let app = App::new().await;
    let gate = Gate::before(&world).await;
    let relay = gate.relay(&world, &app).start();
    let admin = Admin::of(&relay).await;
    admin.until_ready().await;
    gate.refuse_with(Some(Refusal::Code("UnauthorizedOperation")));
    world.push(1);
    let reason = admin.until_unready("source main", "refused").await;
    let message = reason["message"].as_str().unwrap();
    assert!(message.starts_with("ConfirmEvents: UnauthorizedOperation: so it is"), "{reason}");
    relay.says("ERROR").await;
    // Pulls that work meanwhile change nothing, nor do leases that are over.
    let pulls = world.calls("PullEvents");
    world.until("pulled again", |state| state.calls["PullEvents"] >= pulls + 3).await;
    let status = admin.status().await;
    assert_eq!(status["ready"], false, "{status}");
    let main = &status["sources"]["main"];
    assert_eq!((&main["state"], &main["trouble"]["kind"]), (&"refused".into(), &"refused".into()));
    for error in [&main["trouble"], &main["last_error"]] {
        assert!(error["message"].as_str().unwrap().contains("the-request-id"), "{status}");
    }
    let trouble = "vod_relay_source_trouble{source=\"main\",kind=\"refused\"}";
    assert_eq!(admin.metric(trouble).await, 1.0);
    assert_eq!(admin.metric("vod_relay_source_up{source=\"main\"}").await, 0.0);
    gate.refuse_with(None);
    world.until_confirmed(1).await;
    admin.until_ready().await;
    assert_eq!(admin.metric(trouble).await, 0.0);
    assert_eq!(app.requests().len(), 1, "it came again and was not delivered again");
    assert_eq!(relay.stop().await.code, Some(0));
}

#[tokio::test]
async fn confirms_that_fail_for_long_make_it_unready_until_one_works() {
    let world = quick_world().await;
    let app = App::new().await;
    let gate = Gate::before(&world).await;
    let relay = gate.relay(&world, &app).start();
    let admin = Admin::of(&relay).await;
    admin.until_ready().await;
    let refusals = [
        (Refusal::Http500, "unreachable"),
        (Refusal::Code("ResourceNotFound"), "failing"),
        (Refusal::Code("InvalidParameterValue"), "failing"),
    ];
    for (n, (refusal, problem)) in (1..).zip(refusals) {
        gate.refuse_with(Some(refusal));
        world.push(1);
        let reason = admin.until_unready("source main", problem).await;
        let message = reason["message"].as_str().unwrap();
        assert!(message.starts_with("ConfirmEvents: "), "{reason}");
        assert_eq!(admin.status().await["sources"]["main"]["trouble"]["kind"], problem);
        gate.refuse_with(None);
        world.until_confirmed(n).await;
        admin.until_ready().await;
    }
    assert_eq!(relay.stop().await.code, Some(0));
}

#[tokio::test]
async fn a_single_handle_that_is_late_leaves_it_ready() {
    let world = quick_world().await;
    let app = App::new().await;
    let gate = Gate::before(&world).await;
    let relay = gate.relay(&world, &app).start();
    let admin = Admin::of(&relay).await;
    admin.until_ready().await;
    gate.refuse_with(Some(Refusal::Once("InvalidParameterValue")));
    world.push(1);
    let confirmed = world.until_confirmed(1);
    tokio::pin!(confirmed);
    loop {
        tokio::select! {
            () = &mut confirmed => break,
            () = tokio::time::sleep(LOOK) => assert_eq!(admin.get("/readyz").await.0, 200),
        }
    }
    assert_eq!(admin.status().await["counts"]["refused_confirms"], 1);
    assert_eq!(relay.stop().await.code, Some(0));
}

#[tokio::test]
async fn a_sink_that_is_down_makes_it_unready_if_it_is_required() {
    let world = World::with_leases(Duration::from_secs(30)).await;
    let closed = Closed::new();
    let sinks = |required: bool| {
        [ADMIN, &webhook(&closed.url, "app", &format!("required = {required}"))].concat()
    };
    let relay = world.config("", &sinks(true)).start();
    let admin = Admin::of(&relay).await;
    admin.until_ready().await;
    assert_eq!(admin.status().await["sinks"]["app"]["state"], "unused");
    world.push(16);
    let reason = admin.until_unready("sink app", "down").await;
    assert!(reason["message"].as_str().unwrap().contains("connection refused"), "{reason}");
    assert_eq!(admin.metric("vod_relay_sink_up{sink=\"app\"}").await, 0.0);
    // It is the same sink that still fails, but nobody has to care.
    world.config("", &sinks(false));
    relay.reload().await;
    admin.until_ready().await;
    assert_eq!(admin.status().await["sinks"]["app"]["state"], "down");
    world.config("", &sinks(true));
    relay.signal("HUP");
    admin.until_unready("sink app", "down").await;
    let _app = closed.open();
    admin.until_ready().await;
    world.until_confirmed(16).await;
    assert_eq!(admin.metric("vod_relay_sink_up{sink=\"app\"}").await, 1.0);
    assert_eq!(relay.stop().await.code, Some(0));
}

#[tokio::test]
async fn a_full_spool_makes_it_unready_until_it_empties() {
    let world = World::with_leases(Duration::from_secs(30)).await;
    let app = App::answering(|_| Answer::Held).await;
    let state = "[relay]\nstate_dir = \"state\"\nspool_max_size = \"1 MiB\"\n";
    let rest = [state, ADMIN, &app.sink("app", "timeout = \"1m\"")].concat();
    let relay = world.config("ack = \"spooled\"", &rest).start();
    let admin = Admin::of(&relay).await;
    admin.until_ready().await;
    for n in 0..20 {
        let text = "x".repeat(100_000);
        let event = format!(
            "{{\"EventType\":\"FileDeleted\",\"FileDeleteEvent\":{{\"FileIdSet\":[\"{n}{text}\"]}}}}"
        );
        world.vod.push(None, &event).unwrap();
    }
    admin.until_unready("spool", "full").await;
    let text = admin.get("/metrics").await.1;
    let bytes = value(&text, "vod_relay_spool_bytes").unwrap();
    assert!(bytes >= value(&text, "vod_relay_spool_limit_bytes").unwrap(), "{text}");
    assert!(value(&text, "vod_relay_spool_oldest_age_seconds").unwrap() > 0.0, "{text}");
    app.open_gate();
    admin.until_ready().await;
    world.until_confirmed(20).await;
    assert_eq!(relay.stop().await.code, Some(0));
}

#[tokio::test]
async fn a_full_disk_makes_it_unready_until_there_is_room() {
    let Some(disk) = SmallDisk::mount(48 << 20) else { return };
    let world = World::with_leases(Duration::from_secs(3)).await;
    let app = App::new().await;
    let state = format!("[relay]\nstate_dir = {:?}\n", disk.state_dir());
    let rest = [state.as_str(), ADMIN, &app.sink("app", "")].concat();
    let relay = world.config("ack = \"spooled\"\nlease = \"3s\"", &rest).start();
    let admin = Admin::of(&relay).await;
    admin.until_ready().await;
    disk.fill();
    world.push(4);
    let reason = admin.until_unready("store", "failing").await;
    assert!(reason["message"].as_str().unwrap().contains("no space"), "{reason}");
    assert_eq!(admin.metric("vod_relay_store_up").await, 0.0);
    disk.clear();
    world.until_confirmed(4).await;
    admin.until_ready().await;
    assert_eq!(relay.stop().await.code, Some(0));
}

#[tokio::test]
async fn the_backlog_at_vod_is_asked_for_if_that_is_wanted() {
    let world = World::with_leases(Duration::from_secs(30)).await;
    let app = App::answering(|_| Answer::Held).await;
    let backlog = "backlog_interval = \"1s\"\n";
    let rest = [ADMIN, backlog, &app.sink("app", "")].concat();
    world.push(100);
    let relay = world.config("max_in_flight = 16", &rest).start();
    let admin = Admin::of(&relay).await;
    let series = "vod_relay_backlog_events{source=\"main\"}";
    admin.until("/metrics", |_, text| value(text, series) == Some(84.0)).await;
    assert_eq!(admin.status().await["sources"]["main"]["backlog"], 84);
    // Who may not ask is told so once, and the value does not stay as it was.
    world.vod.set_faults(Faults::always(FaultKind::Refuse));
    admin.until("/metrics", |_, text| value(text, series).is_none()).await;
    let asked = world.calls("DescribeEventsState");
    world.until("asked again", |state| state.calls["DescribeEventsState"] >= asked + 2).await;
    let log = relay.stderr.so_far();
    assert_eq!(log.matches("VOD does not say how many events wait").count(), 1, "{log}");
    // Without the key nobody asks.
    world.config("max_in_flight = 16", &[ADMIN, &app.sink("app", "")].concat());
    relay.reload().await;
    relay.signal("KILL");
}

#[tokio::test]
async fn only_who_has_the_token_is_told_more_than_that_it_is_alive() {
    let world = World::new().await;
    let app = App::new().await;
    let config = |admin: &str| world.config("", &[ADMIN, admin, &app.sink("app", "")].concat());
    let relay = config("token = \"sesame\"\n").start();
    let mut admin = Admin::of(&relay).await;
    for path in ["/metrics", "/readyz", "/status", "/", "/metrics?token=sesame"] {
        assert_eq!(admin.get(path).await.0, 401, "{path}");
    }
    assert_eq!(admin.get("/healthz").await.0, 200);
    admin.token = Some("sesame!");
    assert_eq!(admin.get("/metrics").await.0, 401);
    admin.token = Some("sesame");
    assert_eq!(admin.get("/metrics").await.0, 200);
    assert_eq!(admin.get("/").await.0, 404);
    assert_eq!(admin.ask(Method::POST, "/metrics").await.0, 405);
    assert_eq!(admin.ask(Method::HEAD, "/metrics").await, (StatusCode::OK, String::new()));
    // The token changes with the next reload, the address does not.
    config("token = \"open\"\n");
    relay.reload().await;
    assert_eq!(admin.get("/metrics").await.0, 401);
    admin.token = Some("open");
    assert_eq!(admin.get("/metrics").await.0, 200);
    let elsewhere = "[admin]\nlisten = \"127.0.0.1:9\"\n";
    world.config("", &[elsewhere, &app.sink("app", "")].concat());
    relay.signal("HUP");
    relay.says("admin.listen cannot change while vod-relay runs").await;
    relay.says("the new configuration is in force").await;
    admin.token = None;
    assert_eq!(admin.get("/metrics").await.0, 401, "the other address was to be open, not this");
    assert_eq!(relay.stop().await.code, Some(0));
}

#[tokio::test]
async fn no_answer_holds_a_secret() {
    let world = World::new().await;
    let closed = Closed::new();
    let url = closed.url.replace("http://", "http://user:hunter2@") + "?key=hunter2";
    let keys = "headers = { Authorization = \"hunter2\" }";
    let rest = [ADMIN, "token = \"hunter2\"\n", &webhook(&url, "app", keys)].concat();
    let relay = world.config("", &rest).start();
    let mut admin = Admin::of(&relay).await;
    admin.token = Some("hunter2");
    world.push(16);
    admin.until_unready("sink app", "down").await;
    for path in ["/metrics", "/healthz", "/readyz", "/status"] {
        let (_, body) = admin.get(path).await;
        assert!(!body.contains("hunter2") && !body.contains("emulator-secret"), "{body}");
    }
    relay.signal("KILL");
}

#[tokio::test]
async fn an_address_that_is_taken_is_told_before_anything_is_pulled() {
    let world = World::new().await;
    world.push(1);
    let app = App::new().await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();
    let admin = format!("[admin]\nlisten = \"{addr}\"\n");
    let relay = world.config("", &[admin.as_str(), &app.sink("app", "")].concat());
    let ended = relay.start().end().await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let says = format!("admin.listen: cannot listen on {addr}: Address already in use");
    assert!(ended.stderr.contains(&says), "{ended:?}");
    assert_eq!(world.calls("PullEvents"), 0);
    // A run that ends has no admin server, so nothing is in its way.
    let ended = relay.once().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

/// Lets through to VOD what is not to be refused.
#[derive(Clone)]
struct Gate {
    http: Client,
    vod: String,
    refusal: Arc<Mutex<Option<Refusal>>>,
    url: String,
}

/// How confirms are answered in VOD's place.
#[derive(Debug, Clone, Copy)]
enum Refusal {
    Http500,
    Code(&'static str),
    /// With this code, but only the next.
    Once(&'static str),
}

impl Gate {
    async fn before(world: &World) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let vod = world.url.clone();
        let http = http::client(Settings::to(&vod.parse().unwrap())).unwrap();
        let gate = Self { http, vod, refusal: Arc::default(), url };
        let app = Router::new().fallback(pass).with_state(gate.clone());
        tokio::spawn(axum::serve(listener, app).into_future());
        gate
    }

    fn relay(&self, world: &World, app: &App) -> Relay {
        let source = source_of(&self.url, "main", &Account::default(), QUICK);
        world.raw_config(&[&source, ADMIN, &app.sink("app", "timeout = \"1s\"")].concat())
    }

    fn refuse_with(&self, refusal: Option<Refusal>) {
        *self.refusal.lock().unwrap() = refusal;
    }

    fn refusal(&self) -> Option<Refusal> {
        let mut refusal = self.refusal.lock().unwrap();
        if let Some(Refusal::Once(_)) = *refusal { refusal.take() } else { *refusal }
    }
}

async fn pass(State(gate): State<Gate>, headers: HeaderMap, body: Bytes) -> Response {
    if headers["x-tc-action"] == "ConfirmEvents" {
        match gate.refusal() {
            None => {}
            Some(Refusal::Http500) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            Some(Refusal::Code(code) | Refusal::Once(code)) => {
                let error = format!("{{\"Code\":\"{code}\",\"Message\":\"so it is\"}}");
                let answer = format!("\"Error\":{error},\"RequestId\":\"the-request-id\"");
                return format!("{{\"Response\":{{{answer}}}}}").into_response();
            }
        }
    }
    // The host is signed, so it goes on as it is.
    let answer = gate.http.post(&gate.vod).headers(headers).body(body).send().await.unwrap();
    (answer.status(), answer.bytes().await.unwrap()).into_response()
}
