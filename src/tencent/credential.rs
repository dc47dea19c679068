//! Who the relay is to Tencent Cloud.
//!
//! Credentials come from the configuration, or from the chain that the vendor's SDKs walk through:
//! each [`Provider`] is asked in turn, and the first that has credentials wins, for as long as the
//! process runs. [`Credentials`] keeps what was found and has it fetched anew ahead of its end, when
//! a file may have changed, or when VOD refuses it; never more than once at the same time.
//!
//! Nothing here reads the process environment or a clock by itself: the outside world comes in as an
//! [`Outside`], time with [`crate::time`].

mod backoff;
pub mod configured;
pub mod cvm_role;
pub mod env;
mod error;
pub mod oidc;
pub mod outside;
pub mod profile;
pub mod shared;
mod term;

use std::fmt;
use std::pin::Pin;

pub use configured::{Configured, Files};
pub use cvm_role::CvmRole;
pub use env::Env;
pub use error::{CredentialError, Kind, ProviderError};
pub use oidc::Oidc;
pub use outside::Outside;
pub use profile::Profile;
pub use shared::Credentials;
pub use term::Term;

use crate::secret::Secret;

/// A key pair, and the session token if it is a temporary one.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// Names the key, `AKID...`.
    pub secret_id: String,
    /// Signs.
    pub secret_key: Secret,
    /// Goes with temporary keys.
    pub token: Option<Secret>,
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
        Ok(Self { secret_id, secret_key, token })
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("secret_id", &Shortened(&self.secret_id))
            .field("secret_key", &self.secret_key)
            .field("token", &self.token)
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
    /// There are credentials here, but they cannot be used or cannot be had now. The next provider
    /// is not asked: it would hide the trouble behind another identity.
    fn fetch(&self) -> BoxFuture<'_, Result<Option<Found>, ProviderError>>;

    /// What can be told of it without the network.
    fn preview(&self) -> Preview;
}

/// What a provider has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The credentials.
    pub credential: Credential,
    /// For how long they are good.
    pub term: Term,
}

/// What can be told of a provider without the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Preview {
    /// It has credentials.
    Here,
    /// It has none.
    Nowhere,
    /// Only the network can tell.
    Asks,
    /// It has some that cannot be used.
    Broken(ProviderError),
}

impl From<Result<Option<Found>, ProviderError>> for Preview {
    fn from(found: Result<Option<Found>, ProviderError>) -> Self {
        match found {
            Ok(Some(_)) => Self::Here,
            Ok(None) => Self::Nowhere,
            Err(error) => Self::Broken(error),
        }
    }
}

#[cfg(test)]
mod tests {
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
    fn debug_output_masks_what_signs() {
        let shown =
            format!("{:?}", credential("AKIDz8krbsJ5yKBZ", "hunter2", Some("sesame")).unwrap());
        assert!(shown.contains("AKIDz8kr..."), "{shown}");
        for secret in ["hunter2", "sesame", "bsJ5"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
