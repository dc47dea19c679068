//! Warns when the application is set to normal callback: then the queue stays empty for ever, and
//! nothing else would tell.

use std::sync::Arc;

use crate::flight::InFlight;
use crate::tencent::client::Client;

/// Asks VOD where it sends the application's events. An account that may not ask is not told off:
/// relaying does not need that right.
pub(super) async fn check(client: Arc<Client>, in_flight: Arc<InFlight>) {
    match client.describe_event_config().await {
        Ok(config) if config.mode.as_deref() == Some("PUSH") => tracing::warn!(
            source.name = %in_flight.source(),
            "this application is set to normal callback (PUSH), so its queue stays empty; set it to \
             reliable callback (PULL) in the console or with ModifyEventConfig"
        ),
        Ok(_) => {}
        Err(error) => tracing::debug!(source.name = %in_flight.source(), "{error}"),
    }
}
