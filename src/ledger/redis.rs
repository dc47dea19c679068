//! A shared ledger in Redis: one hash for each event, of its sinks, which expires by itself.

use std::sync::Arc;

use ::redis::Value;

use super::backend::{Backend, Failure, KEPT, Note, Outcome};
use crate::event::EventId;
use crate::redis::{self, Address, Server};
use crate::sink::BoxFuture;
use crate::time::Instant;
use crate::tls;

/// The server, and what the names of the keys begin with.
#[derive(Debug)]
pub(super) struct Redis {
    server: Server,
    name: String,
}

impl Redis {
    pub(super) fn new(address: &Address, name: &str) -> Result<Self, Failure> {
        let server = Server::new(address.clone(), tls::Files::default());
        let server =
            server.map_err(|error| Failure { text: error.to_string(), is_unreachable: false })?;
        Ok(Self { server, name: name.to_owned() })
    }

    fn key(&self, event: EventId) -> String {
        format!("{}:{event}", self.name)
    }

    /// What was asked for is there, and is no hash of sinks.
    fn odd(&self, value: &Value) -> Failure {
        let text = format!("{} answers {value:?}", self.server.address());
        Failure { text, is_unreachable: false }
    }
}

impl From<redis::Failure> for Failure {
    fn from(failure: redis::Failure) -> Self {
        let is_unreachable = matches!(failure, redis::Failure::Unreachable(_));
        Self { text: failure.to_string(), is_unreachable }
    }
}

impl Backend for Redis {
    fn settled<'a>(
        &'a self,
        events: &'a [EventId],
        until: Instant,
    ) -> BoxFuture<'a, Result<Vec<Vec<Arc<str>>>, Failure>> {
        Box::pin(async move {
            let ask = |event: &EventId| {
                let mut sinks = ::redis::cmd("HKEYS");
                sinks.arg(self.key(*event));
                sinks
            };
            let commands: Vec<_> = events.iter().map(ask).collect();
            let mut all = Vec::with_capacity(events.len());
            for answer in self.server.ask(&commands, until).await? {
                let answer = answer?;
                let Value::Array(names) = &answer else { return Err(self.odd(&answer)) };
                let name = |name: &Value| match name {
                    Value::BulkString(name) => Ok(String::from_utf8_lossy(name).into()),
                    other => Err(self.odd(other)),
                };
                all.push(names.iter().map(name).collect::<Result<Vec<_>, _>>()?);
            }
            Ok(all)
        })
    }

    fn note<'a>(&'a self, notes: &'a [Note], until: Instant) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let mut commands = ::redis::pipe();
            // One that is noted in part would never expire.
            commands.atomic();
            for Note { event, sink, outcome } in notes {
                let key = self.key(*event);
                match outcome {
                    Outcome::Delivered => {
                        commands.cmd("HSET").arg(&key).arg(&**sink).arg("delivered")
                    }
                    Outcome::Dead => commands.cmd("HSETNX").arg(&key).arg(&**sink).arg("dead"),
                };
                commands.cmd("EXPIRE").arg(&key).arg(KEPT.as_secs());
            }
            self.server.transact(&commands, until).await?;
            Ok(())
        })
    }

    /// The server does that by itself.
    fn forget(&self, _: Instant) -> BoxFuture<'_, Result<bool, Failure>> {
        Box::pin(async { Ok(false) })
    }

    fn probe(&self, until: Instant) -> BoxFuture<'_, Result<String, Failure>> {
        Box::pin(async move {
            let key = format!("{}:probe", self.name);
            let mut commands = ::redis::pipe();
            commands.atomic();
            commands.cmd("HSET").arg(&key).arg("probe").arg("delivered");
            commands.cmd("HSETNX").arg(&key).arg("probe").arg("dead");
            commands.cmd("EXPIRE").arg(&key).arg(1);
            commands.cmd("HKEYS").arg(&key);
            commands.cmd("DEL").arg(&key);
            self.server.transact(&commands, until).await?;
            Ok(format!("{}: keys {}:* can be read and written", self.server.address(), self.name))
        })
    }
}
