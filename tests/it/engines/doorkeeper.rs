//! A Kafka broker as far as the password: who shows another one is told so, and who shows the right
//! one gets no further.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};

/// What it takes.
const PASSWORD: &str = "\0relay\0hunter2";

/// The requests that it knows, as Kafka numbers them.
const SASL_HANDSHAKE: i16 = 17;
const API_VERSIONS: i16 = 18;
const SASL_AUTHENTICATE: i16 = 36;

const UNSUPPORTED_SASL_MECHANISM: i16 = 33;
const SASL_AUTHENTICATION_FAILED: i16 = 58;

pub struct Doorkeeper {
    address: SocketAddr,
    /// What was shown to it: user and password as PLAIN has them.
    shown: Arc<Mutex<Vec<String>>>,
    _stop: DropGuard,
}

impl Doorkeeper {
    pub async fn open(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (shown, stop) = (Arc::<Mutex<Vec<String>>>::default(), CancellationToken::new());
        let (ears, stopped) = (shown.clone(), stop.clone());
        tokio::spawn(stopped.run_until_cancelled_owned(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (ears, tls) = (ears.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => {
                            // Who does not trust the certificate goes away.
                            let Ok(stream) = tls.accept(stream).await else { return };
                            talk(stream, &ears).await;
                        }
                        None => talk(stream, &ears).await,
                    }
                });
            }
        }));
        Self { address, shown, _stop: stop.drop_guard() }
    }

    pub fn address(&self) -> String {
        self.address.to_string()
    }

    pub fn shown(&self) -> Vec<String> {
        self.shown.lock().unwrap().clone()
    }
}

/// Answers until the client goes away, or until it is in.
async fn talk(mut stream: impl AsyncRead + AsyncWrite + Unpin, shown: &Mutex<Vec<String>>) {
    while let Ok(length) = stream.read_i32().await {
        // A client that begins with TLS says something that reads as a long request.
        if length > 1024 {
            return;
        }
        let mut request = vec![0; usize::try_from(length).unwrap()];
        if stream.read_exact(&mut request).await.is_err() {
            return;
        }
        let number = |at: usize| i16::from_be_bytes([request[at], request[at + 1]]);
        let (api, version) = (number(0), number(2));
        let mut answer = request[4..8].to_vec();
        match api {
            API_VERSIONS => answer.extend(versions(version)),
            SASL_HANDSHAKE => {
                let is_known = request.ends_with(b"\0\x05PLAIN");
                let code = if is_known { 0 } else { UNSUPPORTED_SASL_MECHANISM };
                answer.extend(code.to_be_bytes());
                answer.extend(b"\0\0\0\x01\0\x05PLAIN");
            }
            SASL_AUTHENTICATE => {
                let is_right = request.ends_with(PASSWORD.as_bytes());
                // Behind the header there is nothing but the token and its length.
                let token = request.split(|byte| *byte == 0).rev().take(2).collect::<Vec<_>>();
                let words = token.into_iter().rev().map(String::from_utf8_lossy);
                shown.lock().unwrap().push(words.collect::<Vec<_>>().join(" "));
                let code = if is_right { 0 } else { SASL_AUTHENTICATION_FAILED };
                answer.extend(code.to_be_bytes());
                answer.extend(b"\0\x12Wrong credentials.\0\0\0\0");
            }
            _ => return,
        }
        let length = i32::try_from(answer.len()).unwrap();
        answer.splice(0..0, length.to_be_bytes());
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

/// The versions of the requests that it knows.
fn versions(version: i16) -> Vec<u8> {
    let apis = [(SASL_HANDSHAKE, 1), (API_VERSIONS, 3), (SASL_AUTHENTICATE, 0)];
    let is_compact = version >= 3;
    let mut body = vec![0, 0];
    match is_compact {
        true => body.push(u8::try_from(apis.len() + 1).unwrap()),
        false => body.extend(i32::try_from(apis.len()).unwrap().to_be_bytes()),
    }
    for (api, newest) in apis {
        body.extend([api, 0, newest].map(i16::to_be_bytes).concat());
        body.extend(is_compact.then_some(0));
    }
    if version >= 1 {
        body.extend([0; 4]);
    }
    body.extend(is_compact.then_some(0));
    body
}
