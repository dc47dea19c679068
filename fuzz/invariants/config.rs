//! The configuration: any text is read or refused, and no secret shows either way.

use toml::{Table, Value};
use vod_relay::config::{Config, ConfigError};

/// What a secret is in the inputs, and what the variable `KEY` holds.
const SECRET: &str = "hunter2";

/// One that webhooks can be signed with.
const SIGNING_SECRET: &str = "whsec_hunter2hunter2hunter2hunter2aaaa";

/// Reads the input as a configuration file.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    // A file with a secret is opened, and these can block or never end.
    if text.contains("/dev")
        || text.contains("/proc")
        || text.contains("\\u")
        || text.contains("\\x")
    {
        return;
    }
    let shown = match Config::parse("config.toml", text, &variables) {
        Ok(config) => {
            let effective = config.effective();
            let again = Config::parse("again.toml", &unmasked(effective), &|_| None)
                .unwrap_or_else(|error| panic!("{error}\nof\n{effective}\nof\n{text}"));
            assert_eq!(again.effective(), effective);
            format!("{config:?}\n{effective}\n{:?}", config.warnings)
        }
        Err(error) => {
            let ConfigError::Wrong { mistakes, .. } = &error else {
                panic!("there is no file: {error}");
            };
            assert!(!mistakes.is_empty());
            for mistake in mistakes {
                let (line, column) = (mistake.line, mistake.column);
                let found = text.split('\n').nth(line - 1);
                let length = found.map(|line| line.chars().count());
                assert!(length.is_some_and(|length| column <= length + 1), "{mistake}\nof\n{text}");
                assert!(!mistake.to_string().contains('\n'), "{mistake}\nof\n{text}");
            }
            format!("{error}\n{error:?}")
        }
    };
    if is_hidden(text) {
        assert!(!shown.contains(SECRET), "{shown}\nof\n{text}");
    }
}

/// The effective configuration with secrets in the place of masks where only a right one is taken.
fn unmasked(effective: &str) -> String {
    let line = |line: &str| match line.split(' ').next() {
        Some("sign_key") => line.replace("********", SECRET),
        Some("signing_secrets") => line.replace("********", SIGNING_SECRET),
        _ => line.to_owned(),
    };
    effective.lines().map(|text| line(text) + "\n").collect()
}

fn variables(name: &str) -> Option<String> {
    match name {
        "KEY" => Some(SECRET.to_owned()),
        "SIGNING_KEY" => Some(SIGNING_SECRET.to_owned()),
        "NAME" => Some("value".to_owned()),
        _ => None,
    }
}

/// Whether the secret stands only where secrets belong: elsewhere it may show.
fn is_hidden(text: &str) -> bool {
    match text.parse::<Table>() {
        Ok(document) => document.iter().all(|(name, value)| is_hidden_in(value, &[name])),
        // What a broken file means nobody knows. There it is the lines that count.
        Err(_) => text.lines().all(|line| !contains_secret(line) || belongs(line)),
    }
}

/// Whether the secret is all that a line of a broken file gives to a key for secrets.
fn belongs(line: &str) -> bool {
    let keys = ["secret_key = \"", "token = \"", "headers = { Authorization = \""];
    let value = keys.iter().find_map(|key| line.strip_prefix(key));
    let rest =
        value.and_then(|value| value.strip_prefix(SECRET).or_else(|| value.strip_prefix("${KEY}")));
    rest.is_some_and(|rest| !contains_secret(rest))
}

fn is_hidden_in(value: &Value, path: &[&str]) -> bool {
    if path.iter().any(|name| contains_secret(name)) {
        return false;
    }
    match value {
        Value::String(text) => {
            let belongs = match path {
                ["sources", _, "credentials", key] => matches!(*key, "secret_key" | "token"),
                ["sinks", _, "headers", _] | ["sinks", _, "sign_key" | "signing_secrets"] => true,
                ["sinks", _, "url"] => {
                    let rest = text.strip_prefix("https://user:hunter2@");
                    rest.is_some_and(|rest| !contains_secret(rest))
                }
                _ => false,
            };
            belongs || !contains_secret(text)
        }
        Value::Array(list) => list.iter().all(|item| is_hidden_in(item, path)),
        Value::Table(table) => table.iter().all(|(name, value)| {
            let path: Vec<_> = path.iter().copied().chain([name.as_str()]).collect();
            is_hidden_in(value, &path)
        }),
        _ => true,
    }
}

fn contains_secret(text: &str) -> bool {
    text.contains(SECRET) || text.contains("KEY")
}
