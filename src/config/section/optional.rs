//! The getters for values that may be left out, and for keys that must be.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::Section;

/// Where systemd says that its `StateDirectory=` is; several are joined by colons.
const STATE_DIRECTORY: &str = "STATE_DIRECTORY";

impl Section<'_> {
    /// The name of a file.
    pub fn path(&self, key: &str) -> Option<PathBuf> {
        let text = self.string(key)?;
        if text.is_empty() {
            self.mistake(key, "is empty", "the name of a file");
            return None;
        }
        Some(PathBuf::from(text))
    }

    /// The state directory: as given, or the one that systemd made for the service.
    pub(in super::super) fn state_dir(&self, key: &str) -> Option<PathBuf> {
        if self.value(key).is_some() {
            return self.path(key);
        }
        let given = (self.context.variables)(STATE_DIRECTORY)?;
        let first = given.split(':').next().filter(|dir| !dir.is_empty())?.to_owned();
        self.effective(key, first.clone());
        Some(PathBuf::from(first))
    }

    /// A duration within a range, without a default.
    pub fn optional_duration(
        &self,
        key: &str,
        example: Duration,
        range: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        self.value(key)?;
        Some(self.duration(key, example, range))
    }

    /// Reports the keys that stand here and belong to another type of section.
    pub(in super::super) fn foreign(&self, keys: &[&str], owner: &str) {
        for key in keys.iter().filter(|key| self.has(key)) {
            // Known from here on, but not among the keys that a typing slip is told of.
            let _ = self.value(key);
            let right = format!("remove it, or set {owner}");
            self.mistake(key, &format!("belongs to {owner}"), &right);
        }
    }
}
