//! Why there are no credentials.

/// Why the credentials of a provider cannot be had: which, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProviderError {
    /// Whether it can pass by itself.
    pub kind: Kind,
    /// What happened, to what, and what to do.
    pub message: String,
}

/// Whether a failure can pass by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The service that gives the credentials is down or busy.
    Transient,
    /// Somebody must mend something.
    Permanent,
}

impl ProviderError {
    /// Something that can pass by itself.
    pub fn transient(message: impl Into<String>) -> Self {
        Self { kind: Kind::Transient, message: message.into() }
    }

    /// Something that somebody must mend.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self { kind: Kind::Permanent, message: message.into() }
    }
}

/// Why there are no credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// No provider has any.
    #[error(
        "no credentials found; looked for {}; give them in the source's [credentials]",
        .looked_for.join(", then ")
    )]
    NotFound {
        /// What each provider looked for, in order.
        looked_for: Vec<String>,
    },
    /// The provider that had them has none any more.
    #[error("there are no credentials any more in {place}; they were there before")]
    Gone {
        /// Where the provider looks.
        place: String,
    },
    /// A provider has some that cannot be used.
    #[error("the credentials cannot be used: {0}")]
    Broken(ProviderError),
    /// A provider that is down has them.
    #[error("the credentials cannot be fetched now: {0}")]
    Unavailable(ProviderError),
}

impl CredentialError {
    /// Whether it can pass by itself.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable(_) => true,
            Self::NotFound { .. } | Self::Gone { .. } | Self::Broken(_) => false,
        }
    }
}

impl From<ProviderError> for CredentialError {
    fn from(error: ProviderError) -> Self {
        match error.kind {
            Kind::Transient => Self::Unavailable(error),
            Kind::Permanent => Self::Broken(error),
        }
    }
}
