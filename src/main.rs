//! The `vod-relay` program.

fn main() {}
