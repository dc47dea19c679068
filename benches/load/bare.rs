//! A consumer without anything that makes one: each call is signed, sent and read, no more.

use std::sync::Arc;

use memchr::memmem;
use reqwest::{Client, Url};
use tokio::task::JoinSet;
use vod_relay::secret::Secret;
use vod_relay::tencent::credential::Credential;
use vod_relay::tencent::tc3::{self, Request};
use vod_relay::time;

use super::Outcome;

/// What stands before each handle in the emulator's answers.
const BEFORE_HANDLE: &[u8] = b"\"EventHandle\":\"";

/// Runs the loops until the process is ended.
pub(crate) async fn run(url: Arc<Url>, loops: usize) -> Outcome {
    let client = Client::builder().no_proxy().tcp_nodelay(true).build()?;
    let mut tasks = JoinSet::new();
    for _ in 0..loops {
        let caller = Caller::new(client.clone(), Arc::clone(&url))?;
        tasks.spawn(caller.consume());
    }
    while let Some(end) = tasks.join_next().await {
        end??;
    }
    Ok(())
}

struct Caller {
    client: Client,
    url: Arc<Url>,
    host: String,
    credential: Credential,
}

impl Caller {
    fn new(client: Client, url: Arc<Url>) -> Result<Self, &'static str> {
        let host = url.host_str().ok_or("the URL has no host")?;
        let host = url.port().map_or(host.to_owned(), |port| format!("{host}:{port}"));
        let credential = Credential {
            secret_id: "AKIDemulator".to_owned(),
            secret_key: Secret::from("emulator-secret".to_owned()),
            token: None,
        };
        Ok(Self { client, url, host, credential })
    }

    async fn consume(self) -> Outcome {
        loop {
            let answer = self.call("PullEvents", "{}".to_owned()).await?;
            let handles = handles(&answer);
            if !handles.is_empty() {
                let body = format!("{{\"EventHandles\":[{}]}}", handles.join(","));
                self.call("ConfirmEvents", body).await?;
            }
        }
    }

    async fn call(&self, action: &str, body: String) -> Result<Vec<u8>, reqwest::Error> {
        let request = Request {
            host: &self.host,
            service: "vod",
            action,
            version: "2018-07-17",
            region: None,
            language: None,
            body: body.as_bytes(),
        };
        let signed = tc3::sign(&request, &self.credential, time::wall_clock());
        let mut request = self.client.post((*self.url).clone());
        for (name, value) in signed.headers {
            request = request.header(name, value);
        }
        let answer = request.body(body).send().await?.error_for_status()?;
        Ok(answer.bytes().await?.into())
    }
}

/// The handles of an answer, each with the quotation marks around it.
fn handles(answer: &[u8]) -> Vec<String> {
    let starts = memmem::find_iter(answer, BEFORE_HANDLE).map(|at| at + BEFORE_HANDLE.len());
    let handle = |start: usize| {
        let rest = answer.get(start..)?;
        let end = memchr::memchr(b'"', rest)?;
        Some(format!("\"{}\"", String::from_utf8_lossy(rest.get(..end)?)))
    };
    starts.filter_map(handle).collect()
}
