//! What the stories of sinks that deliver to a server have in common.

use vod_relay::config::Config;
use vod_relay::sink::{Kind, Outcome, Parcel, Probed, Sink};

use super::{DEADLINE, parcel_of};

/// The sink that a configuration has under `[sinks.app]`.
pub fn kind_of(sink: &str) -> Kind {
    let state = "[relay]\nstate_dir = \"/tmp\"\n";
    let text = format!("[sources.main]\nack = \"spooled\"\n{state}{sink}");
    let config = Config::parse("test", &text, &|_| None);
    config.unwrap_or_else(|error| panic!("{error}")).sinks.remove(0).kind
}

/// Delivers a batch within the deadline.
pub async fn deliver_all(sink: &dyn Sink, batch: &[Parcel]) -> Vec<Outcome> {
    tokio::time::timeout(DEADLINE, sink.deliver(batch)).await.unwrap()
}

/// An event of so many bytes and some more, of another type than the others.
pub fn large(bytes: usize) -> Parcel {
    let long = "x".repeat(bytes);
    parcel_of(format!(r#"{{"EventType":"FileDeleted","FileDeleteEvent":{{"Text":"{long}"}}}}"#))
}

/// What a look at a sink found wrong, the way out, and the exit code.
pub fn failing(probed: Probed) -> (String, String, u8) {
    match probed {
        Probed::Failing { found, mend, code } => (found, mend, code),
        other => panic!("not failing: {other:?}"),
    }
}
