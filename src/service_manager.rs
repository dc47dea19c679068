//! What systemd is told, or another service manager that listens at `NOTIFY_SOCKET`.
//!
//! * `READY=1` once VOD has answered a pull of any source; until then `STATUS=` says what is missing.
//! * `STATUS=` with counts, backlog and trouble in one line, when it has changed.
//! * `RELOADING=1` with `MONOTONIC_USEC=`, and `READY=1` when the reload is over, good or not.
//! * `WATCHDOG=1` while the pull loops make progress (see `service_manager/watchdog.rs`).
//! * `STOPPING=1` when the end begins, with the time that it may take.
//!
//! A run with `--once` has no state to tell of but its `STATUS=`. The protocol is that of
//! `sd_notify(3)`, text in a datagram; it is written here because the crates for it know no sockets in
//! the abstract namespace, or pull in much more.

mod socket;
mod status;
mod watchdog;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior};

use self::socket::Socket;
use self::watchdog::Watchdog;
use crate::board::Board;
use crate::relay::{Changes, StartError};
use crate::spool::Spool;
use crate::time;

/// Between two looks at what the status says.
const REFRESH: Duration = Duration::from_secs(2);

/// What a stop may take beyond the grace: closing files, waiting for a disk.
const CLOSING: Duration = Duration::from_secs(5);

/// Tells the service manager how the relay fares; without one it does nothing.
#[derive(Debug)]
pub struct ServiceManager {
    socket: Option<Socket>,
    once: bool,
    stage: Stage,
    watched: Option<Watched>,
    watchdog: Option<Watchdog>,
    /// What stays true of the last reload: why it was refused, or what it left.
    note: Option<String>,
    shown: String,
    refresh: Interval,
}

/// The relay that is told of.
#[derive(Debug)]
struct Watched {
    board: Arc<Board>,
    served: watch::Receiver<bool>,
    /// Kept beyond the relay's end, so that the last status can say what stays in it.
    spool: Option<Arc<Spool>>,
}

/// How far the relay is, in the service manager's eyes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Starting,
    Ready,
    /// The reload is over, but nobody was told yet.
    Reloaded,
    Stopping,
}

impl ServiceManager {
    /// What the environment of this process names. `once` is for a run that ends.
    pub fn of_this_process(once: bool) -> Self {
        let socket = Socket::of_this_process();
        let watchdog = socket.as_ref().filter(|_| !once).and_then(|_| Watchdog::of_this_process());
        Self {
            socket,
            once,
            stage: Stage::Starting,
            watched: None,
            watchdog,
            note: None,
            shown: String::new(),
            refresh: interval(REFRESH),
        }
    }

    /// The relay runs from now on.
    pub fn watch(&mut self, board: Arc<Board>) {
        let (served, spool) = (board.served(), board.spool());
        self.watched = Some(Watched { board, served, spool });
        self.show_status();
    }

    /// The relay does not run, and why.
    pub fn failed(&mut self, reason: &str) {
        self.tell("", reason);
    }

    /// Waits for the next thing to tell, and tells it. Safe to be dropped while it waits.
    pub async fn turn(&mut self) {
        let (Some(watched), Some(_)) = (&mut self.watched, &self.socket) else {
            return std::future::pending().await;
        };
        tokio::select! {
            Ok(()) = watched.served.changed() => {}
            _ = self.refresh.tick() => self.show_status(),
            () = Watchdog::due(&mut self.watchdog) => self.feed(),
        }
        self.become_ready();
    }

    /// A reload begins.
    pub fn reloading(&mut self) {
        // Before the first READY the service manager waits for nothing else.
        if self.stage == Stage::Ready {
            let began = socket::monotonic_usec();
            self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={began}\n"), "reloading");
        }
    }

    /// A reload is over.
    pub fn reloaded(&mut self, outcome: &Result<Changes, StartError>) {
        match outcome {
            Ok(changes) => {
                self.note = (!changes.left.is_empty()).then(|| changes.left.join("; "));
                self.end_reload(&format!("reloaded: {changes}"));
            }
            Err(error) => self.reload_refused(&error.to_string()),
        }
    }

    /// A reload is over, and has changed nothing.
    pub fn reload_refused(&mut self, reason: &str) {
        let note = format!("the old configuration stays in force; the new one is wrong: {reason}");
        self.end_reload(&note);
        self.note = Some(note);
    }

    /// The end begins; told again, it changes nothing.
    pub fn stopping(&mut self) {
        if self.once || self.stage == Stage::Stopping {
            return;
        }
        self.stage = Stage::Stopping;
        let grace = self.watched.as_ref().map(|watched| watched.board.shown().shutdown_grace);
        let most = (grace.unwrap_or_default() + CLOSING).as_micros();
        let status = self.status();
        self.tell(&format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={most}\n"), &status);
    }

    /// The relay has ended: the last status.
    pub fn ended(&mut self) {
        self.stopping();
        self.show_status();
    }

    fn end_reload(&mut self, status: &str) {
        match self.stage {
            Stage::Ready | Stage::Reloaded => {
                let told = self.tell("READY=1\n", status);
                self.stage = if told { Stage::Ready } else { Stage::Reloaded };
            }
            Stage::Starting | Stage::Stopping => _ = self.tell("", status),
        }
    }

    /// Tells once that it is ready; if that does not get through, again at the next opportunity.
    fn become_ready(&mut self) {
        let ready = match self.stage {
            Stage::Starting => {
                let served = |watched: &Watched| *watched.served.borrow();
                !self.once && self.watched.as_ref().is_some_and(served)
            }
            Stage::Reloaded => true,
            Stage::Ready | Stage::Stopping => false,
        };
        let before = self.stage;
        if ready {
            self.stage = Stage::Ready;
            let status = self.status();
            if !self.tell("READY=1\n", &status) {
                self.stage = before;
            }
        }
    }

    fn feed(&mut self) {
        let Some((watchdog, watched)) = self.watchdog.as_ref().zip(self.watched.as_ref()) else {
            return;
        };
        let fed = match self.stage {
            Stage::Starting => false,
            Stage::Ready | Stage::Reloaded => {
                let Watched { board, .. } = watched;
                watchdog.is_content(&board.shown(), &board.totals.vitals(), time::now())
            }
            // The pull loops have ended. How long the rest may take has a limit of its own.
            Stage::Stopping => true,
        };
        if fed {
            self.send("WATCHDOG=1\n");
        }
    }

    fn show_status(&mut self) {
        let status = self.status();
        if status != self.shown {
            self.tell("", &status);
        }
    }

    fn status(&self) -> String {
        let Some(Watched { board, spool, .. }) = &self.watched else { return String::new() };
        let prefix = match self.stage {
            Stage::Starting if self.once => "",
            Stage::Starting => "starting; ",
            Stage::Ready | Stage::Reloaded => "",
            Stage::Stopping => "stopping; ",
        };
        status::line(prefix, board, spool.as_deref(), self.note.as_deref())
    }

    /// Sends a state and a status: whether they got through.
    fn tell(&mut self, state: &str, status: &str) -> bool {
        status.clone_into(&mut self.shown);
        self.send(&format!("{state}STATUS={}\n", status::fit(status)))
    }

    fn send(&mut self, message: &str) -> bool {
        self.socket.as_mut().is_none_or(|socket| socket.send(message))
    }
}

fn interval(period: Duration) -> Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
