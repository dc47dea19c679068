//! `[sources.*.credentials]`: who pulls.

use reqwest::Url;

use super::section::Section;
use super::spelling::quoted;
use crate::http;
use crate::secret::Secret;
use crate::tencent::credential::{
    Configured, Credential, Credentials, CvmRole, Env, Files, Flawed, Oidc, Outside, Profile,
    cvm_role, oidc,
};

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
        /// The files that some of these came from, to be read again.
        files: Files,
    },
    /// From the vendor's usual chain: environment, profile file, role of the machine, OIDC.
    Chain(Endpoints),
    /// From environment variables.
    Env,
    /// From the profile file.
    Profile,
    /// From the role of this virtual machine.
    CvmRole {
        /// The name of the role; without it, the one that the machine has.
        role: Option<String>,
        /// Where the metadata service is.
        metadata: Url,
    },
    /// From the identity of this container.
    Oidc {
        /// Where tokens buy credentials.
        sts: Url,
    },
}

/// The services that give temporary credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// The metadata service of a virtual machine.
    pub metadata: Url,
    /// Where tokens buy credentials.
    pub sts: Url,
}

/// The word under `provider`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Provider {
    Config,
    Chain,
    Env,
    Profile,
    CvmRole,
    Oidc,
}

const PROVIDERS: [(&str, Provider); 6] = [
    ("config", Provider::Config),
    ("chain", Provider::Chain),
    ("env", Provider::Env),
    ("profile", Provider::Profile),
    ("cvm-role", Provider::CvmRole),
    ("oidc", Provider::Oidc),
];

/// The keys that go with some providers only.
const KEYS: [(&str, &[Provider]); 9] = [
    ("secret_id", &[Provider::Config]),
    ("secret_id_file", &[Provider::Config]),
    ("secret_key", &[Provider::Config]),
    ("secret_key_file", &[Provider::Config]),
    ("token", &[Provider::Config]),
    ("token_file", &[Provider::Config]),
    ("role", &[Provider::CvmRole]),
    ("metadata_endpoint", &[Provider::Chain, Provider::CvmRole]),
    ("sts_endpoint", &[Provider::Chain, Provider::Oidc]),
];

impl CredentialsConfig {
    /// The credentials of a source; `None` after a mistake. With a table of their own they stand in
    /// there, unless it says otherwise.
    pub(super) fn of_source(source: &Section<'_>) -> Option<Self> {
        match source.subsection("credentials") {
            Some(table) => Self::read(table, "config"),
            None => Self::read(source.subsection_or_empty("credentials"), "chain"),
        }
    }

    fn read(section: Section<'_>, default: &str) -> Option<Self> {
        // After a mistake here it is not known which other keys are right.
        let provider = section.choice("provider", &PROVIDERS, default)?;
        let misplaced = reject_misplaced(&section, provider);
        let config = match provider {
            Provider::Config => read_fixed(&section),
            Provider::Chain => read_metadata(&section)
                .zip(read_sts(&section))
                .map(|(metadata, sts)| Self::Chain(Endpoints { metadata, sts })),
            Provider::Env => Some(Self::Env),
            Provider::Profile => Some(Self::Profile),
            Provider::CvmRole => {
                let role = read_role(&section);
                read_metadata(&section).map(|metadata| Self::CvmRole { role, metadata })
            }
            Provider::Oidc => read_sts(&section).map(|sts| Self::Oidc { sts }),
        };
        section.finish();
        config.filter(|_| !misplaced)
    }

    /// What gives the credentials to those who call.
    ///
    /// # Errors
    ///
    /// The configuration gives credentials that VOD cannot know.
    pub fn open(&self, outside: Outside) -> Result<Credentials, Flawed> {
        Ok(match self {
            Self::Fixed { secret_id, secret_key, token, files } => {
                let given = Credential::new(secret_id.clone(), secret_key.clone(), token.clone())?;
                let files = files.clone();
                Credentials::new(vec![Box::new(Configured { given, files, outside })])
            }
            Self::Chain(Endpoints { metadata, sts }) => {
                let cvm_role = CvmRole::new(metadata.clone(), None, false);
                let (endpoint, required) = (sts.clone(), false);
                let oidc = Oidc { outside: outside.clone(), endpoint, required };
                Credentials::usual(outside, cvm_role, oidc)
            }
            Self::Env => Credentials::new(vec![Box::new(Env(outside))]),
            Self::Profile => Credentials::new(vec![Box::new(Profile(outside))]),
            Self::CvmRole { role, metadata } => {
                let cvm_role = CvmRole::new(metadata.clone(), role.clone(), true);
                Credentials::new(vec![Box::new(cvm_role)])
            }
            Self::Oidc { sts } => {
                let (endpoint, required) = (sts.clone(), true);
                Credentials::new(vec![Box::new(Oidc { outside, endpoint, required })])
            }
        })
    }
}

/// Reports the keys that do nothing with this provider. Answers with whether there were any.
fn reject_misplaced(section: &Section<'_>, provider: Provider) -> bool {
    let mut misplaced = false;
    for (key, providers) in KEYS.iter().filter(|(key, _)| section.has(key)) {
        if !providers.contains(&provider) {
            misplaced = true;
            let names = PROVIDERS.iter().filter(|(_, one)| providers.contains(one));
            let names: Vec<_> = names.map(|(name, _)| format!("provider = \"{name}\"")).collect();
            section.misplaced(key, "does nothing with this provider", &names.join(" or "));
        }
    }
    misplaced
}

/// Credentials that stand in the configuration or in files that it names.
fn read_fixed(section: &Section<'_>) -> Option<CredentialsConfig> {
    let secret_id = read_secret_id(section);
    let secret_key = section.secret("secret_key");
    if secret_key.is_none() && !section.has("secret_key") && !section.has("secret_key_file") {
        section.missing("secret_key", "secret_key_file = \"...\" or secret_key = \"...\"");
    }
    let secret_key = secret_key.filter(|key| {
        let from = origin(section, "secret_key", "secret_key_file");
        if key.is_empty() {
            section.mistake(from, "is empty", "the key that belongs to secret_id");
        }
        !key.is_empty() && is_sendable(section, from, key.expose())
    });
    let token = section.secret("token").filter(|token| !token.is_empty());
    let from = origin(section, "token", "token_file");
    let token_is_fine =
        token.as_ref().is_none_or(|token| is_sendable(section, from, token.expose()));
    let files = Files {
        secret_id: section.path("secret_id_file"),
        secret_key: section.path("secret_key_file"),
        token: section.path("token_file"),
    };
    let (secret_id, secret_key) = (secret_id?, secret_key?);
    token_is_fine.then_some(CredentialsConfig::Fixed { secret_id, secret_key, token, files })
}

fn read_secret_id(section: &Section<'_>) -> Option<String> {
    let right = "for example secret_id = \"${VOD_SECRET_ID}\"";
    let id = section.string_or_file("secret_id");
    if !section.has("secret_id") && !section.has("secret_id_file") {
        section.missing("secret_id", right);
    }
    let from = origin(section, "secret_id", "secret_id_file");
    let id = id?;
    if id.is_empty() {
        section.mistake(from, "is empty", right);
        return None;
    }
    Some(id).filter(|id| is_sendable(section, from, id))
}

fn read_role(section: &Section<'_>) -> Option<String> {
    let role = section.string("role").filter(|role| !role.is_empty())?;
    if !cvm_role::is_name(&role) {
        let right = "the name of a CAM role: letters, digits and +=,.@_-";
        section.mistake("role", &format!("{} is no name of a role", quoted(&role)), right);
    }
    Some(role)
}

fn read_metadata(section: &Section<'_>) -> Option<Url> {
    read_endpoint(section, "metadata_endpoint", cvm_role::METADATA)
}

fn read_sts(section: &Section<'_>) -> Option<Url> {
    let key = "sts_endpoint";
    let url = read_endpoint(section, key, oidc::STS)?;
    if url.scheme() == "http" && !http::is_loopback(&url) {
        let right = "https, unless the way to that host is yours alone";
        section.warn(key, "sends the container's token in the clear", right);
    }
    Some(url)
}

fn read_endpoint(section: &Section<'_>, key: &str, default: &str) -> Option<Url> {
    let url = section.url(key, Some(default), &["https", "http"])?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if bare && url.username().is_empty() && url.password().is_none() {
        return Some(url);
    }
    let right = format!("as in \"{default}\"");
    section.mistake(key, "holds more than scheme, host and port", &right);
    None
}

/// The key under which a text was given.
fn origin(section: &Section<'_>, key: &'static str, file_key: &'static str) -> &'static str {
    if section.has(file_key) { file_key } else { key }
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
