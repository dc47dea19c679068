//! Looks whether the server lets the relay in.

use super::Config;
use super::session::{Refused, Session, made_up_id};
use crate::exit;
use crate::sink::Probed;
use crate::time;

/// Connects, and publishes nothing. The server tells of rights and subscribers only when it gets a
/// message.
pub(super) async fn probe(config: &Config) -> Probed {
    let started = time::now();
    let tls = match config.tls() {
        Ok(tls) => tls,
        Err(found) => {
            let mend = "name files in ca_file, client_cert_file and client_key_file that can be \
                        used"
                .to_owned();
            return Probed::Failing { found, mend, code: exit::CONFIG };
        }
    };
    // Not the relay's own, which would end the connection of one that runs.
    let client_id = match &config.client_id {
        Some(client_id) => format!("{client_id}-doctor"),
        None => made_up_id(),
    };
    let shown = &config.shown;
    match Session::open(config, tls, &client_id).await {
        Ok(_) => {
            let (took, topic) = (started.elapsed().as_millis(), config.topic.with("+"));
            Probed::Fine {
                found: format!(
                    "{shown} lets the relay in ({took} ms); who is subscribed to {topic} only an \
                     event shows"
                ),
            }
        }
        Err(Refused { reason: found, by_server: true }) => Probed::Failing {
            found,
            mend: "mend user, password, client_id, or the server's configuration".to_owned(),
            code: exit::CONFIG,
        },
        Err(Refused { reason: found, by_server: false }) => Probed::Failing {
            found,
            mend: "start the server, or mend url, ca_file or the firewall".to_owned(),
            code: exit::UNREACHABLE,
        },
    }
}
