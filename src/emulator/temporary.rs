//! Where temporary credentials come from: the metadata service of a virtual machine, and the call
//! of STS that takes the token of a container.

use std::time::Duration;

use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::secret::Secret;
use crate::time;

use super::answer::{ApiError, response};
use super::api::{self, Reply};
use super::control::Control;
use super::issuer::Issued;

/// Where the metadata service tells the name of the role, and below it the role's credentials.
pub(super) const METADATA: &str = "/latest/meta-data/cam/security-credentials/";

const ACTION: &str = "AssumeRoleWithWebIdentity";
const VERSION: &str = "2018-08-13";

/// The longest that credentials can be asked for.
const LONGEST: u64 = 43_200;
/// How long they live if nothing is asked for.
const USUAL: u64 = 7200;

const PARAMETERS: [&str; 5] =
    ["ProviderId", "WebIdentityToken", "RoleArn", "RoleSessionName", "DurationSeconds"];

/// Whether a request to the API is for STS rather than for VOD.
pub(super) fn is_for_sts(parts: &Parts) -> bool {
    header(parts, "x-tc-action") == Some(ACTION)
}

/// Answers as the metadata service: in text.
pub(super) fn metadata(control: &Control, parts: &Parts, name: &str) -> (StatusCode, String) {
    let mut issuer = control.issuer();
    control.tally().metadata_request();
    let role = control.options().role.as_deref();
    match (&parts.method, role) {
        _ if !issuer.is_up() => (StatusCode::SERVICE_UNAVAILABLE, "down\n".to_owned()),
        (&Method::GET, Some(role)) if name.is_empty() => (StatusCode::OK, role.to_owned()),
        (&Method::GET, Some(role)) if name == role => {
            let Issued { account, ends, .. } = issuer.of_role(control.clock());
            let text = json!({
                "TmpSecretId": account.secret_id,
                "TmpSecretKey": account.secret_key,
                "ExpiredTime": time::unix_seconds(ends),
                "Expiration": humantime::format_rfc3339_seconds(ends).to_string(),
                "Token": account.token,
                "Code": "Success",
            });
            (StatusCode::OK, text.to_string())
        }
        _ => (StatusCode::NOT_FOUND, "404 Not Found\n".to_owned()),
    }
}

/// Answers as STS.
pub(super) fn sts(control: &Control, parts: &Parts, body: &[u8]) -> Reply {
    control.tally().sts_request();
    let request_id = api::request_id();
    if !control.issuer().is_up() {
        return Reply { status: StatusCode::SERVICE_UNAVAILABLE, request_id, body: "down".into() };
    }
    let body = match check(control, parts, body) {
        Ok(at_most) => {
            let issued = control.issuer().issue(control.clock(), at_most);
            response(&members(&issued), &request_id)
        }
        Err(error) => {
            control.tally().error(error.code);
            error.body(&request_id)
        }
    };
    Reply { status: StatusCode::OK, request_id, body }
}

fn members(issued: &Issued) -> String {
    let Issued { account, ends, .. } = issued;
    let credentials = json!({
        "Token": account.token,
        "TmpSecretId": account.secret_id,
        "TmpSecretKey": account.secret_key,
    });
    let expiration = humantime::format_rfc3339_seconds(*ends);
    let expired_time = time::unix_seconds(*ends);
    format!(
        "\"Credentials\":{credentials},\"ExpiredTime\":{expired_time},\
         \"Expiration\":\"{expiration}\""
    )
}

/// Checks a request to STS: how long the credentials may live at most.
fn check(control: &Control, parts: &Parts, body: &[u8]) -> Result<Duration, ApiError> {
    if parts.method != Method::POST {
        return Err(ApiError::new("UnsupportedProtocol", "the emulator's STS takes POST only"));
    }
    for name in ["x-tc-version", "x-tc-region", "x-tc-timestamp", "authorization"] {
        if header(parts, name).is_none_or(str::is_empty) {
            let message = format!("the request has no header {name}");
            return Err(ApiError::new("MissingParameter", message));
        }
    }
    if header(parts, "x-tc-version") != Some(VERSION) {
        let message = format!("the version is not {VERSION}");
        return Err(ApiError::new("NoSuchVersion", message));
    }
    if header(parts, "authorization") != Some("SKIP") || parts.headers.contains_key("x-tc-token") {
        let message = "this call is not signed: Authorization is SKIP, and there is no X-TC-Token";
        return Err(ApiError::new("AuthFailure.InvalidAuthorization", message));
    }
    let params: Map<String, Value> = serde_json::from_slice(body).map_err(|error| {
        ApiError::new("InvalidParameter", format!("the body is no JSON object: {error}"))
    })?;
    if let Some(name) = params.keys().find(|name| !PARAMETERS.contains(&name.as_str())) {
        return Err(ApiError::new(
            "UnknownParameter",
            format!("{ACTION} has no parameter {name:?}"),
        ));
    }
    check_identity(control, &params)?;
    let seconds = match params.get("DurationSeconds") {
        None => USUAL,
        Some(value) => value.as_u64().filter(|it| (1..=LONGEST).contains(it)).ok_or_else(|| {
            let message = format!("the DurationSeconds are {value}, not 1 to {LONGEST}");
            ApiError::new("InvalidParameter.OverLimit", message)
        })?,
    };
    Ok(Duration::from_secs(seconds))
}

fn check_identity(control: &Control, params: &Map<String, Value>) -> Result<(), ApiError> {
    let text = |name: &str| {
        let text = params.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        text.ok_or_else(|| {
            ApiError::new("MissingParameter", format!("the request has no parameter {name}"))
        })
    };
    let session = text("RoleSessionName")?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    if !(2..=128).contains(&session.len()) || !session.bytes().all(fits) {
        let message =
            format!("the RoleSessionName {session:?} is not 2 to 128 of A-Z a-z 0-9 _+=,.@-");
        return Err(ApiError::new("InvalidParameter.ParamError", message));
    }
    let options = control.options();
    let token = options.web_identity_token.as_ref().map(Secret::expose);
    let identities = [
        ("ProviderId", options.provider_id.as_deref(), "InvalidParameter.ParamError"),
        ("RoleArn", options.role_arn.as_deref(), "InvalidParameter.ParamError"),
        ("WebIdentityToken", token, "InvalidParameter.WebIdentityTokenError"),
    ];
    for (name, known, code) in identities {
        let given = text(name)?;
        if known.is_some_and(|known| known != given) {
            return Err(ApiError::new(
                code,
                format!("the {name} is not the one that is known here"),
            ));
        }
    }
    if token.is_none() {
        let message = "the emulator was started without --web-identity-token: it knows no identity";
        return Err(ApiError::new("UnauthorizedOperation", message));
    }
    Ok(())
}

fn header<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    parts.headers.get(name)?.to_str().ok()
}
