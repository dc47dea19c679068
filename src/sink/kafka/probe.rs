//! Looks whether the topic is there.

use std::time::Duration;

use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::producer::Producer as _;

use super::Config;
use super::client::{Client, settings};
use super::trouble::Target;
use crate::exit;
use crate::sink::Probed;

/// The most time that the brokers may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks the brokers about the topic, in a way that creates none.
pub(super) async fn probe(config: &Config) -> Probed {
    let config = config.clone();
    let looked = tokio::task::spawn_blocking(move || look(&config));
    looked.await.unwrap_or_else(|error| Probed::Failing {
        found: format!("the look at the brokers broke down: {error}"),
        mend: "please report this as a bug".to_owned(),
        code: exit::INTERNAL,
    })
}

fn look(config: &Config) -> Probed {
    let mut settings = settings(config);
    settings.set("allow.auto.create.topics", "false");
    let client = match Client::new(&settings, "doctor") {
        Ok(client) => client,
        Err(found) => {
            let mend = "mend ca_file, client_cert_file, client_key_file or options".to_owned();
            return Probed::Failing { found, mend, code: exit::CONFIG };
        }
    };
    let (topic, brokers) = (&config.topic, config.brokers.join(","));
    let asked = client.producer().client().fetch_metadata(Some(topic), PATIENCE);
    let metadata = match asked {
        Ok(metadata) => metadata,
        Err(error) => {
            let (found, is_ours) = Target::of(config).unreachable(&error, client.watch());
            let code = if is_ours { exit::CONFIG } else { exit::UNREACHABLE };
            let mend = match is_ours {
                true => "set user, password and mechanism to what the brokers know",
                false => "start the brokers, or mend brokers, tls, ca_file or the firewall",
            };
            return Probed::Failing { found, mend: mend.to_owned(), code };
        }
    };
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    let error = found.and_then(|found| found.error()).map(Code::from);
    match (found, error) {
        (Some(found), None) => {
            let (count, partitions) = (metadata.brokers().len(), found.partitions().len());
            Probed::Fine {
                found: format!(
                    "Kafka at {brokers}: {count} brokers, topic {topic} has {partitions} partitions"
                ),
            }
        }
        (_, Some(Code::TopicAuthorizationFailed)) => Probed::Failing {
            found: format!("Kafka at {brokers} refuses to tell of topic {topic}"),
            mend: format!("grant the user Write and Describe on topic {topic}"),
            code: exit::CONFIG,
        },
        (_, Some(Code::UnknownTopicOrPartition | Code::UnknownTopic)) | (None, None) => {
            Probed::Doubtful {
                found: format!("Kafka at {brokers} has no topic {topic}"),
                mend: "create it, unless the brokers do so by themselves at the first event".into(),
            }
        }
        (_, Some(code)) => Probed::Failing {
            found: format!("Kafka at {brokers}, topic {topic}: {code}"),
            mend: "see to the brokers".to_owned(),
            code: exit::UNREACHABLE,
        },
    }
}
