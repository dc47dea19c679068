use std::fs;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::net::TcpListener;
use vod_relay::event::Event;
use vod_relay::format::Format;
use vod_relay::redis::{Address, Server};
use vod_relay::sink::redis::Config;
use vod_relay::sink::{Kind, Limits, Outcome, Parcel, Sink};
use vod_relay::time;
use vod_relay::tls::Files;

use super::{DEADLINE, deliver, open, parcel, parcel_of, permanent, transient};
use crate::engines::redis::Redis;

fn config(url: &str) -> Config {
    Config {
        address: Address::from_url(&url.parse().unwrap()).unwrap(),
        files: Files::default(),
        stream: "vod:events".to_owned(),
        max_len: None,
        wait_replicas: 0,
        format: Format::Callback,
        timeout: Duration::from_secs(5),
    }
}

async fn all(sink: &dyn Sink, batch: &[Parcel]) -> Vec<Outcome> {
    tokio::time::timeout(DEADLINE, sink.deliver(batch)).await.unwrap()
}

#[tokio::test]
async fn an_entry_says_what_it_is_about() {
    let Some(redis) = Redis::with(&[]).await else { return };
    let sink = open(Kind::new(config(&redis.url())));
    let event = r#"{"EventType":"NewFileUpload","FileUploadEvent":{"FileId":"f-1"}}"#;
    deliver(&*sink, parcel(1)).await.unwrap();
    deliver(&*sink, parcel_of(event.to_owned())).await.unwrap();
    let entries = redis.entries("vod:events");
    let names = |at: usize| entries[at].keys().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(names(0), ["body", "id", "received", "task", "type"]);
    assert_eq!(names(1), ["body", "file", "id", "received", "type"]);
    let fields = &entries[1];
    assert_eq!(fields["id"], Event::from_content(event.to_owned()).id().to_string());
    assert_eq!((&fields["type"], &fields["file"]), (&"NewFileUpload".into(), &"f-1".into()));
    assert_eq!(fields["received"], "1970-01-01T00:00:00.000Z");
    assert_eq!(fields["body"], event);
}

#[tokio::test]
async fn a_stream_is_kept_to_about_its_length_in_its_database() {
    let Some(redis) = Redis::with(&["--stream-node-max-entries", "10"]).await else { return };
    let (url, stream) = (format!("{}/3", redis.url()), "short".to_owned());
    let sink = open(Kind::new(Config { max_len: Some(20), stream, ..config(&url) }));
    let batch: Vec<_> = (0..200).map(parcel).collect();
    assert!(all(&*sink, &batch).await.iter().all(Result::is_ok));
    let kept: usize = redis.cli(&["-n", "3", "XLEN", "short"]).parse().unwrap();
    assert!((20..200).contains(&kept), "{kept}");
    assert_eq!(redis.cli(&["EXISTS", "short"]), "0");
}

#[tokio::test]
async fn as_many_replicas_as_wanted_must_have_it() {
    let Some(redis) = Redis::with(&[]).await else { return };
    let (port, password) = (redis.port.to_string(), "hunter2");
    let replica = ["--replicaof", &format!("127.0.0.1 {port}"), "--masterauth", password];
    let Some(replica) = Redis::with(&replica).await else { return };
    redis.is_followed_by(1).await;
    let wanting = |wait_replicas| {
        open(Kind::new(Config {
            wait_replicas,
            timeout: Duration::from_secs(2),
            ..config(&redis.url())
        }))
    };
    let sink = wanting(1);
    assert_eq!(sink.limits().concurrency, 1);
    deliver(&*sink, parcel(1)).await.unwrap();
    assert_eq!(replica.entries("vod:events").len(), 1);
    let reason = transient(deliver(&*wanting(2), parcel(2)).await);
    assert!(reason.contains("only 1 of 2 replicas have it within"), "{reason}");

    let of_replica = config(&replica.url());
    let reason = transient(deliver(&*open(Kind::new(of_replica.clone())), parcel(3)).await);
    assert!(reason.contains("READONLY") && reason.contains("name the primary"), "{reason}");
    let probed = format!("{:?}", Kind::new(of_replica).probe().await);
    assert!(probed.contains("Failing") && probed.contains("is a replica"), "{probed}");
}

/// A name may lead to another server by now; the old one keeps its connections.
#[tokio::test]
async fn a_server_that_is_no_primary_any_more_is_connected_to_anew() {
    let Some(redis) = Redis::with(&[]).await else { return };
    let sink = open(Kind::new(config(&redis.url())));
    deliver(&*sink, parcel(1)).await.unwrap();
    let before = redis.connections_after("xadd");
    redis.cli(&["REPLICAOF", "127.0.0.1", "1"]);
    let reason = transient(deliver(&*sink, parcel(2)).await);
    assert!(reason.contains("READONLY"), "{reason}");
    redis.cli(&["REPLICAOF", "NO", "ONE"]);
    deliver(&*sink, parcel(2)).await.unwrap();
    let after = redis.connections_after("xadd");
    assert_eq!((before.len(), after.len()), (1, 1), "{before:?} {after:?}");
    assert_ne!(before, after);
}

#[tokio::test]
async fn a_transaction_on_what_is_no_primary_any_more_connects_anew() {
    let Some(redis) = Redis::with(&[]).await else { return };
    let server = Server::new(config(&redis.url()).address, Files::default()).unwrap();
    let mut note = ::redis::pipe();
    note.atomic().hset("notes", "app", "delivered");
    let until = || time::now() + DEADLINE;
    server.transact(&note, until()).await.unwrap();
    let before = redis.connections_after("exec");
    redis.cli(&["REPLICAOF", "127.0.0.1", "1"]);
    let failure = server.transact(&note, until()).await.unwrap_err().to_string();
    assert!(failure.contains("READONLY"), "{failure}");
    redis.cli(&["REPLICAOF", "NO", "ONE"]);
    server.transact(&note, until()).await.unwrap();
    let after = redis.connections_after("exec");
    assert_eq!((before.len(), after.len()), (1, 1), "{before:?} {after:?}");
    assert_ne!(before, after);
}

#[tokio::test]
async fn what_an_operator_can_mend_is_tried_again() {
    let Some(redis) = Redis::with(&[]).await else { return };
    let kind = Kind::new(config(&redis.url()));
    let sink = open(kind.clone());
    redis.cli(&["SET", "vod:events", "a string"]);
    let reason = transient(deliver(&*sink, parcel(1)).await);
    assert!(reason.contains("WRONGTYPE") && reason.contains("delete it"), "{reason}");
    let probed = format!("{:?}", kind.probe().await);
    assert!(probed.contains("Failing") && probed.contains("no stream but a string"), "{probed}");
    redis.cli(&["DEL", "vod:events"]);

    redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    let reason = transient(deliver(&*sink, parcel(1)).await);
    assert!(reason.contains("OOM") && reason.contains("maxmemory"), "{reason}");
    redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);

    let stranger = redis.url().replace("hunter2", "wrong");
    let reason = transient(deliver(&*open(Kind::new(config(&stranger))), parcel(1)).await);
    assert!(reason.contains("refuses the password: authentication failed"), "{reason}");

    redis.cli(&["ACL", "SETUSER", "default", "-xadd"]);
    let reason = transient(deliver(&*sink, parcel(1)).await);
    assert!(reason.contains("refuses") && reason.contains("NOPERM"), "{reason}");
    redis.cli(&["ACL", "SETUSER", "default", "+xadd"]);

    deliver(&*sink, parcel(1)).await.unwrap();
    let probed = format!("{:?}", kind.probe().await);
    assert!(probed.contains("Fine") && probed.contains("has the stream"), "{probed}");
    assert_eq!(redis.entries("vod:events").len(), 1);
}

#[tokio::test]
async fn an_event_that_is_too_large_costs_the_others_nothing() {
    let Some(redis) = Redis::with(&[]).await else { return };
    let sink = open(Kind::new(config(&redis.url())));
    let large = |bytes: usize| {
        let text = "x".repeat(bytes);
        parcel_of(format!(r#"{{"EventType":"Large","LargeEvent":{{"Text":"{text}"}}}}"#))
    };
    let mut batch: Vec<_> = (0..40).map(parcel).collect();
    batch.insert(10, large(3 << 20));
    batch.insert(20, large(2 << 20));
    // Once the server has hung up, and on the next connection all the same.
    for round in 1..=2 {
        for (at, outcome) in all(&*sink, &batch).await.into_iter().enumerate() {
            match at {
                10 | 20 => {
                    let reason = permanent(outcome);
                    assert!(reason.contains("larger than its proto-max-bulk-len"), "{reason}");
                }
                _ => outcome.unwrap(),
            }
        }
        assert_eq!(redis.entries("vod:events").len(), 40 * round);
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_left_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let timeout = Duration::from_millis(200);
    let sink = open(Kind::new(Config { timeout, ..config(&url) }));
    let Limits { timeout, .. } = sink.limits();
    for _ in 0..3 {
        // What the lane does.
        let batch = [parcel(1)];
        let outcomes = tokio::time::timeout(timeout, sink.deliver(&batch)).await;
        if let Ok(mut outcomes) = outcomes {
            let reason = transient(outcomes.remove(0));
            assert!(reason.contains("no answer within"), "{reason}");
        }
    }
}

#[tokio::test]
async fn tls_asks_for_a_certificate_that_is_trusted() {
    let dir = tempfile::tempdir().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("ca.pem"), issuer.pem()).unwrap();
    fs::write(path("server.pem"), certificate.pem()).unwrap();
    fs::write(path("server.key"), key.serialize_pem()).unwrap();
    let port = crate::servers::free_port();
    let Some(redis) = Redis::with(&[
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        &path("server.pem"),
        "--tls-key-file",
        &path("server.key"),
        "--tls-ca-cert-file",
        &path("ca.pem"),
        "--tls-auth-clients",
        "optional",
    ])
    .await
    else {
        return;
    };
    let url = format!("rediss://:hunter2@localhost:{port}");
    let trusting = Files { ca_file: Some(path("ca.pem").into()), identity: None };
    let trusting = open(Kind::new(Config { files: trusting, ..config(&url) }));
    deliver(&*trusting, parcel(1)).await.unwrap();
    trusting.reopen();
    deliver(&*trusting, parcel(2)).await.unwrap();
    assert_eq!(redis.entries("vod:events").len(), 2);
    let reason = transient(deliver(&*open(Kind::new(config(&url))), parcel(3)).await);
    assert!(reason.contains("certificate"), "{reason}");
    // A certificate of another name, and the port without TLS.
    for url in [
        format!("rediss://:hunter2@127.0.0.1:{port}"),
        format!("rediss://localhost:{}", redis.port),
    ] {
        let files = Files { ca_file: Some(path("ca.pem").into()), identity: None };
        let sink = open(Kind::new(Config { files, ..config(&url) }));
        transient(deliver(&*sink, parcel(3)).await);
    }
    assert_eq!(redis.entries("vod:events").len(), 2);
}

#[test]
fn what_is_wrong_with_an_address_is_told_without_it() {
    for (keys, mistake) in [
        ("url = \"redis://a:hunter2@h/x\"", "url: has no number of a database as its path"),
        ("url = \"http://a:hunter2@h\"", "url: has a scheme other than redis or rediss"),
        ("url = \"redis://a:hunter2@h\"\nuser = \"b\"", "user: stands beside one in url"),
        ("url = \"redis://:hunter2@h\"\npassword = \"b\"", "password: stands beside one in url"),
        ("url = \"redis://hunter2@h\"", "url: names a user without a password"),
        ("url = \"redis://h\"\nuser = \"b\"", "user: names a user without a password"),
        ("url = \"redis://h\"\nstream = \"\"", "stream: is empty"),
        ("url = \"redis://h\"\nmax_len = 0", "max_len: is 0"),
        ("url = \"redis://h\"\nca_file = \"ca.pem\"", "ca_file: goes with rediss:// alone"),
    ] {
        let text = format!("[sources.main]\n[sinks.app]\ntype = \"redis\"\n{keys}\n");
        let error = vod_relay::config::Config::parse("test", &text, &|_| None).unwrap_err();
        let error = error.to_string();
        assert!(error.contains(mistake) && !error.contains("hunter2"), "{error}");
    }
}

#[test]
fn no_secret_is_shown() {
    let config = config("redis://relay:hunter2@localhost/1");
    let kind = Kind::new(config.clone());
    let (kind, sink) = (format!("{kind:?}"), format!("{:?}", open(kind)));
    assert!(!kind.contains("hunter2") && !sink.contains("hunter2"), "{kind} {sink}");
    assert!(kind.contains("relay"), "{kind}");
}
