//! An HTTP server that no client can hold up.
//!
//! Every connection carries one request, and is over within a bounded time whatever the client does
//! or leaves undone. When there are as many connections as there may be, the one that has lasted
//! longest makes room for a new one: a good request takes milliseconds, so what lasts is slow.

use std::collections::VecDeque;
use std::io;
use std::net::{self, SocketAddr};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

/// What a client may take.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// The most connections at the same time.
    connections: usize,
    /// How long a client may take to send the head of its request.
    head_time: Duration,
    /// How long a connection may last.
    connection_time: Duration,
}

const LIMITS: Limits = Limits {
    connections: 64,
    head_time: Duration::from_secs(5),
    connection_time: Duration::from_secs(15),
};

/// What the servers of this program call themselves, so that it is known by those who look.
pub const PRODUCT: &str = "vod-relay";

/// The most bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// How long to wait after a failure to accept, which is mostly a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// An address that is taken, and not yet answering.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    addr: SocketAddr,
}

impl Server {
    /// Takes an address; port 0 takes a free one. Clients that connect from now on wait.
    ///
    /// # Errors
    ///
    /// The address cannot be had.
    pub fn bind(addr: SocketAddr) -> io::Result<Self> {
        let listener = net::TcpListener::bind(addr)?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let addr = listener.local_addr()?;
        Ok(Self { listener, addr })
    }

    /// The address that is taken.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Answers until it is dropped. Requests come without their bodies being read.
    pub async fn run(self, app: Router) {
        self.run_within(LIMITS, app).await;
    }

    async fn run_within(self, limits: Limits, app: Router) {
        let mut connections = JoinSet::new();
        let mut oldest_first: VecDeque<AbortHandle> = VecDeque::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        oldest_first.retain(|connection| !connection.is_finished());
                        if oldest_first.len() >= limits.connections
                            && let Some(oldest) = oldest_first.pop_front()
                        {
                            oldest.abort();
                        }
                        let connection = connections.spawn(serve(stream, limits, app.clone()));
                        oldest_first.push_back(connection);
                    }
                    Err(error) => {
                        tracing::debug!("failed to accept a connection: {error}");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                // How it ended is the client's affair.
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

async fn serve(stream: TcpStream, limits: Limits, app: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_buf_size(HEAD_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app));
    // A client that breaks off, or sends no HTTP, has nothing to be told, and nobody else wants to
    // know.
    let _ = tokio::time::timeout(limits.connection_time, connection).await;
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    const HOUR: Duration = Duration::from_secs(60 * 60);

    /// Within these nothing ends because of its time.
    const PATIENT: Limits = Limits { head_time: HOUR, connection_time: HOUR, ..LIMITS };

    /// A server that runs, and where.
    fn started(limits: Limits) -> (SocketAddr, JoinSet<()>) {
        let server = Server::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let (addr, mut tasks) = (server.addr(), JoinSet::new());
        // More than fits on the way to a client that does not read.
        let body = Bytes::from(vec![b'x'; 32 << 20]);
        tasks.spawn(server.run_within(limits, Router::new().fallback(async || body)));
        (addr, tasks)
    }

    /// A client that has sent this.
    async fn client(addr: SocketAddr, sends: &str) -> TcpStream {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(sends.as_bytes()).await.unwrap();
        stream
    }

    /// The first bytes of the answer to a request.
    async fn ask(addr: SocketAddr, request: &str) -> String {
        let mut answer = vec![0; 12];
        let mut stream = client(addr, request).await;
        let read = tokio::time::timeout(HOUR / 60, stream.read_exact(&mut answer));
        read.await.expect("no answer").unwrap();
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test]
    async fn clients_that_hold_their_connections_keep_nobody_out() {
        let (addr, _tasks) = started(PATIENT);
        let mut held = Vec::new();
        for n in 0..LIMITS.connections * 3 {
            // Some never send, some never end their request, some never read the answer.
            let sends = ["", "GET /metrics HTTP/1.1\r\nx-slow: ", GET][n % 3];
            held.push(client(addr, sends).await);
            if n % 16 == 0 {
                assert_eq!(ask(addr, GET).await, "HTTP/1.1 200");
            }
        }
    }

    #[tokio::test]
    async fn every_connection_ends() {
        let soon = Duration::from_millis(50);
        for limits in
            [Limits { head_time: soon, ..PATIENT }, Limits { connection_time: soon, ..PATIENT }]
        {
            let (addr, _tasks) = started(limits);
            let mut silent = client(addr, "GET / HT").await;
            // Cut off, with or without a word.
            let mut rest = Vec::new();
            let cut = tokio::time::timeout(HOUR / 60, silent.read_to_end(&mut rest));
            let _ = cut.await.expect("the connection lasts");
        }
    }

    #[tokio::test]
    async fn a_head_beyond_all_measure_is_refused() {
        let (addr, _tasks) = started(LIMITS);
        let long = format!("GET / HTTP/1.1\r\nx-long: {}\r\n\r\n", "x".repeat(HEAD_BYTES_MAX));
        assert_eq!(ask(addr, &long).await, "HTTP/1.1 431");
    }
}
