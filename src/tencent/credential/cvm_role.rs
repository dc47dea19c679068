//! Credentials of the role that a virtual machine (CVM) has, from the metadata service of its host.
//!
//! `GET /latest/meta-data/cam/security-credentials/` answers with the name of the role, and
//! `.../security-credentials/<role>` with keys that live some hours. Elsewhere than on a CVM the
//! service does not exist, which must not hold up a chain for long.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{StatusCode, Url};
use serde::Deserialize;

use super::{BoxFuture, Credential, Found, Preview, Provider, ProviderError, Term, term};
use crate::http;
use crate::secret::Secret;
use crate::time::{self, Instant};

/// Where the metadata service of every CVM is.
pub const METADATA: &str = "http://metadata.tencentyun.com";

const PATH: &str = "/latest/meta-data/cam/security-credentials/";

/// How long before their end credentials are fetched anew, as in the official SDKs; of short-lived
/// ones, the second half of their time.
const AHEAD: Duration = Duration::from_secs(300);

/// How long it may take to find out that there is no metadata service. Where it is, it answers
/// within milliseconds.
const PROBE: Duration = Duration::from_secs(1);

/// How long a service may take of which is known that it is there.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long it is taken for granted that there is no metadata service.
const ABSENCE: Duration = Duration::from_secs(300);

/// The most of an answer that is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Asks the metadata service.
#[derive(Debug)]
pub struct CvmRole {
    endpoint: Url,
    role: Option<String>,
    /// Whether this machine is known to be a CVM with a role: a silence is an outage then.
    ours: AtomicBool,
    /// Until when nobody needs to look for the service again.
    absent: Mutex<Option<Instant>>,
}

/// What the service answered.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Issued {
    code: String,
    tmp_secret_id: Option<String>,
    tmp_secret_key: Option<String>,
    token: Option<String>,
    expired_time: Option<u64>,
}

impl Provider for CvmRole {
    fn place(&self) -> String {
        let role = self.role.as_ref().map_or_else(
            || "the role of this machine (CVM)".to_owned(),
            |role| format!("the role {role} of this machine (CVM)"),
        );
        format!("{role} at {}", http::shown(&self.endpoint))
    }

    fn fetch(&self) -> BoxFuture<'_, Result<Option<Found>, ProviderError>> {
        Box::pin(async {
            let found = self.ask().await?;
            if found.is_some() {
                self.ours.store(true, Ordering::Relaxed);
            }
            Ok(found)
        })
    }

    fn preview(&self) -> Preview {
        Preview::Asks
    }
}

impl CvmRole {
    /// The metadata service at this address. `required` says that there must be a role, since the
    /// configuration asks for it; otherwise its absence is none of the relay's business.
    pub fn new(endpoint: Url, role: Option<String>, required: bool) -> Self {
        Self { endpoint, role, ours: AtomicBool::new(required), absent: Mutex::default() }
    }

    async fn ask(&self) -> Result<Option<Found>, ProviderError> {
        let role = match &self.role {
            Some(role) => role.clone(),
            None => match self.role().await? {
                Some(role) => role,
                None => return Ok(None),
            },
        };
        let Some(answer) = self.get(&role).await? else { return Ok(None) };
        if answer.status == StatusCode::NOT_FOUND {
            let advice = "bind it to the machine in the console, or correct the name";
            return Err(self.wrong(&format!("this machine has no role {role}; {advice}")));
        }
        let issued: Issued = serde_json::from_slice(&answer.body)
            .map_err(|_| self.trouble("sent an answer that is no credentials"))?;
        self.read(&role, issued, &answer.headers).map(Some)
    }

    /// The name of the machine's role, if it has one.
    async fn role(&self) -> Result<Option<String>, ProviderError> {
        let Some(answer) = self.get("").await? else { return Ok(None) };
        let ours = self.ours.load(Ordering::Relaxed);
        if answer.status == StatusCode::NOT_FOUND {
            let advice = "bind one to it in the console";
            return match ours {
                true => Err(self.wrong(&format!("this machine has no role; {advice}"))),
                false => Ok(None),
            };
        }
        let text = String::from_utf8_lossy(&answer.body);
        let name = text.lines().next().unwrap_or_default().trim();
        if is_name(name) {
            return Ok(Some(name.to_owned()));
        }
        // Some networks answer for names that do not exist, with a page for people.
        match ours {
            true => Err(self.trouble("sent something that is no name of a role")),
            false => Ok(None),
        }
    }

    fn read(
        &self,
        role: &str,
        issued: Issued,
        headers: &HeaderMap,
    ) -> Result<Found, ProviderError> {
        if issued.code != "Success" {
            let code: String = issued.code.chars().take(100).collect();
            let advice = "check the role and who may take it";
            return Err(self.wrong(&format!(
                "it has no credentials of the role {role} (Code {code:?}); {advice}"
            )));
        }
        let (Some(id), Some(key), Some(expired_time)) =
            (issued.tmp_secret_id, issued.tmp_secret_key, issued.expired_time)
        else {
            return Err(self.trouble("sent credentials that lack a part"));
        };
        let credential =
            Credential::new(id, key.into(), issued.token.map(Secret::from)).map_err(|flawed| {
                self.trouble(&format!("sent credentials that are wrong: {flawed}"))
            })?;
        let left = term::left_until(expired_time, headers)
            .ok_or_else(|| self.trouble("sent credentials whose time is over"))?;
        Ok(Found { credential, term: Term::ending(left, AHEAD.min(left / 2)) })
    }

    /// Gets what stands under a name; `None` if there is no such service.
    async fn get(&self, name: &str) -> Result<Option<Answer>, ProviderError> {
        let ours = self.ours.load(Ordering::Relaxed);
        if !ours && self.absent().is_some_and(|until| time::now() < until) {
            return Ok(None);
        }
        let limit = if ours { PATIENCE } else { PROBE };
        match self.send(name, limit).await {
            Ok(answer) if answer.status.is_success() || answer.status == StatusCode::NOT_FOUND => {
                Ok(Some(answer))
            }
            Ok(answer) if ours || answer.status.is_server_error() => {
                Err(self.trouble(&format!("answers HTTP {}", answer.status)))
            }
            Ok(_) => Ok(None),
            Err(cause) if ours => Err(self.trouble(&format!("cannot be reached: {cause}"))),
            Err(cause) => {
                tracing::debug!("not on a CVM, it seems: {}: {cause}", self.endpoint);
                let mut absent = self.absent.lock().unwrap_or_else(PoisonError::into_inner);
                *absent = Some(time::now() + ABSENCE);
                Ok(None)
            }
        }
    }

    /// Sends a request, never through a proxy: the service knows its machine by the address.
    async fn send(&self, name: &str, limit: Duration) -> Result<Answer, String> {
        let url = self.endpoint.join(PATH).and_then(|url| url.join(name));
        let url = url.map_err(|error| error.to_string())?;
        let client = http::client(http::Settings::to(&url).direct());
        let client = client.map_err(|error| error.to_string())?;
        let exchange = async {
            let mut response = client.get(url).timeout(limit).send().await?;
            let (status, headers) = (response.status(), response.headers().clone());
            let (body, _) = http::read_body(&mut response, ANSWER_BYTES_MAX).await?;
            Ok(Answer { status, headers, body: body.into() })
        };
        exchange.await.map_err(|error: reqwest::Error| http::cause(&error, limit))
    }

    fn absent(&self) -> Option<Instant> {
        *self.absent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something that somebody must mend.
    fn wrong(&self, problem: &str) -> ProviderError {
        let place = http::shown(&self.endpoint);
        ProviderError::permanent(format!("the metadata service {place}: {problem}"))
    }

    /// Something that the service may get over.
    fn trouble(&self, problem: &str) -> ProviderError {
        let place = http::shown(&self.endpoint);
        ProviderError::transient(format!("the metadata service {place} {problem}"))
    }
}

/// Whether a text can be the name of a role.
pub(crate) fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte);
    (1..=128).contains(&text.len()) && text.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(answer: &str) -> Result<Found, String> {
        let cvm_role = CvmRole::new(METADATA.parse().unwrap(), None, true);
        let issued = serde_json::from_str(answer).unwrap();
        cvm_role.read("r", issued, &HeaderMap::new()).map_err(|error| error.to_string())
    }

    #[test]
    fn an_answer_that_is_no_success_is_told_with_its_code() {
        let place = "the metadata service http://metadata.tencentyun.com/";
        assert_eq!(
            read(r#"{"Code":"RoleNotTrusted"}"#).unwrap_err(),
            format!(
                "{place}: it has no credentials of the role r (Code \"RoleNotTrusted\"); check the \
                 role and who may take it"
            )
        );
        let whole = |time: u64| {
            format!(
                r#"{{"Code":"Success","TmpSecretId":"i","TmpSecretKey":"k","Token":"t",
                     "Expiration":"2026-11-20T10:00:00Z","ExpiredTime":{time}}}"#
            )
        };
        let now = time::unix_seconds(time::wall_clock());
        assert_eq!(read(&whole(now + 60)).unwrap().credential.secret_id, "i");
        let over = format!("{place} sent credentials whose time is over");
        assert_eq!(read(&whole(now - 60)).unwrap_err(), over);
        let lacks = format!("{place} sent credentials that lack a part");
        assert_eq!(read(&whole(now + 60).replace("TmpSecretId", "Id")).unwrap_err(), lacks);
    }

    #[test]
    fn names_of_roles_are_told_from_pages_for_people() {
        for name in ["CVMas", "vod-relay_1", "a.b@c+d=e,f"] {
            assert!(is_name(name), "{name}");
        }
        for other in ["", "<html>", "a b", "../x", "角色", &"x".repeat(129)] {
            assert!(!is_name(other), "{other}");
        }
    }
}
