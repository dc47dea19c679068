//! Clients that are slow, broken or hostile, and the good ones beside them.

use md5::{Digest as _, Md5};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::{DELIVERED, Hook, event, source};
use crate::world::{App, World, sorted, unstuck};

/// How many slow clients there are.
const SLOW: usize = 200;

/// Times long past and far away, in seconds since the Unix epoch.
const EARLIER: u64 = 1_000_000_000;
const LATER: u64 = 9_999_999_999;

/// A relay whose clients may take as long as they like, and `SLOW` of them that have begun a
/// request. Every other one has come to its body.
async fn beside_slow_clients(keys: &str, app: &App) -> (World, Hook, Vec<TcpStream>) {
    let world = World::new().await;
    let keys = format!("{DELIVERED}request_timeout = \"60s\"\nsign_key = \"abc\"\n{keys}");
    let text = [source(&keys), app.sink("app", "")].concat();
    let hook = Hook::start(&world.raw_config(&text)).await;
    let address = hook.url.socket_addrs(|| None).unwrap()[0];
    let mut slow = Vec::new();
    for n in 0..SLOW {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let begun = match n % 2 {
            0 => "POST / HTTP/1.1\r\nHost:",
            _ => "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n{\"Even",
        };
        stream.write_all(begun.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    (world, hook, slow)
}

/// The query of a right signature that lasts until then.
fn signed(until: u64) -> String {
    format!("T={until}&Sign={}", hex::encode(Md5::digest(format!("abc{until}"))))
}

#[tokio::test]
async fn good_requests_are_answered_beside_all_others() {
    let app = App::new().await;
    let (_world, hook, mut slow) = beside_slow_clients("", &app).await;
    let large = format!("{{\"EventType\":\"A\",\"AEvent\":\"{}\"}}", "x".repeat(2 << 20));
    let mut others = JoinSet::new();
    for _ in 0..20 {
        for (query, body, status) in [
            (signed(LATER), large.clone(), 413),
            (signed(LATER), "{\"EventType\":".to_owned(), 400),
            (signed(LATER).replace("Sign=", "Sign=0"), event(0).0, 401),
            (signed(EARLIER), event(0).0, 401),
            (String::new(), event(0).0, 401),
        ] {
            let (http, mut url) = (hook.http.clone(), hook.url.clone());
            url.set_query(Some(&query));
            others.spawn(async move {
                let answered = http.post(url).body(body).send().await;
                (answered.map(|answer| answer.status().as_u16()).map_err(|e| e.to_string()), status)
            });
        }
    }
    let mut ids = Vec::new();
    for n in 0..50 {
        let (body, id) = event(n);
        let reply = unstuck("a good request", hook.post_with(&signed(LATER), body)).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        ids.push(id);
    }
    assert_eq!(app.distinct_ids(), sorted(&ids));
    for (status, expected) in others.join_all().await {
        assert_eq!(status, Ok(expected));
    }
    // There are seats enough, so that the slow ones kept theirs.
    let body = event(60).0;
    let head = format!(" a\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let first = &mut slow[0];
    first.write_all(head.as_bytes()).await.unwrap();
    first.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    unstuck("a slow one", first.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
}

#[tokio::test]
async fn when_slow_clients_have_all_seats_the_slowest_gives_its_up() {
    let app = App::new().await;
    let (_world, hook, slow) = beside_slow_clients("max_connections = 16\n", &app).await;
    for n in 0..10 {
        let query = signed(LATER);
        let reply = hook.post_with(&query, event(n).0);
        assert_eq!(unstuck("a good request", reply).await.status, 200);
    }
    let mut ends = JoinSet::new();
    for mut stream in slow {
        ends.spawn(async move {
            let mut answer = Vec::new();
            // Closed or reset, but without an answer.
            let _ = stream.read_to_end(&mut answer).await;
            answer
        });
    }
    // Which they are depends on when the relay came to accept each.
    for _ in 0..SLOW - 16 {
        let end = unstuck("a slow one is sent away", ends.join_next()).await;
        let answer = end.unwrap().unwrap();
        assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
    }
}

#[tokio::test]
async fn what_slow_clients_have_sent_is_bounded() {
    let app = App::new().await;
    let keys = "max_body_size = \"1 MiB\"\n";
    let (_world, hook, slow) = beside_slow_clients(keys, &app).await;
    // More than all of them may hold together.
    let mut sending = JoinSet::new();
    for mut stream in slow.into_iter().skip(1).step_by(2) {
        sending.spawn(async move {
            // Those that lose their room are cut off.
            let sent = stream.write_all(&vec![b'x'; 900_000]).await;
            (stream, sent)
        });
    }
    let sent = sending.join_all().await;
    for n in 0..10 {
        let query = signed(LATER);
        let reply = hook.post_with(&query, event(n).0);
        assert_eq!(unstuck("a good request", reply).await.status, 200);
    }
    drop(sent);
}
