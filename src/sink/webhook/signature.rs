//! Signatures of requests as in Standard Webhooks (<https://www.standardwebhooks.com/>).

use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::header::HeaderValue;
use sha2::Sha256;

use crate::config::Section;
use crate::event::EventId;
use crate::secret::{MASK, Secret};

/// What every secret begins with.
const PREFIX: &str = "whsec_";

/// How many bytes a secret may have.
const LENGTH: std::ops::RangeInclusive<usize> = 24..=64;

/// Signs with each of several secrets, so that a receiver can change from one to another.
pub struct Signer(Vec<Hmac<Sha256>>);

/// Reads `signing_secrets` and `signing_secret_files`; mistakes go into the section's report.
pub(super) fn read(section: &Section<'_>) -> Vec<Secret> {
    let right = "whsec_ and 24 to 64 random bytes in base64, as made by: \
                 echo whsec_$(openssl rand -base64 32)";
    let keys = ["signing_secrets", "signing_secret_files"];
    section.secrets(keys, right, |secret| decode(secret).map(drop))
}

impl Signer {
    /// Signs with these secrets, each `whsec_` and 24 to 64 bytes in base64.
    ///
    /// # Errors
    ///
    /// What is wrong with one of the secrets, to stand behind what names it.
    pub fn new(secrets: &[Secret]) -> Result<Self, &'static str> {
        let mac = |secret| {
            Hmac::new_from_slice(&decode(secret)?).map_err(|_| "has a length that cannot be used")
        };
        secrets.iter().map(mac).collect::<Result<_, _>>().map(Self)
    }

    /// The value of `webhook-signature`: a signature for each secret; `None` without any.
    pub fn sign(&self, id: EventId, timestamp: u64, body: &[u8]) -> Option<HeaderValue> {
        self.signatures(&id.to_string(), timestamp, body).and_then(|all| all.try_into().ok())
    }

    fn signatures(&self, id: &str, timestamp: u64, body: &[u8]) -> Option<String> {
        let head = format!("{id}.{timestamp}.");
        let sign = |mac: &Hmac<Sha256>| {
            let mac = mac.clone().chain_update(&head).chain_update(body);
            format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
        };
        let all: Vec<_> = self.0.iter().map(sign).collect();
        (!all.is_empty()).then(|| all.join(" "))
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// The bytes of a secret, or what is wrong with it.
fn decode(secret: &Secret) -> Result<Vec<u8>, &'static str> {
    let text = secret.expose().strip_prefix(PREFIX).ok_or("does not begin with whsec_")?;
    let bytes = BASE64_STANDARD.decode(text).map_err(|_| "is not base64 behind whsec_")?;
    if LENGTH.contains(&bytes.len()) { Ok(bytes) } else { Err("has not 24 to 64 bytes") }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;
    use standardwebhooks::Webhook;

    use super::*;
    use crate::config::fixture;

    /// The secret of the reference implementations' own tests.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn signer(secrets: &[&str]) -> Signer {
        let secrets: Vec<_> = secrets.iter().map(|text| Secret::from((*text).to_owned())).collect();
        Signer::new(&secrets).unwrap()
    }

    #[test]
    fn the_vector_of_the_reference_implementations() {
        let signer = signer(&[SECRET]);
        let (id, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", br#"{"test": 2432232314}"#);
        let signature = signer.signatures(id, 1_614_265_330, body);
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(signature.as_deref(), Some(expected));
    }

    #[test]
    fn a_receiver_with_either_secret_accepts_the_request_and_no_other() {
        let old = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        let stranger = "whsec_HxAREhMUFRYXGBkaGxwdHh8AAQIDBAUGBwgJCgsMDQ4=";
        let (id, body) = (EventId::from([7; 16]), "{\"名\": \"动\"}\n".as_bytes());
        let now = crate::time::unix_seconds(crate::time::wall_clock());
        let headers = |signer: &Signer| {
            let mut headers = HeaderMap::new();
            headers.insert("webhook-id", id.to_string().parse().unwrap());
            headers.insert("webhook-timestamp", now.into());
            headers.insert("webhook-signature", signer.sign(id, now, body).unwrap());
            headers
        };
        let signed = headers(&signer(&[SECRET, old]));
        for (secret, accepts) in [(SECRET, true), (old, true), (stranger, false)] {
            let receiver = Webhook::new(secret).unwrap();
            assert_eq!(receiver.verify(body, &signed).is_ok(), accepts);
        }
        let receiver = Webhook::new(SECRET).unwrap();
        assert!(receiver.verify(&body[1..], &signed).is_err());
    }

    #[test]
    fn without_a_secret_there_is_no_signature() {
        assert_eq!(signer(&[]).sign(EventId::from([0; 16]), 0, b""), None);
    }

    #[test]
    fn secrets_are_checked_and_never_quoted() {
        let read = |keys: &str| fixture::read(keys, read);
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret");
        let names = format!("signing_secret_files = ['{}']", file.display());
        std::fs::write(&file, format!("{SECRET}\n")).unwrap();
        let secret = Secret::from(SECRET.to_owned());
        let inline = format!("signing_secrets = ['{SECRET}']");
        for (keys, secrets) in [
            ("", vec![]),
            (&*inline, vec![secret.clone()]),
            (&names, vec![secret.clone()]),
            (&format!("{inline}\n{names}"), vec![secret.clone(), secret]),
        ] {
            assert_eq!(read(keys), (secrets, String::new()), "{keys}");
        }
        std::fs::write(&file, "hunter2").unwrap();
        for (keys, flaw) in [
            ("signing_secrets = ['hunter2']", "holds one that does not begin with whsec_ (whsec_"),
            ("signing_secrets = ['']", "holds one that does not begin with whsec_"),
            ("signing_secrets = ['whsec_hunter!2']", "holds one that is not base64 behind whsec_"),
            ("signing_secrets = ['whsec_hunter2x']", "holds one that has not 24 to 64 bytes"),
            ("signing_secrets = []", "2:19: sinks.app.signing_secrets: is empty"),
            ("signing_secret_files = []", "sinks.app.signing_secret_files: is empty"),
            (
                "signing_secret_files = ['/gone']",
                "signing_secret_files: cannot read /gone: No such",
            ),
            (&names, "/secret does not begin with whsec_"),
        ] {
            let (secrets, mistakes) = read(keys);
            assert!(secrets.is_empty() && mistakes.contains(flaw), "{keys}: {mistakes}");
            assert!(!mistakes.contains("hunter"), "{mistakes}");
        }
        for length in [23, 24, 64, 65] {
            let text = BASE64_STANDARD.encode(vec![1; length]);
            let (secrets, mistakes) = read(&format!("signing_secrets = ['whsec_{text}']"));
            assert_eq!(secrets.len(), usize::from(mistakes.is_empty()));
            assert_eq!(mistakes.is_empty(), LENGTH.contains(&length), "{mistakes}");
        }
    }

    #[test]
    fn the_effective_configuration_masks_each_secret() {
        let keys = format!("signing_secrets = ['{SECRET}', '{SECRET}']");
        let shown = fixture::effective(&keys, super::read);
        assert_eq!(shown, "signing_secrets = [\"********\", \"********\"]\n");
    }
}
