//! One bad thing does not stop the rest: not a sink, not an event.

use std::time::Duration;

use vod_relay::emulator::{Account, sample};

use crate::world::{
    Answer, App, Closed, Running, Switch, World, eventually, sorted, source_of, webhook,
};

/// The lease of these stories, and a bad sink's time in it.
const LEASE: Duration = Duration::from_secs(2);
const SINK: &str = "timeout = \"1s\"";

/// A lease that ends in no story.
const ENDLESS: Duration = Duration::from_secs(3600);
/// The same for a sink's time in it.
const NEVER: &str = "timeout = \"10m\"";

#[tokio::test]
async fn a_sink_that_never_answers_holds_back_no_other() {
    let bad = App::answering(|_| Answer::Held).await;
    let story = Beside::start(&bad.sink("bad", SINK)).await;
    story.healthy_gets_all().await;
    bad.open_gate();
    story.bad_gets_all(&bad).await;
}

#[tokio::test]
async fn a_sink_that_is_unavailable_holds_back_no_other() {
    let mended = Switch::default();
    let is_mended = mended.clone();
    let bad =
        App::answering(move |_| Answer::Status(if is_mended.is_on() { 204 } else { 503 })).await;
    let story = Beside::start(&bad.sink("bad", SINK)).await;
    story.healthy_gets_all().await;
    mended.turn_on();
    story.bad_gets_all(&bad).await;
}

#[tokio::test]
async fn a_sink_that_is_closed_holds_back_no_other() {
    let closed = Closed::new();
    let story = Beside::start(&webhook(&closed.url, "bad", SINK)).await;
    story.healthy_gets_all().await;
    story.bad_gets_all(&closed.open()).await;
}

#[tokio::test]
async fn a_sink_that_never_answers_does_not_take_all_the_room_with_its_calls() {
    let bad = App::answering(|_| Answer::Held).await;
    let relay = healthy_gets_all_on_one_lease(&bad.sink("bad", NEVER)).await;
    // Room came from what waits for the bad sink, not from the end of its calls.
    let stderr = relay.stderr.so_far();
    assert!(!stderr.contains("not delivered"), "{stderr}");
}

#[tokio::test]
async fn a_sink_that_is_unavailable_does_not_take_all_the_room_with_what_waits_for_it() {
    let bad = App::answering(|_| Answer::Status(503)).await;
    healthy_gets_all_on_one_lease(&bad.sink("bad", NEVER)).await;
}

/// A healthy sink beside a bad one gets everything although no lease ends, so that nothing makes
/// room for it but what the bad one gives up.
async fn healthy_gets_all_on_one_lease(bad: &str) -> Running {
    let world = World::with_leases(ENDLESS).await;
    let ids = world.push(300);
    let healthy = App::new().await;
    let source = format!("{}max_in_flight = 64", world.lease());
    let relay = world.config(&source, &[&healthy.sink("healthy", NEVER), bad].concat()).start();
    healthy.until_received(300).await;
    assert_eq!(healthy.distinct_ids(), sorted(&ids));
    relay
}

#[tokio::test]
async fn sinks_that_both_have_enough_to_do_leave_nothing_to_vod() {
    let slow = || App::answering(|_| Answer::Late(Duration::from_millis(20), 204));
    let (one, other) = (slow().await, slow().await);
    let keys = format!("{NEVER}\nmax_concurrency = 1\nsources = [\"main\"]");
    let world = World::with_leases(ENDLESS).await;
    let ids = world.push(100);
    let source = format!("{}max_in_flight = 64", world.lease());
    // One that has nothing to do, and never gets anything of this source.
    let (elsewhere, idle) = (World::new().await, App::new().await);
    let quiet = source_of(&elsewhere.url, "elsewhere", &Account::default(), "");
    let idle = idle.sink("idle", "sources = [\"elsewhere\"]");
    let sinks = [quiet, one.sink("one", &keys), other.sink("other", &keys), idle].concat();
    let _relay = world.config(&source, &sinks).start();
    // What was left would not come again.
    world.until_confirmed(100).await;
    for app in [one, other] {
        assert_eq!(app.distinct_ids(), sorted(&ids));
    }
}

#[tokio::test]
async fn a_sink_that_gets_little_does_not_cost_a_busy_one_its_events() {
    let busy = App::answering(|_| Answer::Late(Duration::from_millis(10), 204)).await;
    let world = World::with_leases(ENDLESS).await;
    world.push(600);
    let source = format!("{}max_in_flight = 64", world.lease());
    let idle = App::new().await.sink("idle", "events = [\"FileDeleted\"]");
    let busy = busy.sink("busy", &format!("{NEVER}\nmax_concurrency = 1"));
    let _relay = world.config(&source, &[busy, idle].concat()).start();
    // What is left does not come again; some of it is, until it is known to help hardly anybody.
    world.until_confirmed(200).await;
}

#[tokio::test]
async fn a_busy_source_does_not_keep_another_from_getting_room() {
    let (small, flood) = (World::with_leases(ENDLESS).await, World::with_leases(ENDLESS).await);
    let push = |n: u64| small.vod.push(None, &sample(10_000 + n)).unwrap().to_string();
    let ids: Vec<_> = (0..100).map(push).collect();
    flood.push(3000);
    // It always has events of the flood that wait, and few of the other source.
    let healthy = App::answering(|_| Answer::Late(Duration::from_millis(5), 204)).await;
    let bad = App::answering(|_| Answer::Status(503)).await;
    let source = format!("{}max_in_flight = 64", small.lease());
    let other = source_of(&flood.url, "flood", &Account::default(), &flood.lease());
    let healthy_sink = healthy.sink("healthy", &format!("{NEVER}\nmax_concurrency = 1"));
    let bad_sink = bad.sink("bad", &format!("{NEVER}\nsources = [\"main\"]"));
    let _relay = small.config(&source, &[other, healthy_sink, bad_sink].concat()).start();
    let received = || {
        let got = healthy.requests();
        ids.iter().all(|id| got.iter().any(|one| one.id == *id)).then_some(got.len())
    };
    let all = eventually("the small source's events", received).await;
    assert!(all < 3100, "only after the flood");
}

#[tokio::test]
async fn a_slow_event_holds_back_no_other() {
    let world = World::with_leases(Duration::from_secs(30)).await;
    let ids = world.push(200);
    let slow = ids[5].to_string();
    let app = App::answering(move |request| match request.id == slow {
        true => Answer::Held,
        false => Answer::Status(204),
    });
    let app = app.await;
    let _relay = world.config("", &app.sink("app", "")).start();
    world.until_confirmed(199).await;
    assert_eq!(world.vod.state().open_ids, [ids[5]]);
    app.open_gate();
    world.until_confirmed(200).await;
}

#[tokio::test]
async fn an_event_that_nobody_wants_holds_back_no_other() {
    let world = World::with_leases(LEASE).await;
    let ids = world.push(100);
    let poison = ids[42].to_string();
    let app =
        App::answering(move |request| Answer::Status(if request.id == poison { 422 } else { 204 }));
    let app = app.await;
    let relay = world.config(&world.lease(), &app.sink("app", SINK)).start();
    world.until_confirmed(99).await;
    world.until("handed out again", |state| state.counts.handed_out >= 101).await;
    let ended = relay.stop().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let state = world.vod.state();
    assert_eq!(state.open_ids, [ids[42]]);
    let tries = app.requests().len() - 99;
    let times = usize::try_from(state.counts.handed_out - 99).unwrap();
    assert!(tries <= times, "{tries} tries, handed out {times} times");
    assert!(ended.stderr.contains("refused for good") && ended.stderr.contains("422"));
}

#[tokio::test]
async fn events_that_a_receiver_stumbles_over_hold_back_no_others_behind_them() {
    // Far more than make a sink count as down.
    const BAD: u64 = 60;
    let world = World::with_leases(ENDLESS).await;
    let bad = world.push(BAD);
    let bad: Vec<_> = bad.iter().map(ToString::to_string).collect();
    let good = sorted(world.push(100));
    let status = move |id: &String| if bad.contains(id) { 500 } else { 204 };
    let app = App::answering(move |one| Answer::Status(status(&one.id))).await;
    let _relay = world.config(&world.lease(), &app.sink("app", NEVER)).start();
    world.until_confirmed(100).await;
    assert_eq!(sorted(&world.vod.state().confirmed_ids), good);
}

#[tokio::test]
async fn a_sink_that_is_down_is_spared_and_gets_everything_when_it_is_up() {
    let world = World::with_leases(LEASE).await;
    let ids = world.push(100);
    let up = Switch::default();
    let is_up = up.clone();
    let app = App::answering(move |_| Answer::Status(if is_up.is_on() { 204 } else { 503 })).await;
    let keys = format!("{SINK}\nmax_concurrency = 8");
    let _relay = world.config(&world.lease(), &app.sink("app", &keys)).start();
    // Three leases of 100 events, and each event alone would be tried several times in each.
    world.until("handed out twice more", |state| state.counts.handed_out >= 300).await;
    let requests = app.requests().len();
    assert!(requests <= 60, "{requests} requests to a sink that is down");
    assert_eq!(world.vod.state().counts.confirmed, 0);
    up.turn_on();
    world.until_confirmed(100).await;
    assert_eq!(app.distinct_ids(), sorted(&ids));
}

/// A healthy sink beside a bad one.
struct Beside {
    world: World,
    healthy: App,
    ids: Vec<String>,
    relay: Running,
}

impl Beside {
    async fn start(bad: &str) -> Self {
        let world = World::with_leases(LEASE).await;
        let ids = sorted(world.push(300));
        let healthy = App::new().await;
        let source = format!("{}max_in_flight = 64", world.lease());
        let relay = world.config(&source, &[&healthy.sink("healthy", ""), bad].concat()).start();
        Self { world, healthy, ids, relay }
    }

    /// The healthy sink gets everything, and nothing is confirmed.
    async fn healthy_gets_all(&self) {
        self.healthy.until_received(self.ids.len()).await;
        assert_eq!(self.healthy.distinct_ids(), self.ids);
        assert_eq!(self.world.vod.state().counts.confirmed, 0, "the other sink lacks them all");
    }

    /// The bad sink is mended: it gets everything, and the healthy one nothing more.
    async fn bad_gets_all(self, mended: &App) {
        self.world.until_confirmed(self.ids.len() as u64).await;
        assert_eq!(mended.distinct_ids(), self.ids);
        assert_eq!(self.healthy.requests().len(), self.ids.len(), "no duplicates");
        let ended = self.relay.stop().await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
}
