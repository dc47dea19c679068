//! What `[sinks.NAME]` with `type = "nats"` says.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;

use crate::config::Section;
use crate::format::Format;
use crate::http;
use crate::secret::Secret;
use crate::sink::template::Template;
use crate::tls;

/// Where events go unless it is configured.
const SUBJECT: &str = "vod.events";

/// What a mistake in the subject is answered with.
const RIGHT: &str = "for example \"vod.events\" or \"vod.{type}\"";

/// The settings.
#[derive(Clone, PartialEq)]
pub struct Config {
    /// The servers of one cluster. A user and password in them have moved to `auth`.
    pub servers: Vec<Url>,
    /// What errors call the servers.
    pub shown: String,
    /// Who the relay says it is.
    pub auth: Auth,
    /// Certificates to trust and to show.
    pub tls: tls::Files,
    /// Where to publish.
    pub(in crate::sink) subject: Template,
    /// The shape of the body.
    pub format: Format,
    /// The most time that one call may take.
    pub timeout: Duration,
}

/// How the relay shows who it is.
#[derive(Debug, Clone, PartialEq)]
pub enum Auth {
    /// Not at all, or by its certificate.
    None,
    /// A user and a password.
    User(String, Secret),
    /// A token.
    Token(Secret),
    /// A file with a JWT and the seed of its key, as `nsc` makes it.
    Credentials(PathBuf),
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { shown, auth, tls, subject, format, timeout, .. } = self;
        f.debug_struct("Config")
            .field("servers", shown)
            .field("auth", auth)
            .field("tls", tls)
            .field("subject", subject)
            .field("format", format)
            .field("timeout", timeout)
            .finish()
    }
}

impl Config {
    /// Reads the sink's keys.
    pub(in crate::sink) fn read(section: &Section<'_>) -> Option<Self> {
        let servers = section.servers("url", "nats://127.0.0.1:4222", &["nats", "tls"]);
        let auth = auth(section, servers.as_deref().unwrap_or_default());
        let tls = section.tls_files();
        let subject = Template::read(section, ["subject", SUBJECT], RIGHT, flaw);
        let format = section.format();
        let timeout = crate::sink::timeout(section, Duration::from_secs(10));
        let servers = servers?;
        let shown: Vec<_> = servers.iter().map(http::shown).collect();
        Some(Self {
            shown: shown.join(","),
            servers,
            auth,
            tls,
            subject: subject?,
            format: format?,
            timeout,
        })
    }

    /// Whether there is something to read again when files may have changed.
    pub(super) fn has_files(&self) -> bool {
        matches!(self.auth, Auth::Credentials(_)) || !self.tls.is_empty()
    }
}

fn auth(section: &Section<'_>, servers: &[Url]) -> Auth {
    let user = section.string("user").filter(|user| !user.is_empty());
    let password = section.secret("password");
    let token = section.secret("token").filter(|token| !token.is_empty());
    let credentials = section.path("credentials_file");
    let mut ways = Vec::new();
    ways.extend(credentials.map(|file| ("credentials_file", Auth::Credentials(file))));
    ways.extend(token.map(|token| ("token", Auth::Token(token))));
    match (user, password) {
        (Some(user), password) => {
            let password = password.unwrap_or_else(|| Secret::from(String::new()));
            ways.push(("user", Auth::User(user, password)));
        }
        (None, Some(password)) if !password.is_empty() => {
            section.mistake("password", "stands without user", "both or neither");
        }
        (None, _) => {}
    }
    ways.extend(servers.iter().find_map(in_url).map(|auth| ("url", auth)));
    if let [(first, _), (second, _), ..] = &ways[..] {
        let problem = format!("says who the relay is beside {second}");
        section.mistake(first, &problem, "one of credentials_file, token, user, or a user in url");
    }
    ways.into_iter().next().map_or(Auth::None, |(_, auth)| auth)
}

/// Who the relay is by a URL: a user and a password, or a token where a user stands alone.
fn in_url(url: &Url) -> Option<Auth> {
    let plain =
        |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let user = Some(plain(url.username())).filter(|user| !user.is_empty())?;
    Some(match url.password() {
        Some(password) => Auth::User(user, Secret::from(plain(password))),
        None => Auth::Token(Secret::from(user)),
    })
}

/// What keeps a subject from being published to.
fn flaw(subject: &str) -> Option<&'static str> {
    if subject.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Some("has white space in it");
    }
    if subject.split('.').any(str::is_empty) {
        return Some("has an empty part");
    }
    subject.contains(['*', '>']).then_some("has a wildcard, which is for those who subscribe")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::fixture::{effective, read};

    fn config(keys: &str) -> (Option<Config>, String) {
        read(keys, Config::read)
    }

    #[test]
    fn the_servers_and_the_subject_are_as_users_of_nats_write_them() {
        let (config, mistakes) =
            config("url = 'nats://a:4222, tls://b:4223'\nsubject = 'x.{type}'");
        assert_eq!(mistakes, "");
        let config = config.unwrap();
        assert_eq!(config.shown, "nats://a:4222,tls://b:4223");
        assert_eq!(config.subject.with("T"), "x.T");
        for (keys, flaw) in [
            ("", "sinks.app.url: is missing"),
            ("url = 'http://a'", "has a scheme other than nats or tls"),
            ("url = 'nats://a,nats://'", "has no host"),
            ("url = 'nats://a'\nsubject = 'a b'", "subject: has white space"),
            ("url = 'nats://a'\nsubject = 'a..b'", "subject: has an empty part"),
            ("url = 'nats://a'\nsubject = ''", "subject: has an empty part"),
            ("url = 'nats://a'\nsubject = 'a.>'", "subject: has a wildcard"),
            ("url = 'nats://a'\nsubject = 'a.{file}'", "a placeholder other than {type}"),
            ("url = 'nats://a'\npassword = 'hunter2'", "password: stands without user"),
            ("url = 'nats://a'\nuser = 'u'\ntoken = 'hunter2'", "token: says who the relay is"),
            ("url = 'nats://u:hunter2@a'\nuser = 'u'", "user: says who the relay is beside url"),
        ] {
            let mistakes = self::config(keys).1;
            assert!(mistakes.contains(flaw), "{keys}: {mistakes}");
            assert!(!mistakes.contains("hunter2"), "{mistakes}");
        }
    }

    #[test]
    fn who_the_relay_is_stands_in_the_url_or_beside_it_and_is_never_shown() {
        let secret = |text: &str| Secret::from(text.to_owned());
        for (keys, auth) in [
            ("url = 'nats://a'", Auth::None),
            (
                "url = 'nats://a'\nuser = 'u'\npassword = 'hunter2'",
                Auth::User("u".into(), secret("hunter2")),
            ),
            ("url = 'nats://u:hunter2%40@a'", Auth::User("u".into(), secret("hunter2@"))),
            ("url = 'nats://hunter2@a'", Auth::Token(secret("hunter2"))),
            ("url = 'nats://a'\ntoken = 'hunter2'", Auth::Token(secret("hunter2"))),
            ("url = 'nats://a'\ncredentials_file = '/c'", Auth::Credentials("/c".into())),
        ] {
            let (config, mistakes) = config(keys);
            assert_eq!(mistakes, "", "{keys}");
            let config = config.unwrap();
            assert_eq!(config.auth, auth);
            let shown = effective(keys, Config::read) + &format!("{config:?}") + &config.shown;
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }
}
