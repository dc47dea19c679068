//! What the conformance stories deliver to, one engine for each type of sink.

#[cfg(feature = "amqp")]
pub mod amqp;
pub mod command;
pub mod file;
#[cfg(feature = "nats")]
pub mod nats;
pub mod webhook;
