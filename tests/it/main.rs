//! Stories about vod-relay, told through real HTTP, files, processes and sockets.

#![expect(unreachable_pub, reason = "nothing is outside of a test program")]
#![expect(clippy::unwrap_used, reason = "clippy's exception for tests leaves out their helpers")]

mod authority;
mod config;
mod conformance;
mod corpus;
mod emulator;
mod engines;
mod formats_page;
mod generated;
mod legacy;
mod page;
mod readme;
mod reference;
#[cfg(any(
    feature = "nats",
    feature = "amqp",
    feature = "redis",
    feature = "postgres",
    feature = "mysql",
    feature = "mqtt"
))]
mod servers;
mod sinks;
mod small_disk;
mod store;
mod stories;
mod systemd;
mod tc3;
mod tidy;
mod tool;
mod watching;
mod world;
