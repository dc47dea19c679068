//! The getter for the key of VOD's callback signature.

use super::Section;
use crate::sign_key::SignKey;

/// The keys that it may be given by; the file comes first if both are there.
const KEYS: [&str; 2] = ["sign_key_file", "sign_key"];

impl Section<'_> {
    /// The key of VOD's callback signature, by VOD's own rule for it.
    pub fn sign_key(&self) -> Option<SignKey> {
        let secret = self.secret("sign_key")?;
        let key = self.given_sign_key()?;
        match SignKey::new(secret) {
            Ok(sign_key) => Some(sign_key),
            Err(flaw) => {
                self.mistake(key, &flaw.to_string(), SignKey::RULE);
                None
            }
        }
    }

    /// By which of its keys it is given, right or wrong.
    pub fn given_sign_key(&self) -> Option<&'static str> {
        KEYS.into_iter().find(|key| self.has(key))
    }
}
