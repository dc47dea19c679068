//! Stories about vod-relay, told through real HTTP, files, processes and sockets.

#![expect(clippy::unwrap_used, reason = "clippy's exception for tests leaves out their helpers")]

mod config;
mod corpus;
mod emulator;
mod sinks;
mod stories;
mod systemd;
mod store;
mod tc3;
mod tidy;
mod world;
