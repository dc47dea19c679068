//! The relay dies at each of its crash points, and the next one goes on: nothing is lost, nothing
//! was confirmed early, and only a crash between a sink's acknowledgement and the ledger makes an
//! event arrive twice.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use vod_relay::crash::{POINTS, VARIABLE};
use vod_relay::emulator::Options;

use super::violence::{Kept, RELAY, lines_of};
use crate::world::{Answer, App, Relay, World, eventually, sorted, unhurried};

const LEASE: Duration = Duration::from_secs(2);

/// How many relays die at the same time.
const AT_ONCE: usize = 6;

/// The most calls of the webhook at the same time.
const CALLS: usize = 8;
/// The most events in flight, so that many pulls and batches are needed.
const IN_FLIGHT: usize = 32;
/// More events than those.
const MANY: u64 = 96;

const SIGABRT: i32 = 6;

/// Where events go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sink {
    Webhook,
    /// A webhook that refuses every event for good.
    Refusing,
    /// A file that is rotated again and again.
    File,
}

use Sink::{File, Refusing, Webhook};

const DELIVERED: &[&str] = &["delivered"];
const SPOOLED: &[&str] = &["spooled"];
const BOTH: &[&str] = &["delivered", "spooled"];

/// The points on whose way a signal leads.
const SIGNALLED: [&str; 2] = ["reload-retired", "stop-drained"];

/// A point, a mode and a sink that lead past it, at which passing to die on the way of the first
/// event, and how many times that event then arrives beyond the first.
type Case = (&'static str, &'static str, Sink, u32, usize);

/// The cases, those that differ only in their mode as one.
const CASES: &[(&str, &[&str], Sink, u32, usize)] = &[
    ("after-pull", BOTH, Webhook, 1, 0),
    ("after-intake", DELIVERED, Webhook, 1, 0),
    ("before-sink", BOTH, Webhook, 1, 0),
    ("after-sink", BOTH, Webhook, 1, 1),
    ("after-sink", BOTH, File, 1, 1),
    ("after-sink", BOTH, Refusing, 1, 0),
    // The first transaction notes a delivery, or spools an event whose delivery the second notes.
    ("before-commit", DELIVERED, Webhook, 1, 1),
    ("before-commit", SPOOLED, Webhook, 1, 0),
    ("before-commit", SPOOLED, Webhook, 2, 1),
    ("before-commit", DELIVERED, Refusing, 1, 0),
    ("before-commit", SPOOLED, Refusing, 2, 0),
    ("after-commit", DELIVERED, Webhook, 1, 0),
    ("after-commit", SPOOLED, Webhook, 1, 0),
    ("after-commit", SPOOLED, Webhook, 2, 0),
    ("after-commit", DELIVERED, Refusing, 1, 0),
    ("after-commit", SPOOLED, Refusing, 2, 0),
    ("after-ledger", BOTH, Webhook, 1, 0),
    ("after-ledger", BOTH, File, 1, 0),
    ("after-bury", BOTH, Refusing, 1, 0),
    ("after-spool", SPOOLED, Webhook, 1, 0),
    ("before-confirm", DELIVERED, Webhook, 1, 0),
    ("after-confirm", DELIVERED, Webhook, 1, 0),
    // Meanwhile it is being delivered from the spool.
    ("before-confirm", SPOOLED, Webhook, 1, 1),
    ("after-confirm", SPOOLED, Webhook, 1, 1),
    ("file-written", BOTH, File, 1, 1),
    ("file-synced", BOTH, File, 1, 1),
    ("file-rotating", BOTH, File, 1, 0),
    // The start takes over a configuration too.
    ("reload-retired", BOTH, Webhook, 2, 0),
    ("stop-drained", BOTH, Webhook, 1, 0),
];

#[test]
fn every_point_has_its_case() {
    let cases: BTreeSet<_> = CASES.iter().map(|(point, ..)| *point).collect();
    let points: BTreeSet<_> = POINTS.iter().map(|(point, _)| *point).collect();
    assert_eq!(cases, points);
}

#[tokio::test]
async fn a_point_that_is_not_there_is_told_at_the_start() {
    let world = World::new().await;
    let ended = world.config("", "").env(VARIABLE, "after-lunch").once().await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("there are after-pull, after-intake"), "{ended:?}");
}

#[tokio::test]
async fn one_event_survives_a_crash_at_each_point() {
    for_each_case(one_event).await;
}

async fn one_event((point, ack, sink, passing, twice): Case) {
    let scene = Scene::new(ack, sink).await;
    // A rotation is due when a file has something in it already.
    let events = if point == "file-rotating" { MANY } else { 1 };
    scene.dies_at(point, passing, events).await;
    let delivered = scene.goes_on(events).await;
    let again = delivered.len() - distinct(&delivered).len();
    let beside = ack == "spooled" && point.ends_with("-confirm");
    assert!(again == twice || (beside && again < twice), "{again} came too often");
}

#[tokio::test]
async fn many_events_survive_a_crash_in_the_middle_of_them() {
    for_each_case(many_events).await;
}

async fn many_events((point, ack, sink, passing, twice): Case) {
    let scene = Scene::new(ack, sink).await;
    // The spool may hand all that it has to a file at once.
    let once_only = SIGNALLED.contains(&point) || (sink == File && ack == "spooled");
    let passing = if once_only { passing } else { passing + 2 };
    scene.dies_at(point, passing, MANY).await;
    let delivered = scene.goes_on(MANY).await;
    // Calls beside the one that met its end may have been answered and not yet noted.
    let most = match (sink, ack) {
        (Webhook, _) => CALLS,
        (File, "delivered") if twice > 0 => IN_FLIGHT,
        (File, _) if twice > 0 => delivered.len(),
        (File | Refusing, _) => 0,
    };
    let again = delivered.len() - distinct(&delivered).len();
    assert!(again <= most, "{again} came too often");
}

/// Tells the story of each case, several at a time.
async fn for_each_case<F>(story: fn(Case) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut stories = JoinSet::new();
    for (point, acks, sink, passing, twice) in CASES {
        for ack in *acks {
            let case = (*point, *ack, *sink, *passing, *twice);
            let room = room.clone();
            stories.spawn(async move {
                let _place = room.acquire().await.unwrap();
                tokio::spawn(story(case)).await.map_err(|error| format!("{case:?}: {error}"))
            });
        }
    }
    let failed: Vec<_> = stories.join_all().await.into_iter().filter_map(Result::err).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

/// VOD, a relay with a state directory, and the receiver of its events.
struct Scene {
    world: World,
    app: App,
    ack: &'static str,
    sink: Sink,
}

impl Scene {
    async fn new(ack: &'static str, sink: Sink) -> Self {
        let visibility = unhurried(LEASE);
        let options = Options { visibility, hold: Duration::from_millis(50), ..Options::default() };
        let status = if sink == Refusing { 410 } else { 204 };
        let app = App::answering(move |_| Answer::Status(status)).await;
        Self { world: World::with(options).await, app, ack, sink }
    }

    /// The relay, with this many pulls at the same time.
    fn relay(&self, pulls: usize) -> Relay {
        let (ack, lease) = (self.ack, self.world.lease());
        let source =
            format!("ack = \"{ack}\"\n{lease}max_in_flight = {IN_FLIGHT}\nmax_pulls = {pulls}");
        let sink = match self.sink {
            Webhook | Refusing => self.app.sink("app", &format!("max_concurrency = {CALLS}")),
            File => "[sinks.app]\ntype = \"file\"\npath = \"events.jsonl\"\n\
                     rotate_size = \"4096B\"\nrotate_keep = 1000\n"
                .to_owned(),
        };
        self.world.config(&source, &format!("{RELAY}\n{sink}"))
    }

    /// What the receiver has taken, one id for each time.
    fn delivered(&self) -> Vec<String> {
        match self.sink {
            Webhook => self.app.requests().into_iter().map(|request| request.id).collect(),
            Refusing => Vec::new(),
            File => {
                let (ids, torn) = lines_of(&self.world.path("events.jsonl"));
                assert_eq!(torn, 0, "each line is whole");
                ids
            }
        }
    }

    /// Runs the relay on this many events until it dies at the point.
    async fn dies_at(&self, point: &str, passing: u32, events: u64) {
        self.world.push(events);
        let armed = self.relay(8).env(VARIABLE, &format!("{point}:{passing}")).start();
        if SIGNALLED.contains(&point) {
            self.world.until_confirmed(events.min(20)).await;
            if events == 1 {
                eventually("it is noted", || self.is_settled(events).then_some(())).await;
            }
            self.relay(7);
            armed.signal(if point == "stop-drained" { "TERM" } else { "HUP" });
        }
        let ended = armed.end().await;
        assert_eq!(ended.signal, Some(SIGABRT), "{ended:?}");
        assert!(ended.stderr.contains(&format!("crash point {point}")), "{ended:?}");
        Kept::of(&self.world).covers_what_is_confirmed(&self.world, &distinct(&self.delivered()));
    }

    /// Starts the relay again and lets it finish: what was delivered before and after.
    async fn goes_on(&self, events: u64) -> Vec<String> {
        let calls = self.world.calls("PullEvents");
        let relay = self.relay(8).start();
        self.world.until("it pulls", |_| self.world.calls("PullEvents") > calls).await;
        self.world.until_confirmed(events).await;
        eventually("all is settled", || self.is_settled(events).then_some(())).await;
        let ended = relay.stop().await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let (kept, delivered) = (Kept::of(&self.world), self.delivered());
        assert_eq!(kept.spooled.len(), 0, "{ended:?}");
        let settled: BTreeSet<_> = distinct(&delivered).union(&kept.dead).cloned().collect();
        let all = self.world.vod.state().confirmed_ids;
        assert_eq!(settled.into_iter().collect::<Vec<_>>(), sorted(all), "{ended:?}");
        delivered
    }

    /// Whether this many events are delivered or dead letters, and the spool is empty.
    fn is_settled(&self, events: u64) -> bool {
        let kept = Kept::while_it_runs(&self.world);
        let settled = distinct(&self.delivered()).len() + kept.dead.len();
        settled as u64 == events && kept.spooled.is_empty()
    }
}

fn distinct(ids: &[String]) -> BTreeSet<String> {
    ids.iter().cloned().collect()
}
