use std::fs;
use std::sync::Arc;

use rcgen::ExtendedKeyUsagePurpose;
use serde_json::json;
use vod_relay::sink::{Probed, Sink};

use super::servers::kind_of;
use super::{deliver, open, parcel, parcel_of, permanent, transient};
use crate::authority::Authority;
use crate::conformance::Engine as _;
use crate::engines::mqtt::{Mosquitto, PACKET_MAX};

/// A sink for this server, with these keys.
fn sink(server: &Mosquitto, keys: &str) -> Arc<dyn Sink> {
    open(kind_of(&format!("{}{keys}", server.sink())))
}

#[tokio::test]
async fn a_message_has_the_properties_that_are_promised() {
    let Some(mut server) = Mosquitto::start().await else { return };
    let sink = sink(&server, "topic = \"vod/all/{type}\"\n");
    let parcel = parcel(1);
    assert_eq!(deliver(&*sink, parcel.clone()).await, Ok(()));
    let messages = server.messages().await;
    assert_eq!(messages.len(), 1);
    let message = &messages[0];
    assert_eq!(message["topic"], "vod/all/ProcedureStateChanged");
    assert_eq!((&message["qos"], &message["retain"]), (&json!(1), &json!(0)));
    let properties = &message["properties"];
    assert_eq!(properties["content-type"], "application/json");
    let id = parcel.event.id().to_string();
    let expected = json!({ "id": id, "type": "ProcedureStateChanged" });
    assert_eq!(properties["user-properties"], expected);
}

#[tokio::test]
async fn a_message_for_nobody_is_not_delivered() {
    let Some(mut server) = Mosquitto::with("").await else { return };
    let strict = sink(&server, "");
    let reason = transient(deliver(&*strict, parcel(1)).await);
    assert!(reason.starts_with("nobody is subscribed to vod/events at mqtt://127."), "{reason}");
    let lax = sink(&server, "require_subscriber = false\n");
    assert_eq!(deliver(&*lax, parcel(2)).await, Ok(()));
    server.subscribe().await;
    assert_eq!(deliver(&*strict, parcel(1)).await, Ok(()));
    assert_eq!(server.messages().await.len(), 1);
    // Who is away with a session that lasts is subscribed.
    server.leave();
    assert_eq!(deliver(&*strict, parcel(3)).await, Ok(()));
    server.subscribe().await;
    assert_eq!(server.messages().await.len(), 2);
}

#[tokio::test]
async fn a_retained_message_waits_for_those_who_come_later() {
    let Some(mut server) = Mosquitto::with("").await else { return };
    let sink = sink(&server, "retain = true\nrequire_subscriber = false\n");
    for number in 1..=2 {
        assert_eq!(deliver(&*sink, parcel(number)).await, Ok(()));
    }
    server.subscribe().await;
    let messages = server.messages().await;
    let bodies: Vec<_> = messages.iter().map(|message| message["payload"].as_str()).collect();
    assert_eq!(bodies, [str::from_utf8(parcel(2).event.text()).ok()]);
}

#[tokio::test]
async fn what_is_too_large_is_refused_for_good_and_the_others_are_taken() {
    let Some(mut server) = Mosquitto::start().await else { return };
    let sink = sink(&server, "");
    // The largest that there can be, and one byte more.
    let sized = |length: usize| {
        let text = "x".repeat(length);
        parcel_of(format!(r#"{{"EventType":"FileDeleted","FileDeleteEvent":{{"T":"{text}"}}}}"#))
    };
    let reason = permanent(deliver(&*sink, sized(PACKET_MAX)).await);
    let (_, size) = reason.rsplit_once(' ').unwrap();
    let over: usize = size.parse::<usize>().unwrap() - PACKET_MAX;
    let batch = [parcel(1), sized(PACKET_MAX - over + 1), sized(PACKET_MAX - over), parcel(2)];
    let mut outcomes = sink.deliver(&batch).await;
    let reason = permanent(outcomes.remove(1));
    assert!(reason.ends_with("at the most, and this one has 150001"), "{reason}");
    assert_eq!(outcomes, [Ok(()), Ok(()), Ok(())]);
    assert_eq!(server.messages().await.len(), 3);
}

#[tokio::test]
async fn what_the_user_may_not_do_is_not_delivered() {
    let Some(mut server) = Mosquitto::start().await else { return };
    let reason = transient(deliver(&*sink(&server, "topic = \"other\"\n"), parcel(1)).await);
    assert!(reason.contains(" refuses it; let the user publish to other"), "{reason}");
    assert!(server.messages().await.is_empty());
}

#[tokio::test]
async fn the_password_comes_from_a_file() {
    let Some(server) = Mosquitto::start().await else { return };
    let file = server.dir.path().join("password");
    fs::write(&file, "hunter2\n").unwrap();
    let key = format!("password_file = {file:?}\n");
    let keys = server.sink().replace("password = \"hunter2\"\n", &key);
    let kind = kind_of(&keys);
    assert_eq!(deliver(&*open(kind.clone()), parcel(1)).await, Ok(()));
    let Probed::Fine { found } = kind.probe().await else { panic!("not fine") };
    assert!(found.contains(" lets the relay in ("), "{found}");
    // The relay's connection is not the doctor's, whatever its name.
    fs::write(&file, "wrong-hunter2\n").unwrap();
    let Probed::Failing { found, code, .. } = kind_of(&keys).probe().await else {
        panic!("not failing")
    };
    assert!(found.ends_with("refuses the user \"relay\" or its password"), "{found}");
    assert_eq!(code, 78);
    // A user alone may be a token.
    let keys =
        server.sink().replace("password = \"hunter2\"\n", "").replace("\"relay\"", "\"hunter2\"");
    let Probed::Failing { found, .. } = kind_of(&keys).probe().await else { panic!("not failing") };
    assert!(found.ends_with("refuses the user, which has no password"), "{found}");
}

#[tokio::test]
async fn only_a_certificate_that_is_trusted_is_talked_to() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let (cert_file, key_file) = ours.files("127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth);
    let lines = format!(
        "certfile {}\nkeyfile {}\ncafile {}\nrequire_certificate true\n",
        cert_file.display(),
        key_file.display(),
        ours.ca_file().display()
    );
    let Some(server) = Mosquitto::with(&lines).await else { return };
    let (cert_file, key_file) = ours.client_files();
    let sink = |authority: &Authority, more: &str| {
        let keys = server.sink().replace("mqtt://", "mqtts://");
        let ca_file = authority.ca_file();
        open(kind_of(&format!("{keys}require_subscriber = false\nca_file = {ca_file:?}\n{more}")))
    };
    let shown = format!("client_cert_file = {cert_file:?}\nclient_key_file = {key_file:?}\n");
    assert_eq!(deliver(&*sink(&ours, &shown), parcel(1)).await, Ok(()));
    let reason = transient(deliver(&*sink(&theirs, &shown), parcel(1)).await);
    assert!(reason.contains("certificate not trusted: "), "{reason}");
    let reason = transient(deliver(&*sink(&ours, ""), parcel(1)).await);
    assert!(reason.contains("CertificateRequired"), "{reason}");
    let plain = open(kind_of(&server.sink()));
    let reason = transient(deliver(&*plain, parcel(1)).await);
    let ends = ["the server closed the connection", "connection reset by the server"];
    assert!(ends.iter().any(|end| reason.ends_with(end)), "{reason}");
}

#[tokio::test]
async fn a_server_that_hangs_is_left_and_found_again() {
    let Some(mut server) = Mosquitto::start().await else { return };
    let sink = sink(&server, "timeout = \"1s\"\n");
    assert_eq!(deliver(&*sink, parcel(1)).await, Ok(()));
    server.signal("STOP");
    let reason = transient(deliver(&*sink, parcel(2)).await);
    assert!(reason.ends_with(": no acknowledgement in time"), "{reason}");
    let reason = transient(deliver(&*sink, parcel(2)).await);
    assert!(reason.ends_with(": no connection in time"), "{reason}");
    server.signal("CONT");
    assert_eq!(deliver(&*sink, parcel(3)).await, Ok(()));
    let messages = server.messages().await;
    let third = parcel(3);
    let third = str::from_utf8(third.event.text()).unwrap();
    assert!(messages.iter().any(|message| message["payload"] == third), "{messages:?}");
}
