//! The world of a story: an emulated VOD, the user's application, and vod-relay as the real
//! program, in a process of its own.

use std::fmt;
use std::fs;
use std::future::Future;
use std::num::NonZero;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::{TcpListener, TcpSocket};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use vod_relay::emulator::{self, Account, Control, Emulator, FaultKind, Faults, Options};
use vod_relay::event::EventId;
use vod_relay::time::{self, Instant};

/// Nothing in a story takes this long, on however busy a machine; whatever does is stuck.
pub const STUCK: Duration = Duration::from_secs(240);

/// VOD's own lease, which no story needs to exceed.
const LEASE_MAX: Duration = Duration::from_secs(30);

/// Between two looks at something that cannot announce that it has changed.
const LOOK: Duration = Duration::from_millis(5);

/// Waits until `look` finds what it looks for.
pub async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(STUCK, found).await.unwrap_or_else(|_| panic!("never came about: {what}"))
}

/// Ends `future` with a report if it is stuck.
pub async fn unstuck<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(STUCK, future).await.unwrap_or_else(|_| panic!("stuck: {what}"))
}

/// A time that suffices on a quiet machine, as much longer as this one is busier.
///
/// Stories wait for leases to end, so these are short; but what is to happen within one has to fit
/// into it also when others want the processors.
pub fn unhurried(quiet: Duration) -> Duration {
    quiet * busyness()
}

/// How many times more than its processors can do is wanted from this machine, when as much as the
/// suite itself wants is taken for quiet.
fn busyness() -> u32 {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let lately = load.split('.').next().and_then(|whole| whole.parse().ok()).unwrap_or(0);
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    (lately / u32::try_from(2 * processors).unwrap()).max(1)
}

/// An emulated VOD and a directory for everything that vod-relay reads and writes.
pub struct World {
    pub vod: Control,
    pub url: String,
    pub dir: tempfile::TempDir,
    /// How long a lease lasts.
    pub visibility: Duration,
    _stop: tokio_util::sync::DropGuard,
}

impl World {
    /// VOD as it is, but a pull of an empty queue is soon answered, so that `--once` ends soon.
    pub async fn new() -> Self {
        Self::with(Options { hold: Duration::from_millis(50), ..Options::default() }).await
    }

    /// VOD as it is, but with leases of this length, [unhurried].
    pub async fn with_leases(visibility: Duration) -> Self {
        let longest = LEASE_MAX.max(visibility);
        Self::with(scaled(unhurried(visibility).min(longest))).await
    }

    /// The keys that tell a source how long leases are here, and let it call as often within one as
    /// within VOD's own: at VOD's rate, confirms one by one would outlast a short lease.
    pub fn lease(&self) -> String {
        let lease = self.visibility.as_millis();
        let rate = (50 * LEASE_MAX.as_millis() / lease).clamp(50, 1000);
        format!("lease = \"{lease}ms\"\nmax_requests_per_second = {rate}\n")
    }

    pub async fn with(options: Options) -> Self {
        let listen = "127.0.0.1:0".parse().unwrap();
        let visibility = options.visibility;
        let emulator = Emulator::bind(Options { listen, ..options }).await.unwrap();
        let (vod, url) = (emulator.control(), emulator.url());
        let stop = CancellationToken::new();
        tokio::spawn(emulator.run(stop.clone().cancelled_owned()));
        Self { vod, url, dir: tempfile::tempdir().unwrap(), visibility, _stop: stop.drop_guard() }
    }

    /// Pushes `n` sample events.
    pub fn push(&self, n: u64) -> Vec<EventId> {
        let first = self.vod.state().counts.pushed;
        let samples = first..first + n;
        samples.map(|n| self.vod.push(None, &emulator::sample(n)).unwrap()).collect()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// `[sources.main]` with the emulator's own account, then whatever follows. Given anew it is
    /// what the next SIGHUP finds.
    pub fn config(&self, source: &str, rest: &str) -> Relay {
        self.raw_config(
            &[&source_of(&self.url, "main", &Account::default(), source), rest].concat(),
        )
    }

    /// The configuration file as it stands in `text`.
    pub fn raw_config(&self, text: &str) -> Relay {
        self.config_at("config.toml", text)
    }

    /// The same in a file of this name, for a relay beside another one.
    pub fn config_at(&self, name: &str, text: &str) -> Relay {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        Relay { config: path, dir: self.dir.path().to_owned(), env: Vec::new() }
    }

    /// Waits until VOD's state is as wanted.
    pub async fn until(&self, what: &str, wanted: impl Fn(&emulator::State) -> bool) {
        eventually(what, || wanted(&self.vod.state()).then_some(())).await;
    }

    /// Waits until VOD has confirmed `n` events.
    pub async fn until_confirmed(&self, n: u64) {
        let what = format!("{n} events confirmed");
        self.until(&what, |state| state.counts.confirmed >= n).await;
    }

    /// How many calls of this action came.
    pub fn calls(&self, action: &str) -> u64 {
        self.vod.state().calls.get(action).copied().unwrap_or_default()
    }
}

/// VOD's times, all as much shorter as its leases are.
pub fn scaled(visibility: Duration) -> Options {
    let Options { hold, .. } = Options::default();
    Options { visibility, hold: hold.min(visibility / 6), ..Options::default() }
}

/// `[sources.NAME]` at this address, as this account.
pub fn source_of(url: &str, name: &str, account: &Account, keys: &str) -> String {
    let Account { secret_id, secret_key, .. } = account;
    format!(
        "[sources.{name}]\ntype = \"pull\"\nendpoint = \"{url}\"\n{keys}\n\
         [sources.{name}.credentials]\n\
         secret_id = \"{secret_id}\"\nsecret_key = \"{secret_key}\"\n\n"
    )
}

/// vod-relay, ready to be started.
#[derive(Debug, Clone)]
pub struct Relay {
    config: PathBuf,
    dir: PathBuf,
    env: Vec<(String, String)>,
}

impl Relay {
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same, with every `from` in the configuration file changed into `to`.
    pub fn moved(&self, from: &str, to: &str) -> Self {
        let text = fs::read_to_string(&self.config).unwrap();
        assert!(text.contains(from), "no {from} in {text}");
        fs::write(&self.config, text.replace(from, to)).unwrap();
        self.clone()
    }

    /// The command, with both outputs piped.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vod-relay"));
        command
            .arg("--config")
            .arg(&self.config)
            .args(args)
            .current_dir(&self.dir)
            .env_clear()
            .envs(self.env.iter().cloned())
            .env("HOME", &self.dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Starts the service.
    pub fn start(&self) -> Running {
        self.start_with(&[])
    }

    pub fn start_with(&self, args: &[&str]) -> Running {
        Self::watch(self.command(args).spawn().unwrap())
    }

    /// Collects what a process prints; a standard output that was taken away stays away.
    pub fn watch(mut child: Child) -> Running {
        let stdout = child
            .stdout
            .take()
            .map_or_else(|| Printed::collect(tokio::io::empty()), Printed::collect);
        let stderr = Printed::collect(child.stderr.take().unwrap());
        Running { child, stdout, stderr }
    }

    /// Runs `--once` to its end.
    pub async fn once(&self) -> Ended {
        self.start_with(&["--once"]).end().await
    }

    /// Runs a subcommand to its end.
    pub async fn run(&self, args: &[&str]) -> Ended {
        self.start_with(args).end().await
    }
}

/// vod-relay while it runs.
pub struct Running {
    child: Child,
    pub stdout: Printed,
    pub stderr: Printed,
}

impl Running {
    pub fn signal(&self, name: &str) {
        let signal = match name {
            "TERM" => rustix::process::Signal::TERM,
            "INT" => rustix::process::Signal::INT,
            "HUP" => rustix::process::Signal::HUP,
            "KILL" => rustix::process::Signal::KILL,
            "STOP" => rustix::process::Signal::STOP,
            "CONT" => rustix::process::Signal::CONT,
            other => panic!("no signal in these stories: {other}"),
        };
        let pid = i32::try_from(self.child.id().expect("it still runs")).unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal)
            .unwrap();
    }

    /// Waits for its end.
    pub async fn end(mut self) -> Ended {
        let status = unstuck("vod-relay does not end", self.child.wait()).await.unwrap();
        let (stdout, stderr) = (self.stdout.clone().all().await, self.stderr.clone().all().await);
        Ended { code: status.code(), signal: status.signal(), stdout, stderr }
    }

    /// Sends SIGTERM and waits for the end.
    pub async fn stop(self) -> Ended {
        self.signal("TERM");
        self.end().await
    }

    /// Waits until it has printed a text to standard error.
    pub async fn says(&self, text: &str) {
        self.stderr.shows(text).await;
    }

    /// Sends SIGHUP and waits until what is in the configuration file now is in force.
    pub async fn reload(&self) {
        self.signal("HUP");
        self.says("the new configuration is in force").await;
    }
}

/// A story that fails shows what was said until then.
impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("vod-relay has said: {}", self.stderr.so_far());
        }
    }
}

/// How vod-relay ended.
pub struct Ended {
    pub code: Option<i32>,
    /// The signal that killed it.
    pub signal: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, signal, stdout, stderr } = self;
        write!(f, "exit {code:?}, signal {signal:?}\n{stdout}\n{stderr}")
    }
}

/// What a process has printed so far.
#[derive(Clone)]
pub struct Printed {
    text: Arc<Mutex<String>>,
    length: watch::Receiver<usize>,
}

impl Printed {
    fn collect(mut pipe: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let (grown, length) = watch::channel(0);
        let collected = text.clone();
        tokio::spawn(async move {
            let mut buffer = [0; 8192];
            while let Ok(n @ 1..) = pipe.read(&mut buffer).await {
                let mut text = lock(&collected);
                text.push_str(&String::from_utf8_lossy(&buffer[..n]));
                grown.send_replace(text.len());
            }
        });
        Self { text, length }
    }

    pub fn so_far(&self) -> String {
        lock(&self.text).clone()
    }

    /// All of it, once the process has closed its end.
    async fn all(mut self) -> String {
        while unstuck("the output does not end", self.length.changed()).await.is_ok() {}
        self.so_far()
    }

    async fn shows(&self, text: &str) {
        let mut length = self.length.clone();
        let shown = async {
            while !self.so_far().contains(text) {
                if length.changed().await.is_err() {
                    assert!(self.so_far().contains(text), "never said {text:?}: {}", self.so_far());
                }
            }
        };
        let so_far = || panic!("has not said {text:?}: {}", self.so_far());
        tokio::time::timeout(STUCK, shown).await.unwrap_or_else(|_| so_far());
    }
}

/// The user's application behind the webhook: it keeps what it gets and answers as told.
#[derive(Clone)]
pub struct App {
    pub url: String,
    inner: Arc<AppInner>,
    received: watch::Receiver<usize>,
}

struct AppInner {
    requests: Mutex<Vec<Received>>,
    grown: watch::Sender<usize>,
    answer: Box<dyn Fn(&Received) -> Answer + Send + Sync>,
    gate: watch::Sender<bool>,
    /// Requests that are being answered now, and the most that ever were.
    now: AtomicUsize,
    most: AtomicUsize,
}

/// One request.
#[derive(Debug, Clone)]
pub struct Received {
    /// How many came before it.
    pub number: usize,
    /// How many came before it with the same id.
    pub earlier: usize,
    pub id: String,
    pub at: Instant,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// How the application answers.
pub enum Answer {
    Status(u16),
    /// With a header.
    With(u16, &'static str, String),
    /// 204 once [`App::open_gate`] was called.
    Held,
    /// This once [`App::open_gate`] was called.
    HeldThen(u16),
    /// This after a while.
    Late(Duration, u16),
}

impl App {
    /// An application that takes everything.
    pub async fn new() -> Self {
        Self::answering(|_| Answer::Status(204)).await
    }

    pub async fn answering(answer: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::behind(listener, answer)
    }

    fn behind(
        listener: TcpListener,
        answer: impl Fn(&Received) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let url = format!("http://{}/vod", listener.local_addr().unwrap());
        let (grown, received) = watch::channel(0);
        let inner = Arc::new(AppInner {
            requests: Mutex::default(),
            grown,
            answer: Box::new(answer),
            gate: watch::Sender::new(false),
            now: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        });
        let app = Router::new().fallback(receive).with_state(inner.clone());
        tokio::spawn(axum::serve(listener, app).into_future());
        Self { url, inner, received }
    }

    /// A webhook sink of this name that leads here, with more keys if wanted.
    pub fn sink(&self, name: &str, keys: &str) -> String {
        webhook(&self.url, name, keys)
    }

    /// The most requests that were here at the same time.
    pub fn most_at_once(&self) -> usize {
        self.inner.most.load(Ordering::SeqCst)
    }

    /// Everything received so far.
    pub fn requests(&self) -> Vec<Received> {
        lock(&self.inner.requests).clone()
    }

    /// The ids received so far, each once, in order.
    pub fn distinct_ids(&self) -> Vec<String> {
        sorted(self.requests().into_iter().map(|request| request.id))
    }

    /// Waits until `n` requests have come in.
    pub async fn until_received(&self, n: usize) {
        let mut received = self.received.clone();
        let enough = received.wait_for(|so_far| *so_far >= n);
        unstuck(&format!("{n} requests"), enough).await.unwrap();
    }

    /// Lets all held requests go, and those to come.
    pub fn open_gate(&self) {
        self.inner.gate.send_replace(true);
    }
}

/// A webhook sink that leads to this address.
pub fn webhook(url: &str, name: &str, keys: &str) -> String {
    format!("[sinks.{name}]\ntype = \"webhook\"\nurl = \"{url}\"\n{keys}\n")
}

/// An address that refuses connections, and that nobody else can get meanwhile.
pub struct Closed {
    pub url: String,
    socket: TcpSocket,
}

impl Closed {
    pub fn new() -> Self {
        // Bound, but nobody listens.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self { url: format!("http://{}/vod", socket.local_addr().unwrap()), socket }
    }

    /// The application is up.
    pub fn open(self) -> App {
        App::behind(self.socket.listen(1024).unwrap(), |_| Answer::Status(204))
    }
}

/// Something that is off until the story turns it on.
#[derive(Debug, Clone, Default)]
pub struct Switch(Arc<AtomicBool>);

impl Switch {
    pub fn turn_on(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub fn is_on(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Counts a request for as long as it is being answered.
struct Present(Arc<AppInner>);

impl Present {
    fn new(app: &Arc<AppInner>) -> Self {
        let now = app.now.fetch_add(1, Ordering::SeqCst) + 1;
        app.most.fetch_max(now, Ordering::SeqCst);
        Self(app.clone())
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn receive(State(app): State<Arc<AppInner>>, headers: HeaderMap, body: Bytes) -> Response {
    let _present = Present::new(&app);
    let at = time::now();
    let header = |name| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let id = header("webhook-id").unwrap_or_default();
    let request = {
        let mut requests = lock(&app.requests);
        let earlier = requests.iter().filter(|one| one.id == id).count();
        let request = Received { number: requests.len(), earlier, id, at, headers, body };
        requests.push(request.clone());
        app.grown.send_replace(requests.len());
        request
    };
    match (app.answer)(&request) {
        Answer::Status(code) => StatusCode::from_u16(code).unwrap().into_response(),
        Answer::With(code, name, value) => {
            (StatusCode::from_u16(code).unwrap(), [(name, value)]).into_response()
        }
        Answer::Held => held(&app, StatusCode::NO_CONTENT).await,
        Answer::HeldThen(code) => held(&app, StatusCode::from_u16(code).unwrap()).await,
        Answer::Late(after, code) => {
            tokio::time::sleep(after).await;
            StatusCode::from_u16(code).unwrap().into_response()
        }
    }
}

async fn held(app: &AppInner, status: StatusCode) -> Response {
    let mut gate = app.gate.subscribe();
    let _open = gate.wait_for(|open| *open).await;
    status.into_response()
}

/// Faults of these kinds, each with this probability.
pub fn faults(kinds: &[FaultKind], probability: f64) -> Faults {
    let mut faults = Faults::default();
    for kind in kinds {
        faults.set(*kind, probability).unwrap();
    }
    faults
}

/// Ids as text, each once, in order.
pub fn sorted<T: ToString>(ids: impl IntoIterator<Item = T>) -> Vec<String> {
    let mut ids: Vec<_> = ids.into_iter().map(|id| id.to_string()).collect();
    ids.sort();
    ids.dedup();
    ids
}

/// The id of each event in a file of JSON Lines, in the order of the file.
pub fn ids_in(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let id = |line: &str| {
        serde_json::from_str::<serde_json::Value>(line).expect("each line is JSON");
        vod_relay::event::Event::from_content(line.to_owned()).id().to_string()
    };
    text.lines().map(id).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
