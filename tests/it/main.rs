//! Stories about vod-relay, told through real HTTP, files, processes and sockets.

mod sinks;
