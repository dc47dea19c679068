//! `[sources.*.credentials]`: who pulls.

use super::section::Section;
use crate::secret::Secret;

/// Where the credentials of a source come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialsConfig {
    /// From the configuration.
    Fixed {
        /// The id of the key.
        secret_id: String,
        /// The key that signs.
        secret_key: Secret,
        /// The token that goes with temporary credentials.
        token: Option<Secret>,
    },
    /// From the vendor's usual chain: environment, profile file, role of the machine, OIDC.
    Chain,
}

impl CredentialsConfig {
    /// The credentials in the table; `None` after a mistake.
    pub(super) fn read(section: Section<'_>) -> Option<Self> {
        let id = section.required_string("secret_id", "${VOD_SECRET_ID}");
        let id = id.filter(|id| is_sendable(&section, "secret_id", id));
        let secret_key = section.secret("secret_key");
        if secret_key.is_none() && !section.has("secret_key") && !section.has("secret_key_file") {
            section.missing("secret_key", "secret_key_file = \"...\" or secret_key = \"...\"");
        }
        let secret_key = secret_key.filter(|key| {
            let from = origin(&section, "secret_key");
            if key.is_empty() {
                section.mistake(from, "is empty", "the key that belongs to secret_id");
            }
            !key.is_empty() && is_sendable(&section, from, key.expose())
        });
        let token = section.secret("token").filter(|token| !token.is_empty());
        let from = origin(&section, "token");
        let token_is_fine =
            token.as_ref().is_none_or(|token| is_sendable(&section, from, token.expose()));
        section.finish();
        if !token_is_fine {
            return None;
        }
        Some(Self::Fixed { secret_id: id?, secret_key: secret_key?, token })
    }
}

/// The key under which a secret was given.
fn origin(section: &Section<'_>, key: &'static str) -> &'static str {
    match key {
        "secret_key" if section.has("secret_key_file") => "secret_key_file",
        "token" if section.has("token_file") => "token_file",
        _ => key,
    }
}

/// Reports text that no credential of the vendor has and that no header can carry: most often a
/// blank or a line break that was copied along.
fn is_sendable(section: &Section<'_>, key: &str, text: &str) -> bool {
    let right = "printable ASCII without blanks";
    if text.trim() != text {
        section.mistake(key, "begins or ends with white space", right);
        return false;
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        section.mistake(key, "holds a blank, a control character or a letter beyond ASCII", right);
        return false;
    }
    true
}
