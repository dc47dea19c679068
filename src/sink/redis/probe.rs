//! Looks whether entries could be added.

use std::time::Duration;

use ::redis::Value;

use super::{Config, REFUSED};
use crate::exit;
use crate::redis::{Failure, Server};
use crate::sink::Probed;
use crate::time;

/// The most time for it.
const LOOK_MAX: Duration = Duration::from_secs(5);

/// Connects and asks what is under the stream's key. Nothing is added.
pub(super) async fn probe(config: &Config) -> Probed {
    let server = match Server::new(config.address.clone(), config.files.clone()) {
        Ok(server) => server,
        Err(error) => {
            return failing(error.to_string(), "name files that can be used", exit::CONFIG);
        }
    };
    let mut what = ::redis::cmd("TYPE");
    what.arg(&config.stream);
    let [mut persistence, mut replication] = [::redis::cmd("INFO"), ::redis::cmd("INFO")];
    persistence.arg("persistence");
    replication.arg("replication");
    let until = time::now() + LOOK_MAX;
    let mut answers = match server.ask(&[what, persistence, replication], until).await {
        Ok(answers) => answers.into_iter(),
        Err(failure) => return told(&failure),
    };
    let what = match answers.next() {
        Some(Ok(what)) => text(&what),
        Some(Err(failure)) => return told(&failure),
        None => String::new(),
    };
    let address = server.address();
    let stream = &config.stream;
    let found = match what.as_str() {
        "stream" => format!("{address} has the stream {stream}"),
        "none" => format!("{address} answers; the first event makes the stream {stream}"),
        other => {
            let found = format!("{address}: {stream} is no stream but a {other}");
            return failing(found, "delete it, or name another stream", exit::CONFIG);
        }
    };
    // A user need not have the right to ask for these.
    let mut says = |words: &str| match answers.next() {
        Some(Ok(said)) => text(&said).lines().any(|line| line.trim() == words),
        Some(Err(_)) | None => false,
    };
    let (forgets, is_replica) = (says("aof_enabled:0"), says("role:slave"));
    if is_replica {
        let found = format!("{address} is a replica, which takes nothing");
        return failing(found, "name the primary in url", exit::CONFIG);
    }
    match forgets {
        true => Probed::Doubtful {
            found: format!("{found}, and forgets in a crash what came after its last snapshot"),
            mend: "set appendonly yes in its configuration, unless that does not matter".to_owned(),
        },
        false => Probed::Fine { found },
    }
}

fn told(failure: &Failure) -> Probed {
    let found = failure.to_string();
    match failure {
        Failure::Unreachable(_) => {
            let mend = "start Redis, or mend url, ca_file or the firewall";
            failing(found, mend, exit::UNREACHABLE)
        }
        Failure::Refused(_) => failing(found, REFUSED, exit::CONFIG),
        Failure::Answered { .. } => failing(found, "look at Redis as it says", exit::CONFIG),
    }
}

fn failing(found: String, mend: &str, code: u8) -> Probed {
    Probed::Failing { found, mend: mend.to_owned(), code }
}

fn text(value: &Value) -> String {
    match value {
        Value::SimpleString(text) => text.clone(),
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        _ => String::new(),
    }
}
