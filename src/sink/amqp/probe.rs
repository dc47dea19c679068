//! Looks whether the broker lets the relay in, and the exchange or the queue is there.

use lapin::options::{ExchangeDeclareOptions, QueueDeclareOptions};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::FieldTable;
use lapin::{ErrorKind, ExchangeKind};

use super::Config;
use super::connection::{Refused, Session, tls};
use crate::exit;
use crate::sink::Probed;
use crate::time;

/// Connects, and asks for the exchange, or for the queue where there is none. Nothing is published or
/// declared.
pub(super) async fn probe(config: &Config) -> Probed {
    let started = time::now();
    let tls = match tls(config) {
        Ok(tls) => tls,
        Err(found) => {
            let mend = "name files that can be used".to_owned();
            return Probed::Failing { found, mend, code: exit::CONFIG };
        }
    };
    let session = match Session::open(config, tls).await {
        Ok(session) => session,
        Err(Refused { reason: found, by_broker: true }) => {
            let mend = "mend user, password or the virtual host in url".to_owned();
            return Probed::Failing { found, mend, code: exit::CONFIG };
        }
        Err(Refused { reason: found, by_broker: false }) => {
            let mend = "start the broker, or mend url, ca_file or the firewall".to_owned();
            return Probed::Failing { found, mend, code: exit::UNREACHABLE };
        }
    };
    let took = started.elapsed().as_millis();
    let shown = &config.shown;
    let key = config.routing_key.with("ProcedureStateChanged");
    let what = match config.exchange.as_str() {
        "" => format!("the queue {key}"),
        exchange => format!("the exchange {exchange}"),
    };
    let varies = config.exchange.is_empty() && config.routing_key.varies();
    match tokio::time::timeout(config.timeout, ask(config, &session, &key)).await {
        Ok(Ok(())) => {
            Probed::Fine { found: format!("{shown} takes connections ({took} ms) and has {what}") }
        }
        Ok(Err(error)) if is(&error, AMQPSoftError::NOTFOUND) && varies => Probed::Doubtful {
            found: format!("{shown} takes connections, but {what} does not exist"),
            mend: "declare a queue for each type, durable".to_owned(),
        },
        Ok(Err(error)) if is(&error, AMQPSoftError::NOTFOUND) => Probed::Failing {
            found: format!("{shown} takes connections, but {what} does not exist"),
            mend: format!("declare {what}, durable"),
            code: exit::CONFIG,
        },
        Ok(Err(_)) | Err(_) => Probed::Doubtful {
            found: format!("{shown} takes connections, but does not say whether it has {what}"),
            mend: "see that it is there, and that the user may write to it".to_owned(),
        },
    }
}

async fn ask(config: &Config, session: &Session, key: &str) -> lapin::Result<()> {
    let channel = session.channel().await?;
    let none = FieldTable::default();
    if config.exchange.is_empty() {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(key.into(), options, none).await?;
    } else {
        let options = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
        let name = config.exchange.as_str().into();
        channel.exchange_declare(name, ExchangeKind::Direct, options, none).await?;
    }
    Ok(())
}

fn is(error: &lapin::Error, soft: AMQPSoftError) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(error) if *error.kind() == AMQPErrorKind::Soft(soft))
}
