//! The temporary credentials that the emulator gives out.
//!
//! Pure state: no I/O, and time is an argument.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, SystemTime};

use crate::time;

use super::options::Account;

/// The most temporary credentials that are remembered; of older ones the emulator knows nothing.
const KEPT: usize = 1024;

/// All temporary credentials, and what was revoked.
#[derive(Debug)]
pub(super) struct Issuer {
    lifetime: Duration,
    /// In the order in which they were issued.
    issued: VecDeque<Issued>,
    /// The secret ids of accounts that are no more.
    revoked: HashSet<String>,
    /// Whether the services that issue are up.
    up: bool,
    count: u64,
}

/// Temporary credentials.
#[derive(Debug, Clone)]
pub(super) struct Issued {
    /// Who may call with them.
    pub(super) account: Account,
    /// When they stop being good, to the second.
    pub(super) ends: SystemTime,
    for_role: bool,
}

/// Who signs a request.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) account: Account,
    /// Whether the credentials are over or were revoked.
    pub(super) over: bool,
    pub(super) temporary: bool,
}

impl Issuer {
    pub(super) fn new(lifetime: Duration) -> Self {
        let (issued, revoked) = Default::default();
        Self { lifetime, issued, revoked, up: true, count: 0 }
    }

    /// New credentials that live at most this long.
    pub(super) fn issue(&mut self, now: SystemTime, at_most: Duration) -> Issued {
        self.issue_for(now, at_most, false)
    }

    /// The credentials of the machine's role: the same until half of their time is over.
    pub(super) fn of_role(&mut self, now: SystemTime) -> Issued {
        let half = self.lifetime / 2;
        let last = self.issued.iter().rev().find(|issued| issued.for_role);
        match last.filter(|last| now + half < last.ends) {
            Some(last) => last.clone(),
            None => self.issue_for(now, self.lifetime, true),
        }
    }

    fn issue_for(&mut self, now: SystemTime, at_most: Duration, for_role: bool) -> Issued {
        let random = || format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        let ends = time::unix_seconds(now + self.lifetime.min(at_most));
        let account = Account {
            secret_id: format!("AKIDtemporary{}", random()),
            secret_key: random(),
            token: Some(format!("{}{}", random(), random())),
            sub_app_ids: None,
        };
        let issued = Issued { account, ends: time::from_unix_seconds(ends), for_role };
        if self.issued.len() == KEPT {
            self.issued.pop_front();
        }
        self.issued.push_back(issued.clone());
        self.count += 1;
        issued
    }

    /// How many were issued.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The one with this secret id.
    pub(super) fn caller(
        &self,
        accounts: &[Account],
        secret_id: &str,
        now: SystemTime,
    ) -> Option<Caller> {
        let fixed = accounts.iter().find(|account| account.secret_id == secret_id);
        if let Some(account) = fixed.filter(|_| !self.revoked.contains(secret_id)) {
            return Some(Caller { account: account.clone(), over: false, temporary: false });
        }
        let mut issued = self.issued.iter().rev();
        let issued = issued.find(|issued| issued.account.secret_id == secret_id)?;
        let (account, over) = (issued.account.clone(), issued.ends <= now);
        Some(Caller { account, over, temporary: true })
    }

    /// Ends all temporary credentials: how many still lived.
    pub(super) fn end_all(&mut self, now: SystemTime) -> usize {
        let living = self.issued.iter_mut().filter(|issued| issued.ends > now);
        living.map(|issued| issued.ends = now).count()
    }

    /// Takes an account away: whether there was one.
    pub(super) fn revoke(&mut self, accounts: &[Account], secret_id: &str) -> bool {
        accounts.iter().any(|account| account.secret_id == secret_id)
            && self.revoked.insert(secret_id.to_owned())
    }

    /// Whether the services that issue credentials are up.
    pub(super) fn is_up(&self) -> bool {
        self.up
    }

    pub(super) fn set_up(&mut self, up: bool) {
        self.up = up;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn credentials_are_good_until_their_second_comes() {
        let now = time::from_unix_seconds(1000) + SECOND / 2;
        let mut issuer = Issuer::new(SECOND * 60);
        let issued = issuer.issue(now, SECOND * 7200);
        assert_eq!(time::unix_seconds(issued.ends), 1060);
        let over = |at| issuer.caller(&[], &issued.account.secret_id, at).unwrap().over;
        assert!(!over(issued.ends - SECOND / 10) && over(issued.ends));
        assert!(issuer.caller(&[], "AKIDother", now).is_none());
    }

    #[test]
    fn a_role_gets_the_same_ones_for_half_of_their_time() {
        let now = time::from_unix_seconds(1000);
        let mut issuer = Issuer::new(SECOND * 60);
        let first = issuer.of_role(now).account;
        issuer.issue(now, SECOND * 60);
        assert_eq!(issuer.of_role(now + SECOND * 29).account, first);
        assert_ne!(issuer.of_role(now + SECOND * 30).account, first);
        assert_eq!((issuer.count(), issuer.end_all(now + SECOND * 30)), (3, 3));
        assert_eq!(issuer.end_all(now + SECOND * 30), 0);
        for _ in 0..KEPT * 2 {
            issuer.issue(now, SECOND);
        }
        assert_eq!(issuer.issued.len(), KEPT);
    }
}
