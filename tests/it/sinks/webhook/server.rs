//! A server that answers by script, also in ways that no HTTP library would.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::sinks::eventually;

/// What the server does with one request.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    /// Says all of this.
    Text(String),
    /// Says this, which is no HTTP.
    Raw(&'static str),
    /// Says nothing, and keeps the connection.
    Silent,
    /// Closes the connection.
    HangsUp,
    /// Answers as if to keep the connection, and closes it.
    HangsUpAfter(&'static str),
    /// Sends a body that never ends.
    Endless(&'static str),
    /// Begins a body and does not go on.
    Stalls(&'static str),
    /// Closes the connection within the body.
    Truncated(&'static str),
}

impl Answer {
    pub(super) fn status(status: &str) -> Self {
        match status.starts_with("204") || status.starts_with("304") {
            true => Self::Text(format!("HTTP/1.1 {status}\r\n\r\n")),
            false => Self::text(status, "", ""),
        }
    }

    pub(super) fn text(status: &str, headers: &str, body: &str) -> Self {
        let length = body.len();
        Self::Text(format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}"))
    }
}

/// What a client sent.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) line: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        let found = self.headers.iter().filter(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str()).collect()
    }
}

#[derive(Debug, Default)]
struct State {
    script: VecDeque<Answer>,
    requests: Vec<Request>,
    connections: usize,
    hung_up: bool,
}

/// A server on a port of its own.
#[derive(Debug)]
pub(super) struct Server {
    base: String,
    state: Arc<Mutex<State>>,
}

impl Server {
    pub(super) async fn start(script: impl IntoIterator<Item = Answer>) -> Self {
        Self::start_with(script, None).await
    }

    pub(super) async fn start_with(
        script: impl IntoIterator<Item = Answer>,
        tls: Option<TlsAcceptor>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let base = format!("{scheme}://{}", listener.local_addr().unwrap());
        let state = State { script: script.into_iter().collect(), ..State::default() };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (state, tls) = (Arc::clone(&shared), tls.clone());
                tokio::spawn(async move {
                    state.lock().unwrap().connections += 1;
                    match tls {
                        None => serve(stream, &state).await,
                        // A handshake that the client breaks off is what some stories are about.
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => serve(stream, &state).await,
                            Err(_) => Some(()),
                        },
                    }
                });
            }
        });
        Self { base, state }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.state.lock().unwrap().requests.clone()
    }

    pub(super) fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }

    pub(super) async fn hung_up(&self) {
        eventually("end of the connection", || self.state.lock().unwrap().hung_up.then_some(()))
            .await;
    }
}

/// Answers the requests of one connection; `None` when the client is gone.
async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, state: &Mutex<State>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let request = read_request(&mut stream).await?;
        let answer = {
            let mut state = state.lock().unwrap();
            state.requests.push(request);
            state.script.pop_front().unwrap_or(Answer::HangsUp)
        };
        let head = |status: &str, length: usize| {
            format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n")
        };
        match answer {
            Answer::Text(text) => send(&mut stream, &text).await?,
            Answer::Raw(text) => {
                send(&mut stream, text).await?;
                return None;
            }
            Answer::Silent => std::future::pending().await,
            Answer::HangsUp => return None,
            Answer::HangsUpAfter(status) => {
                send(&mut stream, &head(status, 0)).await?;
                stream.shutdown().await.ok()?;
                drop(stream);
                state.lock().unwrap().hung_up = true;
                return None;
            }
            Answer::Endless(status) => {
                send(&mut stream, &head(status, usize::MAX / 4)).await?;
                loop {
                    send(&mut stream, &"x".repeat(1024)).await?;
                }
            }
            Answer::Stalls(status) => {
                send(&mut stream, &format!("{}x", head(status, 10))).await?;
                std::future::pending().await
            }
            Answer::Truncated(status) => {
                send(&mut stream, &format!("{}x", head(status, 10))).await?;
                return None;
            }
        }
    }
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), text: &str) -> Option<()> {
    stream.write_all(text.as_bytes()).await.ok()?;
    stream.flush().await.ok()
}

async fn read_request(stream: &mut BufReader<impl AsyncRead + Unpin>) -> Option<Request> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let line = head.remove(0);
    let split = |line: String| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_lowercase(), value.trim().to_owned())
    };
    let headers = head.into_iter().map(split).collect();
    let mut request = Request { line, headers, body: Vec::new() };
    let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    request.body.resize(length, 0);
    stream.read_exact(&mut request.body).await.ok()?;
    Some(request)
}
