//! A source that listens: VOD posts its events as normal callbacks, and is answered 200 only when
//! the event is where the source's `ack` wants it. Any other answer says that it was not taken.
//!
//! VOD waits 5 s for an answer and posts an event 3 times at most, so an answer comes in less time,
//! whatever the sinks do. A delivery that is under way by then may end all the same; the ledger
//! then answers the next post.

mod connection;
mod desk;
mod door;
mod refusal;
mod seats;
mod signature;

use std::sync::Arc;

use self::desk::Desk;
pub use self::door::Door;
use super::contract::{End, News, Parts};
use crate::config::CallbackConfig;

/// Answers callbacks until told to stop, and waits until all that was taken in is settled. From the
/// moment of the call requests are judged by this configuration.
pub fn receive(
    parts: Parts,
    door: Arc<Door>,
    config: CallbackConfig,
) -> impl Future<Output = End> + use<> {
    let source = parts.in_flight.source().clone();
    tracing::info!(
        source.name = %source,
        "listening on http://{}{} for normal callbacks",
        door.address(),
        config.path
    );
    let desk = Desk::new(&parts, config);
    door.set_desk(desk.clone());
    let listener = door.listener();
    let Parts { news, stop, retire, .. } = parts;
    async move {
        // Nobody listens any more when the relay is ending, and then nobody needs to know.
        let _ = news.send(News::Live { source }).await;
        while let Some(listener) = &listener {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = door.closing().cancelled() => break,
                () = retire.cancelled() => break,
                () = door.accept(listener, &desk) => {}
            }
        }
        drop(listener);
        if door.closing().is_cancelled() {
            door.shut().await;
        }
        desk.idle().await;
        End::Stopped
    }
}
