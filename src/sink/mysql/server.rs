//! Where the server is, who connects, and how that is protected.

use std::fmt;
use std::fs;
use std::path::Path;
use std::time::Duration;

use mysql_async::{ClientIdentity, Opts, OptsBuilder, SslOpts};
use percent_encoding::percent_decode_str;
use reqwest::Url;

use crate::config::Section;
use crate::secret::Secret;
use crate::tls::Files;

/// Where MySQL listens unless told otherwise.
const PORT: u16 = 3306;

/// How soon the kernel asks an idle connection whether its server is still there.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// How a connection is protected, as MySQL's own clients call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SslMode {
    Disabled,
    Required,
    VerifyIdentity,
}

/// What a connection needs to know.
#[derive(Clone, PartialEq)]
pub(super) struct Server {
    host: String,
    port: u16,
    /// The Unix socket to use instead.
    socket: Option<String>,
    pub(super) user: String,
    password: Option<Secret>,
    database: String,
    ssl_mode: SslMode,
    files: Files,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("server", &self.shown())
            .field("user", &self.user)
            .field("ssl_mode", &self.ssl_mode)
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Reads `url`, `user`, `password` and the files of TLS.
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let url = section.url("url", None, &["mysql"]);
        let user = section.string("user");
        let password = section.secret("password");
        let files = section.tls_files();
        let server = Self::new(&url?, user, password, files);
        server.map_err(|(problem, right)| section.mistake("url", problem, right)).ok()
    }

    fn new(
        url: &Url,
        user: Option<String>,
        password: Option<Secret>,
        files: Files,
    ) -> Result<Self, (&'static str, &'static str)> {
        let once = "in one place only";
        let user = match (decoded(url.username())?, user) {
            (in_url, Some(_)) if !in_url.is_empty() => {
                return Err(("names a user, as user does", once));
            }
            (in_url, None) => in_url,
            (_, Some(user)) => user,
        };
        if user.is_empty() {
            return Err(("names no user", "mysql://USER@HOST/DATABASE, or set user"));
        }
        let password = match (url.password(), password.filter(|password| !password.is_empty())) {
            (Some(_), Some(_)) => return Err(("has a password, as password does", once)),
            (Some(encoded), None) => Some(Secret::from(decoded(encoded)?)),
            (None, password) => password,
        };
        let database = decoded(url.path().trim_start_matches('/'))?;
        if database.is_empty() {
            return Err(("names no database", "mysql://USER@HOST/DATABASE"));
        }
        let host = decoded(url.host_str().unwrap_or_default())?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let (mut mode, mut socket) = (None, None);
        for (name, value) in url.query_pairs() {
            match &*name {
                "ssl-mode" => mode = Some(value.to_ascii_uppercase()),
                "socket" => socket = Some(value.into_owned()),
                _ => return Err(("has a parameter that is not known", "ssl-mode, socket")),
            }
        }
        let ssl_mode = ssl_mode(mode.as_deref(), &files)?;
        let port = url.port().unwrap_or(PORT);
        Ok(Self { host, port, socket, user, password, database, ssl_mode, files })
    }

    /// The server and the database as messages name them.
    pub(super) fn shown(&self) -> String {
        let Self { host, port, socket, database, .. } = self;
        match socket {
            Some(socket) => format!("MySQL at {socket}, database {database}"),
            None => format!("MySQL at {host}:{port}, database {database}"),
        }
    }

    /// How the connection is protected, in words.
    pub(super) fn protection(&self) -> &'static str {
        match self.ssl_mode {
            SslMode::Disabled => "without TLS",
            SslMode::Required => "with TLS, the certificate not verified",
            SslMode::VerifyIdentity => "with TLS, the certificate verified",
        }
    }

    /// Whether TLS has files.
    pub(super) fn has_files(&self) -> bool {
        !self.files.is_empty()
    }

    /// What the client is told, with what the files hold now. No statement may wait for a lock longer
    /// than `patience`.
    ///
    /// # Errors
    ///
    /// A file cannot be read.
    pub(super) fn opts(&self, patience: Duration) -> Result<Opts, String> {
        let seconds = patience.as_secs().max(1);
        // The mode is strict, and what a user's own SQL sees does not depend on the server's.
        let setup = format!(
            "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', \
             SESSION time_zone = '+00:00', SESSION autocommit = 1, \
             SESSION innodb_lock_wait_timeout = {seconds}, SESSION lock_wait_timeout = {seconds}"
        );
        let builder = OptsBuilder::default()
            .ip_or_hostname(&*self.host)
            .tcp_port(self.port)
            .socket(self.socket.as_deref())
            // A server elsewhere that names a socket does not mean one here.
            .prefer_socket(false)
            .user(Some(&*self.user))
            .pass(self.password.as_ref().map(Secret::expose))
            .db_name(Some(&*self.database))
            .tcp_keepalive(Some(KEEPALIVE))
            .setup(vec!["SET NAMES utf8mb4".to_owned(), setup])
            .ssl_opts(self.ssl_opts()?);
        Ok(builder.into())
    }

    fn ssl_opts(&self) -> Result<Option<SslOpts>, String> {
        let verified = match self.ssl_mode {
            SslMode::Disabled => return Ok(None),
            SslMode::Required => false,
            SslMode::VerifyIdentity => true,
        };
        let authorities = self.files.ca_file.as_deref().map(read).transpose()?;
        let identity = match &self.files.identity {
            Some((cert_file, key_file)) => {
                Some(ClientIdentity::new(read(cert_file)?.into(), read(key_file)?.into()))
            }
            None => None,
        };
        Ok(Some(
            SslOpts::default()
                .with_root_certs(authorities.into_iter().map(Into::into).collect())
                .with_client_identity(identity)
                .with_danger_accept_invalid_certs(!verified),
        ))
    }
}

fn ssl_mode(mode: Option<&str>, files: &Files) -> Result<SslMode, (&'static str, &'static str)> {
    let has_files = !files.is_empty();
    match mode {
        None if has_files => Ok(SslMode::VerifyIdentity),
        None => Ok(SslMode::Disabled),
        Some("DISABLED") if !has_files => Ok(SslMode::Disabled),
        Some("DISABLED") => Err((
            "has an ssl-mode that makes no use of ca_file or client_cert_file",
            "ssl-mode=VERIFY_IDENTITY, or leave the files out",
        )),
        Some("REQUIRED") if files.ca_file.is_some() => Ok(SslMode::VerifyIdentity),
        Some("REQUIRED") => Ok(SslMode::Required),
        Some("VERIFY_IDENTITY") => Ok(SslMode::VerifyIdentity),
        Some(_) => Err((
            "has an ssl-mode that is not known here",
            "one of DISABLED, REQUIRED, VERIFY_IDENTITY",
        )),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

fn decoded(text: &str) -> Result<String, (&'static str, &'static str)> {
    let text = percent_decode_str(text).decode_utf8();
    let wrong = ("is not UTF-8 where it is percent-encoded", "encode it as UTF-8");
    text.map(|text| text.into_owned()).map_err(|_| wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::fixture::read;

    #[test]
    fn a_url_says_where_and_who() {
        let url = "url = 'mysql://re%6cay:p%40ss@db.example:3307/vod?ssl-mode=required'";
        let (server, mistakes) = read(url, Server::read);
        let server = server.unwrap();
        assert_eq!(mistakes, "");
        assert_eq!(server.shown(), "MySQL at db.example:3307, database vod");
        assert_eq!((&*server.user, server.ssl_mode), ("relay", SslMode::Required));
        assert_eq!(server.password.as_ref().map(Secret::expose), Some("p@ss"));
        assert!(!format!("{server:?}").contains("p@ss"), "{server:?}");
        let socket = "url = 'mysql://localhost/vod?socket=/run/my.sock'\nuser = 'relay'";
        let server = read(socket, Server::read).0.unwrap();
        assert_eq!(server.shown(), "MySQL at /run/my.sock, database vod");
        assert_eq!(server.ssl_mode, SslMode::Disabled);
    }

    #[test]
    fn a_url_that_contradicts_itself_is_told() {
        for (keys, problem) in [
            ("url = 'mysql://h/vod'", "names no user"),
            ("url = 'mysql://a@h/vod'\nuser = 'a'", "names a user, as user does"),
            ("url = 'mysql://a:hunter2@h/vod'\npassword = 'b'", "has a password, as password does"),
            ("url = 'mysql://a@h'", "names no database"),
            ("url = 'mysql://a@h/vod?hunter2=1'", "has a parameter that is not known"),
            ("url = 'mysql://a@h/vod?ssl-mode=preferred'", "has an ssl-mode that is not known"),
            ("url = 'mysql://a@h/vod?ssl-mode=disabled'\nca_file = 'c'", "makes no use of ca_file"),
        ] {
            let (server, mistakes) = read(keys, Server::read);
            assert_eq!(server, None, "{keys}");
            assert!(mistakes.contains(problem) && !mistakes.contains("hunter2"), "{mistakes}");
        }
    }
}
