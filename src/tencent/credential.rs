//! Who the relay is to Tencent Cloud.
//!
//! Credentials come from the configuration, or from the chain that the vendor's SDKs walk through:
//! each [`Provider`] is asked in turn, and the first that has credentials wins. [`Credentials`]
//! keeps what was found, fetches it anew ahead of its expiry or when VOD refuses it, and never more
//! than once at the same time.
//!
//! Nothing here reads the process environment, a clock or a file by itself: the outside world comes
//! in as an [`Outside`], the time of expiry is judged with [`crate::time`].

pub mod env;
pub mod fixed;
pub mod outside;
pub mod profile;
pub mod shared;

use std::fmt;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

pub use env::Env;
pub use fixed::Fixed;
pub use outside::Outside;
pub use profile::Profile;
pub use shared::Credentials;

use crate::secret::Secret;

/// Temporary credentials are fetched anew this long before they expire, as the official SDKs do.
const AHEAD: Duration = Duration::from_secs(300);

/// A key pair, and the session token if it is a temporary one.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// Names the key, `AKID...`.
    pub secret_id: String,
    /// Signs.
    pub secret_key: Secret,
    /// Goes with temporary keys.
    pub token: Option<Secret>,
    /// When VOD stops accepting it; `None` if nobody knows or never.
    pub expires: Option<SystemTime>,
}

impl Credential {
    /// Checks the parts that somebody typed or copied. An empty token counts as none.
    ///
    /// # Errors
    ///
    /// A part is empty, or has white space or quotation marks around it, or cannot stand in an
    /// HTTP header. VOD would only say that it does not know the key.
    pub fn new(
        secret_id: String,
        secret_key: Secret,
        token: Option<Secret>,
    ) -> Result<Self, Flawed> {
        let token = token.filter(|token| !token.is_empty());
        check(Part::SecretId, &secret_id)?;
        check(Part::SecretKey, secret_key.expose())?;
        if let Some(token) = &token {
            check(Part::Token, token.expose())?;
        }
        Ok(Self { secret_id, secret_key, token, expires: None })
    }

    /// Whether VOD still accepts it at `time`, as far as is known.
    pub fn is_valid_at(&self, time: SystemTime) -> bool {
        self.expires.is_none_or(|expires| time < expires)
    }

    /// Whether it is not yet time to fetch it anew.
    pub fn is_fresh_at(&self, time: SystemTime) -> bool {
        self.is_valid_at(time + AHEAD)
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("secret_id", &Shortened(&self.secret_id))
            .field("secret_key", &self.secret_key)
            .field("token", &self.token)
            .field("expires", &self.expires)
            .finish()
    }
}

/// A secret id as it may be shown: enough to tell keys apart, not enough to use one.
#[derive(Clone, Copy)]
pub struct Shortened<'a>(pub &'a str);

impl fmt::Display for Shortened<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start: String = self.0.chars().take(8).collect();
        write!(f, "{start}...")
    }
}

impl fmt::Debug for Shortened<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A credential that VOD cannot know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the {part} {flaw}")]
pub struct Flawed {
    /// The part that is wrong.
    pub part: Part,
    /// What is wrong with it.
    pub flaw: Flaw,
}

/// A part of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The secret id.
    SecretId,
    /// The secret key.
    SecretKey,
    /// The session token.
    Token,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SecretId => "secret_id",
            Self::SecretKey => "secret_key",
            Self::Token => "token",
        })
    }
}

/// What is wrong with a part of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// There is nothing in it.
    #[error("is empty")]
    Empty,
    /// Usually a line break at the end of a file.
    #[error("has white space around it")]
    WhiteSpace,
    /// Copied together with its quotation marks.
    #[error("has quotation marks around it")]
    Quoted,
    /// The id and the token are sent in headers.
    #[error("has characters that cannot be sent in an HTTP header")]
    Unsendable,
}

fn check(part: Part, text: &str) -> Result<(), Flawed> {
    let sent = match part {
        Part::SecretId | Part::Token => true,
        Part::SecretKey => false,
    };
    let flaw = if text.is_empty() {
        Flaw::Empty
    } else if text.trim() != text {
        Flaw::WhiteSpace
    } else if text.starts_with(['"', '\'']) {
        Flaw::Quoted
    } else if sent && !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Flaw::Unsendable
    } else {
        return Ok(());
    };
    Err(Flawed { part, flaw })
}

/// A future that is boxed so that providers of different types can stand in one chain.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A place where credentials may be found.
pub trait Provider: Send + Sync + fmt::Debug {
    /// Where it looks, in words that help the person who expected credentials to be there.
    fn place(&self) -> String;

    /// Fetches the credentials: `None` if there are none here and the next provider is to be asked.
    ///
    /// A provider that waits for something bounds the time it waits.
    ///
    /// # Errors
    ///
    /// There are credentials here, but they cannot be used. The next provider is not asked: it
    /// would hide the mistake behind another identity.
    fn fetch(&self) -> BoxFuture<'_, Result<Option<Credential>, ProviderError>>;
}

/// Why credentials that are there cannot be used: which, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ProviderError(pub String);

/// Why there are no credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// No provider has any.
    #[error(
        "no credentials found; looked for {}; give them in the source's [credentials]",
        .looked_for.join(", then ")
    )]
    NotFound {
        /// What each provider looked for, in order.
        looked_for: Vec<String>,
    },
    /// A provider has some that cannot be used.
    #[error("the credentials cannot be used: {0}")]
    Broken(#[from] ProviderError),
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn credential(id: &str, key: &str, token: Option<&str>) -> Result<Credential, Flawed> {
        let token = token.map(|token| Secret::from(token.to_owned()));
        Credential::new(id.to_owned(), key.to_owned().into(), token)
    }

    #[test]
    fn every_part_is_checked() {
        let cases = [
            (credential("", "key", None), (Part::SecretId, Flaw::Empty)),
            (credential("id", "", None), (Part::SecretKey, Flaw::Empty)),
            (credential(" id", "key", None), (Part::SecretId, Flaw::WhiteSpace)),
            (credential("id", "key\n", None), (Part::SecretKey, Flaw::WhiteSpace)),
            (credential("id", "key", Some("to ")), (Part::Token, Flaw::WhiteSpace)),
            (credential("\"id\"", "key", None), (Part::SecretId, Flaw::Quoted)),
            (credential("i\nd", "key", None), (Part::SecretId, Flaw::Unsendable)),
            (credential("id", "key", Some("密")), (Part::Token, Flaw::Unsendable)),
        ];
        for (made, (part, flaw)) in cases {
            assert_eq!(made, Err(Flawed { part, flaw }));
        }
        assert_eq!(credential("id", "键", Some("")).unwrap().token, None);
    }

    #[test]
    fn time_to_fetch_comes_before_expiry() {
        let expires = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let credential =
            Credential { expires: Some(expires), ..credential("id", "key", None).unwrap() };
        let second = Duration::from_secs(1);
        assert!(credential.is_fresh_at(expires - AHEAD - second));
        assert!(!credential.is_fresh_at(expires - AHEAD));
        assert!(credential.is_valid_at(expires - second));
        assert!(!credential.is_valid_at(expires));
    }

    #[test]
    fn debug_output_masks_what_signs() {
        let shown =
            format!("{:?}", credential("AKIDz8krbsJ5yKBZ", "hunter2", Some("sesame")).unwrap());
        assert!(shown.contains("AKIDz8kr..."), "{shown}");
        for secret in ["hunter2", "sesame", "bsJ5"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
