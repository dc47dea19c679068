//! `type = "callback"`: VOD posts its events, and is told when they are safe.

mod abuse;
mod both_ways;
mod life;
mod requests;
mod safety;

use std::time::Duration;

use reqwest::{Client, Method, Url};
use vod_relay::event::EventId;
use vod_relay::{emulator, http};

use crate::world::{Relay, Running, eventually};

/// `ack = "delivered"`, for stories without a state directory.
pub(super) const DELIVERED: &str = "ack = \"delivered\"\n";

/// What the relay says before the address that it listens on.
const LISTENING: &str = "listening on ";

/// `[sources.hook]`, which listens on a free port of this machine.
pub(super) fn source(keys: &str) -> String {
    format!("[sources.hook]\ntype = \"callback\"\nlisten = \"127.0.0.1:0\"\n{keys}\n")
}

/// The `n`th sample event as VOD posts it, and its id.
fn event(n: u64) -> (String, EventId) {
    let text = emulator::sample(n);
    let id = vod_relay::event::Event::from_content(text.clone()).id();
    (text, id)
}

/// A relay that listens for callbacks.
pub(super) struct Hook {
    pub(super) relay: Running,
    url: Url,
    http: Client,
}

/// How a request was answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) status: u16,
    text: String,
    allow: Option<String>,
}

impl Hook {
    /// Starts the relay and waits until it listens.
    pub(super) async fn start(relay: &Relay) -> Self {
        Self::of(relay.start()).await
    }

    async fn of(relay: Running) -> Self {
        relay.says(" for normal callbacks").await;
        let url = address(&relay.stderr.so_far());
        // Sooner than the relay gives up an idle connection.
        let settings = http::Settings::to(&url).idle(Duration::from_secs(1));
        Self { relay, url, http: http::client(settings).unwrap() }
    }

    /// Posts a body.
    pub(super) async fn post(&self, body: impl Into<reqwest::Body>) -> Reply {
        self.send(Method::POST, self.url.clone(), body).await
    }

    /// Posts a body with a query.
    async fn post_with(&self, query: &str, body: impl Into<reqwest::Body>) -> Reply {
        let mut url = self.url.clone();
        url.set_query(Some(query));
        self.send(Method::POST, url, body).await
    }

    async fn send(&self, method: Method, url: Url, body: impl Into<reqwest::Body>) -> Reply {
        self.try_send(method, url, body).await.unwrap()
    }

    async fn try_send(
        &self,
        method: Method,
        url: Url,
        body: impl Into<reqwest::Body>,
    ) -> reqwest::Result<Reply> {
        let response = self.http.request(method, url).body(body).send().await?;
        let status = response.status().as_u16();
        let allow = response.headers().get("allow").map(|allow| allow.to_str().unwrap().to_owned());
        Ok(Reply { status, text: response.text().await?, allow })
    }

    /// Posts an event as VOD would until it is taken.
    async fn post_until_taken(&self, body: &str) {
        let mut taken = false;
        while !taken {
            taken = self.post(body.to_owned()).await.status == 200;
        }
    }

    /// Waits until a text has been logged `n` times.
    async fn says_times(&self, n: usize, text: &str) {
        let times = || (self.relay.stderr.so_far().matches(text).count() >= n).then_some(());
        eventually(&format!("{n} times {text:?}"), times).await;
    }
}

/// The address that was logged last.
fn address(stderr: &str) -> Url {
    let (_, rest) = stderr.rsplit_once(LISTENING).unwrap();
    rest.split_whitespace().next().unwrap().parse().unwrap()
}
