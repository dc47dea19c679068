//! The credentials that all calls of a source share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::{Credential, CredentialError, Env, Fixed, Outside, Profile, Provider};
use crate::time::{self, Instant};

/// Credentials near their end are not asked for more often than this: a provider that is out of
/// order would be asked anew for every call.
const PAUSE: Duration = Duration::from_secs(10);

type Fetched = Result<Arc<Credential>, CredentialError>;

/// Finds credentials, keeps them, and fetches them anew in time. Clones share what was found.
#[derive(Debug, Clone)]
pub struct Credentials(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    chain: Vec<Box<dyn Provider>>,
    state: Mutex<State>,
    /// Held by the one that fetches; the others wait for it and take its outcome.
    flight: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    held: Option<Arc<Credential>>,
    last: Option<Flight>,
    flights: u64,
}

/// A fetch that is over.
#[derive(Debug)]
struct Flight {
    ended: Instant,
    outcome: Fetched,
}

impl Credentials {
    /// Credentials from a chain of providers, asked in this order.
    pub fn new(chain: Vec<Box<dyn Provider>>) -> Self {
        let (state, flight) = Default::default();
        Self(Arc::new(Inner { chain, state, flight }))
    }

    /// Credentials from the configuration and from nowhere else.
    pub fn fixed(credential: Credential) -> Self {
        Self::new(vec![Box::new(Fixed(credential))])
    }

    /// Credentials from wherever the vendor's SDKs find them: environment, then profile file.
    pub fn usual(outside: Outside) -> Self {
        Self::new(vec![Box::new(Env(outside.clone())), Box::new(Profile(outside))])
    }

    /// The credentials to sign with now.
    ///
    /// Temporary ones are fetched anew ahead of their end; if that fails, the ones at hand are used
    /// as long as they are valid.
    ///
    /// # Errors
    ///
    /// There are none, or they cannot be used.
    pub async fn current(&self) -> Fetched {
        let now = time::wall_clock();
        let (held, flights) = {
            let state = self.state();
            // What was fetched a moment ago is used even if it seems to be over: this machine's
            // clock may be wrong, and VOD's is the one that counts.
            let settled = state.last.as_ref().is_some_and(|last| last.ended.elapsed() < PAUSE);
            let failed = state.last.as_ref().is_some_and(|last| last.outcome.is_err());
            let usable = |held: &Credential| {
                held.is_fresh_at(now) || (settled && (!failed || held.is_valid_at(now)))
            };
            match state.held.clone() {
                Some(held) if usable(&held) => return Ok(held),
                held => (held, state.flights),
            }
        };
        match (self.fetch(flights).await, held) {
            (Err(error), Some(held)) if held.is_valid_at(now) => {
                tracing::warn!(%error, "credentials could not be fetched anew; using the old ones");
                Ok(held)
            }
            (outcome, _) => outcome,
        }
    }

    /// Fetches the credentials anew because VOD refused these; if others have come in the meantime,
    /// takes those.
    ///
    /// What comes back may be equal to what was refused: then trying again is of no use.
    ///
    /// # Errors
    ///
    /// There are none, or they cannot be used. The ones at hand are kept.
    pub async fn refresh(&self, refused: &Arc<Credential>) -> Fetched {
        let flights = {
            let state = self.state();
            match &state.held {
                Some(held) if !Arc::ptr_eq(held, refused) => return Ok(Arc::clone(held)),
                _ => state.flights,
            }
        };
        self.fetch(flights).await
    }

    /// When the credentials at hand expire, if there are any and they do.
    pub fn expire(&self) -> Option<SystemTime> {
        self.state().held.as_ref()?.expires
    }

    /// Asks the providers, unless a flight has ended since `flights` were counted.
    async fn fetch(&self, flights: u64) -> Fetched {
        let _flight = self.0.flight.lock().await;
        {
            let state = self.state();
            if let Some(last) = &state.last
                && state.flights != flights
            {
                return last.outcome.clone();
            }
        }
        let outcome = self.ask().await.map(Arc::new);
        let mut state = self.state();
        if let Ok(found) = &outcome {
            state.held = Some(Arc::clone(found));
        }
        state.flights += 1;
        state.last = Some(Flight { ended: time::now(), outcome: outcome.clone() });
        outcome
    }

    async fn ask(&self) -> Result<Credential, CredentialError> {
        for provider in &self.0.chain {
            if let Some(found) = provider.fetch().await? {
                return Ok(found);
            }
        }
        let looked_for = self.0.chain.iter().map(|provider| provider.place()).collect();
        Err(CredentialError::NotFound { looked_for })
    }

    /// Nothing panics while the lock is held, so what a poisoned one guards is still whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::time::SystemTime;

    use super::*;
    use crate::tencent::credential::{BoxFuture, ProviderError};

    type Answer = Result<Option<Credential>, ProviderError>;

    /// A provider that takes a second to give each of its answers.
    #[derive(Debug, Clone, Default)]
    struct Script(Arc<Mutex<VecDeque<Answer>>>);

    impl Provider for Script {
        fn place(&self) -> String {
            "the script".to_owned()
        }

        fn fetch(&self) -> BoxFuture<'_, Answer> {
            Box::pin(async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                self.0.lock().unwrap().pop_front().expect("one answer per fetch")
            })
        }
    }

    impl Script {
        fn credentials(answers: impl IntoIterator<Item = Answer>) -> (Self, Credentials) {
            let script = Self(Arc::new(Mutex::new(answers.into_iter().collect())));
            (script.clone(), Credentials::new(vec![Box::new(script)]))
        }

        fn left(&self) -> usize {
            self.0.lock().unwrap().len()
        }
    }

    fn credential(secret_id: &str, expires: Option<SystemTime>) -> Credential {
        let made = Credential::new(secret_id.to_owned(), "key".to_owned().into(), None);
        Credential { expires, ..made.unwrap() }
    }

    fn lasting(secret_id: &str) -> Answer {
        Ok(Some(credential(secret_id, None)))
    }

    /// Credentials with a minute left: time to fetch others, and still valid.
    fn near_its_end(secret_id: &str) -> Answer {
        let expires = time::wall_clock() + Duration::from_secs(60);
        Ok(Some(credential(secret_id, Some(expires))))
    }

    fn broken() -> Answer {
        Err(ProviderError("out of order".to_owned()))
    }

    async fn after_the_pause() {
        tokio::time::sleep(PAUSE).await;
    }

    #[tokio::test(start_paused = true)]
    async fn all_who_ask_at_the_same_time_share_one_fetch() {
        let (script, credentials) = Script::credentials([lasting("a")]);
        let asked: Vec<_> = (0..8).map(|_| credentials.clone()).collect();
        let asked: Vec<_> =
            asked.into_iter().map(|one| tokio::spawn(async move { one.current().await })).collect();
        for one in asked {
            assert_eq!(one.await.unwrap().unwrap().secret_id, "a");
        }
        assert_eq!(script.left(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn all_who_ask_at_the_same_time_share_one_failure() {
        let (script, credentials) = Script::credentials([broken(), lasting("a")]);
        let (first, second) = tokio::join!(credentials.current(), credentials.current());
        assert!(first.is_err() && second.is_err());
        assert_eq!(script.left(), 1);
        assert_eq!(credentials.current().await.unwrap().secret_id, "a");
    }

    #[tokio::test(start_paused = true)]
    async fn refused_credentials_are_replaced_once() {
        let (script, credentials) = Script::credentials([lasting("a"), lasting("b")]);
        let first = credentials.current().await.unwrap();
        let (one, other) = tokio::join!(credentials.refresh(&first), credentials.refresh(&first));
        assert!(Arc::ptr_eq(&one.unwrap(), &other.unwrap()));
        // A late answer to a call that was signed with the old ones asks for nothing new.
        assert_eq!(credentials.refresh(&first).await.unwrap().secret_id, "b");
        assert_eq!(script.left(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_refresh_keeps_the_old_ones() {
        let (_, credentials) = Script::credentials([lasting("a"), broken(), lasting("b")]);
        let first = credentials.current().await.unwrap();
        assert!(credentials.refresh(&first).await.is_err());
        assert_eq!(credentials.current().await.unwrap().secret_id, "a");
        assert_eq!(credentials.refresh(&first).await.unwrap().secret_id, "b");
    }

    #[tokio::test(start_paused = true)]
    async fn temporary_ones_are_fetched_ahead_of_their_end() {
        let answers = [near_its_end("a"), broken(), lasting("b")];
        let (script, credentials) = Script::credentials(answers);
        for _ in 0..3 {
            assert_eq!(credentials.current().await.unwrap().secret_id, "a");
        }
        after_the_pause().await;
        for _ in 0..3 {
            assert_eq!(credentials.current().await.unwrap().secret_id, "a");
        }
        assert_eq!(script.left(), 1);
        after_the_pause().await;
        assert_eq!(credentials.current().await.unwrap().secret_id, "b");
    }

    #[tokio::test(start_paused = true)]
    async fn expired_ones_are_not_used_when_others_cannot_be_fetched() {
        let over = Ok(Some(credential("a", Some(SystemTime::UNIX_EPOCH))));
        let (_, credentials) = Script::credentials([over, broken(), broken()]);
        assert_eq!(credentials.current().await.unwrap().secret_id, "a");
        after_the_pause().await;
        for _ in 0..2 {
            let error = credentials.current().await.unwrap_err();
            assert_eq!(error.to_string(), "the credentials cannot be used: out of order");
        }
    }

    #[tokio::test]
    async fn the_usual_chain_ends_with_what_was_looked_for() {
        let error =
            Credentials::usual(Outside::fake([], Some("/home/a"), [])).current().await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "no credentials found; looked for the environment variables TENCENTCLOUD_SECRET_ID and \
             TENCENTCLOUD_SECRET_KEY, then the file /home/a/.tencentcloud/credentials or \
             /etc/tencentcloud/credentials (or the one that TENCENTCLOUD_CREDENTIALS_FILE names); \
             give them in the source's [credentials]"
        );
    }

    #[tokio::test]
    async fn a_broken_provider_is_not_passed_over() {
        let outside = Outside::fake(
            [("TENCENTCLOUD_SECRET_ID", "id")],
            None,
            [("/etc/tencentcloud/credentials", "[default]\nsecret_id=a\nsecret_key=b")],
        );
        let error = Credentials::usual(outside).current().await.unwrap_err();
        assert!(matches!(error, CredentialError::Broken(_)), "{error}");
    }
}
