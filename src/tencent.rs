//! Tencent Cloud's API: who calls it and how a call is signed.

pub mod credential;
pub mod tc3;
