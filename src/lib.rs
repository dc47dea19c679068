//! vod-relay stands at Tencent Cloud VOD's reliable-callback queue for its user.

pub mod cli;
pub mod config;
pub mod emulator;
pub mod event;
pub mod exit;
pub mod format;
pub mod json;
pub mod retry;
pub mod secret;
pub mod sink;
pub mod time;
