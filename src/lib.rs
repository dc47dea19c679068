//! vod-relay stands at Tencent Cloud VOD's reliable-callback queue for its user: it pulls events,
//! hands each one to the user's own systems, and confirms it only when it is safe there.
//!
//! ```text
//! source ──► event ──► route ──► lanes (sinks) ──► confirm
//! ```
//!
//! Data flows one way and so do imports: each layer uses only those above it in this list.
//!
//! * Words, without any input or output: [`time`], [`retry`], [`quiet`], [`secret`], [`sign_key`], [`exit`],
//!   [`json`], [`crash`], [`event`], [`legacy`], [`application`], [`mod@format`], [`route`],
//!   [`metrics`], [`progress`].
//! * Edges, each to one outside thing: [`http`], [`tls`], [`mod@postgres`],
//!   [`mod@redis`], [`tencent`], [`sink`], [`store`].
//! * Events under way: [`flight`] until they are settled, [`ledger`] once they are.
//! * Delivery: a [`lane`] for each sink.
//! * What leads to the lanes: [`fanout`] from the sources, [`spool`] from local disk.
//! * The ends of a source: [`source`] pulls or listens, [`confirm`] confirms or answers.
//! * Assembly: [`config`], the [`board`] of what runs, [`relay`], the [`doctor`], and beside them the [`admin`] server and the
//!   [`emulator`].
//! * The command line: [`logging`], [`service_manager`], [`signals`], [`cli`].

pub mod admin;
pub mod application;
pub mod board;
pub mod cli;
pub mod config;
pub mod confirm;
pub mod crash;
pub mod doctor;
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
pub mod legacy;
pub mod logging;
pub mod metrics;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod progress;
pub mod quiet;
#[cfg(feature = "redis")]
pub mod redis;
pub mod relay;
pub mod retry;
pub mod route;
pub mod secret;
pub mod service_manager;
pub mod sign_key;
pub mod signals;
pub mod sink;
pub mod source;
pub mod spool;
pub mod store;
pub mod tencent;
pub mod time;
pub mod tls;
