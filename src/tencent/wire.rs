//! Sends signed calls and reads what comes back.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode, Url};

use super::answer::{Content, is_empty_queue};
use super::error::{CallError, Class};
use crate::http::{self, ClientError};
use crate::metrics::CallOutcome;
use crate::quiet;
use crate::time::{self, Instant};

/// The most of an answer that is read. Sixteen events of a megabyte each are far beyond what VOD
/// sends.
const ANSWER_BYTES_MAX: usize = 32 << 20;

/// How long an unused connection is kept. VOD's front end closes idle ones, and a request on a
/// closed one fails; the long polls of an idle queue follow each other without a gap.
const IDLE_CONNECTION: Duration = Duration::from_secs(15);

/// The way to one endpoint.
#[derive(Debug)]
pub(super) struct Wire {
    http: reqwest::Client,
    endpoint: Url,
    host: String,
    timeout: Duration,
}

/// An answer as it came.
#[derive(Debug)]
pub(super) struct Raw {
    /// What is in it, or the error that it is.
    pub(super) content: Result<Content, CallError>,
    pub(super) headers: HeaderMap,
    /// When it was asked for.
    pub(super) sent: Instant,
}

impl Raw {
    /// How a call ended. An empty queue is no failure.
    pub(super) fn outcome(answer: &Result<Self, CallError>) -> CallOutcome {
        let failure = match answer {
            Ok(raw) => raw.content.as_ref().err(),
            Err(error) => Some(error),
        };
        let failure = failure.filter(|error| !is_empty_queue(error));
        failure.map_or(CallOutcome::Ok, |error| error.class.into())
    }
}

impl Wire {
    /// A way that nothing was sent on yet. `timeout` is the most time for a call.
    pub(super) fn new(endpoint: Url, timeout: Duration) -> Result<Self, ClientError> {
        let http = http::client(http::Settings::to(&endpoint).gzip().idle(IDLE_CONNECTION))?;
        let host = endpoint.host_str().unwrap_or_default();
        let host = match endpoint.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        Ok(Self { http, endpoint, host, timeout })
    }

    /// The `Host` header, which is part of the signature.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Posts a call: the answer has begun when this returns.
    pub(super) async fn post(
        &self,
        action: &'static str,
        headers: HeaderMap,
        body: String,
    ) -> Result<Response, CallError> {
        let request = self.http.post(self.endpoint.clone());
        let request = request.timeout(self.timeout).headers(headers).body(body);
        request.send().await.map_err(|error| self.network(action, &error))
    }

    /// Reads an answer to its end.
    pub(super) async fn read(
        &self,
        action: &'static str,
        mut response: Response,
        sent: Instant,
    ) -> Result<Raw, CallError> {
        let status = response.status();
        let (bytes, whole) = http::read_body(&mut response, ANSWER_BYTES_MAX)
            .await
            .map_err(|error| self.network(action, &error))?;
        let headers = std::mem::take(response.headers_mut());
        if !whole {
            let message = format!(
                "the answer is longer than {} MiB and is left unread, since none of VOD's is so \
                 long; check that the endpoint {} is VOD's, and what proxy stands before it",
                ANSWER_BYTES_MAX >> 20,
                http::shown(&self.endpoint)
            );
            return Err(CallError::without_answer(action, Class::Transient, message));
        }
        let content = self.open(action, bytes, status, &headers);
        Ok(Raw { content, headers, sent })
    }

    /// The content of an answer, or the error in it.
    fn open(
        &self,
        action: &'static str,
        body: Vec<u8>,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Result<Content, CallError> {
        let error = match Content::open(action, body) {
            Ok(content) if status.is_success() => return Ok(content),
            Ok(_) => CallError::without_answer(action, Class::Transient, String::new()),
            Err(error) => error,
        };
        let from_header = || {
            let value = headers.get("x-tc-requestid")?;
            Some(quiet::name(value.to_str().ok()?))
        };
        let request_id = error.request_id.clone().or_else(from_header);
        let retry_after = http::retry_after(headers, time::wall_clock());
        if status.is_success() || error.code.is_some() {
            return Err(CallError { request_id, retry_after, ..error });
        }
        let endpoint = http::shown(&self.endpoint);
        let message = format!("{endpoint} answered HTTP {status}");
        let error = CallError::without_answer(action, Class::Transient, message);
        Err(CallError { request_id, retry_after, ..error })
    }

    fn network(&self, action: &'static str, error: &reqwest::Error) -> CallError {
        let endpoint = http::shown(&self.endpoint);
        let cause = http::cause(error, self.timeout);
        CallError::without_answer(action, Class::Transient, format!("{endpoint}: {cause}"))
    }
}
