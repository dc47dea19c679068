//! Credentials for the identity that Kubernetes (TKE) gives to a container (OIDC).
//!
//! The cluster sets `TKE_REGION`, `TKE_PROVIDER_ID`, `TKE_ROLE_ARN` and
//! `TKE_WEB_IDENTITY_TOKEN_FILE`, and writes a new token into that file now and then. The token
//! buys credentials of the role, `AssumeRoleWithWebIdentity`, in a call that is not signed.
//! Everything is read anew for each call.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use super::{BoxFuture, Credential, Found, Outside, Preview, Provider, ProviderError, Term, term};
use crate::http;
use crate::secret::Secret;
use crate::tencent::error::{CallError, Class};
use crate::tencent::wire::Wire;
use crate::time;

/// Where the service is that sells credentials for tokens.
pub const STS: &str = "https://sts.tencentcloudapi.com";

const ACTION: &str = "AssumeRoleWithWebIdentity";
const VERSION: &str = "2018-08-13";

const REGION: &str = "TKE_REGION";
const PROVIDER_ID: &str = "TKE_PROVIDER_ID";
const TOKEN_FILE: &str = "TKE_WEB_IDENTITY_TOKEN_FILE";
const ROLE_ARN: &str = "TKE_ROLE_ARN";
const VARIABLES: [&str; 4] = [REGION, PROVIDER_ID, TOKEN_FILE, ROLE_ARN];

/// How long the credentials are to live, as in the official SDKs.
const LIFETIME: Duration = Duration::from_secs(7200);

/// The official SDKs ask for others when a tenth of the time is left.
const TENTHS_AHEAD: u32 = 10;

/// Of credentials that were issued for minutes only, a tenth is too little to ask twice.
const AHEAD_MIN: Duration = Duration::from_secs(60);

/// How long the call may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Buys credentials for the container's token.
#[derive(Debug)]
pub struct Oidc {
    /// What has the variables and the file.
    pub outside: Outside,
    /// Where the service is.
    pub endpoint: Url,
    /// Whether the configuration asks for these credentials and no others.
    pub required: bool,
}

/// What the cluster has set.
struct Identity {
    region: HeaderValue,
    provider_id: String,
    role_arn: String,
    token: Secret,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Parameters<'a> {
    provider_id: &'a str,
    web_identity_token: &'a str,
    role_arn: &'a str,
    role_session_name: String,
    duration_seconds: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Issued {
    credentials: Keys,
    expired_time: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Keys {
    tmp_secret_id: String,
    tmp_secret_key: String,
    token: String,
}

impl Provider for Oidc {
    fn place(&self) -> String {
        let endpoint = http::shown(&self.endpoint);
        format!("the variables of TKE's OIDC ({}) for {endpoint}", VARIABLES.join(", "))
    }

    fn fetch(&self) -> BoxFuture<'_, Result<Option<Found>, ProviderError>> {
        Box::pin(async {
            match self.identity()? {
                Some(identity) => self.assume_role(&identity).await.map(Some),
                None => Ok(None),
            }
        })
    }

    fn preview(&self) -> Preview {
        match self.identity() {
            Ok(Some(_)) => Preview::Here,
            Ok(None) => Preview::Nowhere,
            Err(error) => Preview::Broken(error),
        }
    }
}

impl Oidc {
    /// Reads the variables and the file; `None` if none of the variables is set.
    fn identity(&self) -> Result<Option<Identity>, ProviderError> {
        let wrong = |text: String| ProviderError::permanent(text);
        let values =
            VARIABLES.map(|name| self.outside.variable(name).filter(|value| !value.is_empty()));
        let named = |set: bool| {
            let all = VARIABLES.iter().zip(&values);
            let names: Vec<_> =
                all.filter(|(_, value)| value.is_some() == set).map(|(name, _)| *name).collect();
            names.join(", ")
        };
        let [Some(region), Some(provider_id), Some(token_file), Some(role_arn)] = &values else {
            if values.iter().any(Option::is_some) {
                let (set, missing) = (named(true), named(false));
                return Err(wrong(format!(
                    "of the environment variables of TKE's OIDC some are set ({set}) and some are \
                     not ({missing}); set all or none"
                )));
            }
            if self.required {
                let missing = named(false);
                return Err(wrong(format!(
                    "the environment variables {missing} are not set; TKE sets them in the \
                     containers of a service account that has a role"
                )));
            }
            return Ok(None);
        };
        let text = |name: &str, value: &OsString| match value.to_str() {
            Some(text) => Ok(text.to_owned()),
            None => {
                let problem = "is not valid UTF-8; set it anew";
                Err(wrong(format!("the environment variable {name} {problem}")))
            }
        };
        let region = HeaderValue::from_str(&text(REGION, region)?).map_err(|_| {
            let problem = "holds characters that no header can carry; set it anew";
            wrong(format!("the environment variable {REGION} {problem}"))
        })?;
        let (provider_id, role_arn) = (text(PROVIDER_ID, provider_id)?, text(ROLE_ARN, role_arn)?);
        let token = self.token(Path::new(token_file))?;
        Ok(Some(Identity { region, provider_id, role_arn, token }))
    }

    fn token(&self, path: &Path) -> Result<Secret, ProviderError> {
        let wrong = |problem: &str| {
            let path = path.display();
            let advice = "it is where the cluster must keep the container's token";
            ProviderError::permanent(format!(
                "the file {path}, which {TOKEN_FILE} names, {problem}; {advice}"
            ))
        };
        match self.outside.read_file(path) {
            Ok(Some(text)) if text.trim().is_empty() => Err(wrong("is empty")),
            Ok(Some(text)) => Ok(Secret::from(text.trim().to_owned())),
            Ok(None) => Err(wrong("is not there")),
            Err(error) => Err(wrong(&format!("cannot be read: {error}"))),
        }
    }

    async fn assume_role(&self, identity: &Identity) -> Result<Found, ProviderError> {
        let wire = Wire::new(self.endpoint.clone(), TIMEOUT)
            .map_err(|error| ProviderError::permanent(error.to_string()))?;
        let now = time::unix_seconds(time::wall_clock());
        let parameters = Parameters {
            provider_id: &identity.provider_id,
            web_identity_token: identity.token.expose(),
            role_arn: &identity.role_arn,
            role_session_name: format!("vod-relay-{now}"),
            duration_seconds: LIFETIME.as_secs(),
        };
        // Texts and numbers in a struct always serialize.
        let body = serde_json::to_string(&parameters).unwrap_or_default();
        let sent = time::now();
        let exchange = async {
            let response = wire.post(ACTION, headers(identity, now), body).await?;
            let raw = wire.read(ACTION, response, sent).await?;
            let issued: Issued = raw.content?.read(ACTION)?;
            Ok((issued, raw.headers))
        };
        let (issued, headers) = exchange.await.map_err(|error| refusal(&error))?;
        let wrong = |problem: &str| {
            let place = http::shown(&self.endpoint);
            ProviderError::transient(format!("{ACTION}: {place} sent credentials {problem}"))
        };
        let Keys { tmp_secret_id, tmp_secret_key, token } = issued.credentials;
        let credential = Credential::new(tmp_secret_id, tmp_secret_key.into(), Some(token.into()))
            .map_err(|flawed| wrong(&format!("that are wrong: {flawed}")))?;
        let left = term::left_until(issued.expired_time, &headers)
            .ok_or_else(|| wrong("whose time is over"))?;
        let ahead = (left / TENTHS_AHEAD).max(AHEAD_MIN.min(left / 2));
        Ok(Found { credential, term: Term::ending(left, ahead) })
    }
}

fn headers(identity: &Identity, now: u64) -> HeaderMap {
    let fixed = |name: &'static str, value: &'static str| {
        (HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    HeaderMap::from_iter([
        (AUTHORIZATION, HeaderValue::from_static("SKIP")),
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        fixed("x-tc-action", ACTION),
        fixed("x-tc-version", VERSION),
        fixed("x-tc-language", "en-US"),
        (HeaderName::from_static("x-tc-region"), identity.region.clone()),
        (HeaderName::from_static("x-tc-timestamp"), HeaderValue::from(now)),
    ])
}

/// What a failed call says, without the advice that goes with calls to VOD.
fn refusal(error: &CallError) -> ProviderError {
    let mut text = format!("{ACTION}: ");
    if let Some(code) = &error.code {
        text.extend([code, ": "]);
    }
    text.push_str(&error.message);
    if let Some(request_id) = &error.request_id {
        text.extend([" (RequestId ", request_id, ")"]);
    }
    match error.class {
        Class::Transient | Class::Throttled | Class::Cancelled => ProviderError::transient(text),
        Class::Clock => {
            ProviderError::permanent(text + "; set this machine's clock, for example with NTP")
        }
        Class::Token | Class::Credentials | Class::Parameter | Class::Permanent => {
            let advice = format!(
                "; check {PROVIDER_ID}, {ROLE_ARN}, the token in the file of {TOKEN_FILE}, and who \
                 may take the role"
            );
            ProviderError::permanent(text + &advice)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [(&str, &str); 4] =
        [(REGION, "ap-guangzhou"), (PROVIDER_ID, "tke"), (TOKEN_FILE, "/token"), (ROLE_ARN, "arn")];

    fn identity<const V: usize, const F: usize>(
        variables: [(&str, &str); V],
        files: [(&str, &str); F],
        required: bool,
    ) -> Result<Option<String>, String> {
        let outside = Outside::fake(variables, None, files);
        let oidc = Oidc { outside, endpoint: STS.parse().unwrap(), required };
        let found = oidc.identity().map_err(|error| error.to_string())?;
        Ok(found.map(|identity| identity.token.expose().to_owned()))
    }

    #[test]
    fn all_variables_and_the_file_make_an_identity() {
        assert_eq!(identity(ALL, [("/token", "jwt\n")], false), Ok(Some("jwt".to_owned())));
        assert_eq!(identity([], [], false), Ok(None));
        assert_eq!(identity([(REGION, ""), (ROLE_ARN, "")], [], false), Ok(None));
    }

    #[test]
    fn what_lacks_is_named() {
        assert_eq!(
            identity([ALL[0], ALL[3]], [], false).unwrap_err(),
            "of the environment variables of TKE's OIDC some are set (TKE_REGION, TKE_ROLE_ARN) and \
             some are not (TKE_PROVIDER_ID, TKE_WEB_IDENTITY_TOKEN_FILE); set all or none"
        );
        let error = identity([], [], true).unwrap_err();
        assert!(error.starts_with("the environment variables TKE_REGION, "), "{error}");
        let gone = "the file /token, which TKE_WEB_IDENTITY_TOKEN_FILE names, is not there; it is \
                    where the cluster must keep the container's token";
        assert_eq!(identity(ALL, [], false).unwrap_err(), gone);
        let empty = gone.replace("is not there", "is empty");
        assert_eq!(identity(ALL, [("/token", "\n")], false).unwrap_err(), empty);
    }
}
