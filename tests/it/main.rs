//! Stories about vod-relay, told through real HTTP, files, processes and sockets.

mod config;
mod emulator;
mod store;
mod tc3;
