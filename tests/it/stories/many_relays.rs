//! Several relays on one queue: what they share, what becomes of the events of one that dies, and
//! what the shared ledger changes about that.

use std::time::Duration;

use vod_relay::emulator::{Account, FaultKind, Options};
use vod_relay::event::EventId;
use vod_relay::ledger::{Ledger, Settings};
use vod_relay::metrics::Metrics;

#[cfg(debug_assertions)]
use super::violence::Kept;
#[cfg(feature = "postgres")]
use crate::conformance::Engine as _;
use crate::world::{
    App, Closed, Relay, Running, World, eventually, faults, scaled, sorted, source_of, unhurried,
};

/// What is shared by relays that share one: a ledger's server, or nothing.
pub trait Keeper: Sized {
    /// The password in its address, which is to be seen nowhere.
    const PASSWORD: &'static str;

    /// Starts it, empty; `None` where it is not installed, which was said.
    async fn start() -> Option<Self>;

    /// What `relay.ledger` says.
    fn url(&self) -> String;

    /// Ends it as SIGKILL does.
    async fn die(&mut self);

    /// Starts it again where it was, with what it has kept.
    async fn rise(&mut self);

    /// How many entries it has.
    async fn entries(&self) -> usize;
}

#[cfg(feature = "redis")]
impl Keeper for crate::engines::redis::Redis {
    const PASSWORD: &'static str = "hunter2";

    async fn start() -> Option<Self> {
        Self::with(&[]).await
    }

    fn url(&self) -> String {
        self.url()
    }

    async fn die(&mut self) {
        self.die();
    }

    async fn rise(&mut self) {
        self.rise().await;
    }

    async fn entries(&self) -> usize {
        self.cli(&["KEYS", "*"]).lines().filter(|line| !line.is_empty()).count()
    }
}

#[cfg(feature = "postgres")]
impl Keeper for crate::engines::postgres::Postgres {
    const PASSWORD: &'static str = "open%20sesame";

    async fn start() -> Option<Self> {
        Self::with(&[], &[]).await
    }

    fn url(&self) -> String {
        self.url("").replace("relay@", &format!("relay:{}@", Self::PASSWORD))
    }

    async fn die(&mut self) {
        self.kill().await;
    }

    async fn rise(&mut self) {
        self.revive().await;
    }

    async fn entries(&self) -> usize {
        let entries = self.query("SELECT count(*) FROM vod_relay_ledger").await;
        // Nobody has made the table.
        entries.map_or(0, |rows| rows[0][0].parse().unwrap())
    }
}

macro_rules! for_each_keeper {
    ($($(#[$built:meta])? $name:ident: $keeper:ty),* $(,)?) => {$(
        $(#[$built])?
        mod $name {
            #[tokio::test]
            async fn share_a_queue() {
                super::share_a_queue::<$keeper>().await;
            }

            #[cfg(debug_assertions)]
            #[tokio::test]
            async fn take_over_what_another_had_delivered() {
                super::take_over_what_another_had_delivered::<$keeper>().await;
            }

            #[cfg(debug_assertions)]
            #[tokio::test]
            async fn leave_a_dead_letter_to_the_one_that_has_it() {
                super::leave_a_dead_letter_to_the_one_that_has_it::<$keeper>().await;
            }

            #[cfg(debug_assertions)]
            #[tokio::test]
            async fn let_a_spooled_event_go_that_another_delivered() {
                super::let_a_spooled_event_go_that_another_delivered::<$keeper>().await;
            }

            #[tokio::test]
            async fn lose_nothing_when_one_is_killed_again_and_again() {
                super::lose_nothing_when_one_is_killed_again_and_again::<$keeper>().await;
            }

            #[tokio::test]
            async fn go_on_while_the_ledger_is_down() {
                super::go_on_while_the_ledger_is_down::<$keeper>().await;
            }

            #[tokio::test]
            async fn are_told_by_the_doctor_whether_it_works() {
                super::are_told_by_the_doctor_whether_it_works::<$keeper>().await;
            }
        }
    )*
    };
}

for_each_keeper! {
    #[cfg(feature = "redis")]
    redis: crate::engines::redis::Redis,
    #[cfg(feature = "postgres")]
    postgres: crate::engines::postgres::Postgres,
}

/// Relays on one queue.
struct Scene {
    world: World,
    /// The lines of `[relay]` that they have in common.
    shared: String,
}

/// The most events that a relay has in flight.
const IN_FLIGHT: usize = 256;

/// The most calls of the webhook at the same time.
const CALLS: usize = 8;

impl Scene {
    /// With leases of this length.
    async fn new(ledger: Option<&str>, lease: Duration) -> Self {
        let visibility = unhurried(lease).min(Duration::from_secs(30).max(lease));
        let hold = Duration::from_millis(50);
        let world = World::with(Options { hold, ..scaled(visibility) }).await;
        let shared = ledger.map_or(String::new(), |url| format!("ledger = \"{url}\"\n"));
        Self { world, shared }
    }

    /// The relay of this name, whose deliveries say so.
    fn relay(&self, name: &str, sink_url: &str, source: &str, relay: &str) -> Relay {
        let lease = self.world.lease();
        let source = format!("{lease}max_in_flight = {IN_FLIGHT}\n{source}");
        let source = source_of(&self.world.url, "main", &Account::default(), &source);
        let text = format!(
            "{source}[relay]\n{relay}{}[sinks.app]\ntype = \"webhook\"\nurl = \"{sink_url}\"\n\
             headers = {{ X-Relay = \"{name}\" }}\nmax_concurrency = {CALLS}\n",
            self.shared
        );
        self.world.config_at(&format!("{name}.toml"), &text)
    }

    fn plain(&self, name: &str, app: &App) -> Running {
        self.relay(name, &app.url, "", "").start()
    }
}

/// How many deliveries came from this relay.
fn delivered_by(app: &App, relay: &str) -> usize {
    app.requests().iter().filter(|request| request.headers["x-relay"] == relay).count()
}

async fn ends_well(relay: Running) -> String {
    let ended = relay.stop().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.stderr
}

/// Both get events, and nobody gets one of the other's.
async fn share_a_queue<K: Keeper>() {
    let Some(keeper) = K::start().await else { return };
    let scene = Scene::new(Some(&keeper.url()), Duration::from_secs(30)).await;
    let app = App::new().await;
    let (one, other) = (scene.plain("one", &app), scene.plain("other", &app));
    one.says("VOD answers").await;
    other.says("VOD answers").await;
    let mut pushed = 0;
    // Until both have had some: who gets the first ones is VOD's choice.
    while delivered_by(&app, "one") == 0 || delivered_by(&app, "other") == 0 || pushed < 400 {
        scene.world.push(40);
        pushed += 40;
        scene.world.until_confirmed(pushed).await;
        assert!(pushed < 40_000, "one relay gets everything");
    }
    let logs = [ends_well(one).await, ends_well(other).await];
    assert_eq!(app.requests().len() as u64, pushed, "{logs:?}");
    assert_eq!(app.distinct_ids().len() as u64, pushed);
    // On a busy machine the ledger may not answer in time.
    if !logs.iter().any(|log| log.contains("the shared ledger fails")) {
        assert_eq!(keeper.entries().await as u64, pushed, "{logs:?}");
    }
    for log in logs {
        assert!(!log.contains(K::PASSWORD), "{log}");
    }
}

/// One dies between its delivery and the confirm, and takes what it knows with it. How often the
/// event then arrives in all.
#[cfg(debug_assertions)]
async fn arrivals_after_a_crash(ledger: Option<&str>) -> usize {
    let scene = Scene::new(ledger, Duration::from_secs(2)).await;
    let app = App::new().await;
    scene.world.push(1);
    let armed = scene.relay("one", &app.url, "", "state_dir = \"one\"\n");
    let ended = armed.env(vod_relay::crash::VARIABLE, "after-ledger").start().end().await;
    assert_eq!((ended.signal, app.requests().len()), (Some(6), 1), "{ended:?}");
    assert_eq!(scene.world.vod.counts().confirmed, 0);
    let other = scene.relay("other", &app.url, "", "state_dir = \"other\"\n").start();
    scene.world.until_confirmed(1).await;
    ends_well(other).await;
    app.requests().len()
}

#[cfg(debug_assertions)]
async fn take_over_what_another_had_delivered<K: Keeper>() {
    let Some(keeper) = K::start().await else { return };
    assert_eq!(arrivals_after_a_crash(Some(&keeper.url())).await, 1);
}

#[cfg(debug_assertions)]
#[tokio::test]
async fn without_a_shared_ledger_each_relay_keeps_its_own() {
    assert_eq!(arrivals_after_a_crash(None).await, 2);
}

/// What one relay keeps as a dead letter no other tries, or keeps too.
#[cfg(debug_assertions)]
async fn leave_a_dead_letter_to_the_one_that_has_it<K: Keeper>() {
    let Some(keeper) = K::start().await else { return };
    let scene = Scene::new(Some(&keeper.url()), Duration::from_secs(2)).await;
    let app = App::answering(|_| crate::world::Answer::Status(410)).await;
    scene.world.push(1);
    let armed = scene.relay("one", &app.url, "", "state_dir = \"one\"\n");
    let ended = armed.clone().env(vod_relay::crash::VARIABLE, "after-bury").start().end().await;
    assert_eq!((ended.signal, app.requests().len()), (Some(6), 1), "{ended:?}");
    let other = scene.relay("other", &app.url, "", "state_dir = \"other\"\n");
    let running = other.start();
    scene.world.until_confirmed(1).await;
    ends_well(running).await;
    assert_eq!(app.requests().len(), 1);
    let letters = other.run(&["dead-letters", "list", "--format", "json"]).await;
    assert!(letters.stdout.trim().is_empty(), "{letters:?}");
    let letters = armed.run(&["dead-letters", "list", "--format", "json"]).await;
    assert_eq!(letters.stdout.lines().count(), 1, "{letters:?}");
}

/// One dies with an event in its spool that VOD has no confirm for. Another gets it and delivers it;
/// the first then lets it go.
#[cfg(debug_assertions)]
async fn let_a_spooled_event_go_that_another_delivered<K: Keeper>() {
    let Some(keeper) = K::start().await else { return };
    let scene = Scene::new(Some(&keeper.url()), Duration::from_secs(2)).await;
    let (app, down) = (App::new().await, Closed::new());
    let spooled = "ack = \"spooled\"\n";
    let state = format!("state_dir = \"{}\"\n", super::violence::STATE_DIR);
    scene.world.push(1);
    let armed = scene.relay("one", &down.url, spooled, &state);
    let armed = armed.env(vod_relay::crash::VARIABLE, "before-confirm");
    let ended = armed.start().end().await;
    assert_eq!(ended.signal, Some(6), "{ended:?}");
    assert_eq!(Kept::of(&scene.world).spooled.len(), 1, "{ended:?}");
    let other = scene.relay("other", &app.url, spooled, "state_dir = \"other\"\n").start();
    app.until_received(1).await;
    scene.world.until_confirmed(1).await;
    ends_well(other).await;
    let one = scene.relay("one", &app.url, spooled, &state).start();
    eventually("the spool is empty", || {
        Kept::while_it_runs(&scene.world).spooled.is_empty().then_some(())
    })
    .await;
    let log = ends_well(one).await;
    assert_eq!(app.requests().len(), 1, "{log}");
}

/// Nothing is lost, and only what was under way in the sink when a relay died arrives twice.
async fn lose_nothing_when_one_is_killed_again_and_again<K: Keeper>() {
    const EVENTS: u64 = 5_000;
    const KILLS: usize = 5;
    let Some(keeper) = K::start().await else { return };
    let scene = Scene::new(Some(&keeper.url()), Duration::from_secs(5)).await;
    let app = App::new().await;
    let pushed = scene.world.push(EVENTS);
    // Confirms take several tries, so that much is delivered and not confirmed whenever one dies.
    scene.world.vod.set_faults(faults(&[FaultKind::InternalError], 0.5));
    let other = scene.plain("other", &app);
    for kill in 0..KILLS {
        let one = scene.plain("one", &app);
        let before = delivered_by(&app, "one");
        let enough = before + fastrand::usize(1..200);
        let share = u64::try_from(kill + 1).unwrap() * EVENTS / 10;
        eventually("it has delivered some", || {
            let is_over = scene.world.vod.counts().confirmed > share;
            (delivered_by(&app, "one") >= enough || is_over).then_some(())
        })
        .await;
        one.signal("KILL");
        one.end().await;
    }
    let one = scene.plain("one", &app);
    scene.world.until_confirmed(EVENTS).await;
    let logs = [ends_well(one).await, ends_well(other).await];
    assert_eq!(app.distinct_ids(), sorted(pushed), "{logs:?}");
    let twice = app.requests().len() - app.distinct_ids().len();
    println!("{twice} of {EVENTS} events twice after {KILLS} kills");
    assert!(twice <= KILLS * CALLS, "{twice} events came twice: {logs:?}");
    assert!(delivered_by(&app, "one") > KILLS, "{logs:?}");
}

/// The ledger only ever saves a second delivery: without it events flow all the same.
async fn go_on_while_the_ledger_is_down<K: Keeper>() {
    let Some(mut keeper) = K::start().await else { return };
    let scene = Scene::new(Some(&keeper.url()), Duration::from_secs(30)).await;
    let app = App::new().await;
    let admin = "[admin]\nlisten = \"127.0.0.1:0\"\n";
    let mut pushed = scene.world.push(300);
    let one = scene.relay("one", &app.url, "", "");
    let text = std::fs::read_to_string(scene.world.path("one.toml")).unwrap();
    scene.world.config_at("one.toml", &format!("{text}{admin}"));
    let (one, other) = (one.start(), scene.plain("other", &app));
    scene.world.until_confirmed(300).await;
    keeper.die().await;
    pushed.extend(scene.world.push(600));
    scene.world.until_confirmed(900).await;
    one.says("the shared ledger fails: ").await;
    let metrics = metrics_of(&one).await;
    assert!(metrics.contains("vod_relay_shared_ledger_up 0.0\n"), "{metrics}");
    keeper.rise().await;
    // Each call finds out whether it is back.
    let mut total = 900;
    while !one.stderr.so_far().contains("the shared ledger is back") {
        assert!(total < 100_000, "{}", one.stderr.so_far());
        pushed.extend(scene.world.push(20));
        total += 20;
        scene.world.until_confirmed(total).await;
    }
    let metrics = metrics_of(&one).await;
    assert!(metrics.contains("vod_relay_shared_ledger_up 1.0\n"), "{metrics}");
    let failed = "vod_relay_shared_ledger_calls_total{outcome=\"failed\"} ";
    assert!(metrics.contains(failed) && !metrics.contains(&format!("{failed}0\n")), "{metrics}");
    let logs = [ends_well(one).await, ends_well(other).await];
    assert_eq!(app.distinct_ids(), sorted(pushed), "{logs:?}");
    assert_eq!(app.requests().len() as u64, total, "{logs:?}");
}

/// A ledger beside the shared one at this address.
fn ledger(url: &str) -> Ledger {
    let settings = Settings::new(&url.parse().unwrap(), "vod_relay_ledger".to_owned()).unwrap();
    Ledger::in_memory().sharing(&settings, Metrics::default().shared_ledger()).unwrap()
}

fn event(number: usize) -> EventId {
    EventId::of("A", &format!("{{\"number\":{number}}}"))
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn what_is_in_redis_expires() {
    let Some(redis) = crate::engines::redis::Redis::with(&[]).await else { return };
    let ledger = ledger(&redis.url());
    assert!(ledger.record(vec![(event(1), "app".into()), (event(1), "b".into())]).await);
    let key = format!("vod_relay_ledger:{}", event(1));
    assert_eq!(redis.cli(&["HGETALL", &key]), "app\ndelivered\nb\ndelivered");
    let seconds: u64 = redis.cli(&["TTL", &key]).parse().unwrap();
    assert!((431_000..=432_000).contains(&seconds), "{seconds}");
    assert_eq!(ledger.settled_elsewhere(&[event(2), event(1)]).await[1].len(), 2);
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn what_is_old_in_postgres_goes() {
    let Some(postgres) = crate::engines::postgres::Postgres::with(&[], &[]).await else { return };
    // All of them find no table.
    let ledgers: Vec<_> = (0..6).map(|_| ledger(&Keeper::url(&postgres))).collect();
    let mut noting = tokio::task::JoinSet::new();
    for (number, ledger) in ledgers.into_iter().enumerate() {
        noting.spawn(async move {
            ledger.record(vec![(event(number), "app".into()), (event(99), "app".into())]).await;
            ledger.shared().unwrap().last_error
        });
    }
    let errors = noting.join_all().await;
    assert!(errors.iter().all(Option::is_none), "{errors:?}");
    assert_eq!(postgres.entries().await, 7);

    let old =
        "UPDATE vod_relay_ledger SET settled_at = now() - interval '6 days' WHERE event_id <> ";
    postgres.query(&format!("{old}'{}'", event(99))).await.unwrap();
    let more = "INSERT INTO vod_relay_ledger SELECT 'vod_' || n, 'app', 'dead', now() - interval \
                '121 hours' FROM generate_series(1, 2500) AS n";
    postgres.query(more).await.unwrap();
    let ledger = ledger(&Keeper::url(&postgres));
    ledger.maintain_shared().await;
    assert_eq!(postgres.entries().await, 1);
    assert_eq!(ledger.settled_elsewhere(&[event(0), event(99)]).await[1].len(), 1);
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn who_may_not_make_the_table_is_told_so() {
    let Some(postgres) = crate::engines::postgres::Postgres::with(&[], &[]).await else { return };
    postgres.query("CREATE ROLE guest LOGIN PASSWORD 'guest'").await.unwrap();
    let url = Keeper::url(&postgres).replace("relay:open%20sesame", "guest:guest");
    let guest = ledger(&url);
    assert!(guest.record(vec![(event(1), "app".into())]).await);
    let (error, _) = guest.shared().unwrap().last_error.unwrap();
    assert!(error.contains("may not use the table vod_relay_ledger, or make it"), "{error}");
    // Where somebody else has made it, its rights suffice.
    ledger(&Keeper::url(&postgres)).record(vec![(event(2), "app".into())]).await;
    let rights = "GRANT SELECT, INSERT, UPDATE, DELETE ON vod_relay_ledger TO guest";
    postgres.query(rights).await.unwrap();
    let guest = ledger(&url);
    assert!(guest.record(vec![(event(1), "app".into())]).await);
    assert_eq!(guest.shared().unwrap().last_error, None);
    assert_eq!(postgres.entries().await, 2);
}

async fn metrics_of(relay: &Running) -> String {
    let says = "the admin server listens on ";
    relay.says(says).await;
    let log = relay.stderr.so_far();
    let url = log.split_once(says).unwrap().1.split_whitespace().next().unwrap().to_owned();
    let url: reqwest::Url = format!("{url}/metrics").parse().unwrap();
    let http = vod_relay::http::client(vod_relay::http::Settings::to(&url)).unwrap();
    http.get(url).send().await.unwrap().text().await.unwrap()
}

async fn are_told_by_the_doctor_whether_it_works<K: Keeper>() {
    let Some(mut keeper) = K::start().await else { return };
    let scene = Scene::new(Some(&keeper.url()), Duration::from_secs(30)).await;
    let app = App::new().await;
    let relay = scene.relay("one", &app.url, "", "");
    let checked = relay.run(&["check"]).await;
    assert!(checked.stdout.contains("ledger = \""), "{checked:?}");
    assert!(!checked.stdout.contains(K::PASSWORD), "{checked:?}");
    let found = |stdout: &str| {
        let line = stdout.lines().find(|line| line.contains("\"shared_ledger\"")).unwrap();
        line.to_owned()
    };
    let doctor = ["doctor", "--format", "json"];
    let well = found(&relay.run(&doctor).await.stdout);
    assert!(well.contains("\"level\":\"ok\""), "{well}");
    assert_eq!(keeper.entries().await, 0, "the doctor leaves something behind");

    let stranger = relay.moved(K::PASSWORD, "wrong-hunter2");
    let ended = stranger.run(&doctor).await;
    let refused = found(&ended.stdout);
    assert!(refused.contains("refuses") && refused.contains("\"exit_code\":78"), "{refused}");
    assert!(!format!("{ended:?}").contains("hunter2"), "{ended:?}");
    // Refused or not, events go on.
    scene.world.push(3);
    let ended = stranger.once().await;
    assert_eq!((ended.code, app.requests().len()), (Some(0), 3), "{ended:?}");
    assert!(!format!("{ended:?}").contains("hunter2"), "{ended:?}");

    keeper.die().await;
    let ended = relay.run(&doctor).await;
    let down = found(&ended.stdout);
    assert!(down.contains("\"exit_code\":69"), "{down}");
    keeper.rise().await;
}
