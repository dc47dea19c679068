//! VOD's `SignKey`, and the `Sign` that its normal callbacks carry: the MD5 of the key and of `T`,
//! the Unix time at which the signature expires.

use md5::{Digest as _, Md5};

use crate::secret::Secret;

/// The most characters of a key.
const CHARACTERS_MAX: usize = 32;

/// What VOD signs normal callbacks with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignKey(Secret);

/// Why VOD would not take a text for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// There is nothing in it.
    #[error("is empty")]
    Empty,
    /// It has other characters.
    #[error("holds characters that are neither letters nor digits")]
    Characters,
    /// It has too many characters.
    #[error("is too long")]
    Long,
}

impl SignKey {
    /// What a key has to be.
    pub const RULE: &str = "1 to 32 letters and digits, as VOD takes them for SignKey";

    /// A key by [VOD's rule](Self::RULE).
    ///
    /// # Errors
    ///
    /// VOD would not take it.
    pub fn new(text: Secret) -> Result<Self, Flaw> {
        let key = text.expose();
        if key.is_empty() {
            Err(Flaw::Empty)
        } else if !key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            Err(Flaw::Characters)
        } else if key.len() > CHARACTERS_MAX {
            Err(Flaw::Long)
        } else {
            Ok(Self(text))
        }
    }

    /// The hash that `Sign` spells in hexadecimal digits, for `T` as it is written.
    pub fn sign(&self, t: &str) -> [u8; 16] {
        Md5::new().chain_update(self.0.expose()).chain_update(t).finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Result<SignKey, Flaw> {
        SignKey::new(text.to_owned().into())
    }

    #[test]
    fn a_key_is_what_vod_takes_for_one() {
        assert!(key("a").is_ok() && key(&"9".repeat(32)).is_ok());
        assert_eq!(key(""), Err(Flaw::Empty));
        assert_eq!(key(&"9".repeat(33)), Err(Flaw::Long));
        for text in ["a b", "a-b", "é", "a\n"] {
            assert_eq!(key(text), Err(Flaw::Characters), "{text}");
        }
    }

    #[test]
    fn the_hash_is_that_of_key_and_time() {
        // echo -n abc1231795162200 | md5sum
        let hash = hex::encode(key("abc123").unwrap().sign("1795162200"));
        assert_eq!(hash, "a2564d028882ba4f68e6747df08eef12");
    }
}
