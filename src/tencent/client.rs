//! Calls the VOD API: signs, sends, reads the answer, and says what a failure asks for.
//!
//! A call is signed afresh each time it is sent. Two failures are mended here, once per call,
//! because only here is known how: a clock that is off is corrected by the answer's `Date`, and
//! credentials that are refused are fetched anew, since they may have been rotated. Everything else
//! is the caller's to judge.

use std::time::Duration;

use reqwest::header::{DATE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Response, Url};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::answer::{Content, EventConfig, EventsState, PULL_EVENTS, Pulled, is_empty_queue};
use super::credential::{Credential, Credentials};
use super::error::{CallError, Class};
use super::limiter::Limiter;
use super::skew::Skew;
use super::tc3;
use super::wire::{Raw, Wire};
use crate::event::Handle;
use crate::http::ClientError;
use crate::metrics::Calls;
use crate::time::{self, Instant};

/// The API's version that all facts here are of.
const API_VERSION: &str = "2018-07-17";
/// The service's name in the signature.
const SERVICE: &str = "vod";
/// Error messages come in English.
const LANGUAGE: &str = "en-US";
/// What a client needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the API is.
    pub endpoint: Url,
    /// `X-TC-Region`, which VOD does not need.
    pub region: Option<String>,
    /// The application whose events are meant.
    pub sub_app_id: Option<u64>,
    /// The most time for a call; longer than VOD's hold of 5 s.
    pub request_timeout: Duration,
    /// The most calls a second, for each action apart.
    pub max_requests_per_second: u32,
}

/// A client of the VOD API for one application.
#[derive(Debug)]
pub struct Client {
    wire: Wire,
    settings: Settings,
    credentials: Credentials,
    skew: Skew,
    pulls: Limiter,
    confirms: Limiter,
    others: Limiter,
    calls: Calls,
}

/// A pull that VOD answered.
#[derive(Debug)]
pub struct Answer {
    /// What was in it.
    pub pulled: Pulled,
    /// When it was asked for; the leases of its events began no earlier.
    pub sent: Instant,
}

/// A good answer to a call.
struct Reply {
    content: Content,
    /// When it was asked for.
    sent: Instant,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Parameters<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    event_handles: Option<Vec<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_app_id: Option<u64>,
}

impl Client {
    /// A client that has not called yet.
    ///
    /// # Errors
    ///
    /// The TLS stack cannot be set up.
    pub fn new(settings: Settings, credentials: Credentials) -> Result<Self, ClientError> {
        let wire = Wire::new(settings.endpoint.clone(), settings.request_timeout)?;
        let limiter = || Limiter::new(settings.max_requests_per_second);
        let (pulls, confirms, others) = (limiter(), limiter(), limiter());
        let (skew, calls) = (Skew::default(), Calls::default());
        Ok(Self { wire, credentials, skew, pulls, confirms, others, calls, settings })
    }

    /// The same, with its calls counted.
    #[must_use]
    pub fn counted(mut self, calls: Calls) -> Self {
        self.calls = calls;
        self
    }

    /// When the credentials at hand expire, if they do.
    pub fn credentials_expire(&self) -> Option<Instant> {
        self.credentials.expire()
    }

    /// Leases up to 16 events. Nothing to pull is an empty answer, whichever way VOD says it.
    /// Once `stop` is cancelled, a pull that VOD has not begun to answer is given up.
    ///
    /// # Errors
    ///
    /// The call failed; [`CallError::class`] says what that asks for.
    pub async fn pull_events(&self, stop: &CancellationToken) -> Result<Answer, CallError> {
        let parameters = self.parameters(None);
        let reply = self.call(PULL_EVENTS, &self.pulls, &parameters, stop).await?;
        Ok(Answer { pulled: reply.content.pulled()?, sent: reply.sent })
    }

    /// Who calls.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// When the rate limit lets the next pull out.
    pub fn next_pull(&self) -> Instant {
        self.pulls.next_turn()
    }

    /// Confirms 1 to 16 handles.
    ///
    /// # Errors
    ///
    /// The call failed. With [`Class::Parameter`] at least one handle is no longer valid, and
    /// whether the others are confirmed is not known.
    pub async fn confirm_events<'a>(
        &self,
        handles: impl IntoIterator<Item = &'a Handle>,
    ) -> Result<(), CallError> {
        let parameters = self.parameters(Some(handles.into_iter().map(Handle::as_str).collect()));
        let never = CancellationToken::new();
        self.call("ConfirmEvents", &self.confirms, &parameters, &never).await.map(|_| ())
    }

    /// Asks where VOD sends the application's events.
    ///
    /// # Errors
    ///
    /// The call failed; an account may lack the right to make it.
    pub async fn describe_event_config(&self) -> Result<EventConfig, CallError> {
        self.describe("DescribeEventConfig").await
    }

    /// Asks how many events wait.
    ///
    /// # Errors
    ///
    /// The call failed; an account may lack the right to make it.
    pub async fn describe_events_state(&self) -> Result<EventsState, CallError> {
        self.describe("DescribeEventsState").await
    }

    async fn describe<T>(&self, action: &'static str) -> Result<T, CallError>
    where
        T: serde::de::DeserializeOwned,
    {
        let parameters = self.parameters(None);
        let never = CancellationToken::new();
        self.call(action, &self.others, &parameters, &never).await?.content.read(action)
    }

    fn parameters(&self, event_handles: Option<Vec<&str>>) -> String {
        let parameters = Parameters { event_handles, sub_app_id: self.settings.sub_app_id };
        // Texts and numbers in a struct always serialize.
        serde_json::to_string(&parameters).unwrap_or_default()
    }

    /// Sends a call until it has an answer that is not about the clock or the session token.
    async fn call(
        &self,
        action: &'static str,
        limiter: &Limiter,
        body: &str,
        stop: &CancellationToken,
    ) -> Result<Reply, CallError> {
        let mut mended_clock = false;
        let mut fetched_anew = false;
        loop {
            let cancelled = || {
                let message = "given up because the relay stops".to_owned();
                CallError::without_answer(action, Class::Cancelled, message)
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => return Err(cancelled()),
                () = limiter.turn() => {}
            }
            let credential = tokio::select! {
                biased;
                credential = self.credentials.current() => credential
                    .map_err(|error| CallError::without_credentials(action, &error))?,
                () = stop.cancelled() => return Err(cancelled()),
            };
            let (sent, skew) = (time::now(), self.skew.seconds());
            let exchange = async {
                let response = tokio::select! {
                    biased;
                    response = self.send(action, body, &credential) => response?,
                    () = stop.cancelled() => return Err(cancelled()),
                };
                self.wire.read(action, response, sent).await
            };
            let raw = exchange.await;
            self.calls.ended(action, Raw::outcome(&raw), sent.elapsed());
            let Raw { content, headers, sent } = raw?;
            let error = match content {
                Ok(content) => return Ok(Reply { content, sent }),
                Err(error) => error,
            };
            match error.class {
                Class::Clock if !mended_clock => {
                    mended_clock = true;
                    self.learn_clock(&headers);
                    // Another call may have learned it meanwhile; what counts is that it is new.
                    if self.skew.seconds() == skew {
                        return Err(error);
                    }
                }
                Class::Token | Class::Credentials if !fetched_anew => {
                    fetched_anew = true;
                    match self.credentials.refresh(&credential).await {
                        Ok(fresh) if fresh != credential => {}
                        // The same ones again would be refused again.
                        Ok(_) => return Err(error),
                        Err(why) if why.is_transient() => {
                            let message = format!("{}; {why}", error.message);
                            return Err(CallError { class: Class::Transient, message, ..error });
                        }
                        Err(why) => {
                            let message = format!("{}; {why}", error.message);
                            return Err(CallError { message, ..error });
                        }
                    }
                }
                _ if is_empty_queue(&error) => {
                    return Ok(Reply { content: Content::nothing(error.request_id), sent });
                }
                _ => return Err(error),
            }
        }
    }

    async fn send(
        &self,
        action: &'static str,
        body: &str,
        credential: &Credential,
    ) -> Result<Response, CallError> {
        let request = tc3::Request {
            host: self.wire.host(),
            service: SERVICE,
            action,
            version: API_VERSION,
            region: self.settings.region.as_deref(),
            language: Some(LANGUAGE),
            body: body.as_bytes(),
        };
        let signed = tc3::sign(&request, credential, self.skew.correct(time::wall_clock()));
        let mut headers = HeaderMap::new();
        for (name, value) in signed.headers {
            let Ok(mut value) = HeaderValue::try_from(value) else {
                let message = format!("{name} holds characters that no header can carry");
                return Err(CallError::without_answer(action, Class::Permanent, message));
            };
            value.set_sensitive(matches!(name, "authorization" | "x-tc-token"));
            headers.insert(HeaderName::from_static(name), value);
        }
        self.wire.post(action, headers, body.to_owned()).await
    }

    /// Learns VOD's clock from an answer that complained about ours.
    fn learn_clock(&self, headers: &HeaderMap) {
        let date = headers.get(DATE).and_then(|value| value.to_str().ok());
        let date = date.and_then(|text| httpdate::parse_http_date(text).ok());
        let difference = date.and_then(|date| self.skew.learn(date, time::wall_clock()));
        if let Some(difference) = difference {
            tracing::warn!(
                difference_s = difference,
                "VOD's clock is {} s {} this machine's; signing with VOD's from now on (mend this \
                 machine's clock, for example with NTP)",
                difference.unsigned_abs(),
                if difference < 0 { "behind" } else { "ahead of" },
            );
        }
    }
}
