//! The HTTP face.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, SERVER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::response::Response;
use serde::Serialize;

use super::health::{self, Reason};
use super::status::Status;
use super::{access, measure};
use crate::board::Board;
use crate::http::server::PRODUCT;

const JSON: &str = "application/json";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

#[derive(Serialize)]
struct Alive {
    alive: bool,
    reasons: Vec<Reason>,
}

#[derive(Serialize)]
struct Ready {
    ready: bool,
    reasons: Vec<Reason>,
}

/// Answers every request.
pub(super) async fn answer(State(board): State<Arc<Board>>, request: Request) -> Response {
    let path = request.uri().path();
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let response = respond(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET is known\n");
        return with(response, ALLOW, "GET, HEAD");
    }
    // Whether the relay is alive is no secret, and those who ask seldom have a token.
    if path != "/healthz"
        && let Some(token) = &board.shown().token
        && !access::shows(request.headers(), token)
    {
        let message = "give the token of [admin]: Authorization: Bearer TOKEN\n";
        return with(respond(StatusCode::UNAUTHORIZED, TEXT, message), WWW_AUTHENTICATE, "Bearer");
    }
    match path {
        "/metrics" => respond(StatusCode::OK, PROMETHEUS, measure::metrics(&board).await),
        "/healthz" => {
            let reasons = health::stuck(&board);
            let alive = reasons.is_empty();
            json(alive, &Alive { alive, reasons })
        }
        "/readyz" => {
            let reasons = health::obstacles(&board);
            let ready = reasons.is_empty();
            json(ready, &Ready { ready, reasons })
        }
        "/status" => json(true, &Status::of(&board).await),
        _ => {
            let message = "there is /metrics, /healthz, /readyz and /status\n";
            respond(StatusCode::NOT_FOUND, TEXT, message)
        }
    }
}

fn json(is_well: bool, content: &impl Serialize) -> Response {
    let status = if is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    match serde_json::to_string(content) {
        Ok(text) => respond(status, JSON, text + "\n"),
        Err(error) => respond(StatusCode::INTERNAL_SERVER_ERROR, TEXT, error.to_string()),
    }
}

fn respond(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let response = with(response, CONTENT_TYPE, content_type);
    let response = with(response, SERVER, PRODUCT);
    with(response, CACHE_CONTROL, "no-store")
}

fn with(mut response: Response, name: HeaderName, value: &'static str) -> Response {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}
