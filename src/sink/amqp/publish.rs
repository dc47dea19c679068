//! One call: messages on a channel, and what the broker says of each.

use std::collections::HashSet;

use lapin::options::BasicPublishOptions;
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::{BasicProperties, Channel, Confirmation, ErrorKind, PublisherConfirm};

use super::connection::Session;
use super::settings::Config;
use crate::event::EventId;
use crate::format::Rendered;
use crate::sink::{Parcel, Refusal};
use crate::time::{self, Instant};

/// What makes the broker keep a message on disk.
const PERSISTENT: u8 = 2;

/// How the broker begins to say that a message is too large.
const TOO_LARGE: &str = "message size";

/// Why a message is not delivered.
#[derive(Debug)]
pub(super) enum Fault {
    /// For this reason.
    Refused(Refusal),
    /// The channel ended over a message that is too large, which may have been another one: the
    /// broker's words.
    TooLarge(String),
}

/// What a call works with.
pub(super) struct Call<'a> {
    pub(super) config: &'a Config,
    pub(super) session: &'a Session,
    /// When to stop waiting.
    pub(super) until: Instant,
}

impl Call<'_> {
    /// Publishes messages on a channel of their own, and waits for the broker's word on each.
    pub(super) async fn publish(&self, batch: &[&Parcel]) -> Vec<Result<(), Fault>> {
        let channel = match tokio::time::timeout_at(self.until, self.session.channel()).await {
            Ok(Ok(channel)) => channel,
            Ok(Err(error)) => return batch.iter().map(|_| Err(self.broken(&error))).collect(),
            Err(_) => return batch.iter().map(|_| Err(self.late())).collect(),
        };
        let mut sent = Vec::with_capacity(batch.len());
        for parcel in batch {
            sent.push(self.send(&channel, parcel).await);
        }
        let mut said = Vec::with_capacity(batch.len());
        let mut sure = batch.len();
        for sent in sent {
            let confirmed = match sent {
                Ok(confirm) => self.confirmed(confirm).await,
                Err(fault) => Some(Err(fault)),
            };
            if confirmed.is_none() {
                sure = sure.min(said.len());
            }
            said.push(confirmed.unwrap_or_else(|| Err(self.late())));
        }
        if said.iter().all(Result::is_ok) {
            self.session.put_back(channel);
        }
        self.judge(batch, said, sure)
    }

    async fn send(&self, channel: &Channel, parcel: &Parcel) -> Result<PublisherConfirm, Fault> {
        let rendered = parcel.render(&self.config.format).map_err(Fault::Refused)?;
        let Rendered { body, content_type, .. } = rendered;
        let properties = BasicProperties::default()
            .with_app_id("vod-relay".into())
            .with_message_id(parcel.event.id().to_string().into())
            .with_type(short(parcel.event.event_type()).into())
            .with_timestamp(time::unix_seconds(parcel.received))
            .with_content_type(content_type.into())
            .with_delivery_mode(PERSISTENT);
        let key = self.config.routing_key.fill(&parcel.event);
        let (exchange, key) = (self.config.exchange.as_str().into(), key.into());
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let sent = channel.basic_publish(exchange, key, options, &body, properties);
        match tokio::time::timeout_at(self.until, sent).await {
            Ok(Ok(confirm)) => Ok(confirm),
            Ok(Err(error)) => Err(self.broken(&error)),
            Err(_) => Err(self.late()),
        }
    }

    /// The broker's word; none if it does not come in time.
    async fn confirmed(&self, confirm: PublisherConfirm) -> Option<Result<Confirmation, Fault>> {
        let confirmed = tokio::time::timeout_at(self.until, confirm).await.ok()?;
        Some(confirmed.map_err(|error| self.broken(&error)))
    }

    /// What the confirmations mean. The client hands a returned message out with the next confirmation
    /// that it sees, whichever message that is for; so each is looked up by its id. Behind the `sure`
    /// ones it may have gone out with a confirmation that was no longer waited for.
    fn judge(
        &self,
        batch: &[&Parcel],
        said: Vec<Result<Confirmation, Fault>>,
        sure: usize,
    ) -> Vec<Result<(), Fault>> {
        let is_whole = said.iter().all(Result::is_ok);
        let returned: HashSet<String> = said.iter().flatten().filter_map(returned_id).collect();
        let outcomes = batch.iter().zip(said).enumerate().map(|(at, (parcel, said))| {
            let confirmation = said?;
            let id = parcel.event.id();
            if returned.contains(&id.to_string()) {
                return Err(self.unroutable(parcel));
            }
            match confirmation {
                Confirmation::Ack(None) if at < sure => Ok(()),
                // What was returned with this one says nothing of it; but unless all are heard of,
                // its own return may not have come to light.
                Confirmation::Ack(Some(_)) if is_whole => Ok(()),
                Confirmation::Ack(_) => Err(self.late()),
                Confirmation::Nack(_) => Err(self.nacked(parcel)),
                Confirmation::NotRequested => Err(self.unconfirmed(id)),
            }
        });
        outcomes.collect()
    }

    fn unroutable(&self, parcel: &Parcel) -> Fault {
        let key = self.config.routing_key.fill(&parcel.event);
        let place = self.config.place(&key);
        refused(match self.config.exchange.as_str() {
            "" => format!("{place} does not exist; declare it, durable"),
            _ => format!("no queue is bound to {place}; bind one"),
        })
    }

    fn nacked(&self, parcel: &Parcel) -> Fault {
        let place = self.config.place(&self.config.routing_key.fill(&parcel.event));
        refused(format!("the broker could not take it for {place} (a queue may be full)"))
    }

    fn unconfirmed(&self, id: EventId) -> Fault {
        refused(format!("{}: the channel does not confirm {id}", self.config.shown))
    }

    fn late(&self) -> Fault {
        let shown = &self.config.shown;
        refused(match self.session.is_blocked() {
            true => format!("{shown} lets nobody publish for now (low on memory or disk)"),
            false => format!("{shown}: no confirmation in time"),
        })
    }

    fn broken(&self, error: &lapin::Error) -> Fault {
        let Config { shown, exchange, .. } = self.config;
        let ErrorKind::ProtocolError(error) = error.kind() else {
            return refused(format!("{shown}: the connection broke ({error})"));
        };
        let words = error.get_message();
        match error.kind() {
            AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED)
                if words.to_string().contains(TOO_LARGE) =>
            {
                Fault::TooLarge(words.to_string())
            }
            AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND) => refused(format!(
                "{shown} has no exchange {exchange}; declare it, and bind a queue ({words})"
            )),
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => {
                refused(format!("{shown} refuses it; let the user write to the exchange ({words})"))
            }
            _ => refused(format!("{shown} ended the channel: {words}")),
        }
    }
}

fn refused(reason: String) -> Fault {
    Fault::Refused(Refusal::transient(reason))
}

/// The id of the message that came back with a confirmation.
fn returned_id(confirmation: &Confirmation) -> Option<String> {
    let (Confirmation::Ack(Some(message)) | Confirmation::Nack(Some(message))) = confirmation
    else {
        return None;
    };
    Some(message.delivery.properties.message_id().as_ref()?.to_string())
}

/// What fits into a property of the protocol.
fn short(text: &str) -> &str {
    let end = text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= 255);
    &text[..end.last().unwrap_or(0)]
}
