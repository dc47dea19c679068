//! A sink as configured: which kind, and that kind's settings.
//!
//! Adding a kind is a file of its own, a `mod` line in `sink.rs` and an entry in `KINDS`.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "mysql")]
use super::mysql;
#[cfg(feature = "postgres")]
use super::postgres;
#[cfg(feature = "redis")]
use super::redis;
use super::{BoxFuture, OpenError, Probed, Sink, command, file, stdout, webhook};
use crate::config::Section;

/// What the settings of each kind can do.
pub trait Settings: Same + fmt::Debug + Send + Sync {
    /// The most time that one delivery may take.
    fn timeout(&self) -> Duration;

    /// Opens the sink. Called within the runtime; it must not wait for a server, which may be down
    /// for now.
    ///
    /// # Errors
    ///
    /// What the sink needs from the start is not there: a directory, a certificate.
    fn open(&self, name: &str) -> Result<Arc<dyn Sink>, OpenError>;

    /// Looks whether deliveries could succeed, for `vod-relay doctor`. It sends no event, starts
    /// nothing, and makes or changes no file; so it asks the settings, because opening a sink may do
    /// that. It takes seconds at the most. A kind that can tell nothing without an event says so.
    fn probe(&self) -> BoxFuture<'_, Probed>;
}

/// Comparing settings of kinds that only run time knows.
pub trait Same: Any {
    /// Whether the other settings are of the same kind and say the same.
    fn is_same(&self, other: &dyn Settings) -> bool;
}

impl<T: Settings + PartialEq + Any> Same for T {
    fn is_same(&self, other: &dyn Settings) -> bool {
        let other: &dyn Any = other;
        other.downcast_ref::<T>() == Some(self)
    }
}

/// The settings of a sink of any kind.
#[derive(Debug, Clone)]
pub struct Kind(Arc<dyn Settings>);

/// The name of a kind under `type`, and how it reads its settings.
#[derive(Clone, Copy)]
struct Entry {
    name: &'static str,
    read: ReadKind,
}

type ReadKind = fn(&Section<'_>) -> Option<Kind>;

/// The names of all kinds, in the order in which they are told.
const NAMES: [&str; 7] = ["stdout", "file", "webhook", "command", "redis", "postgres", "mysql"];

/// The kinds that this build has: each of the others is a feature, called as the kind is.
const KINDS: &[Entry] = &[
    Entry { name: "stdout", read: |section| stdout::Config::read(section).map(Kind::new) },
    Entry { name: "file", read: |section| file::Config::read(section).map(Kind::new) },
    Entry { name: "webhook", read: |section| webhook::Config::read(section).map(Kind::new) },
    Entry { name: "command", read: |section| command::Config::read(section).map(Kind::new) },
    #[cfg(feature = "redis")]
    Entry { name: "redis", read: |section| redis::Config::read(section).map(Kind::new) },
    #[cfg(feature = "postgres")]
    Entry { name: "postgres", read: |section| postgres::Config::read(section).map(Kind::new) },
    #[cfg(feature = "mysql")]
    Entry { name: "mysql", read: |section| mysql::Config::read(section).map(Kind::new) },
];

/// The names of the kinds that this build has.
pub fn built() -> impl Iterator<Item = &'static str> {
    NAMES.into_iter().filter(|name| reader(name).is_some())
}

/// The names of the kinds that this build could have and has not.
pub fn left_out() -> impl Iterator<Item = &'static str> {
    NAMES.into_iter().filter(|name| reader(name).is_none())
}

fn reader(name: &str) -> Option<ReadKind> {
    KINDS.iter().find(|kind| kind.name == name).map(|kind| kind.read)
}

impl Kind {
    /// The kind that has these settings.
    pub fn new(settings: impl Settings) -> Self {
        Self(Arc::new(settings))
    }

    /// Reads `type` and the keys of that type; mistakes go into the section's report.
    ///
    /// Without a known type nobody can tell which other keys are right.
    pub fn read(section: &Section<'_>) -> Option<Self> {
        match section.choice("type", &NAMES.map(|name| (name, reader(name))), "")? {
            Some(read) => read(section),
            None => {
                let right = "install the Debian package, which has every type, or build with \
                             --features full";
                section.mistake("type", "is not part of this build of vod-relay", right);
                None
            }
        }
    }

    /// Whether the settings are of this kind.
    pub fn is<T: Settings>(&self) -> bool {
        let settings: &dyn Any = &*self.0;
        settings.is::<T>()
    }

    /// The most time that one delivery may take.
    pub fn timeout(&self) -> Duration {
        self.0.timeout()
    }

    /// Opens the sink. Must be called within the runtime.
    ///
    /// # Errors
    ///
    /// What the sink needs from the start is not there: a directory, a certificate.
    pub fn open(&self, name: &str) -> Result<Arc<dyn Sink>, OpenError> {
        self.0.open(name)
    }

    /// Looks whether deliveries could succeed: [`Settings::probe`].
    pub async fn probe(&self) -> Probed {
        self.0.probe().await
    }
}

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        self.0.is_same(&*other.0)
    }
}
