//! What can go wrong on request.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::action::Action;

/// A kind of fault. Its name on the command line and in the control API is in kebab case.
///
/// | name | what the client sees | what happened to the events |
/// |---|---|---|
/// | `http-500` | HTTP 500 with a text that is not JSON | nothing |
/// | `reset` | the connection is reset before any answer | nothing |
/// | `garbage` | HTTP 200 with a text that is not JSON | nothing |
/// | `throttle` | the error `RequestLimitExceeded` | nothing |
/// | `internal-error` | the error `InternalError` | nothing |
/// | `refuse` | the error `UnauthorizedOperation`, as if the rights were taken away | nothing |
/// | `truncate` | the connection ends in the middle of the answer | leased, or confirmed |
/// | `stall` | the answer comes late, after `--stall` | leased, or confirmed, before the wait |
/// | `lost-pull` | the connection ends without an answer | leased; only pulls that lease something |
/// | `lost-confirm` | the connection ends without an answer | confirmed; only confirms that succeed |
///
/// Each request throws one die per kind, in this order; the first hit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// HTTP 500, with nothing done.
    Http500,
    /// The connection is reset, with nothing done.
    Reset,
    /// HTTP 200 with a text that is not JSON, with nothing done.
    Garbage,
    /// `RequestLimitExceeded`, with nothing done.
    Throttle,
    /// `InternalError`, with nothing done.
    InternalError,
    /// `UnauthorizedOperation`, with nothing done.
    Refuse,
    /// Done, but the answer is cut off.
    Truncate,
    /// Done, but the answer comes late.
    Stall,
    /// Events are leased, but the connection ends without an answer.
    LostPull,
    /// Events are confirmed, but the connection ends without an answer.
    LostConfirm,
}

impl FaultKind {
    /// All kinds, in the order in which the dice are thrown.
    pub const ALL: [Self; 10] = [
        Self::Http500,
        Self::Reset,
        Self::Garbage,
        Self::Throttle,
        Self::InternalError,
        Self::Refuse,
        Self::Truncate,
        Self::Stall,
        Self::LostPull,
        Self::LostConfirm,
    ];

    /// The name, such as `http-500`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http500 => "http-500",
            Self::Reset => "reset",
            Self::Garbage => "garbage",
            Self::Throttle => "throttle",
            Self::InternalError => "internal-error",
            Self::Refuse => "refuse",
            Self::Truncate => "truncate",
            Self::Stall => "stall",
            Self::LostPull => "lost-pull",
            Self::LostConfirm => "lost-confirm",
        }
    }

    /// Whether the fault can meet a request for this action.
    fn meets(self, action: Option<Action>) -> bool {
        match self {
            Self::LostPull => action == Some(Action::PullEvents),
            Self::LostConfirm => action == Some(Action::ConfirmEvents),
            Self::Http500
            | Self::Reset
            | Self::Garbage
            | Self::Throttle
            | Self::InternalError
            | Self::Refuse
            | Self::Truncate
            | Self::Stall => true,
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for FaultKind {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == text);
        found.ok_or_else(|| FaultError::Kind(text.to_owned()))
    }
}

/// Why a fault cannot be set.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FaultError {
    /// There is no such kind.
    #[error("there is no fault {0:?}; the faults are {all}", all = FaultKind::ALL.map(FaultKind::name).join(", "))]
    Kind(String),
    /// The probability is not one.
    #[error("the probability of the fault {0} is {1:?}, not a number from 0 to 1")]
    Probability(FaultKind, String),
    /// It is not written as a fault.
    #[error("{0:?} is not KIND=P, such as throttle=0.1")]
    Shape(String),
}

/// How probable each kind of fault is; kinds that are not set do not happen.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Faults(BTreeMap<FaultKind, f64>);

impl Faults {
    /// Sets the probability of a kind, from 0 to 1.
    ///
    /// # Errors
    ///
    /// The probability is outside of that range.
    pub fn set(&mut self, kind: FaultKind, probability: f64) -> Result<(), FaultError> {
        if !(0.0..=1.0).contains(&probability) {
            return Err(FaultError::Probability(kind, probability.to_string()));
        }
        self.0.insert(kind, probability);
        Ok(())
    }

    /// Faults of one kind that always happen.
    pub fn always(kind: FaultKind) -> Self {
        Self(BTreeMap::from([(kind, 1.0)]))
    }

    /// Reads one fault written as `KIND=P`.
    ///
    /// # Errors
    ///
    /// It is not written so, the kind is unknown, or the probability is not one.
    pub fn parse_one(text: &str) -> Result<(FaultKind, f64), FaultError> {
        let (kind, probability) =
            text.split_once('=').ok_or_else(|| FaultError::Shape(text.to_owned()))?;
        let kind: FaultKind = kind.trim().parse()?;
        let number = probability.trim().parse().ok().filter(|p| (0.0..=1.0).contains(p));
        let number = number.ok_or_else(|| FaultError::Probability(kind, probability.to_owned()))?;
        Ok((kind, number))
    }

    /// Reads a map from kind to probability.
    ///
    /// # Errors
    ///
    /// A kind is unknown, or a probability is not one.
    pub(super) fn from_map(map: &BTreeMap<String, f64>) -> Result<Self, FaultError> {
        let mut faults = Self::default();
        for (kind, probability) in map {
            faults.set(kind.parse()?, *probability)?;
        }
        Ok(faults)
    }

    /// Throws the dice for one request.
    pub(super) fn throw(
        &self,
        dice: &mut fastrand::Rng,
        action: Option<Action>,
    ) -> Option<FaultKind> {
        let mut possible = self.0.iter().filter(|(kind, _)| kind.meets(action));
        // The die is thrown even where the outcome is certain, so that the same seed gives the
        // same run when a probability changes.
        possible.find(|(_, probability)| dice.f64() < **probability).map(|(kind, _)| *kind)
    }
}

impl FromIterator<(FaultKind, f64)> for Faults {
    fn from_iter<I: IntoIterator<Item = (FaultKind, f64)>>(faults: I) -> Self {
        Self(faults.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_read_and_a_wrong_one_is_refused_with_the_known_kinds() {
        assert_eq!(Faults::parse_one("http-500=0.25"), Ok((FaultKind::Http500, 0.25)));
        let unknown = Faults::parse_one("fire=1").expect_err("unknown").to_string();
        assert!(unknown.contains("lost-confirm") && unknown.contains("http-500"), "{unknown}");
        for wrong in ["reset", "reset=", "reset=1.5", "reset=-1", "reset=NaN"] {
            Faults::parse_one(wrong).expect_err(wrong);
        }
        for kind in FaultKind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
        }
    }

    #[test]
    fn the_same_seed_throws_the_same_faults_about_as_often_as_asked() {
        let faults: Faults =
            [(FaultKind::Reset, 0.3), (FaultKind::LostConfirm, 1.0)].into_iter().collect();
        let run = |seed| {
            let mut dice = fastrand::Rng::with_seed(seed);
            let throws = (0..1000).map(|_| faults.throw(&mut dice, Some(Action::PullEvents)));
            throws.collect::<Vec<_>>()
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
        let hits = run(7).into_iter().flatten().filter(|kind| *kind == FaultKind::Reset).count();
        assert!((250..350).contains(&hits), "{hits}");
        assert!(!run(7).contains(&Some(FaultKind::LostConfirm)), "a pull is no confirm");
    }
}
