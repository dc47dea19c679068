//! What `[sinks.NAME]` with `type = "mqtt"` says.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use rustls::ClientConfig;

use crate::config::Section;
use crate::format::Format;
use crate::http;
use crate::secret::Secret;
use crate::sink::template::Template;
use crate::tls;

/// Where events go unless it is configured.
const TOPIC: &str = "vod/events";

/// What would be right in its place.
const RIGHT: &str = "for example \"vod/events\" or \"vod/{type}\"";

/// The longest name of a topic; MQTT takes 65,535 bytes.
const TOPIC_MAX: usize = 1024;

/// The scheme that asks for TLS.
const SECURE: &str = "mqtts";

/// The settings.
#[derive(Clone, PartialEq)]
pub struct Config {
    /// The server. A user and password in it have moved to `login`.
    pub url: Url,
    /// What errors call the server.
    pub shown: String,
    /// Who the relay says it is.
    pub login: Option<(String, Secret)>,
    /// The name of the connection; one is made up where there is none.
    pub client_id: Option<String>,
    /// Where to publish.
    pub(in crate::sink) topic: Template,
    /// Whether the server keeps the last message for those who subscribe later.
    pub retain: bool,
    /// Whether a message that nobody is subscribed to is not delivered.
    pub require_subscriber: bool,
    /// Certificates to trust and to show.
    pub tls: tls::Files,
    /// The shape of the payload.
    pub format: Format,
    /// The most time that one call may take.
    pub timeout: Duration,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { shown, login, client_id, topic, retain, .. } = self;
        let Self { require_subscriber, tls, format, timeout, .. } = self;
        f.debug_struct("Config")
            .field("url", shown)
            .field("login", login)
            .field("client_id", client_id)
            .field("topic", topic)
            .field("retain", retain)
            .field("require_subscriber", require_subscriber)
            .field("tls", tls)
            .field("format", format)
            .field("timeout", timeout)
            .finish()
    }
}

impl Config {
    /// Reads the sink's keys.
    pub(in crate::sink) fn read(section: &Section<'_>) -> Option<Self> {
        let url = section.url("url", None, &["mqtt", SECURE]);
        let login = login(section, url.as_ref());
        let client_id = section.string("client_id").filter(|id| !id.is_empty());
        let topic = Template::read(section, ["topic", TOPIC], RIGHT, flaw);
        let retain = section.boolean("retain", false);
        let require_subscriber = section.boolean("require_subscriber", true);
        let is_secure = url.as_ref().is_none_or(|url| url.scheme() == SECURE);
        let tls = section.tls_files_if(is_secure, "mqtts://");
        let format = section.format();
        let timeout = crate::sink::timeout(section, Duration::from_secs(10));
        let mut url = url?;
        if !matches!(url.path(), "" | "/") || url.query().is_some() {
            section.mistake("url", "says more than a server", "mqtt://host:1883, and topic");
        }
        // These fail only for URLs without a host.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        Some(Self {
            shown: http::shown(&url),
            url,
            login,
            client_id,
            topic: topic?,
            retain,
            require_subscriber,
            tls,
            format: format?,
            timeout,
        })
    }

    /// Reads the files, where the URL asks for TLS; the error says which cannot be used.
    pub(super) fn tls(&self) -> Result<Option<Arc<ClientConfig>>, String> {
        if self.url.scheme() != SECURE {
            return Ok(None);
        }
        tls::client_config(&self.tls).map(Some).map_err(|error| error.to_string())
    }

    /// The server's host, and the port that its scheme has unless another one is given.
    pub(super) fn address(&self) -> (&str, u16) {
        let host = self.url.host_str().unwrap_or_default();
        let usual = if self.url.scheme() == SECURE { 8883 } else { 1883 };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        (host, self.url.port().unwrap_or(usual))
    }
}

/// Who the relay is, by the keys or by the URL.
fn login(section: &Section<'_>, url: Option<&Url>) -> Option<(String, Secret)> {
    let user = section.string("user").filter(|user| !user.is_empty());
    let password = section.secret("password").filter(|password| !password.is_empty());
    let in_url = url.and_then(in_url);
    match (user, password, in_url) {
        (None, None, in_url) => in_url,
        (Some(user), password, None) => {
            Some((user, password.unwrap_or_else(|| Secret::from(String::new()))))
        }
        (None, Some(_), _) => {
            let key = if section.has("password") { "password" } else { "password_file" };
            section.mistake(key, "stands without user", "both or neither");
            None
        }
        (Some(_), _, Some(_)) => {
            section.mistake("user", "stands beside the one in url", "one of them");
            None
        }
    }
}

fn in_url(url: &Url) -> Option<(String, Secret)> {
    let plain =
        |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let user = Some(plain(url.username())).filter(|user| !user.is_empty())?;
    Some((user, Secret::from(plain(url.password().unwrap_or_default()))))
}

/// What keeps a topic from being published to.
fn flaw(topic: &str) -> Option<&'static str> {
    if topic.is_empty() {
        return Some("is empty");
    }
    if topic.len() > TOPIC_MAX {
        return Some("is too long");
    }
    if topic.contains(char::is_control) {
        return Some("has a control character in it");
    }
    if topic.starts_with('$') {
        return Some("begins with $, which is for the server");
    }
    topic.contains(['+', '#']).then_some("has a wildcard, which is for those who subscribe")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::fixture::read;

    fn config(keys: &str) -> (Option<Config>, String) {
        read(keys, Config::read)
    }

    #[test]
    fn the_login_comes_from_the_keys_or_from_the_url() {
        let login = |keys: &str| config(keys).0.unwrap().login;
        let secret = |text: &str| Secret::from(text.to_owned());
        assert_eq!(login("url = 'mqtt://a'"), None);
        let keys = "url = 'mqtt://a'\nuser = 'u'\npassword = 'hunter2'";
        assert_eq!(login(keys), Some(("u".to_owned(), secret("hunter2"))));
        let keys = "url = 'mqtt://u:hunter%202@a'";
        assert_eq!(login(keys), Some(("u".to_owned(), secret("hunter 2"))));
        let (found, _) = config(keys);
        assert!(!format!("{found:?}").contains("hunter"), "{found:?}");
        for (keys, flaw) in [
            ("url = 'mqtt://u:p@a'\nuser = 'u'", "user: stands beside the one in url"),
            ("url = 'mqtt://a'\npassword = 'p'", "password: stands without user"),
            ("url = 'mqtt://a/topic'", "url: says more than a server"),
            ("url = 'mqtt://a'\nca_file = '/a'", "ca_file: goes with mqtts:// alone"),
        ] {
            assert!(config(keys).1.contains(flaw), "{keys}: {}", config(keys).1);
        }
    }

    #[test]
    fn an_address_has_the_port_of_its_scheme() {
        let address = |url: &str| {
            let (found, mistakes) = config(&format!("url = '{url}'"));
            let found = found.unwrap_or_else(|| panic!("{mistakes}"));
            let (host, port) = found.address();
            format!("{host} {port}")
        };
        assert_eq!(address("mqtt://a.example"), "a.example 1883");
        assert_eq!(address("mqtts://a.example/"), "a.example 8883");
        assert_eq!(address("mqtt://[::1]:1884"), "::1 1884");
    }

    #[test]
    fn a_topic_is_one_that_can_be_published_to() {
        let flaw = |topic: &str| config(&format!("url = 'mqtt://a'\ntopic = '{topic}'")).1;
        for right in ["vod/events", "vod/{type}", "/x", "动画"] {
            assert_eq!(flaw(right), "");
        }
        for (wrong, problem) in [
            ("", "is empty"),
            ("vod/#", "has a wildcard"),
            ("+/events", "has a wildcard"),
            ("$$SYS/x", "begins with $"),
            ("vod/{file}", "has a placeholder other than {type}"),
        ] {
            assert!(flaw(wrong).contains(problem), "{wrong}: {}", flaw(wrong));
        }
    }
}
