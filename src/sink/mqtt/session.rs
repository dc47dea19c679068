//! A connection to the server, which ends when it breaks.
//!
//! The client could reconnect by itself, but then it would send again what is not acknowledged, for
//! as long as it takes, behind the back of a lane that does the same. So each connection begins with
//! nothing, and with its end everything in it has failed.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rumqttc::{
    AsyncClient, Broker, ConnAck, ConnectReturnCode, ConnectionError, DisconnectReasonCode, Event,
    EventLoop, MqttOptions, NetworkOptions, Packet, StateError, TlsConfiguration, Transport,
};
use rustls::ClientConfig;
use tokio::task::JoinHandle;

use super::settings::Config;
use super::{BATCH, CONCURRENCY};
use crate::http;
use crate::sink::link::Connection;

/// The longest that the server may take to let the relay in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// How long nothing may come from the server before it is asked for a sign of life, in seconds.
const KEEP_ALIVE_S: u16 = 10;

/// The most messages that are not acknowledged. A server may ask for fewer.
const IN_FLIGHT: u16 = 256;

/// The largest packet that there can be: what is left of it has four digits of 7 bits.
const PACKET_MAX: usize = 5 + 268_435_455;

/// Why there is no connection.
#[derive(Debug)]
pub(super) struct Refused {
    /// What happened, to what.
    pub(super) reason: String,
    /// Whether the server answered, and does not let the relay in.
    pub(super) by_server: bool,
}

/// A connection that works, or did.
pub(super) struct Session {
    pub(super) client: AsyncClient,
    /// The largest packet that the server takes.
    pub(super) packet_max: usize,
    /// Why it broke.
    end: Arc<OnceLock<String>>,
    driver: JoinHandle<()>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("end", &self.end).finish_non_exhaustive()
    }
}

impl Connection for Session {
    fn is_alive(&self) -> bool {
        self.end.get().is_none() && !self.driver.is_finished()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Session {
    /// Connects, as a client that the server knows nothing of.
    pub(super) async fn open(
        config: &Config,
        tls: Option<Arc<ClientConfig>>,
        client_id: &str,
    ) -> Result<Self, Refused> {
        let shown = &config.shown;
        let options = options(config, tls, client_id);
        let built = AsyncClient::builder(options).capacity(BATCH * CONCURRENCY).try_build();
        let (client, mut events) = built
            .map_err(|error| Refused { reason: format!("{shown}: {error}"), by_server: false })?;
        let welcome = welcome(&mut events).await.map_err(|error| refused(&error, config))?;
        let terms = welcome.properties.as_ref();
        let declined = |what: &str| Refused { reason: format!("{shown} {what}"), by_server: true };
        if terms.is_some_and(|terms| terms.max_qos == Some(0)) {
            return Err(declined("takes no QoS 1, which is what acknowledges a message"));
        }
        if config.retain && terms.is_some_and(|terms| terms.retain_available == Some(0)) {
            return Err(declined("retains no messages; set retain = false"));
        }
        let largest = terms.and_then(|terms| usize::try_from(terms.max_packet_size?).ok());
        let end = Arc::default();
        let driver = tokio::spawn(drive(events, Arc::clone(&end)));
        Ok(Self { client, packet_max: largest.unwrap_or(PACKET_MAX), end, driver })
    }

    /// Why it broke, if it did.
    pub(super) fn end(&self) -> &str {
        self.end.get().map_or("the connection broke", String::as_str)
    }
}

/// A name for a connection that no other has.
pub(super) fn made_up_id() -> String {
    // Together no more than the 23 characters that every server takes.
    format!("{}-{:012x}", env!("CARGO_PKG_NAME"), fastrand::u64(..1 << 48))
}

fn options(config: &Config, tls: Option<Arc<ClientConfig>>, client_id: &str) -> MqttOptions {
    let (host, port) = config.address();
    let mut options = MqttOptions::new(client_id, Broker::tcp(host, port));
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    options
        .set_clean_start(true)
        .set_keep_alive(KEEP_ALIVE_S)
        .set_connect_timeout(CONNECT_TIMEOUT.min(config.timeout / 2))
        .set_outgoing_inflight_upper_limit(IN_FLIGHT)
        .set_network_options(network);
    if let Some(tls) = tls {
        options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(tls)));
    }
    if let Some((user, password)) = &config.login {
        options.set_credentials(user.clone(), password.expose().to_owned());
    }
    options
}

/// Waits until the server has let the relay in: its terms.
async fn welcome(events: &mut EventLoop) -> Result<ConnAck, ConnectionError> {
    loop {
        if let Event::Incoming(Packet::ConnAck(welcome)) = events.poll().await? {
            return Ok(welcome);
        }
    }
}

/// Sends and receives until the connection breaks. What is not acknowledged by then has failed, which
/// those who wait for it hear when the client's part is dropped.
async fn drive(mut events: EventLoop, end: Arc<OnceLock<String>>) {
    let error = loop {
        if let Err(error) = events.poll().await {
            break error;
        }
    };
    // Nobody else sets it.
    let _ = end.set(words(&error));
}

fn refused(error: &ConnectionError, config: &Config) -> Refused {
    let shown = &config.shown;
    let ConnectionError::ConnectionRefused(code) = error else {
        return Refused { reason: format!("{shown}: {}", words(error)), by_server: false };
    };
    let (what, by_server) = match code {
        ConnectReturnCode::BadUserNamePassword
        | ConnectReturnCode::NotAuthorized
        | ConnectReturnCode::BadAuthenticationMethod
        | ConnectReturnCode::Banned => match &config.login {
            // Some services take a token for a user, and no password.
            Some((_, password)) if password.is_empty() => {
                ("refuses the user, which has no password".to_owned(), true)
            }
            Some((user, _)) => (format!("refuses the user {user:?} or its password"), true),
            None => ("refuses the relay without a user".to_owned(), true),
        },
        ConnectReturnCode::ClientIdentifierNotValid | ConnectReturnCode::BadClientId => {
            ("refuses the client_id".to_owned(), true)
        }
        ConnectReturnCode::UnsupportedProtocolVersion
        | ConnectReturnCode::RefusedProtocolVersion => ("does not speak MQTT 5".to_owned(), true),
        code => (format!("does not let the relay in: {code:?}"), false),
    };
    Refused { reason: format!("{shown} {what}"), by_server }
}

/// What became of a connection.
fn words(error: &ConnectionError) -> String {
    match error {
        ConnectionError::Timeout(_) => "no connection in time".to_owned(),
        ConnectionError::MqttState(StateError::ConnectionAborted) => {
            "the server closed the connection".to_owned()
        }
        ConnectionError::MqttState(StateError::AwaitPingResp) => {
            "the server gives no sign of life".to_owned()
        }
        ConnectionError::MqttState(StateError::ServerDisconnect {
            reason_code: DisconnectReasonCode::SessionTakenOver,
            ..
        }) => "another client came with the same client_id; give each its own".to_owned(),
        ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, reason_string }) => {
            let said = reason_string.as_ref().map(|said| format!(" ({said})")).unwrap_or_default();
            format!("the server ended the connection: {reason_code:?}{said}")
        }
        ConnectionError::MqttState(StateError::Deserialization(error)) => match error {
            rumqttc::Error::Io(error) => http::root_cause(error),
            error => format!("what it says is no MQTT 5: {error}"),
        },
        error => http::root_cause(error),
    }
}
