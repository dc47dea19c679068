//! Where events come from: pulled from a queue of VOD, or posted by VOD.
//!
//! While the queue is idle one long poll is open. While answers come back full more pulls are sent
//! at the same time, up to `max_pulls`. A pull is sent only when there is room in the air for
//! everything that it may bring, so that no lease runs while its event waits for room.
//!
//! A [`callback`] source listens instead, and answers each post.

mod answers;
pub mod callback;
mod contract;
mod conversion;
mod intake;
mod once;
mod pace;
mod pull_loop;
mod push_mode;
mod room;

pub use self::contract::{End, News, Parts, Pulling};
use self::pull_loop::PullLoop;

/// Pulls until told to stop, or with `once` until the queue is empty, and waits until all that was
/// pulled is settled.
pub async fn pull(parts: Parts, pulling: Pulling) -> End {
    let in_flight = parts.in_flight.clone();
    let end = PullLoop::new(parts, pulling).run().await;
    in_flight.idle().await;
    end
}
