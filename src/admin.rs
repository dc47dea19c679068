//! The admin server: metrics, health, readiness and status, for those who watch the relay.
//!
//! | address | tells |
//! |---|---|
//! | `/metrics` | everything that is counted and measured, in Prometheus' text format |
//! | `/healthz` | whether every pull loop turns: 503 asks for a restart |
//! | `/readyz` | whether events flow: 503 asks for somebody, and says why |
//! | `/status` | what runs and how it fares, as JSON |
//!
//! Whoever is asked changes nothing and calls nobody: the answers come from what the relay knows
//! anyway. No answer holds a secret or the content of an event.

mod access;
mod answer;
mod backlog;
mod health;
mod measure;
mod process;
mod status;

use std::sync::Arc;

use axum::Router;

use crate::board::Board;

/// What the server answers with, out of what is on the board.
pub fn app(board: Arc<Board>) -> Router {
    Router::new().fallback(answer::answer).with_state(board)
}

/// Asks VOD at the interval of the configuration how many events wait, for as long as it is let.
pub async fn watch_backlog(board: Arc<Board>) {
    backlog::watch(&board).await;
}
