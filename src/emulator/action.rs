//! The actions of the VOD API that the emulator knows.

use std::str::FromStr;

use super::options::OptionError;

/// The version of the API.
pub(super) const VERSION: &str = "2018-07-17";
/// The name of the service in the credential scope.
pub(super) const SERVICE: &str = "vod";

/// An action, `X-TC-Action`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Leases events.
    PullEvents,
    /// Removes events.
    ConfirmEvents,
    /// How many events wait.
    DescribeEventsState,
    /// How an application gets its events.
    DescribeEventConfig,
    /// Changes that.
    ModifyEventConfig,
}

impl Action {
    const ALL: [Self; 5] = [
        Self::PullEvents,
        Self::ConfirmEvents,
        Self::DescribeEventsState,
        Self::DescribeEventConfig,
        Self::ModifyEventConfig,
    ];

    /// The action of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }

    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            Self::PullEvents => "PullEvents",
            Self::ConfirmEvents => "ConfirmEvents",
            Self::DescribeEventsState => "DescribeEventsState",
            Self::DescribeEventConfig => "DescribeEventConfig",
            Self::ModifyEventConfig => "ModifyEventConfig",
        }
    }

    /// The parameters that it takes beside `SubAppId`.
    pub(super) fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::PullEvents => &["ExtInfo"],
            Self::ConfirmEvents => &["EventHandles", "ExtInfo"],
            Self::DescribeEventsState | Self::DescribeEventConfig => &[],
            Self::ModifyEventConfig => &[
                "Mode",
                "NotificationUrl",
                "UploadMediaCompleteEventSwitch",
                "DeleteMediaCompleteEventSwitch",
                "PersistenceCompleteEventSwitch",
                "SignKey",
            ],
        }
    }
}

impl FromStr for Action {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::named(text).ok_or_else(|| {
            let all = Self::ALL.map(Self::name).join(", ");
            OptionError(format!("there is no action {text:?}; the actions are {all}"))
        })
    }
}
