//! What a service manager is told at `NOTIFY_SOCKET`.

use std::fs;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::net::UnixDatagram;
use tokio::sync::watch;
use vod_relay::emulator::{Account, FaultKind, Faults, Options};

use crate::world::{Answer, App, Ended, Relay, Running, STUCK, World, source_of, unstuck};

/// What the watchdog's time is set to.
const WATCHDOG: Duration = Duration::from_secs(1);

/// A service manager that keeps what it is told.
struct Manager {
    /// What `NOTIFY_SOCKET` is to say.
    name: String,
    told: Arc<Mutex<Vec<String>>>,
    count: watch::Receiver<usize>,
}

impl Manager {
    fn at(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        Self::behind(path.to_str().unwrap().to_owned(), socket)
    }

    fn behind(name: String, socket: UnixDatagram) -> Self {
        let (grown, count) = watch::channel(0);
        let told = Arc::new(Mutex::new(Vec::new()));
        let keeps = told.clone();
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok(length) = socket.recv(&mut buffer).await {
                let message = String::from_utf8(buffer[..length].to_vec()).unwrap();
                keeps.lock().unwrap().push(message);
                grown.send_modify(|count| *count += 1);
            }
        });
        Self { name, told, count }
    }

    /// Tells `relay` of it, and starts that.
    fn start(&self, relay: Relay) -> Running {
        self.start_with(relay, &[])
    }

    fn start_with(&self, relay: Relay, args: &[&str]) -> Running {
        relay.env("NOTIFY_SOCKET", &self.name).start_with(args)
    }

    fn told(&self) -> Vec<String> {
        self.told.lock().unwrap().clone()
    }

    /// Whether any message has a line that begins so.
    fn was_told(&self, line: &str) -> bool {
        self.told().iter().any(|message| has(message, line))
    }

    /// Forgets what it was told so far.
    fn forget(&self) {
        self.told.lock().unwrap().clear();
    }

    /// Waits until it has been told what is wanted, `n` times.
    async fn until(&self, what: &str, n: usize, wanted: impl Fn(&str) -> bool) -> String {
        let mut count = self.count.clone();
        let found = async {
            loop {
                let told = self.told();
                if let Some(found) = told.iter().filter(|message| wanted(message)).nth(n - 1) {
                    return found.clone();
                }
                count.changed().await.unwrap();
            }
        };
        let never = |_| panic!("never told {what}: {:#?}", self.told());
        tokio::time::timeout(STUCK, found).await.unwrap_or_else(never)
    }

    async fn until_line(&self, line: &str) -> String {
        self.until(line, 1, |message| has(message, line)).await
    }

    /// Waits for a status that has all of these.
    async fn until_status(&self, parts: &[&str]) -> String {
        let wanted = |message: &str| {
            has(message, "STATUS=") && parts.iter().all(|part| message.contains(part))
        };
        self.until(&format!("{parts:?}"), 1, wanted).await
    }

    async fn until_fed(&self, times: usize) {
        self.until("WATCHDOG", times, |message| has(message, "WATCHDOG=1")).await;
    }

    /// Waits until the watchdog has not been fed for this long.
    async fn until_unfed(&self, quiet: Duration) {
        let unfed = async {
            let mut count = self.count.clone();
            'fed: loop {
                let fed = || self.told().iter().filter(|told| has(told, "WATCHDOG=1")).count();
                let before = fed();
                let silence = tokio::time::sleep(quiet);
                tokio::pin!(silence);
                loop {
                    tokio::select! {
                        // What came in meanwhile counts first.
                        biased;
                        _ = count.changed() => if fed() > before { continue 'fed },
                        () = &mut silence => return,
                    }
                }
            }
        };
        unstuck("the watchdog is still fed", unfed).await;
    }
}

fn has(message: &str, line: &str) -> bool {
    message.lines().any(|other| other.starts_with(line))
}

/// What stands behind `name` in a message.
fn value(message: &str, name: &str) -> i64 {
    let line = message.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    line.unwrap_or_else(|| panic!("no {name} in {message}")).parse().unwrap()
}

fn monotonic_usec() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1000
}

#[tokio::test]
async fn it_is_ready_with_the_first_answer_of_vod_and_says_before_what_is_missing() {
    let world = World::new().await;
    world.vod.set_faults(Faults::always(FaultKind::Reset));
    let manager = Manager::at(&world.path("notify"));
    let app = App::new().await;
    let relay = manager.start(world.config("", &app.sink("app", "")));
    manager.until_status(&["starting; ", "source main: VOD cannot be reached since 20"]).await;
    assert!(!manager.was_told("READY=1"), "{:#?}", manager.told());
    world.vod.set_faults(Faults::default());
    let ready = manager.until_line("READY=1").await;
    assert!(ready.contains("STATUS=0 pulled, ") && !ready.contains("source main"), "{ready}");
    world.push(3);
    let status = manager.until_status(&["3 pulled, 3 delivered, 3 confirmed, 0 in flight"]).await;
    assert!(!status.contains("starting"), "{status}");
    let ended = relay.stop().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let stopping = manager.until_line("STOPPING=1").await;
    // The grace of 25 s, and time to close.
    assert_eq!(value(&stopping, "EXTEND_TIMEOUT_USEC"), 30_000_000);
    assert!(stopping.contains("\nSTATUS=stopping; 3 pulled"), "{stopping}");
    let told = manager.told();
    let times = |line| told.iter().filter(|message| has(message, line)).count();
    assert_eq!((times("READY=1"), times("STOPPING=1"), times("RELOADING=1")), (1, 1, 0));
    assert_eq!(times("WATCHDOG=1"), 0, "nobody asked for it");
}

#[tokio::test]
async fn the_status_names_a_sink_that_is_down_and_what_waits_for_it() {
    let world = World::with_leases(Duration::from_secs(30)).await;
    let manager = Manager::at(&world.path("notify"));
    let app = App::answering(|_| Answer::Status(503)).await;
    let keys = "[relay]\nstate_dir = \"state\"\n";
    let config = world.config("ack = \"spooled\"", &[&app.sink("app", ""), keys].concat());
    let relay = manager.start(config);
    world.push(20);
    let parts =
        ["20 pulled, 0 delivered, 20 confirmed", ", 20 in the spool", "; sink app: down since"];
    let status = manager.until_status(&[&parts[..], &["503"]].concat()).await;
    assert_eq!(status.lines().count(), 1, "{status}");
    relay.signal("KILL");
}

#[tokio::test]
async fn the_watchdog_is_fed_idle_and_loaded_but_not_while_every_call_ends_in_nothing() {
    let hold = Duration::from_millis(100);
    let world = World::with(Options { hold, stall: STUCK, ..Options::default() }).await;
    let manager = Manager::at(&world.path("notify"));
    let app = App::new().await;
    let config = world.config("request_timeout = \"6s\"", &app.sink("app", ""));
    let usec = WATCHDOG.as_micros().to_string();
    let relay = manager.start(config.env("WATCHDOG_USEC", &usec));
    manager.until_line("READY=1").await;
    manager.until_fed(3).await;
    manager.forget();
    let fed_under_load = manager.until_fed(3);
    let load = async {
        loop {
            world.push(50);
            tokio::time::sleep(hold).await;
        }
    };
    tokio::select! {
        () = fed_under_load => {}
        () = load => {}
    }
    world.vod.set_faults(Faults::always(FaultKind::Stall));
    manager.until_unfed(WATCHDOG * 3).await;
    manager.forget();
    world.vod.set_faults(Faults::default());
    manager.until_fed(3).await;
    manager.forget();
    relay.signal("TERM");
    manager.until_line("STOPPING=1").await;
    assert_eq!(relay.end().await.code, Some(0));
}

#[tokio::test]
async fn a_stop_that_takes_its_time_is_not_taken_for_a_failure() {
    let world = World::with_leases(Duration::from_secs(30)).await;
    let manager = Manager::at(&world.path("notify"));
    let app = App::answering(|_| Answer::Held).await;
    world.push(1);
    let config = world.config("", &app.sink("app", "")).env("WATCHDOG_USEC", "200000");
    let relay = manager.start(config);
    app.until_received(1).await;
    manager.until_line("READY=1").await;
    relay.signal("TERM");
    manager.until_line("STOPPING=1").await;
    manager.forget();
    manager.until_fed(3).await;
    app.open_gate();
    assert_eq!(relay.end().await.code, Some(0));
}

#[tokio::test]
async fn a_reload_is_told_from_its_begin_to_its_end_also_when_it_is_refused() {
    let world = World::new().await;
    let manager = Manager::at(&world.path("notify"));
    let app = App::new().await;
    let relay = manager.start(world.config("", &app.sink("app", "")));
    manager.until_line("READY=1").await;

    world.config("", &[app.sink("app", ""), app.sink("more", "")].concat());
    let (before, _) = (monotonic_usec(), manager.forget());
    relay.signal("HUP");
    let reloading = manager.until_line("RELOADING=1").await;
    let ready = manager.until_line("READY=1").await;
    let began = value(&reloading, "MONOTONIC_USEC");
    assert!((before..=monotonic_usec()).contains(&began), "{before} {reloading}");
    let changes = "reloaded: sources: 1 unchanged; sinks: added more, 1 unchanged";
    assert!(ready.contains(changes), "{ready}");

    world.config("max_pulls = 0", &app.sink("app", ""));
    manager.forget();
    relay.signal("HUP");
    let reloading = manager.until_line("RELOADING=1").await;
    assert!(value(&reloading, "MONOTONIC_USEC") > began);
    let ready = manager.until_line("READY=1").await;
    for text in [&ready, &manager.until_status(&["0 pulled", "the new one is wrong"]).await] {
        assert!(text.contains("sources.main.max_pulls"), "it stays in the status: {text}");
    }

    // What can be read, but not be taken over.
    let nowhere = "[sinks.app]\ntype = \"file\"\npath = \"no/such/directory/events.jsonl\"\n";
    world.config("", nowhere);
    manager.forget();
    relay.signal("HUP");
    manager.until_line("RELOADING=1").await;
    let ready = manager.until_line("READY=1").await;
    assert!(ready.contains("no/such/directory"), "{ready}");

    world.config("", &app.sink("app", ""));
    manager.forget();
    relay.signal("HUP");
    manager.until_line("READY=1").await;
    let status = manager.until_status(&["STATUS=0 pulled"]).await;
    assert!(!status.contains("wrong"), "{status}");
    assert_eq!(relay.stop().await.code, Some(0));
}

#[tokio::test]
async fn a_reload_before_it_is_ready_does_not_make_it_ready() {
    let world = World::new().await;
    world.vod.set_faults(Faults::always(FaultKind::Reset));
    let manager = Manager::at(&world.path("notify"));
    let app = App::new().await;
    let relay = manager.start(world.config("", &app.sink("app", "")));
    manager.until_status(&["starting; "]).await;
    relay.signal("HUP");
    manager.until_status(&["reloaded: "]).await;
    manager.until_status(&["starting; ", "VOD cannot be reached"]).await;
    assert!(!manager.was_told("READY=1") && !manager.was_told("RELOADING=1"));
    world.vod.set_faults(Faults::default());
    manager.until_line("READY=1").await;
    relay.signal("KILL");
}

#[tokio::test]
async fn a_start_that_is_refused_is_never_ready_and_the_status_says_why() {
    let world = World::new().await;
    let manager = Manager::at(&world.path("notify"));
    let app = App::new().await;
    let wrong = Account { secret_key: "wrong".to_owned(), ..Account::default() };
    let source = source_of(&world.url, "main", &wrong, "");
    let relay = manager.start(world.raw_config(&format!("{source}{}", app.sink("app", ""))));
    ended_with(relay.end().await, 77);
    manager
        .until_status(&["stopping; ", "source main: VOD refuses since", "SignatureFailure"])
        .await;
    manager.until_line("STOPPING=1").await;
    assert!(!manager.was_told("READY=1"), "{:#?}", manager.told());

    let relay = manager.start(world.config("max_pulls = 0", &app.sink("app", "")));
    ended_with(relay.end().await, 78);
    manager.until_status(&["sources.main.max_pulls"]).await;
    let nowhere = "[sinks.app]\ntype = \"file\"\npath = \"no/such/directory/events.jsonl\"\n";
    let relay = manager.start(world.config("", nowhere));
    ended_with(relay.end().await, 78);
    manager.until_status(&["cannot start: ", "no/such/directory"]).await;
    assert!(!manager.was_told("READY=1"), "{:#?}", manager.told());
}

#[tokio::test]
async fn a_run_that_ends_tells_its_status_and_nothing_else() {
    let world = World::new().await;
    let manager = Manager::at(&world.path("notify"));
    let app = App::new().await;
    world.push(5);
    let config = world.config("", &app.sink("app", "")).env("WATCHDOG_USEC", "100000");
    ended_with(manager.start_with(config, &["--once"]).end().await, 0);
    manager.until_status(&["STATUS=5 pulled, 5 delivered, 5 confirmed, 0 in flight"]).await;
    assert!(manager.told().iter().all(|told| told.starts_with("STATUS=")), "{:#?}", manager.told());
}

#[tokio::test]
async fn a_socket_in_the_abstract_namespace_does_as_well() {
    let world = World::new().await;
    let name = format!("vod-relay-{}-notify", world.dir.path().display());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let socket = std::os::unix::net::UnixDatagram::bind_addr(&address).unwrap();
    socket.set_nonblocking(true).unwrap();
    let socket = UnixDatagram::from_std(socket).unwrap();
    let manager = Manager::behind(format!("@{name}"), socket);
    let relay = manager.start(world.config("", &App::new().await.sink("app", "")));
    manager.until_line("READY=1").await;
    relay.signal("KILL");
}

#[tokio::test]
async fn a_service_manager_that_was_away_is_told_what_it_missed() {
    let world = World::new().await;
    let path = world.path("notify");
    let app = App::new().await;
    let config = world.config("", &app.sink("app", ""));
    let relay = config.env("NOTIFY_SOCKET", path.to_str().unwrap()).start();
    relay.says("VOD answers").await;
    let manager = Manager::at(&path);
    manager.until_line("READY=1").await;
    fs::remove_file(&path).unwrap();
    relay.reload().await;
    // Nobody has heard that a reload began, and hardly that it is over.
    let manager = Manager::at(&path);
    manager.until_line("READY=1").await;
    relay.signal("KILL");
}

#[tokio::test]
async fn without_a_service_manager_that_listens_nothing_is_different() {
    let world = World::new().await;
    let app = App::new().await;
    let nobody = world.path("nobody");
    let config = world.config("", &app.sink("app", "")).env("VOD_RELAY_LOG", "debug");
    let config = config.env("NOTIFY_SOCKET", nobody.to_str().unwrap());
    let relay = config.env("WATCHDOG_USEC", "10000").start();
    world.push(10);
    world.until_confirmed(10).await;
    relay.reload().await;
    let ended = relay.stop().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.stderr.matches("NOTIFY_SOCKET").count(), 1, "{ended:?}");
}

#[tokio::test]
async fn programs_of_a_sink_do_not_speak_for_the_relay() {
    let world = World::new().await;
    let manager = Manager::at(&world.path("notify"));
    let sink = "[sinks.app]\ntype = \"command\"\ncommand = [\"sh\", \"-c\", \"env > env.txt\"]\n";
    let config = world.config("", sink).env("PATH", &std::env::var("PATH").unwrap());
    let relay = manager.start(config.env("WATCHDOG_USEC", "1000000").env("KEPT", "yes"));
    world.push(1);
    world.until_confirmed(1).await;
    let env = fs::read_to_string(world.path("env.txt")).unwrap();
    assert!(env.contains("KEPT=yes") && !env.contains("NOTIFY_SOCKET"), "{env}");
    assert!(!env.contains("WATCHDOG"), "{env}");
    relay.signal("KILL");
}

fn ended_with(ended: Ended, code: i32) {
    assert_eq!(ended.code, Some(code), "{ended:?}");
}
