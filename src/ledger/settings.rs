//! Where the shared ledger is.

use std::fmt;

use reqwest::Url;

use super::backend::{Backend, Failure};
#[cfg(feature = "postgres")]
use super::postgres;
#[cfg(feature = "redis")]
use super::redis;

/// The schemes that an address may have, each with the feature of the build that it needs.
const SCHEMES: [(&str, &str); 4] =
    [("redis", "redis"), ("rediss", "redis"), ("postgres", "postgres"), ("postgresql", "postgres")];

/// What `relay.ledger` and `relay.ledger_name` say.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    place: Place,
    name: String,
}

#[derive(Debug, Clone, PartialEq)]
enum Place {
    #[cfg(feature = "redis")]
    Redis(crate::redis::Address),
    #[cfg(feature = "postgres")]
    Postgres(Box<crate::postgres::Settings>),
}

impl Place {
    fn at(url: &Url) -> Result<Self, Flaw> {
        match url.scheme() {
            #[cfg(feature = "redis")]
            scheme if crate::redis::SCHEMES.contains(&scheme) => {
                let address = crate::redis::Address::from_url(url).and_then(|it| it.whole());
                address.map(Self::Redis).map_err(|problem| Flaw {
                    problem: problem.to_owned(),
                    right: format!("for example \"{}\"", crate::redis::EXAMPLE),
                })
            }
            #[cfg(feature = "postgres")]
            "postgres" | "postgresql" => {
                let files = crate::tls::Files::default();
                match crate::postgres::Settings::new(url, None, None, files) {
                    Ok(settings) => Ok(Self::Postgres(Box::new(settings))),
                    Err(flaw) => Err(Flaw { problem: flaw.problem, right: flaw.right }),
                }
            }
            scheme => Err(unusable(scheme)),
        }
    }
}

/// What is wrong with an address, and what would be right. Neither quotes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// What is wrong.
    pub problem: String,
    /// What would be right.
    pub right: String,
}

impl Settings {
    /// The ledger at an address, under a name.
    ///
    /// # Errors
    ///
    /// The address cannot be used, or not by this build.
    pub fn new(url: &Url, name: String) -> Result<Self, Flaw> {
        Place::at(url).map(|place| Self { place, name })
    }

    /// What kind of server keeps it.
    pub fn kind(&self) -> &'static str {
        match self.place {
            #[cfg(feature = "redis")]
            Place::Redis(_) => "redis",
            #[cfg(feature = "postgres")]
            Place::Postgres(_) => "postgres",
        }
    }

    /// Where it is, without secrets.
    pub fn server(&self) -> String {
        match self.place {
            #[cfg(feature = "redis")]
            Place::Redis(ref address) => address.to_string(),
            #[cfg(feature = "postgres")]
            Place::Postgres(ref settings) => settings.server().to_owned(),
        }
    }

    /// Makes what talks to it. Nothing is connected yet.
    pub(super) fn open(&self) -> Result<Box<dyn Backend>, Failure> {
        match self.place {
            #[cfg(feature = "redis")]
            Place::Redis(ref address) => Ok(Box::new(redis::Redis::new(address, &self.name)?)),
            #[cfg(feature = "postgres")]
            Place::Postgres(ref settings) => {
                Ok(Box::new(postgres::Postgres::new(settings, &self.name)?))
            }
        }
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.server(), self.name)
    }
}

fn unusable(scheme: &str) -> Flaw {
    match SCHEMES.iter().find(|(known, _)| *known == scheme) {
        Some((_, feature)) => Flaw {
            problem: format!("needs {feature}, which is not part of this build of vod-relay"),
            right: "install the Debian package, which has everything, or build with \
                    --features full"
                .to_owned(),
        },
        None => Flaw {
            problem: "has a scheme other than redis, rediss or postgres".to_owned(),
            right: "for example \"redis://redis.example.com:6379/0\" or \
                    \"postgres://relay@db.example.com/vod\""
                .to_owned(),
        },
    }
}
