//! Signatures are those of Tencent Cloud's documentation and of its SDKs, stage by stage.

#![expect(clippy::unwrap_used, reason = "in a test the panic is the report")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use vod_relay::tencent::credential::Credential;
use vod_relay::tencent::tc3::{self, Request, Scope};
use vod_relay::time;

/// `request.json` of a case.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(rename = "source")]
    _source: String,
    timestamp: u64,
    service: String,
    secret_id: String,
    secret_key: String,
    token: Option<String>,
    method: String,
    query: String,
    signed_headers: BTreeMap<String, String>,
    unsigned_payload: bool,
    body: String,
    call: Option<Call>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    action: String,
    version: String,
    region: Option<String>,
    language: Option<String>,
}

#[test]
fn every_stage_is_as_recorded() {
    let folders = folders();
    assert_eq!(folders.len(), 23, "a case is missing from tests/data/tc3 or from its README");
    for folder in folders {
        let case = Case::read(&folder);
        let credential = case.credential();
        let payload = if case.unsigned_payload { "UNSIGNED-PAYLOAD" } else { case.body.as_str() };
        // Out of order, to see them sorted.
        let headers: Vec<_> =
            case.signed_headers.iter().rev().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let payload_hash = tc3::payload_hash(payload.as_bytes());
        let canonical = tc3::canonical_request(&case.method, &case.query, &headers, &payload_hash);
        assert_stage(&folder, "canonical_request", &canonical.text);
        let scope = Scope::new(time::from_unix_seconds(case.timestamp), &case.service);
        let string_to_sign = tc3::string_to_sign(&scope, &canonical.text);
        assert_stage(&folder, "string_to_sign", &string_to_sign);
        let key = tc3::signing_key(&credential.secret_key, &scope);
        assert_stage(&folder, "signing_key", &hex::encode(key.expose()));
        let signature = tc3::signature(&key, &string_to_sign);
        assert_stage(&folder, "signature", &signature);
        let authorization =
            tc3::authorization(&case.secret_id, &scope, &canonical.signed_headers, &signature);
        assert_stage(&folder, "authorization", &authorization);
    }
}

#[test]
fn the_relay_signs_its_own_calls_so() {
    let mut calls = 0;
    for folder in folders() {
        let case = Case::read(&folder);
        let Some(call) = &case.call else { continue };
        let credential = case.credential();
        let time = time::from_unix_seconds(case.timestamp);
        let signed = tc3::sign(&case.request(call), &credential, time);
        assert_stage(&folder, "canonical_request", &signed.canonical_request);
        assert_stage(&folder, "string_to_sign", &signed.string_to_sign);
        assert_stage(&folder, "signature", &signed.signature);
        let authorization = fs::read_to_string(folder.join("authorization.txt")).unwrap();
        let mut expected = BTreeMap::from([
            ("content-type", "application/json".to_owned()),
            ("x-tc-action", call.action.clone()),
            ("x-tc-version", call.version.clone()),
            ("x-tc-timestamp", case.timestamp.to_string()),
            ("authorization", authorization),
        ]);
        let optional = [
            ("x-tc-region", &call.region),
            ("x-tc-language", &call.language),
            ("x-tc-token", &case.token),
        ];
        for (name, value) in optional {
            expected.extend(value.clone().map(|value| (name, value)));
        }
        let headers: BTreeMap<_, _> = signed.headers.into_iter().collect();
        assert_eq!(headers, expected, "{}", folder.display());
        calls += 1;
    }
    assert!(calls >= 18, "only {calls} cases have a call");
}

#[test]
fn headers_are_trimmed_and_brought_into_lower_case() {
    let headers = [("X-TC-Action", " PullEvents "), ("Host", "VOD.tencentcloudapi.com")];
    let canonical = tc3::canonical_request("POST", "", &headers, "hash");
    assert_eq!(
        canonical.text,
        "POST\n/\n\nhost:vod.tencentcloudapi.com\nx-tc-action:pullevents\n\n\
         host;x-tc-action\nhash"
    );
}

impl Case {
    fn read(folder: &Path) -> Self {
        let text = fs::read_to_string(folder.join("request.json")).unwrap();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
    }

    fn credential(&self) -> Credential {
        Credential {
            secret_id: self.secret_id.clone(),
            secret_key: self.secret_key.clone().into(),
            token: self.token.clone().map(Into::into),
        }
    }

    fn request<'a>(&'a self, call: &'a Call) -> Request<'a> {
        Request {
            host: &self.signed_headers["host"],
            service: &self.service,
            action: &call.action,
            version: &call.version,
            region: call.region.as_deref(),
            language: call.language.as_deref(),
            body: self.body.as_bytes(),
        }
    }
}

fn folders() -> Vec<PathBuf> {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tc3");
    let entries = fs::read_dir(all).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<_> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

fn assert_stage(folder: &Path, stage: &str, actual: &str) {
    let path = folder.join(stage).with_extension("txt");
    let expected = fs::read_to_string(&path).unwrap();
    assert_eq!(actual, expected, "the stage is wrong: {}", path.display());
}

mod for_any_request {
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::*;

    /// The inputs that are part of a signature.
    #[derive(Debug, Clone, PartialEq)]
    struct Inputs {
        host: String,
        service: String,
        body: Vec<u8>,
        secret_key: String,
        seconds: u64,
    }

    impl Inputs {
        fn signature(&self) -> String {
            let request = Request {
                host: &self.host,
                service: &self.service,
                action: "PullEvents",
                version: "2018-07-17",
                region: None,
                language: None,
                body: &self.body,
            };
            let credential = Credential {
                secret_id: "id".to_owned(),
                secret_key: self.secret_key.clone().into(),
                token: None,
            };
            tc3::sign(&request, &credential, time::from_unix_seconds(self.seconds)).signature
        }
    }

    fn inputs() -> impl Strategy<Value = Inputs> {
        let host = "[a-z0-9.-]{1,40}(:[0-9]{1,5})?";
        // An HMAC key is filled up with zero bytes, so a key that ends in them is another's twin.
        let secret_key = ".*".prop_filter("ends in a zero byte", |key| !key.ends_with('\0'));
        let body = prop::collection::vec(any::<u8>(), 0..200);
        (host, "[a-z]{1,10}", body, secret_key, 0_u64..253_402_300_800).prop_map(
            |(host, service, body, secret_key, seconds)| Inputs {
                host,
                service,
                body,
                secret_key,
                seconds,
            },
        )
    }

    proptest! {
        #[test]
        fn a_change_of_any_input_changes_the_signature(one in inputs(), other in inputs()) {
            let signature = one.signature();
            prop_assert_eq!(&signature, &one.clone().signature());
            let changed = [
                Inputs { host: other.host, ..one.clone() },
                Inputs { service: other.service, ..one.clone() },
                Inputs { body: other.body, ..one.clone() },
                Inputs { secret_key: other.secret_key, ..one.clone() },
                Inputs { seconds: other.seconds, ..one.clone() },
            ];
            for changed in changed {
                prop_assert_eq!(changed == one, changed.signature() == signature);
            }
        }

        #[test]
        fn the_date_in_the_scope_is_the_timestamp_s_utc_date(
            seconds in 0_u64..253_402_300_800,
            nanos in 0_u32..1_000_000_000,
        ) {
            let scope = Scope::new(UNIX_EPOCH + Duration::new(seconds, nanos), "vod");
            prop_assert_eq!(scope.timestamp(), seconds);
            let midnight = humantime::parse_rfc3339(&format!("{}T00:00:00Z", scope.date())).unwrap();
            let midnight = time::unix_seconds(midnight);
            prop_assert!((midnight..midnight + 86_400).contains(&seconds));
            prop_assert_eq!(scope.to_string(), format!("{}/vod/tc3_request", scope.date()));
        }
    }
}
