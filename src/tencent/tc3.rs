//! TC3-HMAC-SHA256, the signature of Tencent Cloud's API 3.0.
//!
//! Everything here is pure: the time and the credential are arguments, so a signature can be
//! repeated to the last byte, and a clock that is known to be wrong can be corrected by the caller.
//! Each stage is a function of its own: [`canonical_request`], [`string_to_sign`],
//! [`signing_key`], [`signature`]. [`sign`] puts them together for a POST with a JSON body, the
//! only form that the relay sends.
//!
//! Specification: <https://cloud.tencent.com/document/api/213/30654>

use std::fmt;
use std::time::SystemTime;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use super::credential::Credential;
use crate::secret::{MASK, Secret};
use crate::time;

/// The name of the algorithm, first in the string to sign and in the `Authorization` header.
const ALGORITHM: &str = "TC3-HMAC-SHA256";

/// The content type that is sent and signed, the same as in the official SDKs: VOD compares the
/// signature with what arrives, so not even a charset may be added on the way.
pub const CONTENT_TYPE: &str = "application/json";

/// The last second that has a date of four digits for the year, 9999-12-31T23:59:59Z.
const LAST_SECOND: u64 = 253_402_300_799;

/// A call of one action.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The `Host` header as the HTTP client sends it: with the port if that is not the scheme's
    /// own.
    pub host: &'a str,
    /// The service that the signature is for, `vod`.
    pub service: &'a str,
    /// `X-TC-Action`, such as `PullEvents`.
    pub action: &'a str,
    /// `X-TC-Version`, such as `2018-07-17`.
    pub version: &'a str,
    /// `X-TC-Region`, where the service needs one.
    pub region: Option<&'a str>,
    /// `X-TC-Language`, the language of error messages: `zh-CN` or `en-US`.
    pub language: Option<&'a str>,
    /// The JSON text, byte for byte as it is sent.
    pub body: &'a [u8],
}

/// A signed request: the headers to send, and how the signature came about.
#[derive(Clone)]
pub struct Signed {
    /// The headers to send besides `Host`; their names are in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// What was hashed.
    pub canonical_request: String,
    /// What was signed.
    pub string_to_sign: String,
    /// The signature in hexadecimal.
    pub signature: String,
}

/// Signs a POST of JSON to the root path.
///
/// A time before 1970 counts as 1970, and one after 9999 as 9999: the server refuses both.
pub fn sign(request: &Request<'_>, credential: &Credential, time: SystemTime) -> Signed {
    // Only these two are signed, as the official SDKs do; the server demands them and no others.
    // The action, which newer documents sign too, is as well protected by TLS as the version and
    // the token, which nobody signs.
    let canonical = canonical_request(
        "POST",
        "",
        &[("content-type", CONTENT_TYPE), ("host", request.host)],
        &payload_hash(request.body),
    );
    let scope = Scope::new(time, request.service);
    let string_to_sign = string_to_sign(&scope, &canonical.text);
    let key = signing_key(&credential.secret_key, &scope);
    let signature = signature(&key, &string_to_sign);
    let authorization =
        authorization(&credential.secret_id, &scope, &canonical.signed_headers, &signature);
    let mut headers = vec![
        ("content-type", CONTENT_TYPE.to_owned()),
        ("x-tc-action", request.action.to_owned()),
        ("x-tc-version", request.version.to_owned()),
        ("x-tc-timestamp", scope.timestamp.to_string()),
    ];
    let token = credential.token.as_ref().map(Secret::expose);
    let optional = [
        ("x-tc-region", request.region),
        ("x-tc-language", request.language),
        ("x-tc-token", token),
    ];
    let present = optional.into_iter().filter_map(|(name, value)| Some((name, value?)));
    headers.extend(present.map(|(name, value)| (name, value.to_owned())));
    headers.push(("authorization", authorization));
    Signed { headers, canonical_request: canonical.text, string_to_sign, signature }
}

/// When a signature is made and what it is good for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    timestamp: u64,
    date: String,
    service: String,
}

impl Scope {
    /// The scope of a signature made at `time` for `service`.
    pub fn new(time: SystemTime, service: &str) -> Self {
        let timestamp = time::unix_seconds(time).min(LAST_SECOND);
        let date = time::utc_date(time::from_unix_seconds(timestamp));
        Self { timestamp, date, service: service.to_owned() }
    }

    /// `X-TC-Timestamp`, in seconds since 1970.
    pub fn timestamp(&self) -> u64 {
        self.timestamp
    }

    /// The UTC date of the timestamp, `yyyy-mm-dd`.
    pub fn date(&self) -> &str {
        &self.date
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/tc3_request", self.date, self.service)
    }
}

/// A request in the form that is hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canonical {
    /// The form itself.
    pub text: String,
    /// The names of the headers that are part of it, joined by `;`.
    pub signed_headers: String,
}

/// Brings a request into the form that is hashed.
///
/// ```text
/// method \n / \n query \n (name ":" value \n)... \n signed headers \n payload hash
/// ```
///
/// The path is `/` for every action. The query is already encoded; it is empty for a POST. Names
/// and values of headers are trimmed and turned into lower case, and the headers are sorted by name.
pub fn canonical_request(
    method: &str,
    query: &str,
    headers: &[(&str, &str)],
    payload_hash: &str,
) -> Canonical {
    let mut lines: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.trim().to_lowercase(), value.trim().to_lowercase()))
        .collect();
    lines.sort();
    let names: Vec<_> = lines.iter().map(|(name, _)| name.as_str()).collect();
    let signed_headers = names.join(";");
    let lines: String = lines.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let text = format!("{method}\n/\n{query}\n{lines}\n{signed_headers}\n{payload_hash}");
    Canonical { text, signed_headers }
}

/// The hash of a body, in hexadecimal.
///
/// A request with the header `X-TC-Content-SHA256: UNSIGNED-PAYLOAD` takes the hash of that word.
pub fn payload_hash(body: &[u8]) -> String {
    hex::encode(Sha256::digest(body))
}

/// The text whose HMAC is the signature.
pub fn string_to_sign(scope: &Scope, canonical_request: &str) -> String {
    let hash = hex::encode(Sha256::digest(canonical_request));
    format!("{ALGORITHM}\n{}\n{scope}\n{hash}", scope.timestamp)
}

/// A key that signs for one service on one UTC day.
#[derive(Clone)]
pub struct SigningKey([u8; 32]);

impl SigningKey {
    /// The key's bytes.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Derives the key for the scope's day and service; it can be kept while these stay the same.
///
/// ```text
/// kDate    = HMAC("TC3" + secret key, date)
/// kService = HMAC(kDate, service)
/// kSigning = HMAC(kService, "tc3_request")
/// ```
pub fn signing_key(secret_key: &Secret, scope: &Scope) -> SigningKey {
    // A secret again, so that this copy is wiped too.
    let first = Secret::from(["TC3", secret_key.expose()].concat());
    let date = hmac(first.expose().as_bytes(), &scope.date);
    let service = hmac(&date, &scope.service);
    SigningKey(hmac(&service, "tc3_request"))
}

/// The signature in hexadecimal.
pub fn signature(key: &SigningKey, string_to_sign: &str) -> String {
    hex::encode(hmac(&key.0, string_to_sign))
}

/// The value of the `Authorization` header.
pub fn authorization(
    secret_id: &str,
    scope: &Scope,
    signed_headers: &str,
    signature: &str,
) -> String {
    format!(
        "{ALGORITHM} Credential={secret_id}/{scope}, SignedHeaders={signed_headers}, \
         Signature={signature}"
    )
}

fn hmac(key: &[u8], text: &str) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Debug for Request<'_> {
    /// Leaves the body out: it may be long, and no log line shows bodies.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("host", &self.host)
            .field("service", &self.service)
            .field("action", &self.action)
            .field("version", &self.version)
            .field("region", &self.region)
            .field("language", &self.language)
            .field("body_bytes", &self.body.len())
            .finish()
    }
}

impl fmt::Debug for Signed {
    /// Shows the names of the headers only: among the values are the token and the signature.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Signed").field("headers", &names).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    const REQUEST: Request<'_> = Request {
        host: "vod.tencentcloudapi.com",
        service: "vod",
        action: "PullEvents",
        version: "2018-07-17",
        region: None,
        language: None,
        body: b"{}",
    };

    fn credential() -> Credential {
        Credential {
            secret_id: "AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE".to_owned(),
            secret_key: "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE".to_owned().into(),
            token: Some("the-token".to_owned().into()),
        }
    }

    #[test]
    fn absent_members_send_no_header() {
        let credential = Credential { token: None, ..credential() };
        let signed = sign(&REQUEST, &credential, UNIX_EPOCH);
        let names: Vec<_> = signed.headers.iter().map(|(name, _)| *name).collect();
        let expected =
            ["content-type", "x-tc-action", "x-tc-version", "x-tc-timestamp", "authorization"];
        assert_eq!(names, expected);
    }

    #[test]
    fn nothing_secret_shows_in_debug_output() {
        let credential = credential();
        let signed = sign(&REQUEST, &credential, UNIX_EPOCH);
        let key = signing_key(&credential.secret_key, &Scope::new(UNIX_EPOCH, "vod"));
        let shown = format!("{REQUEST:?} {signed:?} {key:?} {credential:?}");
        for secret in ["Gu5t9", "the-token", &signed.signature, &hex::encode(key.expose())] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }

    #[test]
    fn times_that_no_calendar_has_do_not_panic() {
        let before = Scope::new(UNIX_EPOCH - Duration::from_secs(1), "vod");
        assert_eq!((before.timestamp(), before.date()), (0, "1970-01-01"));
        let after = Scope::new(UNIX_EPOCH + Duration::from_secs(LAST_SECOND + 1), "vod");
        assert_eq!((after.timestamp(), after.date()), (LAST_SECOND, "9999-12-31"));
    }
}
