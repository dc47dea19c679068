//! The protocol between VOD, the relay and its sinks as a model, explored exhaustively: every
//! order in which things may happen, within a bound on how much goes wrong. See docs/model.md.

#![expect(clippy::unwrap_used, reason = "clippy's exception for tests leaves out their helpers")]

mod action;
mod bug;
mod check;
mod confirm;
mod explore;
mod mirror;
mod plan;
mod planted;
mod protocol;
mod state;
