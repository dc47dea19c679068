//! Signed calls with the relay's HTTP library, and the one thing in an answer that must be found.

use memchr::memmem;
use reqwest::{Client, Url};
use vod_relay::secret::Secret;
use vod_relay::tencent::credential::Credential;
use vod_relay::tencent::tc3::{self, Request};
use vod_relay::time;

use super::Outcome;

/// What stands before each handle in the emulator's answers.
const BEFORE_HANDLE: &[u8] = b"\"EventHandle\":\"";

/// Calls the emulator.
pub(crate) struct Caller {
    client: Client,
    url: Url,
    host: String,
    credential: Credential,
}

impl Caller {
    pub(crate) fn new(url: Url) -> Outcome<Self> {
        let client = Client::builder().no_proxy().tcp_nodelay(true).build()?;
        let host = url.host_str().ok_or("the URL has no host")?;
        let host = url.port().map_or(host.to_owned(), |port| format!("{host}:{port}"));
        let credential = Credential {
            secret_id: "AKIDemulator".to_owned(),
            secret_key: Secret::from("emulator-secret".to_owned()),
            token: None,
        };
        Ok(Self { client, url, host, credential })
    }

    /// Pulls: the answer as it came.
    pub(crate) async fn pull(&self) -> Result<Vec<u8>, reqwest::Error> {
        self.call("PullEvents", "{}".to_owned()).await
    }

    /// Confirms what an answer brought.
    pub(crate) async fn confirm(&self, handles: &[String]) -> Result<(), reqwest::Error> {
        let body = format!("{{\"EventHandles\":[{}]}}", handles.join(","));
        self.call("ConfirmEvents", body).await.map(drop)
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
        let mut request = self.client.post(self.url.clone());
        for (name, value) in signed.headers {
            request = request.header(name, value);
        }
        let answer = request.body(body).send().await?.error_for_status()?;
        Ok(answer.bytes().await?.into())
    }
}

/// The handles of an answer, each with the quotation marks around it.
pub(crate) fn handles(answer: &[u8]) -> Vec<String> {
    let starts = memmem::find_iter(answer, BEFORE_HANDLE).map(|at| at + BEFORE_HANDLE.len());
    let handle = |start: usize| {
        let rest = answer.get(start..)?;
        let end = memchr::memchr(b'"', rest)?;
        Some(format!("\"{}\"", String::from_utf8_lossy(rest.get(..end)?)))
    };
    starts.filter_map(handle).collect()
}
