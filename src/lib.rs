//! vod-relay stands at Tencent Cloud VOD's reliable-callback queue for its user.

pub mod config;
pub mod event;
pub mod exit;
pub mod format;
pub mod http;
pub mod json;
pub mod retry;
pub mod route;
pub mod secret;
pub mod sink;
pub mod tencent;
pub mod time;
