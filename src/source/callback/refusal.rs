//! Why a request is not taken: the status that says so, and the log of it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::http::header::{ALLOW, CONNECTION, CONTENT_TYPE, SERVER};
use axum::http::{HeaderValue, Response, StatusCode};

use crate::http::server::PRODUCT;
use crate::quiet::Quiet;

/// A request that is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// What is wrong, and what would be right. Nothing that the sender wrote stands in it.
    reason: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into() }
    }

    /// VOD is to send it again.
    pub(super) fn unavailable(reason: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, reason)
    }

    /// The answer. `close` ends the connection with it, because the rest of the request is not read.
    pub(super) fn response(&self, close: bool) -> Response<Body> {
        let mut response = response(self.status, &self.reason);
        let headers = response.headers_mut();
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
        }
        if close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// An answer of one line.
pub(super) fn response(status: StatusCode, line: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{line}\n")));
    *response.status_mut() = status;
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    response.headers_mut().insert(SERVER, HeaderValue::from_static(PRODUCT));
    response
}

/// The log of what is refused. Of each status a line is printed at most every few seconds, so that
/// one kind of noise does not drown another.
#[derive(Debug)]
pub(super) struct Refusals {
    source: Arc<str>,
    by_status: Mutex<HashMap<StatusCode, Quiet>>,
}

impl Refusals {
    pub(super) fn new(source: Arc<str>) -> Self {
        Self { source, by_status: Mutex::default() }
    }

    /// Logs a refusal, without anything of what was sent.
    pub(super) fn log(&self, refusal: &Refusal, peer: IpAddr) {
        let mut by_status = self.by_status.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(left_out) = by_status.entry(refusal.status).or_default().ask() else { return };
        tracing::warn!(
            source.name = %self.source,
            peer = %peer,
            status = refusal.status.as_u16(),
            left_out,
            "a callback was not taken: {}",
            refusal.reason
        );
    }
}
