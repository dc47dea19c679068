//! `[log]`: what is logged, and how.

use tracing::level_filters::LevelFilter;

use super::section::Section;
use super::spelling::quoted;

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The shape of a line.
    pub format: LogFormat,
    /// A level, or several by module: `info,vod_relay::sink=debug`.
    pub level: String,
}

/// The shape of a line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// What a level may be.
const LEVELS: &str =
    "off, error, warn, info, debug or trace; by module: \"info,vod_relay::sink=debug\"";

impl Log {
    /// The same log with another level, such as the environment asks for.
    ///
    /// # Errors
    ///
    /// It is no level; what would be.
    pub fn with_level(&self, level: &str) -> Result<Self, String> {
        match wrong_directive(level) {
            Some(wrong) => Err(format!("{} is not a level ({LEVELS})", quoted(wrong))),
            None => Ok(Self { level: level.to_owned(), ..self.clone() }),
        }
    }

    pub(super) fn read(section: Section<'_>) -> Self {
        let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
        let format = section.choice("format", &formats, "text").unwrap_or(LogFormat::Text);
        let level = section.string_or("level", "info");
        if let Some(wrong) = wrong_directive(&level) {
            section.mistake("level", &format!("{} is not a level", quoted(wrong)), LEVELS);
        }
        section.finish();
        Self { format, level }
    }
}

/// The first part of the filter that is wrong.
fn wrong_directive(filter: &str) -> Option<&str> {
    filter.split(',').find(|directive| !is_directive(directive))
}

/// Whether a part of the filter is a level, or a module with its level. A word alone must be a
/// level: the filter itself would take `inof` for a module, and log all of it and nothing else.
fn is_directive(text: &str) -> bool {
    let (module, level) = text.split_once('=').map_or((None, text), |(m, level)| (Some(m), level));
    let is_level = !level.is_empty() && level.trim().parse::<LevelFilter>().is_ok();
    is_level && module.is_none_or(|module| !module.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::is_directive;

    #[test]
    fn a_directive_is_a_level_or_a_module_with_one() {
        for right in ["info", "OFF", "trace", "vod_relay::sink=debug", "hyper=warn", " info"] {
            assert!(is_directive(right), "{right}");
        }
        for wrong in ["", "inof", "vod_relay", "vod_relay=", "=debug", "vod_relay=loud"] {
            assert!(!is_directive(wrong), "{wrong}");
        }
    }
}
