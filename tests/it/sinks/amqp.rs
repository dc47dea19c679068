use std::sync::Arc;

use lapin::types::{FieldTable, LongString};
use rcgen::ExtendedKeyUsagePurpose;
use vod_relay::exit;
use vod_relay::sink::{Kind, Probed, Sink};

use super::servers::{deliver_all, failing, kind_of, large};
use super::{deliver, open, parcel, permanent, transient};
use crate::authority::Authority;
use crate::engines::amqp::{MESSAGE_MAX, QUEUE, Rabbit};

/// The sink of an engine, with more lines.
fn kind(rabbit: &Rabbit, scheme: &str, more: &str) -> Kind {
    let port = rabbit.port();
    kind_of(&format!(
        "[sinks.app]\ntype = \"amqp\"\nurl = \"{scheme}://127.0.0.1:{port}\"\nuser = \"relay\"\n\
         password = \"hunter2\"\n{more}\n"
    ))
}

fn sink(rabbit: &Rabbit, more: &str) -> Arc<dyn Sink> {
    open(kind(rabbit, "amqp", more))
}

/// The lines for the queue, by the default exchange.
fn to_queue() -> String {
    format!("routing_key = \"{QUEUE}\"")
}

#[tokio::test]
async fn a_missing_queue_is_named_and_a_message_says_what_it_is() {
    let Some(rabbit) = Rabbit::plain().await else { return };
    let sink = sink(&rabbit, &to_queue());
    let reason = transient(deliver(&*sink, parcel(1)).await);
    assert!(
        reason.contains("the queue vod-events at ") && reason.contains("declare it"),
        "{reason}"
    );
    let (found, _, code) = failing(kind(&rabbit, "amqp", &to_queue()).probe().await);
    assert!(found.contains("the queue vod-events does not exist"), "{found}");
    assert_eq!(code, exit::CONFIG);

    rabbit.make_queue(QUEUE, FieldTable::default()).await;
    let event = parcel(1);
    assert_eq!(deliver(&*sink, event.clone()).await, Ok(()));
    let probed = kind(&rabbit, "amqp", &to_queue()).probe().await;
    assert!(matches!(probed, Probed::Fine { .. }), "{probed:?}");
    let messages = rabbit.messages(QUEUE).await;
    let [(properties, body)] = &messages[..] else { panic!("{messages:?}") };
    assert_eq!(body.as_bytes(), &event.event.text()[..]);
    let text = |text: &Option<lapin::types::ShortString>| text.as_ref().map(ToString::to_string);
    assert_eq!(text(properties.message_id()), Some(event.event.id().to_string()));
    assert_eq!(text(properties.kind()).as_deref(), Some("ProcedureStateChanged"));
    assert_eq!(text(properties.content_type()).as_deref(), Some("application/json"));
    assert_eq!(*properties.delivery_mode(), Some(2));
    assert_eq!(*properties.timestamp(), Some(0));
}

#[tokio::test]
async fn only_what_is_bound_for_is_delivered_of_a_batch() {
    let Some(rabbit) = Rabbit::plain().await else { return };
    let keys = "exchange = \"vod\"\nrouting_key = \"vod.{type}\"";
    let sink = sink(&rabbit, keys);
    let reason = transient(deliver(&*sink, parcel(1)).await);
    assert!(reason.contains("has no exchange vod; declare it"), "{reason}");
    assert_eq!(failing(kind(&rabbit, "amqp", keys).probe().await).2, exit::CONFIG);

    rabbit.make_exchange("vod").await;
    rabbit.make_queue(QUEUE, FieldTable::default()).await;
    rabbit.bind(QUEUE, "vod", "vod.ProcedureStateChanged").await;
    // Every third one has no queue. Which confirmation a returned message comes with is by chance.
    let batch: Vec<_> =
        (0..120).map(|n| if n % 3 == 2 { large(n as usize) } else { parcel(n) }).collect();
    for _ in 0..5 {
        let outcomes = deliver_all(&*sink, &batch).await;
        for (n, outcome) in outcomes.into_iter().enumerate() {
            if n % 3 == 2 {
                let reason = transient(outcome);
                assert!(reason.contains("no queue is bound to the exchange vod"), "{reason}");
                assert!(reason.contains("\"vod.FileDeleted\""), "{reason}");
            } else {
                assert_eq!(outcome, Ok(()), "{n}");
            }
        }
    }
    assert_eq!(rabbit.messages(QUEUE).await.len(), 5 * 80);
    rabbit.bind(QUEUE, "vod", "vod.FileDeleted").await;
    assert_eq!(deliver(&*sink, large(1)).await, Ok(()));
}

#[tokio::test]
async fn what_is_too_large_costs_the_others_nothing() {
    let Some(rabbit) = Rabbit::plain().await else { return };
    rabbit.make_queue(QUEUE, FieldTable::default()).await;
    let batch = [parcel(1), large(MESSAGE_MAX), parcel(2), large(MESSAGE_MAX), parcel(3)];
    let outcomes = deliver_all(&*sink(&rabbit, &to_queue()), &batch).await;
    for (n, outcome) in outcomes.into_iter().enumerate() {
        if n % 2 == 0 {
            assert_eq!(outcome, Ok(()), "{n}");
        } else {
            let reason = permanent(outcome);
            assert!(reason.contains("larger than configured max size 262144"), "{reason}");
        }
    }
    let messages = rabbit.messages(QUEUE).await;
    for number in 1..=3 {
        let event = parcel(number).event;
        assert!(messages.iter().any(|(_, body)| body.as_bytes() == &event.text()[..]), "{number}");
    }
}

#[tokio::test]
async fn a_full_queue_can_be_mended() {
    let Some(rabbit) = Rabbit::plain().await else { return };
    let mut full = FieldTable::default();
    full.insert("x-max-length".into(), 1.into());
    full.insert("x-overflow".into(), LongString::from("reject-publish").into());
    rabbit.make_queue(QUEUE, full).await;
    let sink = sink(&rabbit, &to_queue());
    // The broker looks at the length now and then, and takes a few more than that.
    let refused = loop {
        if let Err(refusal) = deliver(&*sink, parcel(1)).await {
            break transient(Err(refusal));
        }
    };
    assert!(refused.contains("could not take it for the queue vod-events"), "{refused}");
}

#[tokio::test]
async fn wrong_credentials_and_hosts_are_refused() {
    let Some(rabbit) = Rabbit::plain().await else { return };
    let port = rabbit.port();
    for (url, words) in [
        (format!("amqp://relay:wrong-hunter2@127.0.0.1:{port}"), "refuses the relay: "),
        (format!("amqp://relay:hunter2@127.0.0.1:{port}/nowhere"), "refuses the relay: "),
    ] {
        let kind = kind_of(&format!(
            "[sinks.app]\ntype = \"amqp\"\nurl = \"{url}\"\nrouting_key = \"q\"\n"
        ));
        let reason = transient(deliver(&*open(kind.clone()), parcel(1)).await);
        assert!(reason.contains(words) && !reason.contains("hunter2"), "{reason}");
        let (found, _, code) = failing(kind.probe().await);
        assert!(found.contains(words) && code == exit::CONFIG, "{found}");
    }
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_and_a_certificate_is_shown() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let (pem, key) = ours.files("127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth);
    let lines = format!(
        "listeners.tcp = none\nlisteners.ssl.1 = PORT\nssl_options.certfile = {}\n\
         ssl_options.keyfile = {}\nssl_options.cacertfile = {}\nssl_options.verify = verify_peer\n\
         ssl_options.fail_if_no_peer_cert = true",
        pem.display(),
        key.display(),
        ours.ca_file().display()
    );
    let Some(rabbit) = Rabbit::with(&lines).await else { return };
    let (cert_file, key_file) = ours.client_files();
    let files = |ca: &Authority| {
        let ca_file = ca.ca_file();
        format!(
            "routing_key = \"{QUEUE}\"\nca_file = {ca_file:?}\n\
             client_cert_file = {cert_file:?}\nclient_key_file = {key_file:?}"
        )
    };
    let reason = transient(deliver(&*open(kind(&rabbit, "amqps", &files(&ours))), parcel(1)).await);
    assert!(reason.contains("the queue vod-events at "), "{reason}");
    let stranger = kind(&rabbit, "amqps", &files(&theirs));
    let reason = transient(deliver(&*open(stranger.clone()), parcel(1)).await);
    assert!(reason.contains("certificate not trusted: "), "{reason}");
    assert_eq!(failing(stranger.probe().await).2, exit::UNREACHABLE);
    let without = format!("routing_key = \"q\"\nca_file = {:?}", ours.ca_file());
    transient(deliver(&*open(kind(&rabbit, "amqps", &without)), parcel(1)).await);
}

#[tokio::test]
async fn who_may_not_write_is_told() {
    let Some(rabbit) = Rabbit::plain().await else { return };
    rabbit.make_queue(QUEUE, FieldTable::default()).await;
    rabbit.make_exchange("vod").await;
    rabbit.control(&["set_permissions", "relay", ".*", "^amq\\.default$", ".*"]).await;
    let keys = "exchange = \"vod\"\nrouting_key = \"k\"";
    let reason = transient(deliver(&*sink(&rabbit, keys), parcel(1)).await);
    assert!(reason.contains("refuses it; let the user write"), "{reason}");
    assert_eq!(deliver(&*sink(&rabbit, &to_queue()), parcel(1)).await, Ok(()));
}

#[tokio::test]
async fn a_broker_that_lets_nobody_publish_is_named_and_gets_it_later() {
    let Some(rabbit) = Rabbit::plain().await else { return };
    rabbit.make_queue(QUEUE, FieldTable::default()).await;
    let sink = sink(&rabbit, &format!("{}\ntimeout = \"2s\"", to_queue()));
    assert_eq!(deliver(&*sink, parcel(1)).await, Ok(()));
    rabbit.control(&["set_vm_memory_high_watermark", "0"]).await;
    // The broker tells those who publish.
    let reason = loop {
        match deliver(&*sink, parcel(2)).await {
            Ok(()) => {}
            late => break transient(late),
        }
    };
    assert!(reason.contains("lets nobody publish for now"), "{reason}");
    rabbit.control(&["set_vm_memory_high_watermark", "0.6"]).await;
    while deliver(&*sink, parcel(3)).await.is_err() {}
}

#[tokio::test]
async fn a_broker_that_does_not_answer_is_given_up() {
    let Some(rabbit) = Rabbit::plain().await else { return };
    rabbit.make_queue(QUEUE, FieldTable::default()).await;
    let sink = sink(&rabbit, &format!("{}\ntimeout = \"1s\"", to_queue()));
    while deliver(&*sink, parcel(1)).await.is_err() {}
    rabbit.signal("STOP");
    // A broker that is told to stop may still answer something.
    let reason = loop {
        match deliver(&*sink, parcel(2)).await {
            Ok(()) => {}
            late => break transient(late),
        }
    };
    assert!(reason.contains("no confirmation in time"), "{reason}");
    let reason = transient(deliver(&*sink, parcel(3)).await);
    assert!(reason.contains("no connection in time"), "{reason}");
    rabbit.signal("CONT");
    for number in [2, 3] {
        while deliver(&*sink, parcel(number)).await.is_err() {}
    }
}
