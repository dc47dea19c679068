//! Which sub-application the events of each source belong to.
//!
//! Events know their source only by its name: what is in the spool or among the dead letters
//! outlasts the settings that it came in by, and those of a source may change while it is under way.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// The `SubAppId` of each source, shared by everything that asks for it.
#[derive(Debug, Clone, Default)]
pub struct Applications(Arc<RwLock<HashMap<String, Option<u64>>>>);

impl Applications {
    /// Takes over the sources of a configuration, each with its `SubAppId` if it has one. Those that
    /// it does not name any more stay known, for their events that are still under way.
    pub fn learn<'a>(&self, sources: impl IntoIterator<Item = (&'a str, Option<u64>)>) {
        let sources = sources.into_iter().map(|(name, id)| (name.to_owned(), id));
        self.0.write().unwrap_or_else(PoisonError::into_inner).extend(sources);
    }

    /// The `SubAppId` of a source, if it has one.
    pub fn of(&self, source: &str) -> Option<u64> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(source).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_keeps_its_application_until_a_configuration_says_otherwise() {
        let applications = Applications::default();
        let shared = applications.clone();
        applications.learn([("main", Some(1)), ("other", None)]);
        assert_eq!(
            (shared.of("main"), shared.of("other"), shared.of("gone")),
            (Some(1), None, None)
        );
        applications.learn([("other", Some(2))]);
        assert_eq!((shared.of("main"), shared.of("other")), (Some(1), Some(2)));
        applications.learn([("main", None)]);
        assert_eq!(shared.of("main"), None);
    }
}
