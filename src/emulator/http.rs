//! The HTTP face: the VOD API at `/`, the control addresses below `/_emulator`.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::extract::{ConnectInfo, Request as HttpRequest, State};
use axum::http::header::{CONTENT_TYPE, DATE};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::answer::{ApiError, quoted};
use super::api::{self, Reply};
use super::control::Control;
use super::faults::Faults;
use super::request::{Request, decoded};
use super::temporary;
use super::wire::Scissors;

/// The largest request that VOD takes.
const REQUEST_BYTES_MAX: usize = 10 << 20;
/// The largest push.
const PUSH_BYTES_MAX: usize = 64 << 20;
/// Where VOD tells a request's id, beside the body.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-tc-requestid");

const EVENTS: &str = "/_emulator/events";
const STATE: &str = "/_emulator/state";
const COUNTS: &str = "/_emulator/counts";
const FAULTS: &str = "/_emulator/faults";
const CREDENTIALS: &str = "/_emulator/credentials";

/// Answers every request.
pub(super) async fn answer(
    State(control): State<Control>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    request: HttpRequest,
) -> Response {
    let (parts, body) = request.into_parts();
    if let Some(name) = parts.uri.path().strip_prefix(temporary::METADATA) {
        let (status, text) = temporary::metadata(&control, &parts, name);
        let mut response = response(status, None, text, control.clock());
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        return response;
    }
    let (status, request_id, body) = if parts.uri.path() == "/" {
        let ahead = control.travel(Duration::ZERO).await;
        let reply = vod(&control, &scissors, &parts, body).await;
        control.travel(ahead).await;
        (reply.status, Some(reply.request_id), reply.body)
    } else {
        let answer = handle_control(&control, &parts, body).await;
        match answer {
            Ok(body) => (StatusCode::OK, None, body),
            Err((status, message)) => {
                (status, None, format!("{{\"error\":{}}}\n", quoted(&message)))
            }
        }
    };
    response(status, request_id.as_deref(), body, control.clock())
}

async fn vod(control: &Control, scissors: &Scissors, parts: &Parts, body: Body) -> Reply {
    match axum::body::to_bytes(body, REQUEST_BYTES_MAX).await {
        Ok(body) if temporary::is_for_sts(parts) => temporary::sts(control, parts, &body),
        Ok(body) => api::answer(control, scissors, Request::new(parts, &body)).await,
        Err(error) => {
            let request_id = api::request_id();
            let message = format!("the body cannot be read up to 10 MB: {error}");
            let body = ApiError::new("RequestSizeLimitExceeded", message).body(&request_id);
            Reply { status: StatusCode::OK, request_id, body }
        }
    }
}

type ControlError = (StatusCode, String);

async fn handle_control(
    control: &Control,
    parts: &Parts,
    body: Body,
) -> Result<String, ControlError> {
    let bad = |message: String| (StatusCode::BAD_REQUEST, message);
    let body = axum::body::to_bytes(body, PUSH_BYTES_MAX).await;
    let body =
        body.map_err(|error| bad(format!("the body cannot be read up to 64 MiB: {error}")))?;
    let text = || std::str::from_utf8(&body).map_err(|error| bad(format!("the body: {error}")));
    match (&parts.method, parts.uri.path()) {
        (&Method::POST, EVENTS) => {
            let app = app_of(parts.uri.query().unwrap_or_default()).map_err(bad)?;
            let ids = control.push_all(app, text()?).map_err(|error| bad(error.to_string()))?;
            let ids: Vec<_> = ids.iter().map(|id| format!("\"{id}\"")).collect();
            Ok(format!("{{\"count\":{},\"ids\":[{}]}}\n", ids.len(), ids.join(",")))
        }
        (&Method::GET, STATE) => json(&control.state()),
        (&Method::GET, COUNTS) => json(&control.counts()),
        (&Method::PUT, FAULTS) => {
            let map: BTreeMap<String, f64> = serde_json::from_str(text()?).map_err(|error| {
                bad(format!("the body is not an object such as {{\"throttle\":0.1}}: {error}"))
            })?;
            control.set_faults(Faults::from_map(&map).map_err(|error| bad(error.to_string()))?);
            Ok("{}\n".to_owned())
        }
        (&Method::PUT, CREDENTIALS) => {
            let Issuing { issuing } = serde_json::from_str(text()?).map_err(|error| {
                bad(format!("the body is not {{\"issuing\":false}} or true: {error}"))
            })?;
            control.set_issuing(issuing);
            Ok("{}\n".to_owned())
        }
        (&Method::DELETE, CREDENTIALS) => {
            Ok(format!("{{\"ended\":{}}}\n", control.end_credentials()))
        }
        (method, path) => {
            match path.strip_prefix(CREDENTIALS).and_then(|id| id.strip_prefix('/')) {
                Some(id) if method == Method::DELETE && control.revoke(id) => Ok("{}\n".to_owned()),
                Some(id) if method == Method::DELETE => {
                    Err((StatusCode::NOT_FOUND, format!("there is no account {id:?} to take away")))
                }
                _ => {
                    let message = format!(
                        "there is no {method} {path}; there is the VOD API at /, POST {EVENTS}, \
                     GET {STATE} and {COUNTS}, PUT {FAULTS}, PUT and DELETE {CREDENTIALS}, and \
                     GET {}",
                        temporary::METADATA
                    );
                    Err((StatusCode::NOT_FOUND, message))
                }
            }
        }
    }
}

fn json(value: &impl Serialize) -> Result<String, ControlError> {
    let text = serde_json::to_string(value).map(|json| json + "\n");
    text.map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

/// Whether the services that issue credentials are to be up.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Issuing {
    issuing: bool,
}

/// The application that events are pushed for.
fn app_of(query: &str) -> Result<Option<u64>, String> {
    let mut app = None;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let id = decoded(value).parse().ok().filter(|_| name == "sub_app_id");
        app = Some(id.ok_or_else(|| {
            format!("the query has {pair:?}; it can only have sub_app_id=N, such as 1500000001")
        })?);
    }
    Ok(app)
}

fn response(
    status: StatusCode,
    request_id: Option<&str>,
    body: String,
    clock: SystemTime,
) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // The server's clock as its clients see it; without this the HTTP library would tell the true
    // time.
    if let Ok(date) = HeaderValue::from_str(&httpdate::fmt_http_date(clock)) {
        headers.insert(DATE, date);
    }
    if let Some(Ok(id)) = request_id.map(HeaderValue::from_str) {
        headers.insert(REQUEST_ID, id);
    }
    response
}
