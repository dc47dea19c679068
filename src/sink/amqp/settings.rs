//! What `[sinks.NAME]` with `type = "amqp"` says.

use std::fmt;
use std::time::Duration;

use lapin::uri::AMQPUri;
use reqwest::Url;

use crate::config::Section;
use crate::format::Format;
use crate::http;
use crate::secret::Secret;
use crate::sink::template::Template;
use crate::tls;

/// The most bytes of a routing key or of an exchange's name, by the protocol.
const NAME_MAX: usize = 255;

/// The scheme that asks for TLS.
const SECURE: &str = "amqps";

/// The virtual host unless the URL names one.
const VHOST: &str = "/";

/// The settings.
#[derive(Clone, PartialEq)]
pub struct Config {
    /// The broker's address; user and password in it have moved to `user` and `password`.
    pub(super) url: Url,
    /// What errors call the broker.
    pub(super) shown: String,
    /// Who the relay is. `None`: the broker's own default, `guest`.
    pub(super) user: Option<(String, Secret)>,
    /// Certificates to trust and to show.
    pub(super) tls: tls::Files,
    /// The exchange; empty for the default one, which routes to the queue that has the key's name.
    pub(super) exchange: String,
    /// The routing key.
    pub(super) routing_key: Template,
    /// The shape of the body.
    pub(super) format: Format,
    /// The most time that one call may take.
    pub(super) timeout: Duration,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { shown, user, tls, exchange, routing_key, format, timeout, .. } = self;
        f.debug_struct("Config")
            .field("url", shown)
            .field("user", user)
            .field("tls", tls)
            .field("exchange", exchange)
            .field("routing_key", routing_key)
            .field("format", format)
            .field("timeout", timeout)
            .finish()
    }
}

impl Config {
    /// Reads the sink's keys.
    pub(in crate::sink) fn read(section: &Section<'_>) -> Option<Self> {
        let url = section.url("url", None, &["amqp", SECURE]);
        if let Some(Err(problem)) = url.as_ref().map(|url| url.as_str().parse::<AMQPUri>()) {
            section.mistake(
                "url",
                &problem,
                "for example \"amqp://broker.example.com:5672/vhost\"",
            );
        }
        let user = user(section, url.as_ref());
        let is_secure = url.as_ref().is_none_or(|url| url.scheme() == SECURE);
        let tls = section.tls_files_if(is_secure, "amqps://");
        let exchange = section.string_or("exchange", "");
        if exchange.len() > NAME_MAX {
            section.mistake("exchange", "is too long", "255 bytes at the most");
        }
        let routing_key = routing_key(section, &exchange);
        let format = section.format();
        let timeout = crate::sink::timeout(section, Duration::from_secs(10));
        let url = url?;
        Some(Self {
            shown: http::shown(&url),
            url,
            user,
            tls,
            exchange,
            routing_key: routing_key?,
            format: format?,
            timeout,
        })
    }

    /// What the client connects to.
    pub(super) fn uri(&self) -> Result<AMQPUri, String> {
        let mut uri: AMQPUri = self.url.as_str().parse()?;
        if matches!(self.url.path(), "" | "/") {
            VHOST.clone_into(&mut uri.vhost);
        }
        if let Some((user, password)) = &self.user {
            user.clone_into(&mut uri.authority.userinfo.username);
            password.expose().clone_into(&mut uri.authority.userinfo.password);
        }
        Ok(uri)
    }

    /// What errors call the place that events go to.
    pub(super) fn place(&self, key: &str) -> String {
        match self.exchange.as_str() {
            "" => format!("the queue {key} at {}", self.shown),
            exchange => format!("the exchange {exchange} with the key {key:?} at {}", self.shown),
        }
    }
}

fn user(section: &Section<'_>, url: Option<&Url>) -> Option<(String, Secret)> {
    let user = section.string("user").filter(|user| !user.is_empty());
    let password = section.secret("password").filter(|password| !password.is_empty());
    if user.is_some() && url.is_some_and(|url| !url.username().is_empty()) {
        section.mistake("user", "stands beside a user in url", "one of them");
    }
    if password.is_some() && user.is_none() {
        section.mistake("password", "stands without user", "both or neither");
    }
    Some((user?, password.unwrap_or_else(|| Secret::from(String::new()))))
}

fn routing_key(section: &Section<'_>, exchange: &str) -> Option<Template> {
    let right = "for example routing_key = \"vod-events\", which is the queue's name where there is \
                 no exchange";
    if !section.has("routing_key") {
        section.missing("routing_key", right);
        // Known all the same.
        return section.string("routing_key").and(None);
    }
    Template::read(section, ["routing_key", ""], right, |key| match key.len() {
        0 if exchange.is_empty() => Some("is empty, and so is exchange"),
        length if length > NAME_MAX => Some("is too long: 255 bytes at the most, with a long type"),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::fixture::{effective, read};

    fn config(keys: &str) -> (Option<Config>, String) {
        read(keys, Config::read)
    }

    #[test]
    fn mistakes_are_named() {
        let long = format!("url = 'amqp://a'\nrouting_key = '{{type}}{}'", "k".repeat(200));
        for (keys, flaw) in [
            ("routing_key = 'q'", "sinks.app.url: is missing"),
            ("url = 'amqp://a'", "sinks.app.routing_key: is missing"),
            ("url = 'http://a'\nrouting_key = 'q'", "has a scheme other than amqp or amqps"),
            ("url = 'amqp://a?heartbeat=often'\nrouting_key = 'q'", "sinks.app.url: "),
            ("url = 'amqp://a'\nrouting_key = ''", "routing_key: is empty, and so is exchange"),
            ("url = 'amqp://a'\nrouting_key = '{file}'", "a placeholder other than {type}"),
            (&long, "routing_key: is too long"),
            ("url = 'amqp://a'\nrouting_key = 'q'\npassword = 'hunter2'", "stands without user"),
            ("url = 'amqp://u:hunter2@a'\nrouting_key = 'q'\nuser = 'v'", "beside a user in url"),
            (
                "url = 'amqp://a'\nrouting_key = 'q'\nca_file = '/a'",
                "ca_file: goes with amqps:// alone",
            ),
        ] {
            let mistakes = self::config(keys).1;
            assert!(mistakes.contains(flaw), "{keys}: {mistakes}");
            assert!(!mistakes.contains("hunter2"), "{mistakes}");
        }
        assert_eq!(config("url = 'amqp://a'\nexchange = 'fan'\nrouting_key = ''").1, "");
    }

    #[test]
    fn the_virtual_host_and_the_user_are_where_users_of_the_broker_write_them() {
        let key = "routing_key = 'q'";
        for (keys, vhost, user) in [
            ("url = 'amqp://a'", "/", "guest guest"),
            ("url = 'amqp://a/'", "/", "guest guest"),
            ("url = 'amqp://a/%2f'", "/", "guest guest"),
            ("url = 'amqps://u:hunter2@a/media%2Fvod'", "media/vod", "u hunter2"),
            ("url = 'amqp://a/vod'\nuser = 'u'\npassword = 'hunter2'", "vod", "u hunter2"),
        ] {
            let keys = format!("{keys}\n{key}");
            let (config, mistakes) = config(&keys);
            assert_eq!(mistakes, "", "{keys}");
            let config = config.unwrap();
            let uri = config.uri().unwrap();
            let info = &uri.authority.userinfo;
            assert_eq!(
                (&*uri.vhost, format!("{} {}", info.username, info.password)),
                (vhost, user.to_owned())
            );
            let shown = effective(&keys, Config::read) + &format!("{config:?}") + &config.shown;
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }
}
