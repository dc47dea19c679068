//! What a failed call says about the credentials and their rights.

use super::finding::Level;
use crate::exit;
use crate::tencent::error::{CallError, Class};

/// What a failed call comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) level: Level,
    pub(super) found: String,
    pub(super) mend: String,
}

/// Judges failed calls of one source.
#[derive(Debug)]
pub(super) struct Trouble {
    /// Whether the source names its application.
    pub(super) names_app: bool,
}

impl Trouble {
    /// What is wrong with the credentials themselves, whatever they are used for.
    pub(super) fn with_credentials<'a>(
        &self,
        errors: impl IntoIterator<Item = Option<&'a CallError>>,
    ) -> Option<Verdict> {
        let wrong = |error: &&CallError| match error.class {
            Class::Credentials => !is_right(error),
            Class::Token => true,
            Class::Transient
            | Class::Throttled
            | Class::Clock
            | Class::Parameter
            | Class::Permanent
            | Class::Cancelled => false,
        };
        let error = errors.into_iter().flatten().find(wrong)?;
        Some(self.needed(error))
    }

    /// Whether the outcome of a call shows that VOD knows the credentials.
    pub(super) fn is_known(error: Option<&CallError>) -> bool {
        error.is_none_or(|error| match error.class {
            Class::Credentials => is_right(error),
            Class::Parameter => true,
            Class::Transient
            | Class::Throttled
            | Class::Clock
            | Class::Token
            | Class::Permanent
            | Class::Cancelled => false,
        })
    }

    /// Whether VOD has refused the handle, and not the call.
    pub(super) fn is_refused_handle(&self, error: &CallError) -> bool {
        error.class == Class::Parameter && !names(error, "AppId")
    }

    /// The verdict on a call that the relay cannot do without.
    pub(super) fn needed(&self, error: &CallError) -> Verdict {
        let action = error.action;
        let error_of = |code| Level::Error { code };
        let (level, mend) = match error.class {
            Class::Credentials if is_right(error) => (
                error_of(exit::CREDENTIALS),
                format!("allow vod:{action} for this user and this application in CAM"),
            ),
            Class::Credentials => (
                error_of(exit::CREDENTIALS),
                "give the secret id and the secret key of an account that has VOD, as the console \
                 shows them"
                    .to_owned(),
            ),
            Class::Token => {
                (error_of(exit::CREDENTIALS), "get fresh temporary credentials".to_owned())
            }
            Class::Clock => (
                error_of(exit::INTERNAL),
                "set this machine's clock, for example with NTP".to_owned(),
            ),
            Class::Parameter | Class::Permanent => {
                (error_of(exit::CONFIG), "mend sub_app_id, region and endpoint".to_owned())
            }
            Class::Transient if error.code.is_none() => {
                (error_of(exit::UNREACHABLE), "mend the way to the endpoint".to_owned())
            }
            Class::Transient | Class::Throttled | Class::Cancelled => {
                (Level::Warning, "this may pass: run doctor again".to_owned())
            }
        };
        let mend = format!("{mend}{}", self.hint(error));
        Verdict { level, found: told(error), mend }
    }

    /// The verdict on a call that the relay works without. `otherwise` is what to do if the right to
    /// make it is not given.
    pub(super) fn optional(&self, error: &CallError, otherwise: &str) -> Verdict {
        if error.class == Class::Credentials && is_right(error) {
            let mend = format!("{otherwise}, or allow vod:{} in CAM", error.action);
            return Verdict { level: Level::Note, found: told(error), mend };
        }
        Verdict { level: Level::Warning, ..self.needed(error) }
    }

    /// What nobody guesses from VOD's words.
    fn hint(&self, error: &CallError) -> &'static str {
        let suspect = matches!(error.class, Class::Parameter | Class::Permanent)
            || (error.class == Class::Credentials && is_right(error))
            || names(error, "AppId");
        if suspect && !self.names_app {
            "; set sub_app_id, which accounts that opened VOD on or after 2023-12-25 must"
        } else {
            ""
        }
    }
}

/// The error without the advice that it has for logs.
fn told(error: &CallError) -> String {
    let mut told = format!("{}: ", error.action);
    if let Some(code) = &error.code {
        told.push_str(&format!("{code}: "));
    }
    told.push_str(&error.message);
    if let Some(request_id) = &error.request_id {
        told.push_str(&format!(" (RequestId {request_id})"));
    }
    told
}

/// Whether it is a right that is missing, while VOD knows the credentials.
fn is_right(error: &CallError) -> bool {
    let code = error.code.as_deref().unwrap_or_default();
    ["UnauthorizedOperation", "AuthFailure.UnauthorizedOperation", "FailedOperation.NoPrivileges"]
        .iter()
        .any(|right| code.starts_with(right))
}

fn names(error: &CallError, word: &str) -> bool {
    error.code.as_deref().is_some_and(|code| code.contains(word)) || error.message.contains(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: Option<&str>, message: &str) -> CallError {
        let class = code.map_or(Class::Transient, Class::of_code);
        let (code, message) = (code.map(str::to_owned), message.to_owned());
        let action = "ConfirmEvents";
        CallError { class, action, code, message, request_id: None, retry_after: None, sent: true }
    }

    #[test]
    fn each_code_has_its_verdict() {
        let trouble = Trouble { names_app: true };
        let code = |code| trouble.needed(&error(code, "no")).level.code();
        for (of, expected) in [
            (Some("UnauthorizedOperation"), exit::CREDENTIALS),
            (Some("AuthFailure.SignatureFailure"), exit::CREDENTIALS),
            (Some("AuthFailure.TokenFailure"), exit::CREDENTIALS),
            (Some("AuthFailure.SignatureExpire"), exit::INTERNAL),
            (Some("InvalidParameterValue.SubAppId"), exit::CONFIG),
            (Some("NoSuchVersion"), exit::CONFIG),
            (Some("InternalError"), exit::OK),
            (None, exit::UNREACHABLE),
        ] {
            assert_eq!(code(of), expected, "{of:?}");
        }
    }

    #[test]
    fn a_missing_right_is_no_fault_of_the_credentials() {
        let trouble = Trouble { names_app: true };
        let right = error(Some("UnauthorizedOperation"), "no");
        let wrong = error(Some("AuthFailure.SecretIdNotFound"), "no");
        assert_eq!(trouble.with_credentials([Some(&right), None]), None);
        let verdict = trouble.with_credentials([None, Some(&right), Some(&wrong)]).unwrap();
        assert!(verdict.found.contains("SecretIdNotFound"), "{verdict:?}");
        assert_eq!(trouble.optional(&right, "look").level, Level::Note);
        assert_eq!(trouble.optional(&wrong, "look").level, Level::Warning);
    }

    #[test]
    fn a_source_without_an_application_is_told_when_it_needs_one() {
        for (names_app, code, message, hinted) in [
            (false, "InvalidParameterValue", "SubAppId is required", true),
            (false, "UnauthorizedOperation", "no", true),
            (true, "UnauthorizedOperation", "no", false),
            (false, "AuthFailure.SignatureFailure", "no", false),
        ] {
            let verdict = Trouble { names_app }.needed(&error(Some(code), message));
            assert_eq!(verdict.mend.contains("sub_app_id,"), hinted, "{verdict:?}");
        }
        let trouble = Trouble { names_app: false };
        assert!(trouble.is_refused_handle(&error(Some("InvalidParameterValue"), "bad handle")));
        let app = error(Some("InvalidParameterValue"), "SubAppId is required");
        assert!(!trouble.is_refused_handle(&app));
    }
}
