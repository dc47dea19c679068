//! What every sink that keeps events holds to, told once for all of them: what it takes is there,
//! byte for byte; it may be down, or die, and nothing is lost; nothing is confirmed that it does not
//! hold.

use std::collections::BTreeMap;

use vod_relay::emulator::{State, sample};
use vod_relay::event::Event;

use crate::world::{Ended, World, sorted};

/// Events in the story of violence: far more than the relay has room for.
const MANY: u64 = 2000;

/// How many events the relay has room for in that story: so many that it takes a while to pull them.
const ROOM: u64 = 1024;

/// How many events one pull brings at the most.
const PULL: u64 = 16;

/// The level at which also the clients of engines are heard that are quiet otherwise.
const EVERYTHING: &str =
    "trace,async_nats=trace,lapin=trace,rdkafka=trace,rumqttc=trace,rumqttc_core=trace";

/// What sinks deliver to, as the stories see it.
pub trait Engine: Sized {
    /// The sink's type.
    const TYPE: &'static str;
    /// Whether an event that comes again is no second copy, because its id is a key there.
    const KNOWS_IDS: bool;
    /// Whether the relay starts while it is down. A file's directory must be there at the start.
    const MAY_BE_DOWN_AT_START: bool = true;

    /// Starts it, empty; `None` where it is not installed, which was said.
    async fn start() -> Option<Self>;

    /// The lines of `[sinks.app]` that make the relay deliver to it.
    fn sink(&self) -> String;

    /// The same with a password that it refuses. The password must be `wrong-hunter2`.
    fn as_stranger(&self) -> Option<String>;

    /// An event that it refuses for good, and the lines to add to `[sinks.app]` for that.
    fn unwelcome(&self) -> Option<(String, String)>;

    /// Has it take what comes, and neither keep nor answer anything, until it is killed.
    async fn freeze(&mut self);

    /// Ends it as SIGKILL does.
    async fn kill(&mut self);

    /// Starts it again where it was, with what it has kept.
    async fn revive(&mut self);

    /// Everything that it holds: each copy of each event. Asked of the engine itself, by a way that
    /// has nothing of the sink.
    async fn held(&mut self) -> Vec<Held>;
}

/// A copy of an event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Held {
    /// The event's id, where the engine has it beside the event.
    pub id: Option<String>,
    /// The event.
    pub body: String,
}

macro_rules! table {
    ($($(#[$built:meta])? $name:ident: $engine:ty),* $(,)?) => {$(
        $(#[$built])?
        mod $name {
            #[tokio::test]
            async fn what_it_takes_it_holds() {
                super::what_it_takes_it_holds::<$engine>().await;
            }

            #[tokio::test]
            async fn it_may_be_down_and_it_may_die() {
                super::it_may_be_down_and_it_may_die::<$engine>().await;
            }
        }
    )*
    };
}

table! {
    file: crate::engines::file::File,
    command: crate::engines::command::Program,
    webhook: crate::engines::webhook::Receiver,
    #[cfg(feature = "kafka")]
    kafka: crate::engines::kafka::Cluster,
    #[cfg(feature = "nats")]
    nats: crate::engines::nats::Nats,
    #[cfg(feature = "redis")]
    redis: crate::engines::redis::Redis,
    #[cfg(feature = "postgres")]
    postgres: crate::engines::postgres::Postgres,
    #[cfg(feature = "mysql")]
    mysql: crate::engines::mysql::Mysql,
    #[cfg(feature = "mqtt")]
    mqtt: crate::engines::mqtt::Mosquitto,
    #[cfg(feature = "amqp")]
    amqp: crate::engines::amqp::Rabbit,
}

async fn what_it_takes_it_holds<E: Engine>() {
    let Some(mut engine) = E::start().await else { return };
    byte_for_byte(&mut engine).await;
    again(&mut engine).await;
    refused_for_good(&mut engine).await;
    as_a_stranger(&engine).await;
}

async fn it_may_be_down_and_it_may_die<E: Engine>() {
    let Some(mut engine) = E::start().await else { return };
    if E::MAY_BE_DOWN_AT_START {
        down_at_start(&mut engine).await;
    }
    killed_in_the_middle(&mut engine).await;
}

/// Every event is there once, with its id, as VOD sent it.
async fn byte_for_byte<E: Engine>(engine: &mut E) {
    let world = World::new().await;
    let texts = [(0..64).map(sample).collect(), odd()].concat();
    push(&world, &texts);
    let ended = once(&world, &engine.sink()).await;
    assert_eq!(ended.code, Some(0), "{}: {ended:?}", E::TYPE);
    let held = engine.held().await;
    let mut bodies: Vec<_> = held.iter().map(|held| held.body.clone()).collect();
    bodies.sort();
    assert_eq!(bodies, sorted(texts), "{}", E::TYPE);
    for Held { id, body } in held.into_iter().filter(|held| held.id.is_some()) {
        assert_eq!(id, Some(Event::from_content(body).id().to_string()), "{}", E::TYPE);
    }
}

/// Events that come again to a relay that has forgotten them.
async fn again<E: Engine>(engine: &mut E) {
    let before = engine.held().await.len();
    let world = World::new().await;
    push(&world, &(0..64).map(sample).collect::<Vec<_>>());
    let ended = once(&world, &engine.sink()).await;
    assert_eq!(ended.code, Some(0), "{}: {ended:?}", E::TYPE);
    assert_eq!(world.vod.counts().confirmed, 64, "{}", E::TYPE);
    let more = if E::KNOWS_IDS { 0 } else { 64 };
    assert_eq!(engine.held().await.len(), before + more, "{}", E::TYPE);
}

/// One event that the engine will never take is a dead letter; the others are there.
async fn refused_for_good<E: Engine>(engine: &mut E) {
    let Some((text, keys)) = engine.unwelcome() else { return };
    let world = World::new().await;
    let ids = push(&world, &[sample(100), text.clone(), sample(101)]);
    let sink = format!("{}{keys}\n[relay]\nstate_dir = \"state\"\n", engine.sink());
    let ended = once(&world, &sink).await;
    assert_eq!(ended.code, Some(0), "{}: {ended:?}", E::TYPE);
    assert_eq!(world.vod.counts().confirmed, 3, "{}", E::TYPE);
    let held = engine.held().await;
    let has = |text: &str| held.iter().any(|held| held.body == text);
    assert!(has(&sample(100)) && has(&sample(101)) && !has(&text), "{}: {ended:?}", E::TYPE);
    let letters = world.config("", &sink).run(&["dead-letters", "list"]).await;
    assert!(letters.stdout.contains(&ids[1]), "{}: {letters:?}", E::TYPE);
    assert!(!letters.stdout.contains(&ids[0]), "{}: {letters:?}", E::TYPE);
}

/// With a wrong password nothing is delivered or confirmed; the log says why, without the password.
async fn as_a_stranger<E: Engine>(engine: &E) {
    let Some(sink) = engine.as_stranger() else { return };
    let world = World::new().await;
    world.push(3);
    let relay = world
        .config("lease = \"6s\"\nconfirm_margin = \"1s\"\n", &format!("{sink}timeout = \"2s\"\n"))
        .env("VOD_RELAY_LOG", EVERYTHING);
    let ended = relay.once().await;
    assert_eq!(ended.code, Some(75), "{}: {ended:?}", E::TYPE);
    assert_eq!(world.vod.counts().confirmed, 0, "{}: {ended:?}", E::TYPE);
    assert!(ended.stderr.contains("refuse"), "{}: {ended:?}", E::TYPE);
    let doctor = relay.run(&["doctor"]).await;
    assert_ne!(doctor.code, Some(0), "{}: {doctor:?}", E::TYPE);
    assert!(doctor.stdout.contains("refuse"), "{}: {doctor:?}", E::TYPE);
    let bytes = "hunter2".bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", ");
    for text in [ended.stdout, ended.stderr, doctor.stdout, doctor.stderr] {
        assert!(!text.contains("hunter2") && !text.contains(&bytes), "{}: {text}", E::TYPE);
    }
}

/// The relay starts and waits; when the engine comes up, it gets everything.
async fn down_at_start<E: Engine>(engine: &mut E) {
    let before = engine.held().await.len();
    engine.kill().await;
    let world = World::new().await;
    let texts: Vec<_> = (0..64).map(|n| sample(10_000 + n)).collect();
    push(&world, &texts);
    let relay = world.config("", &engine.sink()).start();
    relay.says("not delivered").await;
    assert_eq!(world.vod.counts().confirmed, 0, "{}", E::TYPE);
    engine.revive().await;
    world.until_confirmed(64).await;
    let ended = relay.stop().await;
    assert_eq!(ended.code, Some(0), "{}: {ended:?}", E::TYPE);
    let held = engine.held().await;
    assert!(held.len() >= before + 64, "{}: {ended:?}", E::TYPE);
    for text in texts {
        assert!(held.iter().any(|held| held.body == text), "{} lacks {text}", E::TYPE);
    }
}

/// The engine dies with calls under way. What VOD has been told by then it holds; in the end it holds
/// all.
async fn killed_in_the_middle<E: Engine>(engine: &mut E) {
    let world = World::new().await;
    let texts: Vec<_> = (0..MANY).map(|n| sample(20_000 + n)).collect();
    let (few, rest) = texts.split_at(64);
    push(&world, few);
    let relay = world.config(&format!("max_in_flight = {ROOM}\n"), &engine.sink()).start();
    world.until("the first are confirmed", |state| state.counts.open == 0).await;
    push(&world, rest);
    engine.freeze().await;
    until_calls_are_under_way::<E>(&world).await;
    engine.kill().await;
    relay.says("not delivered").await;
    relay.signal("STOP");
    engine.revive().await;
    let held = copies(&engine.held().await);
    let confirmed = sorted(&world.vod.state().confirmed_ids);
    let early: Vec<_> = confirmed.iter().filter(|id| !held.contains_key(*id)).collect();
    assert!(early.is_empty(), "{} does not hold {early:?}", E::TYPE);
    relay.signal("CONT");
    world.until_confirmed(MANY).await;
    let ended = relay.stop().await;
    assert_eq!(ended.code, Some(0), "{}: {ended:?}", E::TYPE);
    holds_all(engine, texts).await;
}

/// Waits until the relay has taken all that it has room for: with a frozen engine that is what its
/// calls are about. A sink that reports what the engine has not answered makes room for more.
async fn until_calls_are_under_way<E: Engine>(world: &World) {
    let all_or_full = |state: &State| {
        let counts = state.counts;
        let waiting = counts.handed_out - counts.redelivered - counts.confirmed;
        counts.confirmed == MANY || waiting > ROOM - PULL
    };
    world.until("calls under way", all_or_full).await;
    assert!(world.vod.counts().confirmed < MANY, "{} is frozen, and is said to hold all", E::TYPE);
}

async fn holds_all<E: Engine>(engine: &mut E, texts: Vec<String>) {
    let held = copies(&engine.held().await);
    let ids = sorted(texts.into_iter().map(|text| Event::from_content(text).id()));
    let lost: Vec<_> = ids.iter().filter(|id| !held.contains_key(*id)).collect();
    assert!(lost.is_empty(), "{} has lost {lost:?}", E::TYPE);
    let doubles: usize = ids.iter().map(|id| held[id] - 1).sum();
    println!("{}: {doubles} of {MANY} events twice", E::TYPE);
    assert!(!E::KNOWS_IDS || doubles == 0, "{} has {doubles} doubles", E::TYPE);
}

/// How many copies there are of each event, by id.
fn copies(held: &[Held]) -> BTreeMap<String, usize> {
    let mut copies = BTreeMap::new();
    for Held { body, .. } in held {
        *copies.entry(Event::from_content(body.clone()).id().to_string()).or_default() += 1;
    }
    copies
}

fn push(world: &World, texts: &[String]) -> Vec<String> {
    texts.iter().map(|text| world.vod.push(None, text).unwrap().to_string()).collect()
}

async fn once(world: &World, sink: &str) -> Ended {
    world.config("", sink).once().await
}

/// Events that tempt whoever stores them to alter them.
fn odd() -> Vec<String> {
    let event = |content: &str| {
        format!(r#"{{"EventType":"ProcedureStateChanged","ProcedureStateChangeEvent":{content}}}"#)
    };
    vec![
        // Numbers that no machine holds, members twice and in no order, white space.
        event(r#"{ "TaskId" : "odd-1", "Bit": 59.990001678467, "Big": 123456789012345678901234567890, "Exp": 1E+2, "Zero": -0.0, "b": 1, "a": 2, "b": 3 }"#),
        // Characters of every kind, as they are and escaped.
        event(r#"{"TaskId":"odd-2","Name":"动画 \u52a8 \ud83c\udfac 🎬 \/ \" \\ \t é","Quote":"'; DROP TABLE events; --","Null":null}"#),
        // Types and members that are new.
        r#"{"EventType":"HologramComplete","HologramCompleteEvent":{"TaskId":"odd-3","Shape":[1,{"x":[]}]},"More":true}"#.to_owned(),
        // A long one.
        event(&format!(r#"{{"TaskId":"odd-4","Text":"{}"}}"#, "long ".repeat(20_000))),
    ]
}

#[test]
fn every_type_of_sink_has_its_row() {
    let text = include_str!("conformance.rs");
    let (_, rows) = text.split_once("\ntable! {\n").unwrap();
    let rows = rows.split_once("\n}\n").unwrap().0;
    let rows = rows.lines().filter_map(|line| line.trim().split_once(": crate::engines::"));
    let rows: Vec<_> = rows.map(|(name, _)| name).collect();
    // What stdout prints nobody holds.
    let kinds = vod_relay::sink::built().chain(vod_relay::sink::left_out());
    assert_eq!(sorted(rows), sorted(kinds.filter(|kind| *kind != "stdout")));
}
