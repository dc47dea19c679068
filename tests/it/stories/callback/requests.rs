//! Which requests are taken, and how the others are answered.

use md5::{Digest as _, Md5};
use reqwest::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use vod_relay::event::Event;
use vod_relay::json;
use vod_relay::time;

use super::{DELIVERED, Hook, event, source};
use crate::world::{App, World, unstuck};

const NORMAL: &str = include_str!("../../../data/events/procedure-state-changed.zh.normal.json");
const LEGACY: &str =
    include_str!("../../../data/events/procedure-state-changed.en-legacy.normal.json");
const KEY: &str = "Ab3dE6gH9jK2mN5pQ8sT1vW4yZ7b0c3f";

#[tokio::test]
async fn events_of_both_versions_reach_their_sinks_as_they_were_posted() {
    let world = World::new().await;
    let app = App::new().await;
    let text = [
        source(DELIVERED),
        app.sink("app", ""),
        "[sinks.all]\ntype = \"file\"\npath = \"all.jsonl\"\n".to_owned(),
        "[sinks.some]\ntype = \"file\"\npath = \"some.jsonl\"\n\
         events = [\"ProcedureStateChanged\"]\n\
         when = { Status = \"PROCESSING\", \"MetaData.Height\" = \"480\" }\n"
            .to_owned(),
    ];
    let hook = Hook::start(&world.raw_config(&text.concat())).await;
    let posted = [NORMAL.trim(), LEGACY.trim(), &event(1).0, &event(11).0].map(str::to_owned);
    for body in &posted {
        let reply = hook.post(format!(" {body}\r\n")).await;
        assert_eq!((reply.status, reply.text.as_str()), (200, "taken\n"));
    }
    let lines = posted.each_ref().map(|body| json::on_one_line(body).into_owned());
    assert_eq!(world.read("all.jsonl").lines().collect::<Vec<_>>(), lines);
    assert_eq!(world.read("some.jsonl").lines().collect::<Vec<_>>(), &lines[1..2]);
    let received = app.requests();
    for (request, body) in received.iter().zip(&posted) {
        assert_eq!(request.body, body.as_bytes());
        assert_eq!(request.id, Event::from_content(body.clone()).id().to_string());
    }
    assert_eq!(received.len(), posted.len());
    let ended = hook.relay.stop().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("posted=4"), "{ended:?}");
}

#[tokio::test]
async fn every_other_request_is_answered_with_its_fault() {
    let world = World::new().await;
    let app = App::new().await;
    let keys = format!("{DELIVERED}path = \"/vod/callback\"\nmax_body_size = \"64 KiB\"\n");
    let text = [source(&keys), app.sink("app", "")].concat();
    let hook = Hook::start(&world.raw_config(&text)).await;
    let (good, _) = event(0);
    let bad_bodies: [(&[u8], &str); 10] = [
        (b"{", "not JSON"),
        (b"{}{}", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"\"text\"", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"{}", "no event"),
        (b"{\"a\":1}", "no event"),
        (b"{\"EventType\":\"\xff\"}", "not UTF-8"),
    ];
    for (body, problem) in bad_bodies {
        let reply = hook.post(body.to_vec()).await;
        assert_eq!(reply.status, 400, "{body:?}: {reply:?}");
        assert!(reply.text.contains(problem), "{body:?}: {reply:?}");
    }
    let reply = hook.send(Method::GET, hook.url.clone(), "").await;
    assert_eq!((reply.status, reply.allow.as_deref()), (405, Some("POST")), "{reply:?}");
    for path in ["/", "/vod", "/vod/callback/", "/VOD/callback"] {
        let url = hook.url.join(path).unwrap();
        assert_eq!(hook.send(Method::POST, url, good.clone()).await.status, 404, "{path}");
    }
    // As it is announced, and as it comes.
    let large = format!("{{\"EventType\":\"A\",\"AEvent\":\"{}\"}}", "x".repeat(2 << 20));
    assert_eq!(hook.post(large.clone()).await.status, 413);
    assert_eq!(chunked(&hook, large.as_bytes()).await, "HTTP/1.1 413 Payload Too Large");
    let (body, query) = (good.clone(), "a=b&Sign=of-no-interest");
    assert_eq!(hook.post_with(query, body).await.status, 200);
    assert_eq!(chunked(&hook, good.as_bytes()).await, "HTTP/1.1 200 OK");
    assert_eq!(app.requests().len(), 1, "the second time it is known");
    let ended = hook.relay.stop().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let complaints = ended.stderr.matches("a callback was not taken").count();
    assert!((4..9).contains(&complaints), "of each status one at first: {ended:?}");
}

#[tokio::test]
async fn only_trusted_addresses_are_let_in() {
    let world = World::new().await;
    let app = App::new().await;
    for (trusted, status) in [("[\"192.0.2.0/24\", \"::1\"]", 403), ("[\"127.0.0.0/8\"]", 200)] {
        let keys = format!("{DELIVERED}trusted_addresses = {trusted}\n");
        let text = [source(&keys), app.sink("app", "")].concat();
        let hook = Hook::start(&world.raw_config(&text)).await;
        assert_eq!(hook.post(event(0).0).await.status, status, "{trusted}");
    }
}

#[tokio::test]
async fn a_signed_source_takes_only_what_is_signed() {
    let world = World::new().await;
    let app = App::new().await;
    std::fs::write(world.path("sign-key"), format!("{KEY}\n")).unwrap();
    let keys = format!("{DELIVERED}sign_key_file = \"sign-key\"\n");
    let text = [source(&keys), app.sink("app", "")].concat();
    let hook = Hook::start(&world.raw_config(&text)).await;
    let now = time::unix_seconds(time::wall_clock());
    let (later, earlier) = (now + 600, now - 60);
    let sign = |expiry: u64| hex::encode(Md5::digest(format!("{KEY}{expiry}")));
    let with = |n: u64, members: &str| event(n).0.replacen('{', &format!("{{{members},"), 1);
    let upper = sign(later).to_uppercase();
    for (n, members, query) in [
        (0, format!("\"Sign\":\"{}\",\"T\":{later}", sign(later)), String::new()),
        (1, format!("\"T\":\"{later}\",\"Sign\":\"{upper}\""), String::new()),
        (2, "\"x\":1".to_owned(), format!("Sign={}&T={later}", sign(later))),
        (4, "\"x\":1".to_owned(), format!("T={later}&Sign={upper}")),
    ] {
        let reply = hook.post_with(&query, with(n, &members)).await;
        assert_eq!(reply.status, 200, "{members} {query}: {reply:?}");
    }
    assert_eq!(app.requests().len(), 4);
    // The same event with another signature is the same event.
    let members = format!("\"T\":{},\"Sign\":\"{}\"", later + 1, sign(later + 1));
    assert_eq!(hook.post(with(0, &members)).await.status, 200);
    let plain = format!("Sign={}&T={}", sign(later), later);
    assert_eq!(hook.post_with(&plain, event(0).0).await.status, 200);
    assert_eq!(app.requests().len(), 4);
    for (members, query, problem) in [
        ("\"x\":1".to_owned(), String::new(), "not signed"),
        (format!("\"Sign\":\"{}\"", sign(later)), String::new(), "not signed"),
        (format!("\"Sign\":\"{}\",\"T\":{}", sign(later), later + 1), String::new(), "wrong"),
        ("\"x\":1".to_owned(), format!("Sign=00&T={later}"), "wrong"),
        (format!("\"Sign\":\"{}\",\"T\":{earlier}", sign(earlier)), String::new(), "expired"),
    ] {
        let reply = hook.post_with(&query, with(9, &members)).await;
        assert_eq!(reply.status, 401, "{members} {query}: {reply:?}");
        assert!(reply.text.contains(problem), "{reply:?}");
    }
    assert_eq!(app.requests().len(), 4);
    let ended = hook.relay.stop().await;
    assert!(ended.stderr.contains("status=401") && !ended.stderr.contains(KEY), "{ended:?}");
    assert!(!ended.stderr.contains(&sign(later)), "{ended:?}");
}

#[tokio::test]
async fn what_does_not_arrive_in_time_is_given_up() {
    let world = World::new().await;
    let app = App::new().await;
    let keys = format!("{DELIVERED}request_timeout = \"200ms\"\n");
    let text = [source(&keys), app.sink("app", "")].concat();
    let hook = Hook::start(&world.raw_config(&text)).await;
    for half in ["POST / HTTP/1.1\r\nHost: a\r\n", "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n{"]
    {
        let (status, _) = raw(&hook, half.as_bytes()).await;
        assert_eq!(status, "HTTP/1.1 408 Request Timeout", "{half}");
    }
    // Whoever says nothing is told nothing.
    assert_eq!(raw(&hook, b"").await, (String::new(), String::new()));
    let (status, _) = raw(&hook, b"HELO vod.example\r\n\r\n").await;
    assert_eq!(status, "HTTP/1.1 400 Bad Request");
    let head = format!("POST / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(64 << 10));
    let (status, _) = raw(&hook, head.as_bytes()).await;
    assert_eq!(status, "HTTP/1.1 431 Request Header Fields Too Large");
    hook.relay.says("did not arrive within 200ms").await;
    assert!(app.requests().is_empty());
}

/// Sends bytes and reads until the relay closes the connection: the first line, and the rest.
async fn raw(hook: &Hook, bytes: &[u8]) -> (String, String) {
    let address = hook.url.socket_addrs(|| None).unwrap()[0];
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = String::new();
    unstuck("no end", stream.read_to_string(&mut answer)).await.unwrap();
    let (line, rest) = answer.split_once("\r\n").unwrap_or_default();
    (line.to_owned(), rest.to_owned())
}

/// Posts a body without saying how long it is: the first line of the answer.
async fn chunked(hook: &Hook, body: &[u8]) -> String {
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n",
        hook.url.path()
    );
    let mut request = head.into_bytes();
    for chunk in body.chunks(10_000) {
        request.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        request.extend_from_slice(chunk);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    raw(hook, &request).await.0
}

#[tokio::test]
async fn names_of_any_length_do_not_fill_the_log() {
    let (world, app) = (World::new().await, App::new().await);
    let text = [source(DELIVERED), app.sink("app", "")].concat();
    let hook = Hook::start(&world.raw_config(&text)).await;
    let long = "x".repeat(100 << 10);
    let event = |keys: &str| format!("{{\"EventType\":\"{long}\",\"AEvent\":{{{keys}}}}}");
    let keys = format!("\"TaskId\":\"{long}\",\"FileId\":\"{long}\"");
    assert_eq!(hook.post(event(&keys)).await.status, 200);
    hook.relay.says(" delivered ").await;
    let logged = hook.relay.stderr.so_far();
    assert!(logged.len() < long.len(), "{} bytes", logged.len());
}
