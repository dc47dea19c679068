use std::time::Duration;

use rcgen::ExtendedKeyUsagePurpose;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;
use vod_relay::format::Format;
use vod_relay::secret::Secret;
use vod_relay::sink::kafka::{Config, Key, Login, Mechanism};
use vod_relay::sink::{Kind, Probed};
use vod_relay::tls::Files;

use super::{deliver, open, parcel, parcel_of, permanent, transient};
use crate::authority::Authority;
use crate::engines::doorkeeper::Doorkeeper;
use crate::engines::kafka::{Cluster, Record, TOPIC};

fn config(brokers: Vec<String>) -> Config {
    Config {
        brokers,
        topic: TOPIC.to_owned(),
        key: Key::File,
        tls: None,
        login: None,
        options: Vec::new(),
        format: Format::Callback,
        timeout: Duration::from_secs(8),
    }
}

/// The same for one that is not to be waited for.
fn soon(brokers: Vec<String>) -> Config {
    Config { timeout: Duration::from_secs(2), ..config(brokers) }
}

fn option(name: &str, value: &str) -> (String, Secret) {
    (name.to_owned(), Secret::from(value.to_owned()))
}

async fn cluster() -> Cluster {
    let cluster = Cluster::bare().await;
    cluster.create_topic();
    cluster
}

/// Events of one media file and of none.
fn event(task: &str, file: &str) -> String {
    format!(
        r#"{{"EventType":"ProcedureStateChanged","ProcedureStateChangeEvent":{{"TaskId":"{task}","FileId":{file}}}}}"#
    )
}

#[tokio::test]
async fn a_record_has_the_key_and_the_headers_that_are_promised() {
    for key in [Key::File, Key::Task, Key::Id, Key::None] {
        let cluster = cluster().await;
        let sink = open(Kind::new(Config { key, ..config(cluster.addresses()) }));
        let texts = [event("t1", "\"f\""), event("t2", "\"f\""), event("t3", "null")];
        let parcels: Vec<_> = texts.iter().map(|text| parcel_of(text.clone())).collect();
        assert_eq!(sink.deliver(&parcels).await, [Ok(()), Ok(()), Ok(())]);
        let records = cluster.records().await;
        let found = |text: &str| -> Record {
            records.iter().find(|record| record.value == text).unwrap().clone()
        };
        for (n, parcel) in parcels.iter().enumerate() {
            let record = found(&texts[n]);
            let id = parcel.event.id().to_string();
            let expected = match key {
                Key::File => (n < 2).then(|| "f".to_owned()),
                Key::Task => Some(format!("t{}", n + 1)),
                Key::Id => Some(id.clone()),
                Key::None => None,
            };
            assert_eq!(record.key, expected);
            let headers = [
                ("id", id.as_str()),
                ("type", "ProcedureStateChanged"),
                ("content-type", "application/json"),
            ];
            assert_eq!(record.headers, headers.map(|(k, v)| (k.to_owned(), v.to_owned())));
        }
        if key == Key::File {
            // Where Java puts the key "f" among 16 partitions.
            let partitions = [0, 1].map(|n: usize| found(&texts[n]).partition);
            assert_eq!(partitions, [15, 15]);
        }
    }
}

#[tokio::test]
async fn what_is_too_large_is_refused_for_good_and_the_others_are_taken() {
    let cluster = cluster().await;
    let options = vec![option("message.max.bytes", "4000")];
    let sink = open(Kind::new(Config { options, ..config(cluster.addresses()) }));
    let large = event(&"long".repeat(2_000), "null");
    let mut outcomes = sink.deliver(&[parcel(1), parcel_of(large), parcel(2)]).await;
    let reason = permanent(outcomes.remove(1));
    assert!(reason.contains("larger than message.max.bytes"), "{reason}");
    assert_eq!(outcomes, [Ok(()), Ok(())]);
    assert_eq!(cluster.records().await.len(), 2);
}

#[tokio::test]
async fn a_request_that_is_refused_as_a_whole_is_sent_again_event_by_event() {
    let cluster = cluster().await;
    let refusals = |count: usize, error: RDKafkaRespErr| {
        cluster.brokers.request_errors(RDKafkaApiKey::Produce, &vec![error; count]);
    };
    let sink = open(Kind::new(config(cluster.addresses())));
    for error in [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_RECORD,
    ] {
        let before = cluster.records().await.len();
        refusals(1, error);
        assert_eq!(deliver(&*sink, parcel(1)).await, Ok(()));
        assert_eq!(cluster.records().await.len(), before + 1);
        // Refused alone too, it is the event's own fault.
        refusals(2, error);
        let reason = permanent(deliver(&*sink, parcel(2)).await);
        assert!(reason.starts_with("Kafka topic vod-events: the broker finds the "), "{reason}");
        assert_eq!(cluster.records().await.len(), before + 1);
    }
}

#[tokio::test]
async fn a_topic_that_is_missing_can_be_made() {
    let cluster = Cluster::bare().await;
    let options = vec![option("allow.auto.create.topics", "false")];
    let sink = open(Kind::new(Config { options, ..config(cluster.addresses()) }));
    let reason = transient(deliver(&*sink, parcel(1)).await);
    assert!(reason.contains("there is none at 127.0.0.1"), "{reason}");
    assert!(reason.contains("create it"), "{reason}");
    let kind = Kind::new(config(cluster.addresses()));
    let Probed::Doubtful { found, .. } = kind.probe().await else { panic!("not doubtful") };
    assert!(found.ends_with("has no topic vod-events"), "{found}");
    cluster.create_topic();
    assert_eq!(deliver(&*sink, parcel(1)).await, Ok(()));
    let Probed::Fine { found } = kind.probe().await else { panic!("not fine") };
    assert!(found.ends_with("3 brokers, topic vod-events has 16 partitions"), "{found}");
    assert_eq!(cluster.records().await.len(), 1);
}

#[tokio::test]
async fn without_an_acknowledgement_nothing_is_delivered() {
    let cluster = cluster().await;
    cluster.brokers.broker_round_trip_time(-1, Duration::from_secs(60)).unwrap();
    let sink = open(Kind::new(soon(cluster.addresses())));
    let reason = transient(deliver(&*sink, parcel(1)).await);
    assert!(reason.contains("not acknowledged within 1s 500ms: "), "{reason}");
}

#[tokio::test]
async fn a_producer_that_is_beyond_repair_is_replaced() {
    let cluster = cluster().await;
    let error = RDKafkaRespErr::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
    cluster.brokers.request_errors(RDKafkaApiKey::InitProducerId, &[error]);
    let sink = open(Kind::new(config(cluster.addresses())));
    let reason = transient(deliver(&*sink, parcel(1)).await);
    assert!(reason.contains("the broker refuses what user \"ANONYMOUS\" wants"), "{reason}");
    assert_eq!(deliver(&*sink, parcel(1)).await, Ok(()));
}

#[tokio::test]
async fn a_password_is_shown_and_its_refusal_is_told() {
    let door = Doorkeeper::open(None).await;
    let login = |password: &str| Login {
        mechanism: Mechanism::Plain,
        user: "relay".to_owned(),
        password: Secret::from(password.to_owned()),
    };
    let config = Config { login: Some(login("wrong-hunter2")), ..soon(vec![door.address()]) };
    assert!(!format!("{config:?}").contains("hunter2"), "{config:?}");
    let sink = open(Kind::new(config));
    assert!(!format!("{sink:?}").contains("hunter2"), "{sink:?}");
    let reason = transient(deliver(&*sink, parcel(1)).await);
    assert!(reason.contains("the broker refuses user \"relay\": "), "{reason}");
    assert!(reason.contains("Wrong credentials."), "{reason}");
    assert_eq!(door.shown()[0], "relay wrong-hunter2");

    // SCRAM proves the password to a broker that offers it, which this one does not.
    let login = Login { mechanism: Mechanism::ScramSha512, ..login("hunter2") };
    let sink = open(Kind::new(Config { login: Some(login), ..soon(vec![door.address()]) }));
    let reason = transient(deliver(&*sink, parcel(1)).await);
    assert!(reason.contains("SCRAM-SHA-512"), "{reason}");
}

#[tokio::test]
async fn only_a_certificate_that_is_trusted_is_talked_to() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let (certificate, key) = ours.issue("127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth);
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let server = ServerConfig::builder().with_no_client_auth();
    let server = server.with_single_cert(vec![certificate.der().clone()], key).unwrap();
    let door = Doorkeeper::open(Some(TlsAcceptor::from(std::sync::Arc::new(server)))).await;
    let sink = |authority: &Authority, broker: String| {
        let password = Secret::from("wrong".to_owned());
        let user = "relay".to_owned();
        let login = Some(Login { mechanism: Mechanism::Plain, user, password });
        let tls = Some(Files { ca_file: Some(authority.ca_file()), identity: None });
        open(Kind::new(Config { tls, login, ..soon(vec![broker]) }))
    };
    let reason = transient(deliver(&*sink(&theirs, door.address()), parcel(1)).await);
    assert!(reason.contains("certificate verify failed"), "{reason}");
    assert_eq!(door.shown(), [""; 0]);
    let reason = transient(deliver(&*sink(&ours, door.address()), parcel(1)).await);
    assert!(reason.contains("the broker refuses user \"relay\": "), "{reason}");
    // A broker that talks no TLS.
    let plain = Doorkeeper::open(None).await;
    let reason = transient(deliver(&*sink(&ours, plain.address()), parcel(1)).await);
    assert!(reason.ends_with("does this port talk TLS?"), "{reason}");
    let missing =
        Files { ca_file: Some(ours.ca_file().with_file_name("missing.pem")), identity: None };
    let error = Kind::new(Config { tls: Some(missing), ..config(vec![door.address()]) });
    let error = error.open("app").unwrap_err().to_string();
    assert!(error.starts_with("sink app: cannot read /"), "{error}");
    assert!(error.contains("missing.pem: No such file"), "{error}");
    let key_file = Files { ca_file: Some(ours.client_files().1), identity: None };
    let error = Kind::new(Config { tls: Some(key_file), ..config(vec![door.address()]) });
    let error = error.open("app").unwrap_err().to_string();
    assert!(error.starts_with("sink app: cannot set up Kafka: ssl.ca.location "), "{error}");
}
