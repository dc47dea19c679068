//! A request to the VOD API: who sent it, and what it asks for.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, Method, request::Parts};
use serde_json::{Map, Value};

use crate::time;

use super::action::{Action, SERVICE, VERSION};
use super::answer::ApiError;
use super::control::Control;
use super::issuer::Caller;
use super::model::App;
use super::options::Account;
use super::tc3::{Authorization, Signed};

/// How far the clock of a client may be off, in seconds.
const CLOCK_TOLERANCE: u64 = 300;

/// A request as it came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a> {
    method: &'a Method,
    query: &'a str,
    headers: &'a HeaderMap,
    body: &'a [u8],
}

/// A request from someone who may call.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) action: Action,
    pub(super) app: App,
    pub(super) params: Map<String, Value>,
}

impl<'a> Request<'a> {
    pub(super) fn new(parts: &'a Parts, body: &'a [u8]) -> Self {
        let query = parts.uri.query().unwrap_or_default();
        Self { method: &parts.method, query, headers: &parts.headers, body }
    }

    /// The action, if it is a known one.
    pub(super) fn action(&self) -> Option<Action> {
        Action::named(self.header("x-tc-action")?)
    }

    /// The one that the request claims to come from.
    pub(super) fn caller(&self, control: &Control) -> Option<Caller> {
        let authorization = Authorization::parse(self.header("authorization")?).ok()?;
        control.caller(authorization.secret_id)
    }

    /// Checks everything about the request that does not depend on the queues.
    pub(super) fn check(&self, control: &Control) -> Result<Call, ApiError> {
        if !matches!(*self.method, Method::GET | Method::POST) {
            let message = "the API takes POST and GET requests only";
            return Err(ApiError::new("UnsupportedProtocol", message));
        }
        let action = self.required("X-TC-Action")?;
        let version = self.required("X-TC-Version")?;
        let account = self.authenticate(control)?;
        if version != VERSION {
            let message = format!("the version is {version:?}; the emulator has {VERSION}");
            return Err(ApiError::new("NoSuchVersion", message));
        }
        let action = Action::named(action).ok_or_else(|| {
            ApiError::new("InvalidAction", format!("the emulator has no action {action:?}"))
        })?;
        let params = self.params()?;
        let app = sub_app_id(&params)?;
        authorize(&account, app)?;
        if control.options().denied.contains(&action) {
            let (id, action) = (&account.secret_id, action.name());
            let message = format!("{id} is not authorized to perform vod:{action}");
            return Err(ApiError::new("UnauthorizedOperation", message));
        }
        if let Some(name) = params.keys().find(|name| !is_known(action, name)) {
            let message = format!("{} has no parameter {name:?}", action.name());
            return Err(ApiError::new("UnknownParameter", message));
        }
        Ok(Call { action, app, params })
    }

    fn authenticate(&self, control: &Control) -> Result<Account, ApiError> {
        let timestamp = self.required("X-TC-Timestamp")?;
        let header = self
            .header("authorization")
            .ok_or_else(|| invalid_authorization("there is no Authorization header".to_owned()))?;
        let authorization = Authorization::parse(header).map_err(invalid_authorization)?;
        let caller = control.caller(authorization.secret_id).ok_or_else(|| {
            let message = format!("there is no SecretId {:?}", authorization.secret_id);
            ApiError::new("AuthFailure.SecretIdNotFound", message)
        })?;
        let Caller { account, over, .. } = caller;
        let signed_at = check_clock(timestamp, control)?;
        let date = time::utc_date(time::from_unix_seconds(signed_at));
        if authorization.date != date || !self.is_for_service(authorization.service) {
            let message = format!("the credential scope is not {date}/{SERVICE}/tc3_request");
            return Err(ApiError::new("AuthFailure.SignatureFailure", message));
        }
        let Self { method, query, headers, body } = *self;
        let signed = Signed { method, query, headers, body };
        if !authorization.is_by(&account.secret_key, timestamp, signed) {
            let message = "the signature does not match; check the SecretKey and what is signed";
            return Err(ApiError::new("AuthFailure.SignatureFailure", message));
        }
        if account.token.is_some() && account.token.as_deref() != self.header("x-tc-token") {
            let message = "the X-TC-Token is not the one of these temporary credentials";
            return Err(ApiError::new("AuthFailure.TokenFailure", message));
        }
        if over {
            let message = "these temporary credentials are over";
            return Err(ApiError::new("AuthFailure.TokenFailure", message));
        }
        Ok(account)
    }

    /// Some of the vendor's SDKs take the service from the endpoint's name, up to its first dot.
    /// That is right at VOD, and at an emulator gives `127` or `localhost:9000`.
    fn is_for_service(&self, service: &str) -> bool {
        let host = self.header("host").unwrap_or_default();
        service == SERVICE || host.split('.').next() == Some(service)
    }

    fn params(&self) -> Result<Map<String, Value>, ApiError> {
        if self.method == Method::GET {
            return Ok(flat_params(self.query));
        }
        let not_an_object =
            |why: String| ApiError::new("InvalidParameter", format!("the body is {why}"));
        let body: Value = serde_json::from_slice(self.body)
            .map_err(|error| not_an_object(format!("not JSON: {error}")))?;
        let Value::Object(mut params) = body else {
            return Err(not_an_object("not a JSON object".to_owned()));
        };
        params.retain(|_, value| !value.is_null());
        Ok(params)
    }

    fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.get(name)?.to_str().ok()
    }

    fn required(&self, name: &str) -> Result<&'a str, ApiError> {
        self.header(name).ok_or_else(|| {
            ApiError::new("MissingParameter", format!("the request has no header {name}"))
        })
    }
}

fn invalid_authorization(why: String) -> ApiError {
    ApiError::new("AuthFailure.InvalidAuthorization", why)
}

/// The time of the signature, in seconds, if it is near the emulator's.
fn check_clock(timestamp: &str, control: &Control) -> Result<u64, ApiError> {
    let signed_at: u64 = timestamp.parse().map_err(|_| {
        let message = format!("the X-TC-Timestamp is {timestamp:?}, not seconds since 1970");
        ApiError::new("InvalidParameterValue", message)
    })?;
    let now = time::unix_seconds(control.clock());
    if now.abs_diff(signed_at) > CLOCK_TOLERANCE {
        let message = format!(
            "the request was signed at {signed_at}, more than {CLOCK_TOLERANCE} s off the server's \
             time {now}"
        );
        return Err(ApiError::new("AuthFailure.SignatureExpire", message));
    }
    Ok(signed_at)
}

fn authorize(account: &Account, app: App) -> Result<(), ApiError> {
    let Some(allowed) = &account.sub_app_ids else { return Ok(()) };
    if app.is_some_and(|app| allowed.contains(&app)) {
        return Ok(());
    }
    let app = app.map_or_else(|| "no SubAppId".to_owned(), |app| format!("SubAppId {app}"));
    let message = format!("{} is not authorized for {app}", account.secret_id);
    Err(ApiError::new("UnauthorizedOperation", message))
}

fn sub_app_id(params: &Map<String, Value>) -> Result<App, ApiError> {
    let Some(value) = params.get("SubAppId") else { return Ok(None) };
    value.as_u64().map(Some).ok_or_else(|| {
        let message = format!("the SubAppId is {value}, not a number such as 1500000001");
        ApiError::new("InvalidParameter", message)
    })
}

fn is_known(action: Action, name: &str) -> bool {
    name == "SubAppId" || action.parameters().contains(&name)
}

/// The parameters of a GET request. Lists come as `Name.0`, `Name.1` and so on.
fn flat_params(query: &str) -> Map<String, Value> {
    let mut params = Map::new();
    let mut lists: BTreeMap<String, BTreeMap<u32, Value>> = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decoded(name), decoded(value));
        let item = name.rsplit_once('.').and_then(|(list, at)| Some((list, at.parse().ok()?)));
        if let Some((list, at)) = item {
            lists.entry(list.to_owned()).or_default().insert(at, value.into());
        } else {
            let number = value.parse::<u64>().ok().filter(|_| name == "SubAppId");
            params.insert(name, number.map_or_else(|| value.into(), Value::from));
        }
    }
    let lists = lists.into_iter().map(|(name, list)| (name, list.into_values().collect()));
    params.extend(lists);
    params
}

/// A part of a query without its percent escapes.
pub(super) fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escaped = tail.split_at_checked(2).filter(|_| *first == b'%');
        let byte = escaped.and_then(|(digits, _)| hex::decode(digits).ok());
        match (byte.as_deref(), escaped) {
            (Some([byte]), Some((_, behind))) => {
                bytes.push(*byte);
                rest = behind;
            }
            _ => {
                bytes.push(if *first == b'+' { b' ' } else { *first });
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_a_get_request_are_read() {
        let params = flat_params("EventHandles.1=b%2Bc&EventHandles.0=a&SubAppId=15&ExtInfo=x+y%");
        let expected = serde_json::json!({
            "EventHandles": ["a", "b+c"], "SubAppId": 15, "ExtInfo": "x y%"
        });
        assert_eq!(Value::Object(params), expected);
        assert_eq!(decoded("%e5%8a%A8"), "动");
        assert_eq!(flat_params(""), Map::new());
    }
}
