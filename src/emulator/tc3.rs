//! Checks TC3-HMAC-SHA256 signatures.
//!
//! Written from the vendor's documentation and apart from the signer of the relay, so that a
//! mistake in one cannot be hidden by the same mistake in the other.

use axum::http::{HeaderMap, Method};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

const ALGORITHM: &str = "TC3-HMAC-SHA256";
const TERMINATOR: &str = "tc3_request";
/// The headers that every signature covers.
const ALWAYS_SIGNED: [&str; 2] = ["content-type", "host"];
/// What takes the place of the body's hash when the body is not signed.
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// What of a request is signed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signed<'a> {
    pub(super) method: &'a Method,
    /// The query as sent.
    pub(super) query: &'a str,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
}

/// The header `Authorization`, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Authorization<'a> {
    pub(super) secret_id: &'a str,
    pub(super) date: &'a str,
    pub(super) service: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

impl<'a> Authorization<'a> {
    /// Reads the header.
    ///
    /// The error says what is wrong with it.
    pub(super) fn parse(header: &'a str) -> Result<Self, String> {
        let fields = header
            .strip_prefix(ALGORITHM)
            .filter(|rest| rest.starts_with(' '))
            .ok_or_else(|| format!("the signature method is not {ALGORITHM}"))?;
        let field = |name: &str| {
            let mut found = fields.split(',').filter_map(|field| field.trim().strip_prefix(name));
            found.next().and_then(|rest| rest.strip_prefix('='))
        };
        let missing = |name: &str| format!("the Authorization header has no {name}");
        let credential = field("Credential").ok_or_else(|| missing("Credential"))?;
        let mut scope = credential.split('/');
        let (Some(secret_id), Some(date), Some(service), Some(TERMINATOR), None) =
            (scope.next(), scope.next(), scope.next(), scope.next(), scope.next())
        else {
            return Err(format!("the Credential is not ID/yyyy-mm-dd/service/{TERMINATOR}"));
        };
        let signed_headers = field("SignedHeaders").ok_or_else(|| missing("SignedHeaders"))?;
        let signature = field("Signature").ok_or_else(|| missing("Signature"))?;
        if let Some(name) = ALWAYS_SIGNED.iter().find(|name| !lists(signed_headers, name)) {
            return Err(format!("the SignedHeaders do not list {name}"));
        }
        Ok(Self { secret_id, date, service, signed_headers, signature })
    }

    /// Whether the request was signed at `timestamp` with this key. How much of the signature is
    /// right does not change the time that this takes.
    ///
    /// The Node.js SDK sends the endpoint's port in the header `Host`, but signs it without. VOD
    /// has no port in its address, so there it makes no difference; here both are good.
    pub(super) fn is_by(&self, key: &str, timestamp: &str, request: Signed<'_>) -> bool {
        let Ok(signature) = hex::decode(self.signature) else { return false };
        let signed_as = |canonical: Option<String>| {
            canonical
                .and_then(|canonical| self.mac(key, timestamp, &canonical))
                .is_some_and(|mac| mac.verify_slice(&signature).is_ok())
        };
        signed_as(self.canonical(request, |host| host))
            || signed_as(self.canonical(request, without_port))
    }

    /// The signature, computed up to its last step.
    fn mac(&self, key: &str, timestamp: &str, canonical: &str) -> Option<Hmac<Sha256>> {
        let (date, service) = (self.date, self.service);
        let hash = hex::encode(Sha256::digest(canonical));
        let text = format!("{ALGORITHM}\n{timestamp}\n{date}/{service}/{TERMINATOR}\n{hash}");
        let mut derived = format!("TC3{key}").into_bytes();
        for step in [date, service, TERMINATOR] {
            derived = mac(&derived, step)?.finalize().into_bytes().to_vec();
        }
        mac(&derived, &text)
    }

    /// The canonical form of the request; `None` if a signed header is not there.
    fn canonical(&self, request: Signed<'_>, host: fn(&str) -> &str) -> Option<String> {
        let is_get = request.method == Method::GET;
        let query = if is_get { request.query } else { "" };
        let payload = match request.headers.get("x-tc-content-sha256") {
            Some(value) if value == UNSIGNED => UNSIGNED.as_bytes(),
            _ if is_get => &[],
            _ => request.body,
        };
        let mut text = format!("{}\n/\n{query}\n", request.method);
        for name in self.signed_headers.split(';') {
            let value = request.headers.get(name)?.as_bytes();
            let value = String::from_utf8_lossy(value).trim().to_lowercase();
            let value = if name == "host" { host(&value) } else { &value };
            text.extend([name, ":", value, "\n"]);
        }
        text.extend(["\n", self.signed_headers, "\n", &hex::encode(Sha256::digest(payload))]);
        Some(text)
    }
}

fn without_port(host: &str) -> &str {
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

fn lists(signed_headers: &str, name: &str) -> bool {
    signed_headers.split(';').any(|signed| signed == name)
}

fn mac(key: &[u8], text: &str) -> Option<Hmac<Sha256>> {
    // Every length of key is good, so this never fails.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(text.as_bytes());
    Some(mac)
}

/// The official vectors of the vendor's documentation, and requests signed by its Python SDK.
#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE";
    const KEY: &str = "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE";
    const INSTANCES: &str =
        r#"{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}"#;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            let name = axum::http::HeaderName::from_static(name);
            (name, value.parse().expect("a header value"))
        });
        pairs.collect()
    }

    fn authorization(id: &str, scope: &str, signed: &str, signature: &str) -> String {
        format!(
            "TC3-HMAC-SHA256 Credential={id}/{scope}/tc3_request, SignedHeaders={signed}, \
             Signature={signature}"
        )
    }

    #[test]
    fn the_documented_post_is_accepted() {
        let headers = headers(&[
            ("content-type", "application/json; charset=utf-8"),
            ("host", "cvm.tencentcloudapi.com"),
        ]);
        let header = authorization(
            ID,
            "2019-02-25/cvm",
            "content-type;host",
            "72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168",
        );
        let auth = Authorization::parse(&header).expect("well-formed");
        let body = INSTANCES.as_bytes();
        let signed = Signed { method: &Method::POST, query: "", headers: &headers, body };
        assert_eq!((auth.secret_id, auth.date, auth.service), (ID, "2019-02-25", "cvm"));
        assert!(auth.is_by(KEY, "1551113065", signed));
        assert!(!auth.is_by("another key", "1551113065", signed));
        assert!(!auth.is_by(KEY, "1551113066", signed));
        assert!(!auth.is_by(KEY, "1551113065", Signed { body: b"{}", ..signed }));
    }

    #[test]
    fn more_signed_headers_are_lower_cased() {
        let headers = headers(&[
            ("content-type", "application/json; charset=utf-8"),
            ("host", "cvm.tencentcloudapi.com"),
            ("x-tc-action", " DescribeInstances"),
        ]);
        let masked = "********************************";
        let header = authorization(
            &format!("AKID{masked}"),
            "2019-02-25/cvm",
            "content-type;host;x-tc-action",
            "10b1a37a7301a02ca19a647ad722d5e43b4b3cff309d421d85b46093f6ab6c4f",
        );
        let auth = Authorization::parse(&header).expect("well-formed");
        let body = INSTANCES.as_bytes();
        let signed = Signed { method: &Method::POST, query: "", headers: &headers, body };
        assert!(auth.is_by(masked, "1551113065", signed));
    }

    #[test]
    fn the_documented_get_is_accepted() {
        let headers = headers(&[
            ("content-type", "application/x-www-form-urlencoded"),
            ("host", "cvm.tencentcloudapi.com"),
        ]);
        let header = authorization(
            ID,
            "2018-10-09/cvm",
            "content-type;host",
            "5da7a33f6993f0614b047e5df4582db9e9bf4672ba50567dba16c6ccf174c474",
        );
        let auth = Authorization::parse(&header).expect("well-formed");
        let query = "Limit=10&Offset=0";
        let signed = Signed { method: &Method::GET, query, headers: &headers, body: b"" };
        assert!(auth.is_by(KEY, "1539084154", signed));
        assert!(!auth.is_by(KEY, "1539084154", Signed { query: "Limit=11&Offset=0", ..signed }));
    }

    #[test]
    fn requests_of_the_vendors_sdk_are_accepted() {
        let cases = [
            (
                "1551113065",
                "{}",
                "0161a06c8bf56f03d47cafe6ca8375f6cdb9c8256d171627b9f7054e9708daa9",
            ),
            (
                "1551113065",
                r#"{"EventHandles": ["8078360634045903972", "tdmq830894935510738067"]}"#,
                "66748b9058780eb1399bb101b4f16474baa7ca67a9477586a358a796e2566e64",
            ),
            (
                "1551139199",
                "{}",
                "528bfb9faee9dc437bd4413601923e1113569bf56cd55f50bf348ebe4901e366",
            ),
        ];
        let sent = [("content-type", "application/json"), ("host", "vod.tencentcloudapi.com")];
        let headers = headers(&sent);
        for (timestamp, body, signature) in cases {
            let header = authorization(ID, "2019-02-25/vod", "content-type;host", signature);
            let auth = Authorization::parse(&header).expect("well-formed");
            let body = body.as_bytes();
            let signed = Signed { method: &Method::POST, query: "", headers: &headers, body };
            assert!(auth.is_by(KEY, timestamp, signed), "{timestamp}");
        }
    }

    #[test]
    fn a_body_may_be_left_unsigned() {
        let headers = headers(&[
            ("content-type", "application/json"),
            ("host", "vod.tencentcloudapi.com"),
            ("x-tc-content-sha256", "UNSIGNED-PAYLOAD"),
        ]);
        let signature = "40cf5c34f471b865650a3a7e065e6642269530ba5802f9871860224a81b0698b";
        let header = authorization(ID, "2019-02-25/vod", "content-type;host", signature);
        let auth = Authorization::parse(&header).expect("well-formed");
        let signed = Signed { method: &Method::POST, query: "", headers: &headers, body: b"any" };
        assert!(auth.is_by(KEY, "1551113065", signed));
    }

    #[test]
    fn a_malformed_header_is_refused_with_the_reason() {
        let good = authorization(ID, "2019-02-25/vod", "content-type;host", "00");
        let cases = [
            ("SKIP".to_owned(), "signature method"),
            (good.replace("TC3-HMAC-SHA256", "TC3-HMAC-SHA512"), "signature method"),
            (good.replace("/tc3_request", ""), "Credential"),
            (good.replace("Credential=", "Cred="), "no Credential"),
            (good.replace("content-type;host", "host"), "content-type"),
            (good.replace(", Signature=00", ""), "no Signature"),
        ];
        for (header, reason) in cases {
            let error = Authorization::parse(&header).expect_err(&header);
            assert!(error.contains(reason), "{error}");
        }
        let auth = Authorization::parse(&good).expect("well-formed");
        let (none, method) = (HeaderMap::new(), Method::POST);
        let signed = Signed { method: &method, query: "", headers: &none, body: b"" };
        assert!(!auth.is_by(KEY, "1551113065", signed), "the signed headers are not there");
    }
}
