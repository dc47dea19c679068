//! The one way to Redis: where it is, who calls, and a connection that is shared and made anew when
//! it broke.
//!
//! Nothing here waits longer than it is told, and nothing is tried twice: whoever calls knows how
//! long to wait before the next try.

mod address;
mod server;

pub use self::address::{Address, EXAMPLE, SCHEMES};
pub use self::server::Server;

/// What went wrong, to what. The text has no secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// There is no connection, or it broke: what was sent may or may not be done.
    #[error("{0}")]
    Unreachable(String),
    /// The server does not know the user or the password, or the user may not do this.
    #[error("{0}")]
    Refused(String),
    /// The server answered something else than asked for, with this word first.
    #[error("{text}")]
    Answered {
        /// The word that the server's error begins with, such as `LOADING`.
        code: String,
        /// What it said of what.
        text: String,
    },
}
