//! Why there is no configuration.

use std::fmt;
use std::path::PathBuf;

use super::report::Mistake;

/// Why there is no configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigError {
    /// The file cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The file holds mistakes.
    Wrong {
        /// The file.
        file: String,
        /// All of them, in the order of the file.
        mistakes: Vec<Mistake>,
    },
}

impl fmt::Display for ConfigError {
    /// One line per mistake, for people and for editors that jump to `file:line:column`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, reason } => {
                let path = path.display();
                write!(f, "cannot read {path}: {reason} (name the file with --config FILE or ")?;
                write!(f, "VOD_RELAY_CONFIG)")
            }
            Self::Wrong { file, mistakes } => {
                for mistake in mistakes {
                    writeln!(f, "{file}:{mistake}")?;
                }
                match mistakes.len() {
                    1 => write!(f, "1 mistake in {file}"),
                    count => write!(f, "{count} mistakes in {file}"),
                }
            }
        }
    }
}

impl std::error::Error for ConfigError {}
