//! Opens a connection and sends nothing on it.

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use reqwest::Url;
use tower_layer::Layer;
use tower_service::Service;

use super::{CONNECT_TIMEOUT, ClientError, Purpose, Settings, cause, client};
use crate::time;

type BoxError = Box<dyn StdError + Send + Sync>;

/// Opens a connection to the server of `url` in the way that a client with these settings does:
/// name, proxy, TCP, TLS. Then it is closed; the server gets no request. How long it took, or why
/// there is no connection.
///
/// # Errors
///
/// The TLS stack refuses a certificate or a key.
pub async fn connect(
    settings: Settings,
    url: &Url,
) -> Result<Result<Duration, String>, ClientError> {
    let client = client(Settings { purpose: Purpose::Nothing, ..settings })?;
    let started = time::now();
    let sent = client.get(url.clone()).timeout(CONNECT_TIMEOUT * 2).send().await;
    Ok(match sent {
        Err(error) if !is_connected(&error) => Err(cause(&error, CONNECT_TIMEOUT * 2)),
        Ok(_) | Err(_) => Ok(started.elapsed()),
    })
}

fn is_connected(error: &reqwest::Error) -> bool {
    let mut source = error.source();
    while let Some(error) = source {
        if error.is::<Connected>() {
            return true;
        }
        source = error.source();
    }
    false
}

/// Ends every request once its connection is open.
#[derive(Debug, Clone, Copy)]
pub(super) struct Only;

impl<S> Layer<S> for Only {
    type Service = ConnectOnly<S>;

    fn layer(&self, connector: S) -> ConnectOnly<S> {
        ConnectOnly(connector)
    }
}

/// The connector that has a failure in the place of each connection.
#[derive(Debug, Clone)]
pub(super) struct ConnectOnly<S>(S);

impl<S, R> Service<R> for ConnectOnly<S>
where
    S: Service<R, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, target: R) -> Self::Future {
        let connecting = self.0.call(target);
        Box::pin(async move {
            drop(connecting.await?);
            Err(Connected.into())
        })
    }
}

/// Stands for a connection that was opened and closed.
#[derive(Debug)]
struct Connected;

impl fmt::Display for Connected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("connected, and nothing is to be sent")
    }
}

impl StdError for Connected {}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_connection_is_opened_and_nothing_is_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url: Url =
            format!("http://{}/vod?x=1", listener.local_addr().unwrap()).parse().unwrap();
        let (connected, accepted) =
            tokio::join!(connect(Settings::to(&url), &url), listener.accept());
        connected.unwrap().unwrap();
        let mut sent = Vec::new();
        accepted.unwrap().0.read_to_end(&mut sent).await.unwrap();
        assert_eq!(sent, b"");
    }

    #[tokio::test]
    async fn a_server_that_is_down_is_told() {
        // Bound, but nobody listens.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let url: Url = format!("http://{}", socket.local_addr().unwrap()).parse().unwrap();
        let refused = connect(Settings::to(&url), &url).await.unwrap();
        assert_eq!(refused, Err("connection refused".to_owned()));
    }
}
