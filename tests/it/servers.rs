//! Real servers as child processes of a test: on free ports, with a folder of their own, and ended
//! with the test, however that ends.

#![allow(
    dead_code,
    reason = "each engine uses its part, and which are built is a matter of features"
)]

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use tokio::net::TcpStream;

use crate::world::{eventually, unstuck};

/// Ports below those that the system itself hands out, so that nobody gets one between the moment
/// it is chosen and the moment its server listens.
const PORTS: std::ops::Range<u16> = 12_000..32_000;

/// A port that nobody uses now, and that this process gives to nobody else.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let all = PORTS.end - PORTS.start;
    // Another test program that runs at the same time begins elsewhere.
    let own = u16::try_from(std::process::id() % u32::from(all)).unwrap();
    loop {
        let step = NEXT.fetch_add(1, Ordering::SeqCst);
        assert!(step < all, "no port is free");
        let offset = (u32::from(own) * 97 + u32::from(step)) % u32::from(all);
        let port = PORTS.start + u16::try_from(offset).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// The path of a server's program, or `None` where it is not installed. In CI that is a failure.
pub fn program(name: &str, places: &[&str], package: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::env::split_paths(&path).chain(places.iter().map(PathBuf::from));
    let found = dirs.map(|dir| dir.join(name)).find(|path| path.is_file());
    if found.is_none() {
        // Past the test runner, which would keep it for itself.
        let _ = writeln!(io::stderr(), "skipped: there is no {name}; install {package}");
        assert!(std::env::var_os("CI").is_none(), "in CI nothing is skipped: install {package}");
    }
    found
}

/// A command as a user that has no rights, for servers that refuse to run as root; as it is where
/// nobody is root. The folder is made that user's own.
pub fn without_rights(command: &Command, user: &str, dir: &Path) -> Command {
    if !rustix::process::geteuid().is_root() {
        let mut same = Command::new(command.get_program());
        same.args(command.get_args());
        return same;
    }
    let owned = Command::new("chown").args(["-R", user]).arg(dir).status().unwrap();
    assert!(owned.success(), "{} cannot be given to {user}", dir.display());
    let mut all = Command::new("setpriv");
    // Said again, because a change of the user takes it back.
    all.args(["--reuid", user, "--clear-groups", "--pdeathsig", "KILL", "--"]);
    all.arg(command.get_program()).args(command.get_args());
    all
}

/// A server that runs, until it is killed or dropped.
pub struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts a program that ends with this process, however that ends. What it prints goes into
    /// `log`.
    pub fn spawn(command: &Command, log: &Path) -> Self {
        let mut all = Command::new("setpriv");
        all.args(["--pdeathsig", "KILL", "--"]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => all.env(name, value),
                None => all.env_remove(name),
            };
        }
        if let Some(dir) = command.get_current_dir() {
            all.current_dir(dir);
        }
        let output = File::options().create(true).append(true).open(log).unwrap();
        all.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        let child = all.spawn().expect("setpriv, of util-linux, starts servers");
        Self { child, log: log.to_owned() }
    }

    /// Waits until the server takes connections.
    pub async fn listens(&mut self, port: u16) {
        let connected = async {
            while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                self.still_runs();
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        unstuck("a server does not listen", connected).await;
    }

    /// Whether it is there no more.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Fails with the server's log if it has ended.
    #[track_caller]
    pub fn still_runs(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("ended with {status}: {}", fs::read_to_string(&self.log).unwrap_or_default());
        }
    }

    /// Waits until its log has this text.
    pub async fn says(&mut self, text: &str) {
        let log = self.log.clone();
        eventually(text, || {
            self.still_runs();
            fs::read_to_string(&log).unwrap_or_default().contains(text).then_some(())
        })
        .await;
    }

    /// Sends it a signal, such as STOP.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().unwrap();
        assert!(sent.success(), "kill -s {name} {pid}");
    }

    /// Ends it as SIGKILL does.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let own = self.child.id();
        let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children"));
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Of a server with several processes the rest would hold its place a while longer.
        for child in children.unwrap_or_default().split_whitespace() {
            let pid = rustix::process::Pid::from_raw(child.parse().unwrap()).unwrap();
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}
