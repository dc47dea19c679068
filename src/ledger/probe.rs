//! Looks whether a shared ledger could be used.

use std::time::Duration;

use super::backend::Failure;
use super::settings::Settings;
use crate::time;

/// The most time for it.
const LOOK_MAX: Duration = Duration::from_secs(5);

/// Does all that a relay does there, and leaves nothing behind: what was found.
///
/// # Errors
///
/// It cannot be used: why.
pub async fn probe(settings: &Settings) -> Result<String, Failure> {
    settings.open()?.probe(time::now() + LOOK_MAX).await
}
