//! What the conformance stories deliver to, one engine for each type of sink.

pub mod command;
pub mod file;
#[cfg(feature = "mysql")]
pub mod mysql;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "redis")]
pub mod redis;
pub mod webhook;
