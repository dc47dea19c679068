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

/// An event that has more than so many bytes.
#[cfg(any(
    feature = "amqp",
    feature = "kafka",
    feature = "mqtt",
    feature = "mysql",
    feature = "nats",
    feature = "redis"
))]
fn longer_than(bytes: usize) -> String {
    let long = "x".repeat(bytes);
    format!(r#"{{"EventType":"Unwelcome","UnwelcomeEvent":{{"Text":"{long}"}}}}"#)
}

/// The event in a row of an id and a body.
#[cfg(any(feature = "mysql", feature = "postgres"))]
fn held_in(row: Vec<String>) -> crate::conformance::Held {
    let [id, body] = row.try_into().unwrap();
    crate::conformance::Held { id: Some(id), body }
}
