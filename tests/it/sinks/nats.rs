use std::fs;
use std::path::Path;
use std::sync::Arc;

use rcgen::ExtendedKeyUsagePurpose;
use serde_json::json;
use vod_relay::exit;
use vod_relay::sink::{Kind, Outcome, Probed, Sink};

use super::servers::{deliver_all, failing, kind_of, large};
use super::{deliver, open, parcel, permanent, transient};
use crate::authority::Authority;
use crate::engines::nats::{MAX_PAYLOAD, Nats};

/// The sink of an engine, with more lines.
fn kind(nats: &Nats, scheme: &str, more: &str) -> Kind {
    let port = nats.port();
    kind_of(&format!(
        "[sinks.app]\ntype = \"nats\"\nurl = \"{scheme}://127.0.0.1:{port}\"\n{more}\n"
    ))
}

fn sink(nats: &Nats, more: &str) -> Arc<dyn Sink> {
    open(kind(nats, "nats", more))
}

#[tokio::test]
async fn a_message_has_the_subject_of_its_type_and_says_what_it_is() {
    let Some(nats) = Nats::with("").await else { return };
    nats.make_stream("vod.>", json!({ "allow_direct": true })).await;
    let sink = sink(&nats, "subject = \"vod.{type}\"\nformat = \"cloudevents\"");
    let event = parcel(1);
    assert_eq!(deliver(&*sink, event.clone()).await, Ok(()));
    // A second time, to a stream that knows it.
    assert_eq!(deliver(&*sink, event.clone()).await, Ok(()));
    let messages = nats.messages().await;
    assert_eq!(messages.len(), 1);
    let has = |line: &str| messages[0].headers.iter().any(|header| header == line);
    assert!(has("Nats-Subject: vod.ProcedureStateChanged"), "{messages:?}");
    assert!(has(&format!("Nats-Msg-Id: {}", event.event.id())), "{messages:?}");
    assert!(has("Content-Type: application/cloudevents+json"), "{messages:?}");
    assert!(has("Vod-Event-Type: ProcedureStateChanged"), "{messages:?}");
    assert!(messages[0].body.contains("\"specversion\":\"1.0\""), "{messages:?}");
}

#[tokio::test]
async fn a_missing_stream_is_named_and_events_flow_once_it_is_made() {
    let Some(nats) = Nats::with("").await else { return };
    let sink = sink(&nats, "");
    let reason = transient(deliver(&*sink, parcel(1)).await);
    let remedy = "make one: nats stream add VOD --subjects \"vod.events\"";
    assert!(
        reason.contains("takes the subject vod.events") && reason.ends_with(remedy),
        "{reason}"
    );
    let (found, mend, code) = failing(kind(&nats, "nats", "").probe().await);
    assert!(found.ends_with("no stream takes vod.events"), "{found}");
    assert!(mend.ends_with(remedy) && code == exit::CONFIG, "{mend}");
    let varying = kind(&nats, "nats", "subject = \"vod.{type}\"").probe().await;
    assert!(matches!(varying, Probed::Doubtful { .. }), "{varying:?}");

    nats.make_stream("vod.events", json!({ "allow_direct": true })).await;
    assert_eq!(deliver(&*sink, parcel(1)).await, Ok(()));
    assert_eq!(nats.messages().await[0].body.as_bytes(), &parcel(1).event.text()[..]);
    match kind(&nats, "nats", "").probe().await {
        Probed::Fine { found } => {
            assert!(found.ends_with("its stream VOD takes vod.events"), "{found}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_server_without_jetstream_has_no_stream_either() {
    let Some(nats) = Nats::with("accounts { A { users [ { user: a } ] } }\nno_auth_user: a").await
    else {
        return;
    };
    let reason = transient(deliver(&*sink(&nats, ""), parcel(1)).await);
    assert!(reason.contains("or JetStream is off there"), "{reason}");
    assert_eq!(failing(kind(&nats, "nats", "").probe().await).2, exit::CONFIG);
}

#[tokio::test]
async fn what_is_too_large_costs_the_others_nothing() {
    let Some(nats) = Nats::with("").await else { return };
    nats.make_stream("vod.events", json!({ "allow_direct": true, "max_msg_size": 9000 })).await;
    let batch = [parcel(1), large(MAX_PAYLOAD), parcel(2), large(9000), parcel(3)];
    let outcomes = deliver_all(&*sink(&nats, ""), &batch).await;
    let [first, second, third, fourth, fifth] = <[Outcome; 5]>::try_from(outcomes).unwrap();
    assert_eq!([first, third, fifth], [Ok(()), Ok(()), Ok(())]);
    let reason = permanent(second);
    assert!(reason.contains(&format!("messages of {MAX_PAYLOAD} bytes at the most")), "{reason}");
    let reason = permanent(fourth);
    assert!(reason.contains("message size exceeds maximum allowed"), "{reason}");
    assert_eq!(nats.messages().await.len(), 3);
}

#[tokio::test]
async fn a_full_stream_can_be_mended() {
    let Some(nats) = Nats::with("").await else { return };
    let full = json!({ "allow_direct": true, "max_msgs": 1, "discard": "new" });
    nats.make_stream("vod.events", full).await;
    let outcomes = deliver_all(&*sink(&nats, ""), &[parcel(1), parcel(2)]).await;
    assert_eq!(outcomes[0], Ok(()));
    let reason = transient(outcomes[1].clone());
    assert!(reason.contains("maximum messages exceeded"), "{reason}");
}

#[tokio::test]
async fn a_missing_permission_costs_only_the_events_that_lack_it() {
    let lines = "authorization { users [ { user: reader }, { user: relay, password: hunter2, \
                 permissions { publish { deny: [\"vod.FileDeleted\"] } } } ] }\n\
                 no_auth_user: reader";
    let Some(nats) = Nats::with(lines).await else { return };
    nats.make_stream("vod.>", json!({ "allow_direct": true })).await;
    let keys = "subject = \"vod.{type}\"\nuser = \"relay\"\npassword = \"hunter2\"";
    let outcomes = deliver_all(&*sink(&nats, keys), &[parcel(1), large(1), parcel(2)]).await;
    assert_eq!((&outcomes[0], &outcomes[2]), (&Ok(()), &Ok(())));
    let reason = transient(outcomes[1].clone());
    assert!(reason.contains("refuses it") && reason.contains("\"vod.FileDeleted\""), "{reason}");
}

#[tokio::test]
async fn who_may_not_hear_of_acknowledgements_is_told() {
    let lines = "authorization { users [ { user: reader }, { user: relay, password: hunter2, \
                 permissions { subscribe { deny: [\"_INBOX.>\"] } } } ] }\nno_auth_user: reader";
    let Some(nats) = Nats::with(lines).await else { return };
    nats.make_stream("vod.>", json!({ "allow_direct": true })).await;
    let keys = "user = \"relay\"\npassword = \"hunter2\"";
    let reason = transient(deliver(&*sink(&nats, keys), parcel(1)).await);
    assert!(reason.contains("subscribe to _INBOX.>"), "{reason}");
}

#[tokio::test]
async fn a_right_that_is_granted_is_used_without_a_restart() {
    for denied in ["publish { deny: [\"vod.>\"] }", "subscribe { deny: [\"_INBOX.>\"] }"] {
        let lines = |permissions: &str| {
            format!(
                "authorization {{ users [ {{ user: reader }}, {{ user: relay, password: hunter2 \
                 {permissions} }} ] }}\nno_auth_user: reader"
            )
        };
        let permissions = format!(", permissions {{ {denied} }}");
        let Some(mut nats) = Nats::with(&lines(&permissions)).await else { return };
        nats.make_stream("vod.>", json!({ "allow_direct": true })).await;
        let sink = sink(&nats, "user = \"relay\"\npassword = \"hunter2\"");
        for _ in 0..2 {
            let reason = transient(deliver(&*sink, parcel(1)).await);
            assert!(reason.contains("refuses it"), "{denied}: {reason}");
        }
        nats.reload_with(&lines("")).await;
        assert_eq!(deliver(&*sink, parcel(1)).await, Ok(()), "{denied}");
        assert_eq!(nats.messages().await.len(), 1, "{denied}");
    }
}

#[tokio::test]
async fn a_token_is_shown_and_a_wrong_one_is_refused() {
    let Some(nats) = Nats::with("authorization { token: hunter2 }").await else { return };
    let right = transient(deliver(&*sink(&nats, "token = \"hunter2\""), parcel(1)).await);
    assert!(right.contains("no stream"), "{right}");
    for (keys, words) in [
        ("token = \"wrong-hunter2\"", "refuses the token"),
        ("user = \"hunter2\"\npassword = \"hunter2\"", "refuses the user or its password"),
        ("", "wants credentials, and refuses the relay without"),
    ] {
        let reason = transient(deliver(&*sink(&nats, keys), parcel(1)).await);
        assert!(reason.contains(words) && !reason.contains("hunter2"), "{reason}");
        let (found, _, code) = failing(kind(&nats, "nats", keys).probe().await);
        assert!(found.contains(words) && code == exit::CONFIG, "{found}");
    }
}

#[tokio::test]
async fn a_file_of_credentials_is_shown_and_one_of_a_stranger_is_refused() {
    let trust = include_str!("../../data/nats/operator.conf");
    let Some(nats) = Nats::with(trust).await else { return };
    let keys = |name: &str| {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/nats").join(name);
        format!("credentials_file = {file:?}")
    };
    let reason = transient(deliver(&*sink(&nats, &keys("relay.creds")), parcel(1)).await);
    assert!(reason.contains("no stream"), "{reason}");
    let stranger = keys("stranger.creds");
    let reason = transient(deliver(&*sink(&nats, &stranger), parcel(1)).await);
    assert!(reason.contains("refuses the credentials of the file"), "{reason}");
    assert_eq!(failing(kind(&nats, "nats", &stranger).probe().await).2, exit::CONFIG);
}

#[tokio::test]
async fn renewed_certificates_are_read_on_sighup() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let (pem, key) = ours.files("127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth);
    let lines = format!("tls {{ cert_file: {pem:?}, key_file: {key:?} }}");
    let Some(nats) = Nats::with(&lines).await else { return };
    let sink = open(kind(&nats, "tls", &format!("ca_file = {:?}", theirs.ca_file())));
    let mut told = Vec::new();
    told.push(transient(deliver(&*sink, parcel(1)).await));
    fs::write(theirs.ca_file(), "in the middle of being written").unwrap();
    sink.reopen();
    told.push(transient(deliver(&*sink, parcel(1)).await));
    fs::copy(ours.ca_file(), theirs.ca_file()).unwrap();
    sink.reopen();
    told.push(transient(deliver(&*sink, parcel(1)).await));
    assert!(told[..2].iter().all(|reason| reason.contains("not trusted")), "{told:?}");
    assert!(told[2].contains("no stream"), "{told:?}");
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_and_a_certificate_is_shown() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let (pem, key) = ours.files("127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth);
    let ca = ours.ca_file();
    let lines =
        format!("tls {{ cert_file: {pem:?}, key_file: {key:?}, ca_file: {ca:?}, verify: true }}");
    let Some(nats) = Nats::with(&lines).await else { return };
    let (cert_file, key_file) = ours.client_files();
    let files = |ca: &Authority| {
        let ca_file = ca.ca_file();
        format!(
            "ca_file = {ca_file:?}\nclient_cert_file = {cert_file:?}\n\
             client_key_file = {key_file:?}\ntimeout = \"5s\""
        )
    };
    // The server asks for TLS either way.
    for scheme in ["tls", "nats"] {
        let sink = open(kind(&nats, scheme, &files(&ours)));
        let reason = transient(deliver(&*sink, parcel(1)).await);
        assert!(reason.contains("no stream"), "{reason}");
        let sink = open(kind(&nats, scheme, &files(&theirs)));
        let reason = transient(deliver(&*sink, parcel(1)).await);
        assert!(reason.contains("certificate not trusted: "), "{reason}");
    }
    let without = format!("ca_file = {ca:?}");
    let reason = transient(deliver(&*open(kind(&nats, "tls", &without)), parcel(1)).await);
    assert!(reason.contains("TLS") || reason.contains("connection"), "{reason}");
    let (_, _, code) = failing(kind(&nats, "tls", &files(&theirs)).probe().await);
    assert_eq!(code, exit::UNREACHABLE);
}

#[tokio::test]
async fn who_names_a_certificate_talks_to_no_server_without_tls() {
    let Some(nats) = Nats::with("").await else { return };
    nats.make_stream("vod.>", json!({})).await;
    let authority = Authority::new();
    let sink = sink(&nats, &format!("ca_file = {:?}", authority.ca_file()));
    let reason = transient(deliver(&*sink, parcel(1)).await);
    assert!(reason.ends_with("TLS: the server does not talk it at this port"), "{reason}");
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("relay.creds");
    let keys = format!(
        "[sinks.app]\ntype = \"nats\"\nurl = \"nats://127.0.0.1:4222\"\ncredentials_file = {file:?}\n"
    );
    let problem = |what: &str| {
        let error = kind_of(&keys).open("app").unwrap_err().to_string();
        assert!(error.contains(what) && !error.contains("hunter2"), "{error}");
    };
    problem("cannot read ");
    std::fs::write(&file, "hunter2").unwrap();
    problem("relay.creds holds no credentials");
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up_and_gets_each_event_once() {
    let Some(nats) = Nats::with("").await else { return };
    nats.make_stream("vod.events", json!({ "allow_direct": true })).await;
    let sink = sink(&nats, "timeout = \"500ms\"");
    assert_eq!(deliver(&*sink, parcel(1)).await, Ok(()));
    nats.signal("STOP");
    // A server that is told to stop may still answer something.
    let mut last = 2;
    let reason = loop {
        match deliver(&*sink, parcel(last)).await {
            Ok(()) => last += 1,
            late => break transient(late),
        }
    };
    assert!(reason.contains("no acknowledgement for vod.events in time"), "{reason}");
    let reason = transient(deliver(&*sink, parcel(last + 1)).await);
    assert!(reason.contains("in time"), "{reason}");
    nats.signal("CONT");
    // What was sent in vain may have come by now, or come later.
    for number in [last, last + 1] {
        while deliver(&*sink, parcel(number)).await.is_err() {}
    }
    assert_eq!(nats.messages().await.len(), usize::try_from(last + 1).unwrap());
}
