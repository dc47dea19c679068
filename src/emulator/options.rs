//! How an emulator is set up.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use crate::secret::{MASK, Secret};

use super::action::Action;
use super::faults::Faults;

/// The id of the account that an emulator has by default.
const SECRET_ID: &str = "AKIDemulator";
/// The key of that account.
const SECRET_KEY: &str = "emulator-secret";

/// How an emulator is set up. The defaults are VOD's own times, without faults.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen; port 0 picks a free one. Default `127.0.0.1:9000`.
    pub listen: SocketAddr,
    /// Who may call. Default: one account, `AKIDemulator` with the key `emulator-secret`.
    pub accounts: Vec<Account>,
    /// What nobody may do: the error `UnauthorizedOperation`. Default: everything is allowed.
    pub denied: Vec<Action>,
    /// How long a pulled event can be confirmed before it is handed out again. Default 30 s.
    pub visibility: Duration,
    /// How long a pull waits for an event. Default 5 s.
    pub hold: Duration,
    /// How much longer every call of the VOD API takes, as on the way to a distant server: half of
    /// it passes before the call is done, half before the answer goes out. Default: nothing.
    pub latency: Duration,
    /// What a pull without events is answered with. Default: the error `ResourceNotFound`.
    pub empty: Empty,
    /// What goes wrong, and how often. Default: nothing.
    pub faults: Faults,
    /// How long the fault `stall` holds an answer back. Default 15 s.
    pub stall: Duration,
    /// How far the emulator's clock is off. Default: not at all.
    pub clock_skew: ClockSkew,
    /// What one bad handle does to a confirm. Default: nothing is confirmed.
    pub bad_handle: BadHandle,
    /// What the dice of the faults start from; `None` takes another one each time.
    pub seed: Option<u64>,
    /// The role whose credentials the metadata service gives. Default: none, it answers 404.
    pub role: Option<String>,
    /// The token that STS takes for credentials. Default: none, STS refuses.
    pub web_identity_token: Option<Secret>,
    /// The `ProviderId` that goes with the token. Default: any.
    pub provider_id: Option<String>,
    /// The `RoleArn` that goes with the token. Default: any.
    pub role_arn: Option<String>,
    /// How long temporary credentials live. Default 2 h.
    pub credential_lifetime: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9000)),
            accounts: vec![Account::default()],
            denied: Vec::new(),
            visibility: Duration::from_secs(30),
            hold: Duration::from_secs(5),
            latency: Duration::ZERO,
            empty: Empty::default(),
            faults: Faults::default(),
            stall: Duration::from_secs(15),
            clock_skew: ClockSkew::default(),
            bad_handle: BadHandle::default(),
            seed: None,
            role: None,
            web_identity_token: None,
            provider_id: None,
            role_arn: None,
            credential_lifetime: Duration::from_secs(7200),
        }
    }
}

/// Why a setting cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OptionError(pub(super) String);

/// Someone who may call. As text: `ID:KEY`, or `ID:KEY@SUB_APP_ID,SUB_APP_ID`.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// The secret id.
    pub secret_id: String,
    /// The secret key.
    pub secret_key: String,
    /// The session token that requests must carry, as for temporary credentials.
    pub token: Option<String>,
    /// The applications that the account may use; `None` for all of them. A limited account
    /// cannot leave the application out.
    pub sub_app_ids: Option<Vec<u64>>,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            secret_id: SECRET_ID.to_owned(),
            secret_key: SECRET_KEY.to_owned(),
            token: None,
            sub_app_ids: None,
        }
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("secret_id", &self.secret_id)
            .field("secret_key", &MASK)
            .field("token", &self.token.as_ref().map(|_| MASK))
            .field("sub_app_ids", &self.sub_app_ids)
            .finish()
    }
}

impl FromStr for Account {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (keys, apps) = match text.split_once('@') {
            Some((keys, apps)) => (keys, Some(apps)),
            None => (text, None),
        };
        let (secret_id, secret_key) = keys
            .split_once(':')
            .filter(|(id, key)| !id.is_empty() && !key.is_empty())
            .ok_or_else(|| OptionError("an account is ID:KEY or ID:KEY@SUB_APP_ID,...".into()))?;
        let sub_app_ids = apps.map(sub_app_ids).transpose()?;
        let (secret_id, secret_key) = (secret_id.to_owned(), secret_key.to_owned());
        Ok(Self { secret_id, secret_key, token: None, sub_app_ids })
    }
}

fn sub_app_ids(list: &str) -> Result<Vec<u64>, OptionError> {
    list.split(',')
        .map(|id| {
            id.trim().parse().map_err(|_| {
                OptionError(format!("the SubAppId {id:?} is not a number such as 1500000001"))
            })
        })
        .collect()
}

/// What a pull without events is answered with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Empty {
    /// The error `ResourceNotFound`, "no event": what VOD is documented to do.
    #[default]
    Error,
    /// `"EventSet":null`.
    Null,
    /// No `EventSet`.
    Absent,
    /// `"EventSet":[]`.
    List,
}

impl FromStr for Empty {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "error" => Ok(Self::Error),
            "null" => Ok(Self::Null),
            "absent" => Ok(Self::Absent),
            "list" => Ok(Self::List),
            _ => Err(OptionError(format!("{text:?} is not error, null, absent or list"))),
        }
    }
}

/// What one late or unknown handle does to a confirm that also has good ones. Which of the two VOD
/// does is not documented. The confirm is refused either way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BadHandle {
    /// Nothing is confirmed.
    #[default]
    All,
    /// The good ones are confirmed all the same.
    One,
}

impl FromStr for BadHandle {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "all" => Ok(Self::All),
            "one" => Ok(Self::One),
            _ => Err(OptionError(format!("{text:?} is not all or one"))),
        }
    }
}

/// How far a clock is off. As text: `10m` is ahead, `-10m` behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockSkew {
    /// It shows a later time.
    Ahead(Duration),
    /// It shows an earlier time.
    Behind(Duration),
}

impl ClockSkew {
    /// What the clock shows at `time`.
    pub fn shows(self, time: SystemTime) -> SystemTime {
        match self {
            Self::Ahead(by) => time.checked_add(by).unwrap_or(time),
            Self::Behind(by) => time.checked_sub(by).unwrap_or(time),
        }
    }
}

impl Default for ClockSkew {
    fn default() -> Self {
        Self::Ahead(Duration::ZERO)
    }
}

impl FromStr for ClockSkew {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (behind, length) = match text.strip_prefix('-') {
            Some(length) => (true, length),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let by = humantime::parse_duration(length)
            .map_err(|_| OptionError(format!("{text:?} is not a duration such as 10m or -10m")))?;
        Ok(if behind { Self::Behind(by) } else { Self::Ahead(by) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time;

    #[test]
    fn an_account_is_read_with_and_without_applications() {
        let all: Account = "AKID1:key".parse().expect("an account");
        assert_eq!((all.secret_id.as_str(), all.secret_key.as_str()), ("AKID1", "key"));
        assert_eq!(all.sub_app_ids, None);
        let some: Account = "AKID2:key@1500000001,1500000002".parse().expect("an account");
        assert_eq!(some.sub_app_ids, Some(vec![1_500_000_001, 1_500_000_002]));
        for wrong in ["", "AKID1", "AKID1:", ":key", "AKID1:key@", "AKID1:key@x"] {
            wrong.parse::<Account>().expect_err(wrong);
        }
    }

    #[test]
    fn a_clock_goes_ahead_or_behind() {
        let time = time::from_unix_seconds(1_000);
        let shows = |text: &str| {
            let skew: ClockSkew = text.parse().expect("a skew");
            time::unix_seconds(skew.shows(time))
        };
        assert_eq!((shows("10m"), shows("+1s"), shows("-100s")), (1_600, 1_001, 900));
        "ten".parse::<ClockSkew>().expect_err("not a duration");
    }

    #[test]
    fn no_key_shows_in_debug_output() {
        let account = Account { token: Some("tok-1".to_owned()), ..Account::default() };
        let shown = format!("{account:?}");
        assert!(!shown.contains(SECRET_KEY) && !shown.contains("tok-1"), "{shown}");
    }
}
