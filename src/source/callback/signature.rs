//! The signature of a normal callback, `Sign`, and the time at which it expires, `T`.
//!
//! VOD does not say whether the two stand at the top level of the JSON or in the query, nor in which
//! case the digits of the hash are; both are taken. The signature covers the time, not the event: it
//! proves that the sender knows the key, and nothing about the way from there.

use std::borrow::Cow;

use subtle::ConstantTimeEq as _;

use crate::json;
use crate::sign_key::SignKey;

/// What is wrong with a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Flaw {
    /// There is none, or half of one.
    #[error("the callback is not signed: Sign and T are missing")]
    Missing,
    /// It was not made with the key.
    #[error("the signature is wrong: Sign is not the MD5 of the sign key and T")]
    Wrong,
    /// It was right once.
    #[error("the signature has expired: T has passed")]
    Expired,
}

/// Verifies the signature in a callback, given its text (a well-formed JSON object) and its query.
/// It has expired once `now`, in seconds since the Unix epoch, is later than `T`.
pub(super) fn verify(key: &SignKey, text: &str, query: Option<&str>, now: u64) -> Result<(), Flaw> {
    let (sign, expiry) = match in_body(text) {
        (None, None) => in_query(query.unwrap_or_default()),
        found => found,
    };
    let (sign, expiry) = sign.zip(expiry).ok_or(Flaw::Missing)?;
    let hash = key.sign(&expiry);
    let mut given = [0; 16];
    let is_hash = hex::decode_to_slice(sign.as_ref(), &mut given).is_ok();
    if !is_hash || !bool::from(given.ct_eq(&hash)) {
        return Err(Flaw::Wrong);
    }
    match expiry.parse::<u64>() {
        Ok(expiry) if now <= expiry => Ok(()),
        Ok(_) => Err(Flaw::Expired),
        Err(_) => Err(Flaw::Wrong),
    }
}

type Found<'a> = (Option<Cow<'a, str>>, Option<Cow<'a, str>>);

fn in_body(text: &str) -> Found<'_> {
    let (mut sign, mut expiry) = (None, None);
    for member in json::members(text) {
        match member.key().as_ref() {
            "Sign" => sign = json::scalar(member.value),
            "T" => expiry = json::scalar(member.value),
            _ => {}
        }
    }
    (sign, expiry)
}

fn in_query(query: &str) -> Found<'_> {
    let of = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(found, _)| *found == name).map(|(_, value)| Cow::Borrowed(value))
    };
    (of("Sign"), of("T"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "Ab3dE6gH";
    /// The MD5 of `Ab3dE6gH1700000600`.
    const SIGN: &str = "268c3d1d4e39467b142591f7ecf58e63";
    const NOW: u64 = 1_700_000_000;

    fn key() -> SignKey {
        SignKey::new(KEY.to_owned().into()).unwrap()
    }

    fn verified(text: &str, query: Option<&str>) -> Result<(), Flaw> {
        verify(&key(), text, query, NOW)
    }

    #[test]
    fn both_places_both_cases_and_both_types_of_the_time_are_taken() {
        let upper = SIGN.to_uppercase();
        for text in [
            format!(r#"{{"EventType":"A","Sign":"{SIGN}","T":1700000600}}"#),
            format!(r#"{{"T":"1700000600","Sign":"{upper}","EventType":"A"}}"#),
        ] {
            assert_eq!(verified(&text, None), Ok(()), "{text}");
            assert_eq!(verified(&text, Some("a=b")), Ok(()), "{text}");
        }
        for sign in [SIGN, upper.as_str()] {
            let query = format!("a=b&T=1700000600&Sign={sign}");
            assert_eq!(verified("{}", Some(&query)), Ok(()), "{query}");
        }
    }

    #[test]
    fn half_a_signature_is_none() {
        for (text, query) in [
            ("{}".to_owned(), String::new()),
            (format!(r#"{{"Sign":"{SIGN}"}}"#), String::new()),
            (r#"{"T":1700000600}"#.to_owned(), format!("Sign={SIGN}")),
            (r#"{"A":{"Sign":"x","T":1}}"#.to_owned(), "T=1700000600".to_owned()),
            (r#"{"Sign":null,"T":null}"#.to_owned(), String::new()),
        ] {
            assert_eq!(verified(&text, Some(&query)), Err(Flaw::Missing), "{text} {query}");
        }
    }

    #[test]
    fn a_signature_of_something_else_is_wrong() {
        for (sign, expiry) in [
            (SIGN, "1700000601"),
            (SIGN, "\"1700000600 \""),
            (&SIGN[2..], "1700000600"),
            ("", "1700000600"),
            ("zz", "1700000600"),
            (SIGN, "true"),
        ] {
            let text = format!(r#"{{"Sign":"{sign}","T":{expiry}}}"#);
            assert_eq!(verified(&text, None), Err(Flaw::Wrong), "{text}");
        }
    }

    #[test]
    fn a_signature_lasts_to_the_end_of_its_last_second() {
        let text = format!(r#"{{"Sign":"{SIGN}","T":1700000600}}"#);
        assert_eq!(verify(&key(), &text, None, 1_700_000_600), Ok(()));
        assert_eq!(verify(&key(), &text, None, 1_700_000_601), Err(Flaw::Expired));
    }
}
