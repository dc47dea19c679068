//! Looks whether a server lets the relay in and a stream takes the subject.

use std::error::Error as _;

use async_nats::jetstream::context::{
    GetStreamByNameError, GetStreamByNameErrorKind, RequestError, RequestErrorKind,
};
use async_nats::jetstream::{self, ErrorCode};

use super::connection::{Keys, Refused, Session};
use super::{Config, no_stream};
use crate::exit;
use crate::sink::Probed;
use crate::time;

/// A type to ask for where the subject depends on it: the one that nearly everybody gets.
const TYPE: &str = "ProcedureStateChanged";

/// Connects, and asks which stream takes the subject. Nothing is published.
pub(super) async fn probe(config: &Config) -> Probed {
    let started = time::now();
    let keys = match Keys::read(config) {
        Ok(keys) => keys,
        Err(found) => {
            let mend = "name files that can be used".to_owned();
            return Probed::Failing { found, mend, code: exit::CONFIG };
        }
    };
    let session = match Session::open(config, &keys).await {
        Ok(session) => session,
        Err(Refused { reason: found, by_server: true }) => {
            let mend = "mend user, password, token or credentials_file".to_owned();
            return Probed::Failing { found, mend, code: exit::CONFIG };
        }
        Err(Refused { reason: found, by_server: false }) => {
            let mend = "start the server, or mend url, ca_file or the firewall".to_owned();
            return Probed::Failing { found, mend, code: exit::UNREACHABLE };
        }
    };
    let took = started.elapsed().as_millis();
    let (shown, subject) = (&config.shown, config.subject.with(TYPE));
    match session.context.stream_by_subject(subject.clone()).await {
        Ok(stream) => Probed::Fine {
            found: format!(
                "{shown} takes connections ({took} ms); its stream {stream} takes {subject}"
            ),
        },
        Err(error) if is_missing(&error) && config.subject.varies() => Probed::Doubtful {
            found: format!("{shown} takes connections, but no stream there takes {subject}"),
            mend: "make a stream that takes the subjects of all types".to_owned(),
        },
        Err(error) if is_missing(&error) => Probed::Failing {
            found: format!("{shown} takes connections, but no stream takes {subject}"),
            mend: no_stream(shown, &subject),
            code: exit::CONFIG,
        },
        Err(_) => Probed::Doubtful {
            found: format!(
                "{shown} takes connections, but does not say which stream takes {subject}"
            ),
            mend: "let the user ask $JS.API.STREAM.NAMES, or see that there is a stream".to_owned(),
        },
    }
}

/// Whether there is no such stream, or `JetStream` is off.
fn is_missing(error: &GetStreamByNameError) -> bool {
    let mut source = error.source();
    while let Some(error) = source {
        let request = error.downcast_ref::<RequestError>().map(RequestError::kind);
        let answer = error.downcast_ref::<jetstream::Error>().map(jetstream::Error::error_code);
        let is_off = |code| {
            [ErrorCode::JETSTREAM_NOT_ENABLED, ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT]
                .contains(&code)
        };
        if request == Some(RequestErrorKind::NoResponders) || answer.is_some_and(is_off) {
            return true;
        }
        source = error.source();
    }
    error.kind() == GetStreamByNameErrorKind::NotFound
}
