//! What a receiver's answer says, for a refusal's reason.

use std::borrow::Cow;

use super::Config;
use crate::secret::MASK;

/// The most characters of an answer that are quoted.
const QUOTE_MAX: usize = 200;

/// A shorter word of a header or of a query is hardly a secret.
const SECRET_MIN: usize = 6;

/// The beginning of an answer, on one line and printable, without the secrets of the request: some
/// receivers say which token they do not know.
pub(super) fn quote(answer: &[u8], config: &Config) -> String {
    let secrets = secrets(config);
    let text = String::from_utf8_lossy(answer);
    let mut words = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        if !word.is_empty() {
            if !words.is_empty() {
                words.push(' ');
            }
            let masked = secrets.iter().fold(Cow::Borrowed(word), |word, secret| {
                if word.contains(secret) { word.replace(secret, MASK).into() } else { word }
            });
            words.push_str(&masked);
        }
    }
    match words.char_indices().nth(QUOTE_MAX) {
        Some((end, _)) => format!("{}...", &words[..end]),
        None => words,
    }
}

/// What of a request only its receiver is to see.
fn secrets(config: &Config) -> Vec<&str> {
    let headers = config.headers.values().filter_map(|value| value.to_str().ok());
    let query = config.url.query().unwrap_or_default().split(['&', '=']);
    let words = headers.flat_map(str::split_whitespace).chain(config.url.password()).chain(query);
    words.filter(|word| word.len() >= SECRET_MIN).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use reqwest::header::HeaderMap;

    use super::super::header;
    use super::*;
    use crate::format::Format;

    fn config() -> Config {
        let (name, value) = header::check("Authorization", "Bearer hunter2").unwrap();
        Config {
            url: "https://user:swordfish@app.example.com/?key=sesame1".parse().unwrap(),
            headers: HeaderMap::from_iter([(name, value)]),
            signing_secrets: Vec::new(),
            ca_file: None,
            identity: None,
            max_concurrency: 1,
            format: Format::Callback,
            timeout: Duration::from_secs(10),
        }
    }

    #[test]
    fn a_quote_is_short_printable_and_on_one_line() {
        let quote = |text: &[u8]| quote(text, &config());
        assert_eq!(
            quote(b"  no\r\n such\x1b[31m\tcustomer \xff "),
            "no such [31m customer \u{fffd}"
        );
        assert_eq!(quote("动".repeat(300).as_bytes()), format!("{}...", "动".repeat(QUOTE_MAX)));
        assert_eq!(quote(b""), "");
    }

    #[test]
    fn a_quote_shows_no_secret_of_the_request() {
        let answer = br#"unknown token "hunter2", password swordfish; GET /?key=sesame1"#;
        let expected = r#"unknown token "********", password ********; GET /?key=********"#;
        assert_eq!(quote(answer, &config()), expected);
    }
}
