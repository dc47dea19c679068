//! The socket of the service manager.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Names the socket: a path, or `@` and a name in the abstract namespace.
const VARIABLE: &str = "NOTIFY_SOCKET";

/// How long a message may wait for a service manager that does not read.
const PATIENCE: Duration = Duration::from_secs(1);

/// The socket of the service manager.
#[derive(Debug)]
pub(super) struct Socket {
    open: io::Result<Open>,
    complained: bool,
}

#[derive(Debug)]
struct Open {
    /// Not connected, so that a service manager which has made its socket anew is found again.
    own: UnixDatagram,
    address: SocketAddr,
}

impl Socket {
    /// The socket that the environment of this process names, if it names one.
    pub(super) fn of_this_process() -> Option<Self> {
        let name = std::env::var_os(VARIABLE).filter(|name| !name.is_empty())?;
        Some(Self { open: open(&name), complained: false })
    }

    /// Sends a message: whether it got through. Only the first failure is told of.
    pub(super) fn send(&mut self, message: &str) -> bool {
        let failure = match &self.open {
            Ok(Open { own, address }) => match own.send_to_addr(message.as_bytes(), address) {
                Ok(_) => return true,
                Err(error) => error.to_string(),
            },
            Err(error) => error.to_string(),
        };
        if !self.complained {
            self.complained = true;
            tracing::debug!("the service manager at {VARIABLE} cannot be told anything: {failure}");
        }
        false
    }
}

fn open(name: &OsStr) -> io::Result<Open> {
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(Path::new(name))?,
    };
    let own = UnixDatagram::unbound()?;
    own.set_write_timeout(Some(PATIENCE))?;
    Ok(Open { own, address })
}

/// The clock by which the service manager tells a reload from the one before, in microseconds.
pub(super) fn monotonic_usec() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1000
}
