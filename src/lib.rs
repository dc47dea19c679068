//! vod-relay stands at Tencent Cloud VOD's reliable-callback queue for its user: it pulls events,
//! hands each one to the user's own systems, and confirms it only when it is safe there.
//!
//! ```text
//! source ──► event ──► route ──► lanes (sinks) ──► confirm
//! ```
//!
//! Data flows one way and so do imports: each layer uses only those above it in this list.
//!
//! * Words, without any input or output: [`time`], [`retry`], [`quiet`], [`secret`], [`exit`],
//!   [`json`], [`event`], [`format`], [`route`], [`progress`], [`ledger`], [`flight`].
//! * Edges, each to one outside thing: [`http`], [`tencent`], [`sink`], [`store`].
//! * Stages, one loop each: [`source`] pulls, [`lane`] delivers, [`confirm`] confirms;
//!   [`fanout`] is what leads from the first to the second.
//! * Assembly: [`config`], [`relay`], and the [`emulator`] beside them.
//! * The command line: [`logging`], [`signals`], [`cli`].

pub mod cli;
pub mod config;
pub mod confirm;
pub mod emulator;
pub mod event;
pub mod exit;
pub mod fanout;
pub mod flight;
pub mod format;
pub mod http;
pub mod json;
pub mod lane;
pub mod ledger;
pub mod logging;
pub mod progress;
pub mod quiet;
pub mod relay;
pub mod retry;
pub mod route;
pub mod secret;
pub mod signals;
pub mod sink;
pub mod source;
pub mod store;
pub mod tencent;
pub mod time;
