//! Who may ask.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::secret::Secret;

/// Whether a request shows the token: `Authorization: Bearer TOKEN`.
pub(super) fn shows(headers: &HeaderMap, token: &Secret) -> bool {
    let given = headers.get(AUTHORIZATION).map(|value| value.as_bytes());
    let given = given.and_then(|value| value.split_at_checked("bearer ".len()));
    given.is_some_and(|(scheme, given)| {
        scheme.eq_ignore_ascii_case(b"bearer ") && is_same(given, token.expose().as_bytes())
    })
}

/// Compares digests, so that the time that it takes tells neither a part of the token nor its
/// length.
fn is_same(given: &[u8], token: &[u8]) -> bool {
    Sha256::digest(given).ct_eq(&Sha256::digest(token)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_itself_opens() {
        let token = Secret::from("sesame".to_owned());
        let shown = |value: &str| {
            shows(&HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())]), &token)
        };
        assert!(shown("Bearer sesame") && shown("bearer sesame"));
        for wrong in
            ["Bearer sesam", "Bearer sesame2", "Bearer ", "Bearer", "Basic sesame", "sesame", ""]
        {
            assert!(!shown(wrong), "{wrong}");
        }
        assert!(!shows(&HeaderMap::new(), &token));
    }
}
