//! What a connection needs to know, out of a URL and what stands beside it.

use std::fmt;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use reqwest::Url;
use tokio_postgres::Config;

use super::encryption::Encryption;
use crate::secret::Secret;
use crate::tls::Files;

/// Where PostgreSQL listens unless told otherwise.
const PORT: u16 = 5432;

/// How soon the kernel asks an idle connection whether its server is still there, and how long it
/// waits for what was sent to be acknowledged: a server that vanished is found out within a lease.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// The parameters that a URL may have.
const PARAMETERS: &str = "sslmode, host, application_name, options";

/// Where to connect, as whom, and how it is protected.
#[derive(Clone, PartialEq)]
pub struct Settings {
    pub(super) config: Config,
    pub(super) encryption: Encryption,
    pub(super) files: Files,
    /// The server and the database, for messages.
    server: String,
    user: String,
}

impl fmt::Debug for Settings {
    // The URL's `options` and the like have no place in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { encryption, files, server, user, .. } = self;
        f.debug_struct("Settings")
            .field("server", server)
            .field("user", user)
            .field("encryption", encryption)
            .field("files", files)
            .finish_non_exhaustive()
    }
}

/// What is wrong with settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem} ({right})")]
pub struct Flaw {
    /// What is wrong with the URL, or with it beside the rest.
    pub problem: String,
    /// What would be right.
    pub right: String,
}

fn flaw<T>(problem: impl Into<String>, right: &str) -> Result<T, Flaw> {
    Err(Flaw { problem: problem.into(), right: right.to_owned() })
}

impl Settings {
    /// Takes `postgres://USER:PASSWORD@HOST:PORT/DATABASE?PARAMETERS` (or `postgresql://`), whose user
    /// and password may stand beside it instead. A host with a slash, written `%2F`, and the
    /// parameter `host` name the directory of a Unix socket. `sslmode` is as libpq has it:
    ///
    /// * `disable`: no TLS.
    /// * `prefer`, the default without TLS files: TLS if the server offers it, whoever it is.
    /// * `require`: TLS, whoever the server is; with a `ca_file` it is verified.
    /// * `verify-full`, the default with TLS files: TLS with a server whose certificate is trusted and
    ///   in its name.
    ///
    /// # Errors
    ///
    /// The URL cannot be used, or contradicts what stands beside it.
    pub fn new(
        url: &Url,
        user: Option<String>,
        password: Option<Secret>,
        files: Files,
    ) -> Result<Self, Flaw> {
        let mut config = Config::new();
        config
            .application_name("vod-relay")
            .keepalives_idle(KEEPALIVE)
            .keepalives_interval(KEEPALIVE / 3)
            .keepalives_retries(3)
            .tcp_user_timeout(KEEPALIVE * 2);

        let user = match (decoded(url.username())?, user) {
            (in_url, None) if !in_url.is_empty() => in_url,
            (in_url, Some(user)) if in_url.is_empty() && !user.is_empty() => user,
            (in_url, Some(_)) if !in_url.is_empty() => {
                return flaw("names a user, as user does", "in one place only");
            }
            _ => return flaw("names no user", "postgres://USER@HOST/DATABASE, or set user"),
        };
        config.user(&user);
        match (url.password(), password.filter(|password| !password.is_empty())) {
            (Some(_), Some(_)) => {
                return flaw("has a password, as password does", "in one place only");
            }
            (Some(encoded), None) => config.password(decoded(encoded)?),
            (None, Some(password)) => config.password(password.expose()),
            (None, None) => &mut config,
        };

        let database = decoded(url.path().trim_start_matches('/'))?;
        // The server's own default, made plain.
        let database = if database.is_empty() { user.clone() } else { database };
        config.dbname(&database);
        let port = url.port().unwrap_or(PORT);
        config.port(port);

        let mut host = decoded(url.host_str().unwrap_or_default())?;
        let mut mode = None;
        for (name, value) in url.query_pairs() {
            match &*name {
                "sslmode" => mode = Some(value.into_owned()),
                "host" => host = value.into_owned(),
                "application_name" => {
                    config.application_name(value);
                }
                "options" => {
                    config.options(value);
                }
                // Not quoted: it may be a secret's end that was not encoded.
                _ => return flaw("has a parameter that is not known", PARAMETERS),
            }
        }
        if host.is_empty() {
            return flaw("has no host", "for example postgres://HOST/DATABASE");
        }
        // The brackets of an IPv6 address belong to the URL.
        config.host(host.trim_start_matches('[').trim_end_matches(']'));
        let encryption = encryption(mode.as_deref(), &files, host.starts_with('/'))?;
        config.ssl_mode(encryption.mode());
        let server = format!("PostgreSQL at {host}:{port}, database {database}");
        Ok(Self { config, encryption, files, server, user })
    }

    /// The server and the database as messages name them.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Who connects.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// How the connection is protected, in words.
    pub fn protection(&self) -> &'static str {
        match self.encryption {
            Encryption::Off => "without TLS",
            Encryption::IfOffered => "with TLS only if the server offers it, and not verified",
            Encryption::Always => "with TLS, the certificate not verified",
            Encryption::Verified => "with TLS, the certificate verified",
        }
    }
}

fn encryption(mode: Option<&str>, files: &Files, is_local: bool) -> Result<Encryption, Flaw> {
    let has_files = !files.is_empty();
    match mode {
        None if is_local && !has_files => Ok(Encryption::Off),
        None if has_files => Ok(Encryption::Verified),
        None | Some("prefer") if !has_files => Ok(Encryption::IfOffered),
        Some("disable") if !has_files => Ok(Encryption::Off),
        Some("require") if files.ca_file.is_some() => Ok(Encryption::Verified),
        Some("require") => Ok(Encryption::Always),
        Some("verify-full") => Ok(Encryption::Verified),
        Some("disable" | "prefer") => flaw(
            "has an sslmode that makes no use of ca_file or client_cert_file",
            "sslmode=verify-full, or leave the files out",
        ),
        _ => flaw(
            "has an sslmode that is not known here",
            "one of disable, prefer, require, verify-full",
        ),
    }
}

fn decoded(text: &str) -> Result<String, Flaw> {
    match percent_decode_str(text).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => flaw("is not UTF-8 where it is percent-encoded", "encode it as UTF-8"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> Result<Settings, Flaw> {
        Settings::new(&url.parse().unwrap(), None, None, Files::default())
    }

    #[test]
    fn a_url_says_where_and_who() {
        let found =
            settings("postgres://re%6cay:p%40ss@db.example:6432/v%C3%B6d?application_name=x")
                .unwrap();
        let config = &found.config;
        assert_eq!(config.get_user(), Some("relay"));
        assert_eq!(config.get_password(), Some(&b"p@ss"[..]));
        assert_eq!(config.get_dbname(), Some("vöd"));
        assert_eq!(config.get_ports(), [6432]);
        assert_eq!(config.get_application_name(), Some("x"));
        assert_eq!(found.server(), "PostgreSQL at db.example:6432, database vöd");
        let short = settings("postgresql://relay@[::1]").unwrap();
        assert_eq!(short.config.get_hosts(), [tokio_postgres::config::Host::Tcp("::1".into())]);
        assert_eq!(short.config.get_ports(), [PORT]);
        assert_eq!(short.config.get_dbname(), Some("relay"));
        for socket in ["postgres://relay@%2Frun%2Fpg/vod", "postgres://relay@h/vod?host=/run/pg"] {
            let found = settings(socket).unwrap();
            let dir = tokio_postgres::config::Host::Unix("/run/pg".into());
            assert_eq!((found.config.get_hosts(), found.encryption), (&[dir][..], Encryption::Off));
        }
    }

    #[test]
    fn the_user_and_the_password_may_stand_beside_it() {
        let url = "postgres://h/vod".parse().unwrap();
        let secret = |text: &str| Some(Secret::from(text.to_owned()));
        let user = Some("relay".to_owned());
        let found = Settings::new(&url, user.clone(), secret("hunter2"), Files::default()).unwrap();
        assert_eq!((found.user(), found.config.get_password()), ("relay", Some(&b"hunter2"[..])));
        assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
        let none = Settings::new(&url, None, None, Files::default()).unwrap_err();
        assert_eq!(none.problem, "names no user");
        let url = "postgres://a:b@h/vod".parse().unwrap();
        let twice = Settings::new(&url, user, None, Files::default()).unwrap_err();
        assert_eq!(twice.problem, "names a user, as user does");
        let twice = Settings::new(&url, None, secret("b"), Files::default()).unwrap_err();
        assert_eq!(twice.problem, "has a password, as password does");
    }

    #[test]
    fn sslmode_is_as_libpq_has_it() {
        let files = Files { ca_file: Some("ca.pem".into()), identity: None };
        let mode = |text: Option<&str>, files: &Files| encryption(text, files, false).ok();
        for (text, without, with) in [
            (None, Some(Encryption::IfOffered), Some(Encryption::Verified)),
            (Some("disable"), Some(Encryption::Off), None),
            (Some("prefer"), Some(Encryption::IfOffered), None),
            (Some("require"), Some(Encryption::Always), Some(Encryption::Verified)),
            (Some("verify-full"), Some(Encryption::Verified), Some(Encryption::Verified)),
            (Some("verify-ca"), None, None),
        ] {
            assert_eq!(mode(text, &Files::default()), without, "{text:?}");
            assert_eq!(mode(text, &files), with, "{text:?}");
        }
        let unknown = settings("postgres://a@h/vod?hunter2=hunter2").unwrap_err();
        assert!(!unknown.to_string().contains("hunter2"), "{unknown}");
    }
}
