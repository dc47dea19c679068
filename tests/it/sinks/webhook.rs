mod server;
mod tls;

use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName};
use vod_relay::format::Format;
use vod_relay::sink::webhook::Config;
use vod_relay::sink::{Kind, Refusal, Sink};

use self::server::{Answer, Server};
use super::{deliver, open, parcel, permanent, transient};

fn config(url: &str) -> Config {
    Config {
        url: url.parse().unwrap(),
        headers: HeaderMap::new(),
        signing_secrets: Vec::new(),
        ca_file: None,
        identity: None,
        max_concurrency: 128,
        format: Format::Callback,
        timeout: Duration::from_secs(10),
    }
}

fn sink(url: &str) -> Arc<dyn Sink> {
    open(Kind::new(config(url)))
}

#[tokio::test]
async fn an_event_is_posted_as_it_is_with_its_id_and_the_time() {
    let server = Server::start([Answer::status("204 No Content")]).await;
    let mut config = config(&server.url("/vod?key=k"));
    config.headers.insert("x-tenant", "acme".parse().unwrap());
    let event = parcel(1);
    let sink = open(Kind::new(config));
    assert_eq!(deliver(&*sink, event.clone()).await, Ok(()));
    let request = server.requests().remove(0);
    assert_eq!(request.line, "POST /vod?key=k HTTP/1.1");
    assert_eq!(request.body, event.event.text()[..]);
    assert_eq!(request.header("content-type"), Some("application/json"));
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(request.header("user-agent"), Some(&*format!("vod-relay/{version}")));
    assert_eq!(request.header("webhook-id"), Some(&*event.event.id().to_string()));
    assert_eq!(request.header("x-tenant"), Some("acme"));
    assert_eq!(request.header("accept-encoding"), None);
    let sent = request.header("webhook-timestamp").unwrap().parse::<u64>().unwrap();
    let now = vod_relay::time::unix_seconds(vod_relay::time::wall_clock());
    assert!((now - 10..=now).contains(&sent), "{sent} at {now}");
}

#[tokio::test]
async fn a_retry_carries_the_same_id() {
    let server =
        Server::start([Answer::status("503 Service Unavailable"), Answer::status("200 OK")]).await;
    let sink = sink(&server.url("/"));
    transient(deliver(&*sink, parcel(1)).await);
    assert_eq!(deliver(&*sink, parcel(1)).await, Ok(()));
    let requests = server.requests();
    let ids: Vec<_> = requests.iter().map(|request| request.header("webhook-id")).collect();
    assert!(ids[0].is_some() && ids[0] == ids[1], "{ids:?}");
}

#[tokio::test]
async fn configured_headers_replace_the_usual_ones() {
    let server = Server::start([Answer::status("200 OK")]).await;
    let mut config = config(&server.url("/").replace("http://", "http://user:pass@"));
    for (name, value) in [("content-type", "text/json"), ("user-agent", "mine/1")] {
        config.headers.insert(HeaderName::from_static(name), value.parse().unwrap());
    }
    let sink = open(Kind::new(config));
    assert_eq!(deliver(&*sink, parcel(1)).await, Ok(()));
    let request = server.requests().remove(0);
    assert_eq!(request.all("content-type"), ["text/json"]);
    assert_eq!(request.all("user-agent"), ["mine/1"]);
    assert_eq!(request.header("authorization"), Some("Basic dXNlcjpwYXNz"));
}

#[tokio::test]
async fn every_class_of_status_has_its_meaning() {
    for status in ["200 OK", "201 Created", "202 Accepted", "299 Fine"] {
        let server = Server::start([Answer::status(status)]).await;
        assert_eq!(deliver(&*sink(&server.url("/")), parcel(1)).await, Ok(()), "{status}");
    }
    for status in [
        "408 Request Timeout",
        "425 Too Early",
        "429 Too Many Requests",
        "500 Internal Server Error",
        "502 Bad Gateway",
        "599 Whatever",
    ] {
        let server = Server::start([Answer::status(status)]).await;
        let reason = transient(deliver(&*sink(&server.url("/")), parcel(1)).await);
        assert!(reason.contains(&status[..3]), "{reason}");
    }
    for status in
        ["304 Not Modified", "400 Bad Request", "401 Unauthorized", "404 Not Found", "410 Gone"]
    {
        let server = Server::start([Answer::status(status)]).await;
        let reason = permanent(deliver(&*sink(&server.url("/")), parcel(1)).await);
        assert!(reason.contains(status), "{reason}");
    }
}

#[tokio::test]
async fn a_refusal_quotes_the_answer_and_hides_the_secrets_of_the_url() {
    let answer = Answer::text("422 Unprocessable Entity", "", "no such\n video \u{1b}[31m");
    let server = Server::start([answer]).await;
    let url = server.url("/vod?key=hunter2").replace("http://", "http://hunter2@");
    let reason = permanent(deliver(&*sink(&url), parcel(1)).await);
    let shown = server.url("/vod?...");
    assert_eq!(
        reason,
        format!("POST {shown} answered 422 Unprocessable Entity: no such video [31m")
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let headers = "Location: /elsewhere?key=hunter2\r\n";
    for status in ["301 Moved Permanently", "303 See Other", "307 Temporary Redirect"] {
        let server = Server::start([Answer::text(status, headers, "")]).await;
        let reason = permanent(deliver(&*sink(&server.url("/")), parcel(1)).await);
        let target = server.url("/elsewhere?...");
        assert!(reason.contains(&format!("a redirect to {target}, which is not")), "{reason}");
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn the_receiver_says_when_to_come_again() {
    let date = httpdate::fmt_http_date(vod_relay::time::wall_clock() + Duration::from_secs(100));
    for (value, expected) in [("7".to_owned(), 7..=7), (date, 80..=100)] {
        let headers = format!("Retry-After: {value}\r\n");
        let answer = Answer::text("429 Too Many Requests", &headers, "");
        let server = Server::start([answer]).await;
        match deliver(&*sink(&server.url("/")), parcel(1)).await {
            Err(Refusal::Transient { retry_after: Some(after), .. }) => {
                assert!(expected.contains(&after.as_secs()), "{after:?}");
            }
            other => panic!("{value}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn the_body_has_no_say_however_long_slow_or_broken_it_is() {
    for answer in [Answer::Endless("200 OK"), Answer::Stalls("200 OK"), Answer::Truncated("200 OK")]
    {
        let server = Server::start([answer]).await;
        assert_eq!(deliver(&*sink(&server.url("/")), parcel(1)).await, Ok(()));
    }
    let server = Server::start([Answer::Endless("400 Bad Request")]).await;
    let reason = permanent(deliver(&*sink(&server.url("/")), parcel(1)).await);
    assert!(reason.len() < 300 && reason.ends_with("xxx..."), "{reason}");
    let server = Server::start([Answer::Stalls("500 Internal Server Error")]).await;
    transient(deliver(&*sink(&server.url("/")), parcel(1)).await);
}

#[tokio::test]
async fn connections_are_kept_and_a_dead_one_is_replaced() {
    let fine = || Answer::text("200 OK", "", "thanks");
    let server = Server::start([fine(), fine(), Answer::HangsUpAfter("200 OK"), fine()]).await;
    let sink = sink(&server.url("/"));
    for number in 0..4 {
        assert_eq!(deliver(&*sink, parcel(number)).await, Ok(()));
        if number == 2 {
            server.hung_up().await;
        }
    }
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn faults_of_the_network_are_transient_and_named() {
    let server = Server::start([Answer::HangsUp]).await;
    let reason = transient(deliver(&*sink(&server.url("/")), parcel(1)).await);
    assert!(reason.contains("connection"), "{reason}");

    let server = Server::start([Answer::Raw("SSH-2.0-OpenSSH\r\n\r\n")]).await;
    let reason = transient(deliver(&*sink(&server.url("/")), parcel(1)).await);
    assert!(reason.contains("HTTP"), "{reason}");

    // A server without TLS answers a hello in its own way.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        connection.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        // Until the other side has gone: what is not read here would reset the connection.
        io::copy(&mut connection, &mut io::sink()).unwrap();
    });
    let reason = transient(deliver(&*sink(&url), parcel(1)).await);
    assert!(reason.ends_with(": TLS: the server does not talk it at this port"), "{reason}");

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let reason = transient(deliver(&*sink(&url), parcel(1)).await);
    assert_eq!(reason, format!("POST {url}: connection refused"));

    let reason = transient(deliver(&*sink("http://no-such-host.invalid/"), parcel(1)).await);
    assert!(reason.starts_with("POST http://no-such-host.invalid/: "), "{reason}");
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_transient() {
    let server = Server::start([Answer::Silent]).await;
    let mut config = config(&server.url("/"));
    config.timeout = Duration::from_millis(50);
    let reason = transient(deliver(&*open(Kind::new(config)), parcel(1)).await);
    assert!(reason.ends_with(": no answer within 50ms"), "{reason}");
}
