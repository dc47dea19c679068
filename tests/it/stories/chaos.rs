//! Everything goes wrong at once, again and again, and nothing is lost.
//!
//! VOD fails in all its ways and leases are short; the application fails, stalls, and refuses some
//! events for good; the relay is killed in the middle of it all, tens of times. The instants are
//! drawn from a seed and from what has been seen so far, never from a clock.
//!
//! `VOD_RELAY_CHAOS=full` tells the long form, and `VOD_RELAY_CHAOS_SEED` tells one again.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use vod_relay::emulator::{Control, FaultKind, Faults, Options, sample};
use vod_relay::event::Event;

use super::violence::{Kept, RELAY};
use crate::world::{
    Answer, App, Received, Relay, Running, World, eventually, faults, sorted, unhurried,
};

/// The probability of each of VOD's nine faults.
const FAULTY: f64 = 0.02;

/// The lease on a quiet machine. On a busy one it is twice that and no more: after each kill, what
/// was in flight is waited for as long as this.
const LEASE: Duration = Duration::from_secs(3);

/// Between one event and the next.
const BETWEEN_EVENTS: Duration = Duration::from_millis(10);

/// The most calls of the webhook at the same time: so many events at most arrive twice by one kill.
const CALLS: usize = 2;

/// One of so many events is refused for good.
const REFUSED_EVERY: usize = 50;

#[tokio::test]
async fn nothing_is_lost_and_nothing_confirmed_early_with_delivered() {
    Chaos::new("delivered").await.tell().await;
}

#[tokio::test]
async fn nothing_is_lost_and_nothing_confirmed_early_with_spooled() {
    Chaos::new("spooled").await.tell().await;
}

struct Chaos {
    ack: &'static str,
    full: bool,
    seed: u64,
    dice: Rng,
    world: World,
    all: Vec<String>,
    receiver: Arc<Receiver>,
    app: App,
}

/// The application's own view.
struct Receiver {
    refused: BTreeSet<String>,
    dice: Mutex<Rng>,
    /// How often it has said that it has an event.
    accepted: Mutex<BTreeMap<String, usize>>,
    calm: AtomicBool,
}

impl Receiver {
    fn answer(&self, request: &Received) -> Answer {
        if self.refused.contains(&request.id) {
            return Answer::Status(410);
        }
        if !self.calm.load(Ordering::Relaxed) {
            match self.dice.lock().unwrap().u32(..100) {
                0..4 => return Answer::Status(500),
                4..6 => return Answer::With(503, "retry-after", "1".to_owned()),
                // Never within the time that the sink has.
                6..8 => return Answer::Held,
                8..12 => return Answer::Late(Duration::from_millis(50), 500),
                _ => {}
            }
        }
        *self.accepted.lock().unwrap().entry(request.id.clone()).or_default() += 1;
        Answer::Status(204)
    }

    fn has(&self) -> BTreeSet<String> {
        self.accepted.lock().unwrap().keys().cloned().collect()
    }

    /// How many times it was given an event that it had.
    fn duplicates(&self) -> usize {
        self.accepted.lock().unwrap().values().map(|times| times - 1).sum()
    }
}

impl Chaos {
    async fn new(ack: &'static str) -> Self {
        let full = env::var("VOD_RELAY_CHAOS").is_ok_and(|form| form == "full");
        let seed = env::var("VOD_RELAY_CHAOS_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| fastrand::u64(..));
        println!("VOD_RELAY_CHAOS_SEED={seed}");
        let mut dice = Rng::with_seed(seed);
        // A refusal is for a person to mend, and is not asked about again for half a minute.
        let passing: Vec<_> =
            FaultKind::ALL.into_iter().filter(|kind| *kind != FaultKind::Refuse).collect();
        let world = World::with(Options {
            visibility: unhurried(LEASE).min(2 * LEASE),
            hold: Duration::from_millis(200),
            stall: Duration::from_secs(1),
            seed: Some(seed),
            faults: faults(&passing, FAULTY),
            ..Options::default()
        });
        let world = world.await;
        let all = if full { 5000 } else { 1000 };
        let id = |n| Event::from_content(sample(n)).id().to_string();
        let all: Vec<_> = (0..all).map(id).collect();
        let receiver = Arc::new(Receiver {
            refused: all.iter().step_by(REFUSED_EVERY).cloned().collect(),
            dice: Mutex::new(dice.fork()),
            accepted: Mutex::default(),
            calm: AtomicBool::new(false),
        });
        let answering = receiver.clone();
        let app = App::answering(move |request| answering.answer(request)).await;
        Self { ack, full, seed, dice, world, all, receiver, app }
    }

    async fn tell(mut self) {
        let started = vod_relay::time::now();
        let kills = if self.full { 30 } else { 10 };
        let (mut stops, mut reloads) = (0, 0);
        let mut relay = self.relay().start();
        tokio::spawn(happen(self.world.vod.clone(), self.all.len() as u64));
        let mut killed = 0;
        while killed < kills {
            self.some_progress().await;
            match self.dice.u32(..8) {
                0 => {
                    self.relay();
                    relay.signal("HUP");
                    reloads += 1;
                    continue;
                }
                1 => {
                    let ended = relay.stop().await;
                    assert_eq!(ended.code, Some(0), "{ended:?}");
                    stops += 1;
                }
                _ => {
                    relay.signal("KILL");
                    relay.end().await;
                    killed += 1;
                }
            }
            self.check_confirmed();
            relay = self.relay().start();
        }
        self.all_ends_well(relay).await;
        let duplicates = self.receiver.duplicates();
        println!(
            "{}, seed {}: {} events, {killed} kills, {stops} stops, {reloads} reloads, 0 lost, {} \
             duplicates, {} dead letters, {} requests, {:.1} s",
            self.ack,
            self.seed,
            self.all.len(),
            duplicates,
            self.receiver.refused.len(),
            self.app.requests().len(),
            started.elapsed().as_secs_f32(),
        );
        assert!(duplicates <= CALLS * killed, "{duplicates} duplicates by {killed} kills");
        assert!(!self.full || duplicates * 100 < self.all.len(), "{duplicates} duplicates");
    }

    /// The relay; each time with another number of pulls, so that a reload has something to do.
    fn relay(&mut self) -> Relay {
        let (ack, pulls) = (self.ack, self.dice.u32(2..=8));
        let lease = self.world.lease();
        let source = format!("ack = \"{ack}\"\n{lease}max_pulls = {pulls}");
        // An answer that comes later than that would be one more way to arrive twice.
        let timeout = (self.world.visibility / 3).as_millis();
        let sink = format!("timeout = \"{timeout}ms\"\nmax_concurrency = {CALLS}");
        let sink = self.app.sink("app", &sink);
        self.world.config(&source, &format!("{RELAY}{sink}"))
    }

    /// Waits until the application or VOD has seen a random number of further events.
    async fn some_progress(&mut self) {
        let most = self.all.len() / 40;
        let confirmed = self.world.vod.counts().confirmed + self.dice.u64(1..=most as u64);
        self.world.until_confirmed(confirmed.min(self.all.len() as u64)).await;
    }

    /// While no relay runs: whatever is confirmed is safe.
    fn check_confirmed(&self) {
        Kept::of(&self.world).covers_what_is_confirmed(&self.world, &self.receiver.has());
    }

    /// All faults end, and so does everything else.
    async fn all_ends_well(&self, relay: Running) {
        self.world.vod.set_faults(Faults::default());
        self.receiver.calm.store(true, Ordering::Relaxed);
        self.world.until_confirmed(self.all.len() as u64).await;
        let spool_is_empty = || Kept::while_it_runs(&self.world).spooled.is_empty();
        eventually("the spool is empty", || spool_is_empty().then_some(())).await;
        let ended = relay.stop().await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        self.check_confirmed();
        let (kept, has) = (Kept::of(&self.world), self.receiver.has());
        assert_eq!(kept.dead, self.receiver.refused);
        assert_eq!(sorted(has.union(&kept.dead)), sorted(&self.all));
    }
}

/// Events happen at VOD, one after the other.
async fn happen(vod: Control, events: u64) {
    let mut tick = tokio::time::interval(BETWEEN_EVENTS);
    for n in 0..events {
        tick.tick().await;
        vod.push(None, &sample(n)).unwrap();
    }
}
