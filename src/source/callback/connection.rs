//! One connection, from its first request to its last.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::door::Door;
use super::refusal::Refusal;
use super::seats::Taken;

/// The most bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// The most bytes that are read of a connection and not yet looked at.
const READ_BYTES_MAX: usize = 32 << 10;

/// How long a client that was answered early may go on sending, so that it gets to read the answer:
/// a connection that is closed while there is something unread is reset.
const LINGER: Duration = Duration::from_secs(1);

/// The answer to a client that did not get done with the head of its request.
const LATE: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

/// Answers the requests of a connection until either side ends it. `head_timeout` is the most time
/// that it may be without a whole head of a request.
pub(super) async fn serve(stream: TcpStream, seat: Taken, door: Arc<Door>, head_timeout: Duration) {
    let seat = Arc::new(seat);
    let service = service_fn(|request: hyper::Request<Incoming>| -> Answer {
        let (desk, seat) = (door.desk(), seat.clone());
        Box::pin(async move {
            Ok(match desk {
                Some(desk) => desk.answer(request, &seat).await,
                None => Refusal::unavailable("not ready yet; send it again").response(true),
            })
        })
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(head_timeout);
    builder.max_header_size(HEAD_BYTES_MAX).max_buf_size(READ_BYTES_MAX);
    let mut connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut is_closing = false;
    let ended = loop {
        tokio::select! {
            ended = poll_fn(|context| connection.poll_without_shutdown(context)) => break ended,
            () = seat.evicted() => return,
            () = door.closing().cancelled(), if !is_closing => {
                is_closing = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    let parts = connection.into_parts();
    let mut stream = parts.io.into_inner();
    let is_late = ended.as_ref().is_err_and(hyper::Error::is_timeout);
    let last_words = async {
        if is_late && !parts.read_buf.is_empty() {
            door.desk().iter().for_each(|desk| desk.log_late(seat.peer()));
            stream.write_all(LATE).await?;
        }
        stream.shutdown().await?;
        let mut unread = [0; 4096];
        while stream.read(&mut unread).await? > 0 {}
        std::io::Result::Ok(())
    };
    tokio::select! {
        // Whoever does not listen any more has heard enough.
        _ = tokio::time::timeout(LINGER, last_words) => {}
        () = seat.evicted() => {}
    }
}
