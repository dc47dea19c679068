//! An emulator of the VOD event API, to develop and test against.
//!
//! It behaves like VOD where VOD is documented: a queue per application (`SubAppId`), at most 16
//! events per pull, a long poll, leases that run out, a new handle on every redelivery, late
//! confirms refused, `ResourceNotFound` when there is nothing, TC3 signatures with the five-minute
//! clock rule, and errors in the vendor's shape at HTTP 200. Where VOD is not documented it takes
//! the strictest reading: a handle confirms once, and one bad handle fails the whole confirm.
//!
//! It can also behave badly on request (see [`FaultKind`]), and it tells what it saw.
//!
//! # Applications
//!
//! An event pushed for a `SubAppId` waits in that application's queue. An event pushed for none is
//! taken by the first application that pulls it, and is that application's from then on: whatever
//! `sub_app_id` a newcomer has in the configuration, the events arrive. Requests without a
//! `SubAppId` have a queue of their own.
//!
//! # Control
//!
//! Beside the VOD API at `/` there are these addresses, without any authentication:
//!
//! | request | does |
//! |---|---|
//! | `POST /_emulator/events?sub_app_id=N` | pushes events: one `EventContent` object, an array of them, JSON Lines, or a whole answer of `PullEvents`. Each text is kept byte for byte; only its handle is added on the way out. Answers `{"count":1,"ids":["vod_..."]}` |
//! | `GET /_emulator/state` | what has happened so far, as a [`State`] in JSON |
//! | `GET /_emulator/counts` | of that only how many events are where, as [`Counts`]: cheap to ask often |
//! | `PUT /_emulator/faults` | the faults from now on, such as `{"throttle":0.1}`; kinds not named are off |
//! | `DELETE /_emulator/credentials` | ends all temporary credentials now |
//! | `DELETE /_emulator/credentials/ID` | takes the account with this secret id away |
//! | `PUT /_emulator/credentials` | `{"issuing":false}`: the metadata service and STS are down from now on |
//!
//! # Temporary credentials
//!
//! `GET /latest/meta-data/cam/security-credentials/` is the metadata service of a virtual machine
//! with a role, and `AssumeRoleWithWebIdentity` at `/` is STS. The keys that they give call the VOD
//! API with their token, until their time is over.
//!
//! # Not here
//!
//! The four days that VOD keeps events, rate limits of its own accord, and normal callbacks.

mod action;
mod answer;
mod api;
mod control;
mod event_config;
mod faults;
mod http;
mod input;
mod issuer;
mod model;
mod options;
mod request;
mod samples;
mod state;
mod tally;
mod tc3;
mod temporary;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use action::Action;
pub use control::Control;
pub use faults::{FaultError, FaultKind, Faults};
pub use input::PushError;
pub use options::{Account, BadHandle, ClockSkew, Empty, OptionError, Options};
pub use samples::sample;
pub use state::{Counts, CredentialCounts, QueueState, State};

/// How long open connections may take to end after the stop.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// An emulator that is bound to its address and not yet answering.
#[derive(Debug)]
pub struct Emulator {
    listener: TcpListener,
    addr: SocketAddr,
    control: Control,
}

impl Emulator {
    /// Binds the address of the options; port 0 picks a free one.
    ///
    /// # Errors
    ///
    /// The address cannot be bound.
    pub async fn bind(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(options.listen).await?;
        let addr = listener.local_addr()?;
        Ok(Self { listener, addr, control: Control::new(options) })
    }

    /// The address that was bound.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The address as a URL, such as `http://127.0.0.1:9000`: the endpoint of a source.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// A handle to push events and to see what happened; it stays good after [`Emulator::run`].
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Answers until `stop` is done; then requests on hold are answered at once.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) {
        let stopping = self.control.stopping().clone();
        let app = Router::new()
            .fallback(http::answer)
            .with_state(self.control)
            .into_make_service_with_connect_info::<wire::Scissors>();
        let serve = axum::serve(wire::Listener::new(self.listener), app)
            .with_graceful_shutdown(cancelled(stopping.clone()))
            .into_future();
        tokio::pin!(serve);
        tokio::select! {
            () = stop => {}
            // It ends only after the stop; an early end has nothing to report.
            _ = &mut serve => return,
        }
        stopping.cancel();
        // A client that does not read its answer must not keep the emulator from ending.
        let _unfinished = tokio::time::timeout(STOP_GRACE, serve).await;
    }
}

async fn cancelled(token: CancellationToken) {
    token.cancelled().await;
}
