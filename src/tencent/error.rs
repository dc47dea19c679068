//! Why a call to VOD failed, and what that asks for.

use std::fmt;
use std::time::Duration;

use super::credential::CredentialError;
use crate::exit;
use crate::metrics::CallOutcome;
use crate::quiet;

/// What a failure asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Try again, later and later.
    Transient,
    /// Call less often.
    Throttled,
    /// Sign with VOD's clock.
    Clock,
    /// Get fresh temporary credentials.
    Token,
    /// The operator must give other credentials or rights.
    Credentials,
    /// A parameter was refused: for `ConfirmEvents` a handle whose lease is over.
    Parameter,
    /// Nothing that this program can do mends it.
    Permanent,
    /// The relay stops and gave the call up before VOD began to answer.
    Cancelled,
}

impl From<Class> for CallOutcome {
    fn from(class: Class) -> Self {
        match class {
            Class::Transient => Self::Transient,
            Class::Throttled => Self::Throttled,
            Class::Clock => Self::Clock,
            Class::Token => Self::Token,
            Class::Credentials => Self::Credentials,
            Class::Parameter => Self::Parameter,
            Class::Permanent => Self::Permanent,
            Class::Cancelled => Self::Cancelled,
        }
    }
}

impl Class {
    /// The class of an error code of the API.
    ///
    /// Codes: the common error codes of API 3.0 and those of VOD, version 2018-07-17. A code that
    /// is not known is transient, since giving up on it could lose events.
    pub fn of_code(code: &str) -> Self {
        let (family, detail) = code.split_once('.').unwrap_or((code, ""));
        match (family, detail) {
            ("RequestLimitExceeded" | "LimitExceeded", _) => Self::Throttled,
            ("AuthFailure", "SignatureExpire") => Self::Clock,
            ("AuthFailure", "TokenFailure") => Self::Token,
            ("AuthFailure" | "UnauthorizedOperation" | "IpInBlacklist" | "IpNotInWhitelist", _)
            | ("FailedOperation", "InvalidVodUser" | "InvalidAccount" | "NoPrivileges")
            | ("ResourceNotFound", "UserNotExist") => Self::Credentials,
            ("InvalidParameter" | "InvalidParameterValue", _) => Self::Parameter,
            (
                "ActionOffline"
                | "InvalidAction"
                | "InvalidRequest"
                | "MissingParameter"
                | "NoSuchProduct"
                | "NoSuchVersion"
                | "UnknownParameter"
                | "UnsupportedOperation"
                | "UnsupportedProtocol"
                | "UnsupportedRegion"
                | "RequestSizeLimitExceeded",
                _,
            )
            | ("ResourceNotFound", "ServiceNotExist") => Self::Permanent,
            _ => Self::Transient,
        }
    }

    /// The exit code of what only a person can mend; `None` where trying again can.
    pub fn refusal(self) -> Option<u8> {
        match self {
            Self::Credentials | Self::Token => Some(exit::CREDENTIALS),
            Self::Parameter | Self::Permanent => Some(exit::CONFIG),
            Self::Clock => Some(exit::INTERNAL),
            Self::Transient | Self::Throttled | Self::Cancelled => None,
        }
    }
}

/// A call that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallError {
    /// What it asks for.
    pub class: Class,
    /// The API's action.
    pub action: &'static str,
    /// The API's error code, if VOD answered with one.
    pub code: Option<String>,
    /// What happened.
    pub message: String,
    /// VOD's id for the call, which its support asks for.
    pub request_id: Option<String>,
    /// How long VOD asked to be left alone.
    pub retry_after: Option<Duration>,
    /// Whether the call was sent at all, as far as is known.
    pub sent: bool,
}

impl CallError {
    /// A failure without an answer from the API itself.
    pub(super) fn without_answer(action: &'static str, class: Class, message: String) -> Self {
        Self { class, action, code: None, message, request_id: None, retry_after: None, sent: true }
    }

    /// An error that the API answered with, in its own words, as much of them as a log line shows.
    pub(super) fn answered(
        action: &'static str,
        code: &str,
        message: &str,
        request_id: Option<String>,
    ) -> Self {
        // Its class is that of the code as it came.
        let class = Class::of_code(code);
        let code = Some(quiet::name(code));
        Self { code, request_id, ..Self::without_answer(action, class, quiet::said(message)) }
    }

    /// A call that could not be signed.
    pub(super) fn without_credentials(action: &'static str, error: &CredentialError) -> Self {
        let class = if error.is_transient() { Class::Transient } else { Class::Credentials };
        Self { sent: false, ..Self::without_answer(action, class, error.to_string()) }
    }

    /// Whether VOD may have done what was asked although no good answer came: events may be
    /// leased, a handle may be confirmed.
    pub fn may_have_worked(&self) -> bool {
        self.sent && self.code.is_none() && self.class == Class::Transient
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.action)?;
        if let Some(code) = &self.code {
            write!(f, "{code}: ")?;
        }
        f.write_str(&self.message)?;
        if let Some(request_id) = &self.request_id {
            write!(f, " (RequestId {request_id})")?;
        }
        match self.class {
            Class::Credentials if !self.sent => Ok(()),
            Class::Credentials => {
                f.write_str("; check the secret id, the secret key and the rights of this account")
            }
            Class::Token => f.write_str("; the session token is not valid or has run out"),
            Class::Clock => f.write_str("; this machine's clock is too far from VOD's"),
            Class::Transient
            | Class::Throttled
            | Class::Parameter
            | Class::Permanent
            | Class::Cancelled => Ok(()),
        }
    }
}

impl std::error::Error for CallError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_fall_into_the_class_of_what_must_be_done() {
        let cases = [
            ("InternalError", Class::Transient),
            ("InternalError.DBError", Class::Transient),
            ("FailedOperation", Class::Transient),
            ("ServiceUnavailable", Class::Transient),
            ("SomethingNew.NeverSeen", Class::Transient),
            ("RequestLimitExceeded.UinLimitExceeded", Class::Throttled),
            ("AuthFailure.SignatureExpire", Class::Clock),
            ("AuthFailure.TokenFailure", Class::Token),
            ("AuthFailure.SignatureFailure", Class::Credentials),
            ("AuthFailure.SecretIdNotFound", Class::Credentials),
            ("UnauthorizedOperation", Class::Credentials),
            ("FailedOperation.InvalidVodUser", Class::Credentials),
            ("InvalidParameterValue", Class::Parameter),
            ("NoSuchVersion", Class::Permanent),
        ];
        for (code, class) in cases {
            assert_eq!(Class::of_code(code), class, "{code}");
        }
    }
}
