//! The configuration: what is accepted, what is refused and in which words.

use std::time::Duration;

use vod_relay::config::{Config, ConfigError, CredentialsConfig};

/// The least that runs.
const MINIMAL: &str = "[sources.main]\n[sinks.app]\ntype = \"stdout\"\n";

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse("config.toml", text, &|_| None)
}

#[test]
fn the_least_configuration_has_all_defaults() {
    let config = parse(MINIMAL).unwrap();
    let source = &config.sources[0];
    assert_eq!((source.name.as_str(), source.max_pulls), ("main", 8));
    assert_eq!(source.endpoint.as_str(), "https://vod.tencentcloudapi.com/");
    assert_eq!(source.lease, Duration::from_secs(30));
    assert_eq!(source.credentials, CredentialsConfig::Chain);
    assert_eq!(config.sinks[0].name, "app");
    assert!(config.warnings.is_empty());
}
