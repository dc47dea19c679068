//! A program and everything that it starts, as one process group that can be ended as a whole.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Child;
use tokio::runtime::Handle;
use tokio::time::sleep;

/// How long a group has between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(2);

/// A running program that leads a process group. If it is dropped before the program exited, the
/// whole group is ended.
#[derive(Debug)]
pub(super) struct Group {
    /// `None` when the program has exited or somebody else is ending it.
    running: Option<Running>,
}

impl Group {
    /// Takes charge of a program that was started with a process group of its own.
    pub(super) fn new(child: Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Self { running: id.map(|id| Running { child, id }) }
    }

    /// Waits until the program itself exits, whatever it left running.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        let Some(running) = self.running.as_mut() else {
            return Err(io::Error::other("it has no process id"));
        };
        let status = running.child.wait().await?;
        self.running = None;
        Ok(status)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let Some(running) = self.running.take() else { return };
        // Without a runtime there is nobody to wait, and dropping kills at once.
        let Ok(runtime) = Handle::try_current() else { return };
        running.signal(Signal::TERM);
        runtime.spawn(async move {
            let mut running = running;
            // Only then is the program reaped, so its id cannot belong to another group before.
            sleep(GRACE).await;
            running.signal(Signal::KILL);
            let _ = running.child.wait().await;
        });
    }
}

/// A group and its leader. Dropping it kills the group, unless the leader has been reaped: that is
/// how it ends when the runtime stops in the middle of the grace time.
#[derive(Debug)]
struct Running {
    child: Child,
    id: Pid,
}

impl Running {
    fn signal(&self, signal: Signal) {
        // The only failure is a group that has ended.
        let _ = kill_process_group(self.id, signal);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Once the leader has been reaped, the id may be another's, and is no longer known.
        if self.child.id().is_some() {
            self.signal(Signal::KILL);
        }
    }
}
