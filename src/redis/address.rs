//! Where a server is, and who calls it.

use std::fmt;

use percent_encoding::percent_decode_str;
use reqwest::Url;

use crate::secret::Secret;

/// The schemes of its addresses; the second one is with TLS.
pub const SCHEMES: [&str; 2] = ["redis", "rediss"];

/// An address with all that most people need.
pub const EXAMPLE: &str = "redis://:PASSWORD@redis.example.com:6379/0";

/// Where it listens unless its address says otherwise.
const PORT: u16 = 6379;

/// Where a server is, and who calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) with_tls: bool,
    pub(super) db: u32,
    /// The user of its access list; absent means the default one. Shown in errors, so it must be no
    /// password in the wrong place: see [`Self::whole`].
    pub(super) user: Option<String>,
    pub(super) password: Option<Secret>,
}

impl Address {
    /// Reads `redis://[[USER]:PASSWORD@]HOST[:PORT][/DB]`; `rediss` is with TLS.
    ///
    /// # Errors
    ///
    /// What is wrong with it, without quoting it.
    pub fn from_url(url: &Url) -> Result<Self, &'static str> {
        let decoded = |text: &str| {
            let decoded = percent_decode_str(text).decode_utf8();
            decoded
                .map(|text| text.into_owned())
                .map_err(|_| "has a user or password that is not UTF-8")
        };
        if url.query().is_some() || url.fragment().is_some() {
            return Err("has something behind the number of the database");
        }
        let db = match url.path().trim_matches('/') {
            "" => 0,
            number => number.parse().map_err(|_| "has no number of a database as its path")?,
        };
        Ok(Self {
            host: url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(PORT),
            with_tls: url.scheme() == SCHEMES[1],
            db,
            user: Some(decoded(url.username())?).filter(|user| !user.is_empty()),
            password: url.password().map(decoded).transpose()?.map(Secret::from),
        })
    }

    /// The user in it, if there is one.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Whether there is a password in it.
    pub fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// The same with this user and this password in place of its own.
    pub fn with(self, user: Option<String>, password: Option<Secret>) -> Self {
        Self { user: user.or(self.user), password: password.or(self.password), ..self }
    }

    /// The same, if a password belongs to the user. Without one the client would not say who it is, and
    /// a name that stands alone is most often the password of an address that lacks a colon.
    ///
    /// # Errors
    ///
    /// What is wrong with it, without quoting it.
    pub fn whole(self) -> Result<Self, &'static str> {
        match (&self.user, &self.password) {
            (Some(_), None) => Err("names a user without a password"),
            _ => Ok(self),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, .. } = self;
        match host.contains(':') {
            true => write!(f, "redis at [{host}]:{port}"),
            false => write!(f, "redis at {host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<Address, &'static str> {
        Address::from_url(&url.parse().unwrap())
    }

    #[test]
    fn an_address_says_where_and_who() {
        let plain = read("redis://cache.example.com").unwrap();
        assert_eq!(plain.to_string(), "redis at cache.example.com:6379");
        assert_eq!((plain.with_tls, plain.db, plain.user, plain.password), (false, 0, None, None));
        let full = read("rediss://re%40lay:hunter%2F2@[::1]:7000/3").unwrap();
        assert_eq!(full.to_string(), "redis at [::1]:7000");
        assert_eq!((full.with_tls, full.db, full.user.as_deref()), (true, 3, Some("re@lay")));
        assert_eq!(full.password.as_ref().map(Secret::expose), Some("hunter/2"));
        assert!(!format!("{full:?}").contains("hunter"), "{full:?}");
        let alone = read("redis://:hunter2@localhost").unwrap();
        assert_eq!((alone.user, alone.password.is_some()), (None, true));
    }

    #[test]
    fn a_user_comes_with_a_password() {
        let flaw = Err("names a user without a password");
        let alone = read("redis://hunter2@localhost").unwrap();
        assert_eq!(alone.clone().whole(), flaw);
        assert!(alone.with(None, Some(Secret::from("hunter2".to_owned()))).whole().is_ok());
        for right in ["redis://localhost", "redis://:hunter2@localhost", "redis://u:p@localhost"] {
            assert!(read(right).unwrap().whole().is_ok(), "{right}");
        }
    }

    #[test]
    fn what_it_cannot_say_is_told() {
        for (url, flaw) in [
            ("redis://localhost/cache", "has no number of a database as its path"),
            ("redis://localhost/-1", "has no number of a database as its path"),
            ("rediss://localhost/0#insecure", "has something behind the number of the database"),
            ("redis://localhost?db=1", "has something behind the number of the database"),
            ("redis://%ff@localhost", "has a user or password that is not UTF-8"),
        ] {
            assert_eq!(read(url), Err(flaw), "{url}");
        }
    }
}
