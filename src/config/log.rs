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

impl Log {
    pub(super) fn read(section: Section<'_>) -> Self {
        let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
        let format = section.choice("format", &formats, "text").unwrap_or(LogFormat::Text);
        let level = section.string_or("level", "info");
        if let Some(wrong) = Self::wrong_directive(&level) {
            section.mistake(
                "level",
                &format!("{} is not a level", quoted(wrong)),
                "off, error, warn, info, debug or trace; by module: \"info,vod_relay::sink=debug\"",
            );
        }
        section.finish();
        Self { format, level }
    }

    /// The part of a filter that is neither a level nor a module with its level, if there is one.
    pub fn wrong_directive(filter: &str) -> Option<&str> {
        filter.split(',').find(|directive| !is_directive(directive))
    }
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
