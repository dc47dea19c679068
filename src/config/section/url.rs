//! The getters for addresses with a scheme.

use reqwest::Url;

use super::Section;
use crate::secret::MASK;

impl Section<'_> {
    /// An address with one of the given schemes. Without a default the key must be there.
    pub fn url(&self, key: &str, default: Option<&str>, schemes: &[&str]) -> Option<Url> {
        let scheme = schemes.first().unwrap_or(&"https");
        let right = match default {
            Some(default) => format!("for example \"{default}\""),
            None => format!("for example \"{scheme}://host.example.com/path\""),
        };
        let known = self.value(key).is_some();
        let Some(text) = self.text(key).or_else(|| default.map(str::to_owned)) else {
            if !known {
                self.missing(key, &right);
            }
            return None;
        };
        match checked_url(&text, schemes) {
            Ok(url) => {
                self.effective(key, masked(&url));
                Some(url)
            }
            Err(problem) => {
                self.mistake(key, &problem, &right);
                None
            }
        }
    }

    /// The servers of one cluster: addresses with one of the given schemes, separated by commas. At
    /// least one must be there.
    pub fn servers(&self, key: &str, example: &str, schemes: &[&str]) -> Option<Vec<Url>> {
        if self.value(key).is_none() {
            self.missing(key, &format!("for example \"{example}\""));
        }
        let text = self.text(key)?;
        let mut urls = Vec::new();
        for part in text.split(',').map(str::trim) {
            match checked_url(part, schemes) {
                Ok(url) => urls.push(url),
                Err(problem) => {
                    self.mistake(key, &problem, &format!("for example \"{example}\""));
                    return None;
                }
            }
        }
        self.effective(key, urls.iter().map(masked).collect::<Vec<_>>().join(","));
        Some(urls)
    }
}

/// A URL with one of the schemes and a host, or what is wrong with it. The text is not quoted there: it
/// may hold a password or a token.
fn checked_url(text: &str, schemes: &[&str]) -> Result<Url, String> {
    match Url::parse(text) {
        Ok(url) if !schemes.contains(&url.scheme()) => {
            Err(format!("has a scheme other than {}", schemes.join(" or ")))
        }
        Ok(url) if !url.has_host() => Err("has no host".to_owned()),
        Ok(url) => Ok(url),
        Err(error) => Err(format!("is not a URL: {error}")),
    }
}

/// The URL without what may be secret in it: the password, a user name that stands alone (some
/// services take a token there), and the values of the query.
pub(super) fn masked(url: &Url) -> String {
    let mut masked = url.clone();
    // These fail only for URLs without a host, which have nothing to mask.
    if url.password().is_some() {
        let _ = masked.set_password(Some(MASK));
    } else if !url.username().is_empty() {
        let _ = masked.set_username(MASK);
    }
    if url.query().is_some() {
        let pairs = url.query().unwrap_or_default().split('&');
        let pairs = pairs.map(|pair| match pair.split_once('=') {
            Some((name, _)) => format!("{name}={MASK}"),
            None => MASK.to_owned(),
        });
        masked.set_query(Some(&pairs.collect::<Vec<_>>().join("&")));
    }
    let bare = masked.path() == "/" && masked.query().is_none() && masked.fragment().is_none();
    let text = masked.as_str();
    // As people write it.
    if bare { text.trim_end_matches('/') } else { text }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::fixture::{effective, read};

    #[test]
    fn addresses() {
        let get = |keys: &str| read(keys, |s| s.url("k", None, &["https", "http"]));
        assert_eq!(get("k = 'https://a.example'").0.unwrap().as_str(), "https://a.example/");
        let right = "(for example \"https://host.example.com/path\")";
        for (keys, problem) in [
            ("k = 'ftp://a.example'", "has a scheme other than https or http"),
            ("k = 'a.example/path'", "is not a URL: relative URL without a base"),
            ("k = ''", "is not a URL: relative URL without a base"),
            ("k = 'https://'", "is not a URL: empty host"),
            ("k = 'https://a b/'", "is not a URL: invalid international domain name"),
        ] {
            assert_eq!(get(keys), (None, format!("2:5: sinks.app.k: {problem} {right}")));
        }
        assert_eq!(get(""), (None, format!("1:1: sinks.app.k: is missing {right}")));
    }

    #[test]
    fn what_may_be_secret_in_an_address_is_masked() {
        for (written, shown) in [
            ("https://a.example", "https://a.example"),
            ("https://a.example/hook/", "https://a.example/hook/"),
            ("https://me:hunter2@a.example/x", "https://me:********@a.example/x"),
            ("https://token@a.example/x", "https://********@a.example/x"),
            ("https://a.example/?key=abc&b", "https://a.example/?key=********&********"),
        ] {
            let keys = format!("k = '{written}'");
            let shown = format!("k = \"{shown}\"\n");
            assert_eq!(effective(&keys, |s| s.url("k", None, &["https"])), shown);
        }
    }

    #[test]
    fn several_servers_stand_in_one_text() {
        let servers = |keys: &str| read(keys, |s| s.servers("k", "nats://a", &["nats", "tls"]));
        let texts = |urls: Option<Vec<Url>>| {
            urls.map(|urls| urls.into_iter().map(String::from).collect::<Vec<_>>())
        };
        let (urls, mistakes) = servers("k = 'nats://a:1 ,tls://u:hunter2@b'");
        assert_eq!(mistakes, "");
        assert_eq!(texts(urls).unwrap(), ["nats://a:1", "tls://u:hunter2@b"]);
        let shown = effective("k = 'nats://a,tls://u:hunter2@b'", |s| {
            s.servers("k", "nats://a", &["nats", "tls"])
        });
        assert_eq!(shown, "k = \"nats://a,tls://u:********@b\"\n");
        for (keys, flaw) in [
            ("", "sinks.app.k: is missing (for example \"nats://a\")"),
            ("k = ''", "sinks.app.k: is not a URL"),
            ("k = 'nats://a,'", "sinks.app.k: is not a URL"),
            ("k = 'nats://a,ws://b'", "has a scheme other than nats or tls"),
            ("k = 1", "sinks.app.k: is a whole number (text in quotes)"),
        ] {
            let (urls, mistakes) = servers(keys);
            assert!(urls.is_none() && mistakes.contains(flaw), "{keys}: {mistakes}");
        }
    }
}
