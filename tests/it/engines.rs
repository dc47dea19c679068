//! What the conformance stories deliver to, one engine for each type of sink.

#[cfg(feature = "amqp")]
pub mod amqp;
pub mod command;
#[cfg(feature = "kafka")]
pub mod doorkeeper;
pub mod file;
#[cfg(feature = "kafka")]
pub mod kafka;
#[cfg(feature = "mqtt")]
pub mod mqtt;
#[cfg(feature = "mysql")]
pub mod mysql;
#[cfg(feature = "nats")]
pub mod nats;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "redis")]
pub mod redis;
pub mod webhook;
