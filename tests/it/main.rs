//! Stories about vod-relay, told through real HTTP, files, processes and sockets.

mod config;
mod emulator;
mod tc3;
#![expect(clippy::unwrap_used, reason = "clippy's exception for tests leaves out their helpers")]

mod sinks;
