//! The credentials that all calls of a source share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::backoff::Backoff;
use super::{
    Configured, Credential, CredentialError, CvmRole, Env, Files, Found, Oidc, Outside, Preview,
    Profile, Provider, Shortened, Term,
};
use crate::quiet::Quiet;
use crate::time;

type Fetched = Result<Arc<Credential>, CredentialError>;

/// Finds credentials, keeps them, and has them fetched anew in time. Clones share what was found.
#[derive(Debug, Clone)]
pub struct Credentials(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    chain: Vec<Box<dyn Provider>>,
    state: Mutex<State>,
    /// Held by the one that fetches; the others wait for it and take its outcome.
    flight: Arc<tokio::sync::Mutex<()>>,
    failures: Quiet,
}

#[derive(Debug)]
struct State {
    held: Option<Held>,
    /// What was held before, if nobody refused it: what comes out of a file that is just being
    /// written may be no credentials at all.
    previous: Option<Held>,
    /// The place in the chain of the provider that has the credentials.
    provider: Option<usize>,
    /// How the last fetch ended.
    last: Option<Fetched>,
    /// How many fetches have ended.
    flights: u64,
    /// Fetches that failed.
    failed: Backoff,
    /// Fetches that brought nothing in the place of what VOD had refused. They are put off for
    /// themselves: a refusal is news, whatever has failed before it.
    useless: Backoff,
}

#[derive(Debug, Clone)]
struct Held {
    credential: Arc<Credential>,
    term: Term,
}

impl Credentials {
    /// Credentials from a chain of providers, asked in this order.
    pub fn new(chain: Vec<Box<dyn Provider>>) -> Self {
        let state = State {
            held: None,
            previous: None,
            provider: None,
            last: None,
            flights: 0,
            failed: Backoff::default(),
            useless: Backoff::default(),
        };
        let (state, flight, failures) = (Mutex::new(state), Arc::default(), Quiet::default());
        Self(Arc::new(Inner { chain, state, flight, failures }))
    }

    /// These credentials and no others.
    pub fn fixed(credential: Credential) -> Self {
        let (files, outside) = (Files::default(), Outside::of_this_process());
        Self::new(vec![Box::new(Configured { given: credential, files, outside })])
    }

    /// Credentials from wherever the vendor's SDKs find them: environment, profile file, role of
    /// the machine, identity of the container.
    pub fn usual(outside: Outside, cvm_role: CvmRole, oidc: Oidc) -> Self {
        Self::new(vec![
            Box::new(Env(outside.clone())),
            Box::new(Profile(outside)),
            Box::new(cvm_role),
            Box::new(oidc),
        ])
    }

    /// The credentials to sign with now.
    ///
    /// Ahead of their end others are fetched in the background; meanwhile, and if that fails, the
    /// ones at hand are used as long as they are valid.
    ///
    /// # Errors
    ///
    /// There are none, or they cannot be used, or cannot be had now.
    pub async fn current(&self) -> Fetched {
        let flights = {
            let state = self.state();
            let now = time::now();
            if let Some(held) = state.held.as_ref().filter(|held| held.term.is_valid_at(now)) {
                if held.term.is_due_at(now) && state.failed.is_over() {
                    self.renew();
                }
                return Ok(Arc::clone(&held.credential));
            }
            match &state.last {
                Some(Err(error)) if !state.failed.is_over() => return Err(error.clone()),
                _ => state.flights,
            }
        };
        self.fetch(flights).await
    }

    /// When the credentials at hand expire, if there are any and they do.
    pub fn expire(&self) -> Option<time::Instant> {
        self.state().held.as_ref()?.term.expires()
    }

    /// Other credentials, because VOD refused these; if others have come in the meantime, those.
    ///
    /// What comes back may be equal to what was refused: then trying again is of no use.
    ///
    /// # Errors
    ///
    /// There are none, or they cannot be used, or cannot be had now. The ones at hand are kept.
    pub async fn refresh(&self, refused: &Arc<Credential>) -> Fetched {
        let flights = {
            let state = self.state();
            match (&state.held, &state.last) {
                (Some(held), _) if held.credential != *refused => {
                    return Ok(Arc::clone(&held.credential));
                }
                (_, Some(last)) if !state.useless.is_over() => return last.clone(),
                _ => state.flights,
            }
        };
        let fetched = self.fetch(flights).await;
        let mut state = self.state();
        match fetched {
            Ok(fresh) if fresh != *refused => {
                state.previous.take_if(|previous| previous.credential == *refused);
                Ok(fresh)
            }
            Ok(_) | Err(_) if state.reinstate(refused) => {
                tracing::error!(
                    "VOD refuses the new credentials {}; using those before them (check the files \
                     that they come from)",
                    Shortened(&refused.secret_id)
                );
                state.held.as_ref().map_or(fetched, |held| Ok(Arc::clone(&held.credential)))
            }
            useless => {
                state.useless.failed();
                useless
            }
        }
    }

    /// Where the credentials come from, as far as can be told without the network.
    ///
    /// # Errors
    ///
    /// There are none, or they cannot be used.
    pub fn preview(&self) -> Result<String, CredentialError> {
        let mut places = Vec::new();
        for provider in &self.0.chain {
            match provider.preview() {
                Preview::Nowhere => continue,
                Preview::Broken(error) => return Err(error.into()),
                Preview::Here => {
                    places.push(provider.place());
                    return Ok(places.join(", else from "));
                }
                Preview::Asks if self.0.chain.len() > 1 => {
                    places.push(format!("{}, if there is one", provider.place()));
                }
                Preview::Asks => places.push(provider.place()),
            }
        }
        match places.is_empty() {
            true => Err(self.not_found()),
            false => Ok(places.join(", else from ")),
        }
    }

    /// Fetches others in the background, unless somebody does already. It ends soon: each provider
    /// bounds the time that it takes.
    fn renew(&self) {
        if let Ok(flight) = Arc::clone(&self.0.flight).try_lock_owned() {
            let this = self.clone();
            tokio::spawn(async move {
                let _flight = flight;
                if let Err(error) = this.fly().await
                    && let Some(left_out) = this.0.failures.ask()
                {
                    tracing::warn!(left_out, "{error}; using the credentials at hand meanwhile");
                }
            });
        }
    }

    /// Where the credentials come from, `None` if there are none. The providers are asked anew.
    pub async fn origin(&self) -> Option<String> {
        for provider in &self.0.chain {
            if let Ok(Some(_)) = provider.fetch().await {
                return Some(provider.place());
            }
        }
        None
    }

    /// Asks the providers, unless a fetch has ended since `flights` were counted.
    async fn fetch(&self, flights: u64) -> Fetched {
        let _flight = self.0.flight.lock().await;
        {
            let state = self.state();
            if let Some(last) = &state.last
                && state.flights != flights
            {
                return last.clone();
            }
        }
        self.fly().await
    }

    /// Asks the providers. The caller holds the flight.
    async fn fly(&self) -> Fetched {
        let provider = self.state().provider;
        let asked = self.ask(provider).await;
        let mut state = self.state();
        let fetched = match asked {
            Ok((provider, found)) => {
                state.provider = Some(provider);
                Ok(state.adopt(found, &*self.0.chain[provider]))
            }
            Err(error) => {
                state.failed.failed();
                Err(error)
            }
        };
        state.flights += 1;
        state.last = Some(fetched.clone());
        fetched
    }

    /// Asks the provider that has had credentials before, or all in turn.
    async fn ask(&self, provider: Option<usize>) -> Result<(usize, Found), CredentialError> {
        let all = self.0.chain.iter().enumerate();
        for (place, one) in all.filter(|(place, _)| provider.is_none_or(|known| known == *place)) {
            if let Some(found) = one.fetch().await? {
                return Ok((place, found));
            }
            if provider.is_some() {
                return Err(CredentialError::Gone { place: one.place() });
            }
        }
        Err(self.not_found())
    }

    fn not_found(&self) -> CredentialError {
        let looked_for = self.0.chain.iter().map(|provider| provider.place()).collect();
        CredentialError::NotFound { looked_for }
    }

    /// Nothing panics while the lock is held, so what a poisoned one guards is still whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes what was found. The same keys stay what they are, so that nobody takes them for others.
    fn adopt(&mut self, found: Found, provider: &dyn Provider) -> Arc<Credential> {
        let Found { credential, term } = found;
        if let Some(held) = self.held.as_mut().filter(|held| *held.credential == credential) {
            held.term = term;
            return Arc::clone(&held.credential);
        }
        let (id, place) = (Shortened(&credential.secret_id), provider.place());
        match &self.held {
            Some(_) if term.ends() => tracing::debug!("new credentials {id} from {place}"),
            _ => tracing::info!("using the credentials {id} from {place}"),
        }
        let credential = Arc::new(credential);
        self.previous = self.held.replace(Held { credential: Arc::clone(&credential), term });
        (self.failed, self.useless) = Default::default();
        credential
    }

    /// Goes back to what was held before `refused`, if it can still be used.
    fn reinstate(&mut self, refused: &Arc<Credential>) -> bool {
        let held = self.held.as_ref().is_some_and(|held| held.credential == *refused);
        let previous = self.previous.take_if(|_| held);
        let previous = previous.filter(|previous| previous.term.is_valid_at(time::now()));
        let Some(Held { credential, term }) = previous else { return false };
        self.held = Some(Held { credential, term: term.reinstated() });
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::time::Duration;

    use super::*;
    use crate::tencent::credential::backoff::RETRY;
    use crate::tencent::credential::{BoxFuture, ProviderError, cvm_role, oidc};

    type Answer = Result<Option<Found>, ProviderError>;

    /// A provider that takes a second to give each of its answers.
    #[derive(Debug, Clone, Default)]
    struct Script(Arc<Mutex<VecDeque<Answer>>>);

    impl Provider for Script {
        fn place(&self) -> String {
            "the script".to_owned()
        }

        fn fetch(&self) -> BoxFuture<'_, Answer> {
            Box::pin(async {
                tokio::time::sleep(SECOND).await;
                self.0.lock().unwrap().pop_front().expect("one answer per fetch").map(|found| {
                    // Their time begins when they are given out.
                    found.map(|found| Found { term: begun(found.term), ..found })
                })
            })
        }

        fn preview(&self) -> Preview {
            Preview::Asks
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

    const SECOND: Duration = Duration::from_secs(1);

    fn begun(term: Term) -> Term {
        match (term.ends(), term == Term::endless()) {
            (true, _) => minute(),
            (false, true) => term,
            (false, false) => Term::watched(),
        }
    }

    fn minute() -> Term {
        Term::ending(SECOND * 60, SECOND * 30)
    }

    fn found(secret_id: &str, term: Term) -> Answer {
        let credential = Credential::new(secret_id.to_owned(), "key".to_owned().into(), None);
        Ok(Some(Found { credential: credential.unwrap(), term }))
    }

    fn lasting(secret_id: &str) -> Answer {
        found(secret_id, Term::endless())
    }

    fn for_a_minute(secret_id: &str) -> Answer {
        found(secret_id, minute())
    }

    fn broken() -> Answer {
        Err(ProviderError::permanent("out of order"))
    }

    fn down() -> Answer {
        Err(ProviderError::transient("the service is down"))
    }

    async fn id(credentials: &Credentials) -> String {
        credentials.current().await.unwrap().secret_id.clone()
    }

    #[tokio::test(start_paused = true)]
    async fn all_who_ask_at_the_same_time_share_one_fetch() {
        let (script, credentials) = Script::credentials([lasting("a")]);
        let asked: Vec<_> = (0..8).map(|_| credentials.clone()).collect();
        let asked: Vec<_> =
            asked.into_iter().map(|one| tokio::spawn(async move { id(&one).await })).collect();
        for one in asked {
            assert_eq!(one.await.unwrap(), "a");
        }
        assert_eq!(script.left(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn all_who_ask_soon_after_a_failure_share_it() {
        let (script, credentials) = Script::credentials([broken(), lasting("a")]);
        let (first, second) = tokio::join!(credentials.current(), credentials.current());
        assert!(first.is_err() && second.is_err());
        assert_eq!(script.left(), 1);
        tokio::time::advance(RETRY.longest).await;
        assert_eq!(id(&credentials).await, "a");
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_not_followed_by_one_fetch_for_each_call() {
        let (script, credentials) = Script::credentials((0..100).map(|_| down()));
        for _ in 0..2000 {
            let error = credentials.current().await.unwrap_err();
            assert!(error.is_transient(), "{error}");
            tokio::time::advance(SECOND / 20).await;
        }
        // With full jitter the delays differ much; without any there would be none left.
        assert!(script.left() > 50, "{} left", script.left());
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
    async fn a_provider_that_gives_what_was_refused_is_left_alone_for_a_while() {
        let (script, credentials) = Script::credentials((0..100).map(|_| lasting("a")));
        let first = credentials.current().await.unwrap();
        for _ in 0..2000 {
            assert_eq!(credentials.refresh(&first).await.unwrap(), first);
            tokio::time::advance(SECOND / 20).await;
        }
        assert!(script.left() > 50, "{} left", script.left());
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_news_whatever_has_failed_before_it() {
        let first = found("a", Term::watched());
        let answers = std::iter::once(first).chain((0..9).map(|_| broken())).chain([lasting("b")]);
        let (script, credentials) = Script::credentials(answers);
        let a = credentials.current().await.unwrap();
        while script.left() > 1 {
            assert_eq!(id(&credentials).await, "a");
            tokio::time::sleep(SECOND / 10).await;
        }
        // The ninth failure has ended, and the next fetch would come much later.
        tokio::time::sleep(SECOND).await;
        assert_eq!(credentials.refresh(&a).await.unwrap().secret_id, "b");
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_refresh_keeps_the_old_ones() {
        let (_, credentials) = Script::credentials([lasting("a"), broken(), lasting("b")]);
        let first = credentials.current().await.unwrap();
        assert!(credentials.refresh(&first).await.is_err());
        assert_eq!(id(&credentials).await, "a");
        tokio::time::advance(RETRY.longest).await;
        assert_eq!(credentials.refresh(&first).await.unwrap().secret_id, "b");
    }

    #[tokio::test(start_paused = true)]
    async fn others_are_fetched_ahead_of_the_end_and_nobody_waits_for_them() {
        let (script, credentials) = Script::credentials([for_a_minute("a"), lasting("b")]);
        assert_eq!(id(&credentials).await, "a");
        tokio::time::advance(SECOND * 29).await;
        assert_eq!((id(&credentials).await.as_str(), script.left()), ("a", 1));
        tokio::time::advance(SECOND).await;
        for _ in 0..8 {
            let asked = time::now();
            assert_eq!(id(&credentials).await, "a");
            assert_eq!(asked, time::now(), "it waited");
        }
        tokio::time::sleep(SECOND * 2).await;
        assert_eq!((id(&credentials).await.as_str(), script.left()), ("b", 0));
    }

    #[tokio::test(start_paused = true)]
    async fn old_ones_serve_to_their_end_while_the_provider_is_down() {
        let answers = std::iter::once(for_a_minute("a")).chain((0..100).map(|_| down()));
        let (script, credentials) = Script::credentials(answers);
        assert_eq!(id(&credentials).await, "a");
        for _ in 0..590 {
            tokio::time::sleep(SECOND / 10).await;
            assert_eq!(id(&credentials).await, "a");
        }
        assert!((1..99).contains(&script.left()), "it was tried again: {} left", script.left());
        tokio::time::sleep(SECOND * 2).await;
        let error = credentials.current().await.unwrap_err();
        assert_eq!(error.to_string(), "the credentials cannot be fetched now: the service is down");
    }

    #[tokio::test(start_paused = true)]
    async fn new_ones_that_are_refused_give_way_to_those_before() {
        let cut_off = || found("cut-off", Term::watched());
        let answers =
            [found("a", Term::watched()), cut_off(), cut_off(), found("whole", Term::watched())];
        let (script, credentials) = Script::credentials(answers);
        assert_eq!(id(&credentials).await, "a");
        tokio::time::sleep(SECOND * 15).await;
        assert_eq!(id(&credentials).await, "a");
        tokio::time::sleep(SECOND * 2).await;
        let refused = credentials.current().await.unwrap();
        assert_eq!(refused.secret_id, "cut-off");
        assert_eq!(credentials.refresh(&refused).await.unwrap().secret_id, "a");
        assert_eq!((id(&credentials).await.as_str(), script.left()), ("a", 1));
        tokio::time::sleep(SECOND * 61).await;
        assert_eq!(id(&credentials).await, "a");
        tokio::time::sleep(SECOND * 2).await;
        assert_eq!(id(&credentials).await, "whole");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_refused_is_never_gone_back_to() {
        let (_, credentials) = Script::credentials([lasting("a"), lasting("b"), lasting("b")]);
        let a = credentials.current().await.unwrap();
        let b = credentials.refresh(&a).await.unwrap();
        assert_eq!(credentials.refresh(&b).await.unwrap(), b);
    }

    #[tokio::test(start_paused = true)]
    async fn the_provider_that_had_them_is_the_only_one_that_is_asked_again() {
        let first = Script::default();
        first.0.lock().unwrap().extend([Ok(None)]);
        let second = Script::default();
        second.0.lock().unwrap().extend([lasting("a"), Ok(None)]);
        let credentials = Credentials::new(vec![Box::new(first), Box::new(second)]);
        let a = credentials.current().await.unwrap();
        let error = credentials.refresh(&a).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "there are no credentials any more in the script; they were there before"
        );
    }

    fn usual(outside: Outside) -> Credentials {
        // Nothing listens there.
        let cvm_role = CvmRole::new("http://127.0.0.1:1".parse().unwrap(), None, false);
        let endpoint = oidc::STS.parse().unwrap();
        let oidc = Oidc { outside: outside.clone(), endpoint, required: false };
        Credentials::usual(outside, cvm_role, oidc)
    }

    #[tokio::test]
    async fn the_usual_chain_ends_with_what_was_looked_for() {
        let error = usual(Outside::fake([], Some("/home/a"), [])).current().await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "no credentials found; looked for the environment variables TENCENTCLOUD_SECRET_ID and \
             TENCENTCLOUD_SECRET_KEY, then the file /home/a/.tencentcloud/credentials or \
             /etc/tencentcloud/credentials (or the one that TENCENTCLOUD_CREDENTIALS_FILE names), \
             then the role of this machine (CVM) at http://127.0.0.1:1/, then the variables of \
             TKE's OIDC (TKE_REGION, TKE_PROVIDER_ID, TKE_WEB_IDENTITY_TOKEN_FILE, TKE_ROLE_ARN) \
             for https://sts.tencentcloudapi.com/; give them in the source's [credentials]"
        );
    }

    #[tokio::test]
    async fn a_broken_provider_is_not_passed_over() {
        let outside = Outside::fake(
            [("TENCENTCLOUD_SECRET_ID", "id")],
            None,
            [("/etc/tencentcloud/credentials", "[default]\nsecret_id=a\nsecret_key=b")],
        );
        let credentials = usual(outside);
        let error = credentials.current().await.unwrap_err();
        assert!(matches!(error, CredentialError::Broken(_)), "{error}");
        assert_eq!(credentials.preview().unwrap_err(), error);
    }

    #[test]
    fn the_preview_names_what_is_there_and_what_only_the_network_knows() {
        let file = [("/etc/tencentcloud/credentials", "[default]\nsecret_id=a\nsecret_key=b")];
        let places = usual(Outside::fake([], None, file)).preview().unwrap();
        assert!(places.starts_with("the file /etc/tencentcloud/credentials"), "{places}");
        let places = usual(Outside::fake([], None, [])).preview().unwrap();
        let asked = "the role of this machine (CVM) at http://127.0.0.1:1/, if there is one";
        assert_eq!(places, asked);
        let metadata = cvm_role::METADATA.parse().unwrap();
        let required = CvmRole::new(metadata, Some("relay".to_owned()), true);
        let places = Credentials::new(vec![Box::new(required)]).preview().unwrap();
        let place = "the role relay of this machine (CVM) at http://metadata.tencentyun.com/";
        assert_eq!(places, place);
    }
}
