//! Tencent Cloud's API: who calls it, how a call is signed, and what its answers mean.

mod answer;
pub mod client;
pub mod credential;
pub mod error;
mod limiter;
mod salvage;
mod skew;
pub mod tc3;
mod wire;

pub use answer::{EventConfig, EventsState, Pulled};
