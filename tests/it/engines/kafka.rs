//! Kafka: three brokers of librdkafka's mock cluster, in this process. They keep what they have in
//! memory, so they cannot be killed; to be dead they drop all connections and take none. While
//! they are frozen they keep no record that comes, and put off every answer.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Headers as _, Message as _};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::doorkeeper::Doorkeeper;
use super::longer_than;
use crate::conformance::{Engine, Held};
use crate::world::STUCK;

pub const TOPIC: &str = "vod-events";

/// A partition of the mock cluster drops its oldest records at 5 MiB.
const PARTITIONS: i32 = 16;

/// More requests than the producer makes while the brokers are frozen.
const PRODUCES: usize = 10_000;

/// All brokers.
const ALL: i32 = -1;

pub struct Cluster {
    pub brokers: MockCluster<'static, DefaultProducerContext>,
    door: Doorkeeper,
}

impl Cluster {
    /// Starts the brokers, without a topic.
    pub async fn bare() -> Self {
        let brokers = MockCluster::new(3).unwrap();
        Self { brokers, door: Doorkeeper::open(None).await }
    }

    pub fn create_topic(&self) {
        self.brokers.create_topic(TOPIC, PARTITIONS, 3).unwrap();
    }

    pub fn addresses(&self) -> Vec<String> {
        self.brokers.bootstrap_servers().split(',').map(str::to_owned).collect()
    }

    /// Every record that the topic has.
    pub async fn records(&self) -> Vec<Record> {
        let addresses = self.brokers.bootstrap_servers();
        tokio::task::spawn_blocking(move || read_all(&addresses)).await.unwrap()
    }
}

/// A record as a consumer gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub partition: i32,
    pub key: Option<String>,
    pub value: String,
    pub headers: Vec<(String, String)>,
}

fn read_all(addresses: &str) -> Vec<Record> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", addresses)
        .set("group.id", "reader")
        .set("enable.auto.commit", "false")
        .set("fetch.wait.max.ms", "10")
        .create()
        .unwrap();
    let mut all = TopicPartitionList::new();
    let mut wanted = 0;
    for partition in 0..PARTITIONS {
        let (low, high) = consumer.fetch_watermarks(TOPIC, partition, STUCK).unwrap();
        assert_eq!(low, 0, "partition {partition} has dropped records");
        wanted += usize::try_from(high).unwrap();
        all.add_partition_offset(TOPIC, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&all).unwrap();
    let mut records = Vec::new();
    while records.len() < wanted {
        let message = consumer.poll(STUCK).expect("a record comes");
        // Brokers that were down for a while are told of as errors.
        let Ok(message) = message else { continue };
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
        let headers = headers.map(|h| (h.key.to_owned(), text(h.value.unwrap())));
        records.push(Record {
            partition: message.partition(),
            key: message.key().map(text),
            value: text(message.payload().unwrap()),
            headers: headers.collect(),
        });
    }
    records
}

impl Engine for Cluster {
    const TYPE: &'static str = "kafka";
    const KNOWS_IDS: bool = false;

    async fn start() -> Option<Self> {
        let cluster = Self::bare().await;
        cluster.create_topic();
        Some(cluster)
    }

    fn sink(&self) -> String {
        let brokers = self.addresses();
        format!("[sinks.app]\ntype = \"kafka\"\nbrokers = {brokers:?}\ntopic = \"{TOPIC}\"\n")
    }

    fn as_stranger(&self) -> Option<String> {
        // The mock cluster has no users. Who asks for a password here has no records.
        let broker = self.door.address();
        Some(format!(
            "[sinks.app]\ntype = \"kafka\"\nbrokers = [{broker:?}]\ntopic = \"{TOPIC}\"\n\
             user = \"relay\"\npassword = \"wrong-hunter2\"\n"
        ))
    }

    fn unwelcome(&self) -> Option<(String, String)> {
        let limit = "options = { \"message.max.bytes\" = \"16000\" }\n";
        Some((longer_than(16_000), limit.to_owned()))
    }

    async fn freeze(&mut self) {
        self.brokers.broker_round_trip_time(ALL, STUCK).unwrap();
        let refused = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT; PRODUCES];
        self.brokers.request_errors(RDKafkaApiKey::Produce, &refused);
    }

    async fn kill(&mut self) {
        self.brokers.broker_down(ALL).unwrap();
    }

    async fn revive(&mut self) {
        self.brokers.clear_request_errors(RDKafkaApiKey::Produce);
        self.brokers.broker_round_trip_time(ALL, Duration::ZERO).unwrap();
        self.brokers.broker_up(ALL).unwrap();
    }

    async fn held(&mut self) -> Vec<Held> {
        let records = self.records().await.into_iter();
        let id = |record: &Record| {
            record.headers.iter().find(|(name, _)| name == "id").map(|(_, id)| id.clone())
        };
        records.map(|record| Held { id: id(&record), body: record.value }).collect()
    }
}
