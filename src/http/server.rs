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

/// The most connections at the same time.
const CONNECTIONS_MAX: usize = 64;

/// How long a client may take to send the head of its request.
const HEAD_TIME: Duration = Duration::from_secs(5);

/// How long a connection may last.
const CONNECTION_TIME: Duration = Duration::from_secs(15);

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
        let mut connections = JoinSet::new();
        let mut oldest_first: VecDeque<AbortHandle> = VecDeque::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        oldest_first.retain(|connection| !connection.is_finished());
                        if oldest_first.len() >= CONNECTIONS_MAX
                            && let Some(oldest) = oldest_first.pop_front()
                        {
                            oldest.abort();
                        }
                        oldest_first.push_back(connections.spawn(serve(stream, app.clone())));
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

async fn serve(stream: TcpStream, app: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app));
    // A client that breaks off, or sends no HTTP, has nothing to be told, and nobody else wants to
    // know.
    let _ = tokio::time::timeout(CONNECTION_TIME, connection).await;
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// A server that runs, and where.
    fn started() -> (SocketAddr, JoinSet<()>) {
        let server = Server::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let (addr, mut tasks) = (server.addr(), JoinSet::new());
        // More than fits on the way to a client that does not read.
        let body = Bytes::from(vec![b'x'; 32 << 20]);
        tasks.spawn(server.run(Router::new().fallback(async || body)));
        (addr, tasks)
    }

    /// The first bytes of the answer to a request, or none.
    async fn ask(addr: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = vec![0; 12];
        let read = stream.read_exact(&mut answer).await;
        read.map_or(String::new(), |_| String::from_utf8(answer).unwrap())
    }

    #[tokio::test]
    async fn clients_that_hold_their_connections_keep_nobody_out() {
        let (addr, _tasks) = started();
        let mut held = Vec::new();
        for n in 0..CONNECTIONS_MAX * 3 {
            let mut stream = TcpStream::connect(addr).await.unwrap();
            // Some never send, some never end their request, some never read the answer.
            match n % 3 {
                0 => {}
                1 => stream.write_all(b"GET /metrics HTTP/1.1\r\nx-slow: ").await.unwrap(),
                _ => stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap(),
            }
            held.push(stream);
            if n % 16 == 0 {
                let answer = ask(addr, "GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
                assert_eq!(answer, "HTTP/1.1 200");
            }
        }
        let mut end = Vec::new();
        // The first was cut off to make room.
        let cut = held[0].read_to_end(&mut end).await;
        assert!(cut.is_err() || end.is_empty());
    }

    #[tokio::test]
    async fn a_head_beyond_all_measure_is_refused() {
        let (addr, _tasks) = started();
        let long = format!("GET / HTTP/1.1\r\nx-long: {}\r\n\r\n", "x".repeat(HEAD_BYTES_MAX));
        assert_eq!(ask(addr, &long).await, "HTTP/1.1 431");
    }
}
