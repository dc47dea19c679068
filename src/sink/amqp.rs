//! # Delivered when
//!
//! The broker has confirmed the event's message, which is persistent and was routed to a queue at least.
//! A message that the broker returns because nothing is bound for its key is not delivered, although
//! the broker confirms it too.
//!
//! Every message carries `message-id`, the event's id, the same on every retry, redelivery and
//! replay. The broker does not look at it, so a call that was cut short can leave a second copy,
//! which consumers know by that id.
//!
//! Permanent is only what is larger than the broker takes. A missing exchange, queue or binding, a
//! full queue and missing permissions are mended by an operator, so the event waits for that.

mod connection;
mod probe;
mod publish;
mod settings;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ClientConfig;
use tracing::{info, warn};

use self::connection::{Session, tls};
use self::probe::probe;
use self::publish::{Call, Fault};
pub use self::settings::Config;
use super::link::Link;
use super::{BoxFuture, Limits, OpenError, Outcome, Parcel, Probed, Refusal, Settings, Sink};
use crate::time::{self, Instant};

/// The most events that one call publishes before it waits for the confirmations.
const BATCH: usize = 128;

/// The most calls at the same time, each on a channel of its own: while one waits for
/// confirmations, the other publishes.
const CONCURRENCY: usize = 2;

impl Settings for Config {
    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn open(&self, name: &str) -> Result<Arc<dyn Sink>, OpenError> {
        let tls = tls(self).map_err(|problem| OpenError::new(name, problem))?;
        let (name, config) = (name.to_owned(), self.clone());
        Ok(Arc::new(Amqp { name, config, tls: RwLock::new(tls), link: Link::default() }))
    }

    fn probe(&self) -> BoxFuture<'_, Probed> {
        Box::pin(probe(self))
    }
}

/// The sink.
#[derive(Debug)]
pub struct Amqp {
    name: String,
    config: Config,
    tls: RwLock<Option<Arc<ClientConfig>>>,
    link: Link<Session>,
}

impl Amqp {
    async fn session(&self, until: Instant) -> Result<Arc<Session>, Refusal> {
        let tls = self.tls.read().unwrap_or_else(PoisonError::into_inner).clone();
        let connect = || async {
            let session = Session::open(&self.config, tls).await;
            session.map_err(|refused| Refusal::transient(refused.reason))
        };
        self.link.get_by(until, &self.config.shown, connect).await
    }

    async fn deliver(&self, batch: &[Parcel]) -> Vec<Outcome> {
        // A little earlier than the caller, who would know of no single outcome.
        let until = time::now() + self.config.timeout * 9 / 10;
        let session = match self.session(until).await {
            Ok(session) => session,
            Err(refusal) => return vec![Err(refusal); batch.len()],
        };
        let call = Call { config: &self.config, session: &session, until };
        let mut outcomes = call.publish(&batch.iter().collect::<Vec<_>>()).await;
        if batch.len() > 1 && outcomes.iter().any(|said| matches!(said, Err(Fault::TooLarge(_)))) {
            // The broker ends a channel over a message that is too large, does not say which one that
            // was, and takes none that come later. Each alone, it is the one that it happens to again.
            for (parcel, outcome) in batch.iter().zip(&mut outcomes) {
                if outcome.is_err() {
                    *outcome = call.publish(&[parcel]).await.remove(0);
                }
            }
        }
        if time::now() >= until {
            // Nobody knows whether a connection that owes answers still works.
            self.link.retire(&session);
        }
        outcomes.into_iter().map(|outcome| outcome.map_err(|fault| self.refusal(fault))).collect()
    }

    fn refusal(&self, fault: Fault) -> Refusal {
        match fault {
            Fault::Refused(refusal) => refusal,
            Fault::TooLarge(words) => {
                Refusal::permanent(format!("{} does not take it: {words}", self.config.shown))
            }
        }
    }
}

impl Sink for Amqp {
    fn limits(&self) -> Limits {
        Limits { timeout: self.config.timeout, concurrency: CONCURRENCY, batch: BATCH }
    }

    fn deliver<'a>(&'a self, batch: &'a [Parcel]) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(self.deliver(batch))
    }

    /// Reads the certificates again, which may have been renewed under the same names, and connects
    /// anew.
    fn reopen(&self) {
        if self.config.tls.is_empty() {
            return;
        }
        match tls(&self.config) {
            Ok(tls) => {
                *self.tls.write().unwrap_or_else(PoisonError::into_inner) = tls;
                self.link.renew();
                info!(sink = self.name, "read the certificates again");
            }
            Err(error) => warn!(sink = self.name, %error, "keeping the old certificates"),
        }
    }
}
