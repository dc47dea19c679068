//! A `RabbitMQ` broker with a queue on disk, read by a client that puts everything back.

use std::fs;
use std::process::Command;

use lapin::options::{
    BasicGetOptions, BasicNackOptions, ExchangeDeclareOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};

use super::longer_than;
use crate::conformance::{Engine, Held};
use crate::servers::{Server, free_port, program};
use crate::world::unstuck;

/// The most bytes of a message that the broker takes.
pub const MESSAGE_MAX: usize = 256 * 1024;

/// The queue.
pub const QUEUE: &str = "vod-events";

/// Debian's start script asks for another user; this one starts the broker as who one is.
const PLACES: [&str; 1] = ["/usr/lib/rabbitmq/bin"];

/// A broker with a node name, a cookie and a port mapper of its own.
pub struct Rabbit {
    dir: tempfile::TempDir,
    port: u16,
    mapper_port: u16,
    _mapper: Server,
    broker: Option<Server>,
}

impl Rabbit {
    /// Starts a broker that listens by these lines of its configuration, in which PORT is its port.
    pub async fn with(lines: &str) -> Option<Self> {
        // The one on the path is the script that asks for another user.
        program("rabbitmq-server", &PLACES, "rabbitmq-server")?;
        let dir = tempfile::tempdir().unwrap();
        let (port, mapper_port) = (free_port(), free_port());
        let config = format!(
            "{}\ndefault_user = relay\ndefault_pass = hunter2\nmax_message_size = {MESSAGE_MAX}\n\
             log.file = false\nlog.console = true\n",
            lines.replace("PORT", &format!("127.0.0.1:{port}"))
        );
        fs::write(dir.path().join("rabbitmq.conf"), config).unwrap();
        fs::write(dir.path().join("plugins"), "[].").unwrap();
        let mut mapper = Command::new("epmd");
        mapper.args(["-address", "127.0.0.1", "-port", &mapper_port.to_string()]);
        let mut mapper = Server::spawn(&mapper, &dir.path().join("epmd.log"));
        mapper.listens(mapper_port).await;
        let mut rabbit = Self { dir, port, mapper_port, _mapper: mapper, broker: None };
        rabbit.up().await;
        Some(rabbit)
    }

    /// A broker without TLS and without a queue.
    pub async fn plain() -> Option<Self> {
        Self::with("listeners.tcp.1 = PORT").await
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn signal(&self, name: &str) {
        self.broker.as_ref().unwrap().signal(name);
    }

    /// Runs `rabbitmqctl`.
    pub async fn control(&self, args: &[&str]) {
        let mut command = tokio::process::Command::from(self.program("rabbitmqctl"));
        let run = unstuck("rabbitmqctl", command.args(args).output()).await.unwrap();
        assert!(run.status.success(), "{run:?}");
    }

    /// A program that shares this broker's environment.
    fn program(&self, name: &str) -> Command {
        let dir = self.dir.path();
        let mut command = Command::new(format!("{}/{name}", PLACES[0]));
        command
            .env("HOME", dir)
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("ERL_EPMD_PORT", self.mapper_port.to_string())
            .env("RABBITMQ_NODENAME", format!("vod{}@localhost", self.port))
            .env("RABBITMQ_DIST_PORT", free_port().to_string())
            .env("RABBITMQ_MNESIA_BASE", dir.join("mnesia"))
            .env("RABBITMQ_LOG_BASE", dir.join("log"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", dir.join("plugins"))
            .env("RABBITMQ_CONFIG_FILE", dir.join("rabbitmq.conf"))
            .env("RABBITMQ_CONF_ENV_FILE", dir.join("none"))
            .env("RABBITMQ_FEATURE_FLAGS_FILE", dir.join("features"))
            .env("RABBITMQ_GENERATED_CONFIG_DIR", dir.join("generated"))
            .env("RABBITMQ_PID_FILE", dir.join("pid"))
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-start_epmd false")
            // The script becomes the broker instead of watching it, so that a signal reaches it.
            .env("RUNNING_UNDER_SYSTEMD", "1");
        command
    }

    async fn up(&mut self) {
        let log = self.dir.path().join("rabbit.log");
        // What an earlier start said does not count.
        let _ = fs::remove_file(&log);
        let mut broker = Server::spawn(&self.program("rabbitmq-server"), &log);
        broker.says("Server startup complete").await;
        self.broker = Some(broker);
    }

    /// A channel of one's own to the broker.
    pub async fn channel(&self) -> Channel {
        let url = format!("amqp://relay:hunter2@127.0.0.1:{}", self.port);
        let connection = Connection::connect(&url, ConnectionProperties::default()).await.unwrap();
        connection.create_channel().await.unwrap()
    }

    /// Declares a queue that is kept on disk.
    pub async fn make_queue(&self, name: &str, arguments: FieldTable) {
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        self.channel().await.queue_declare(name.into(), options, arguments).await.unwrap();
    }

    /// Declares an exchange.
    pub async fn make_exchange(&self, name: &str) {
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let (kind, none) = (ExchangeKind::Topic, FieldTable::default());
        self.channel().await.exchange_declare(name.into(), kind, options, none).await.unwrap();
    }

    /// Binds a queue to an exchange.
    pub async fn bind(&self, queue: &str, exchange: &str, key: &str) {
        let (options, none) = (QueueBindOptions::default(), FieldTable::default());
        let channel = self.channel().await;
        channel.queue_bind(queue.into(), exchange.into(), key.into(), options, none).await.unwrap();
    }

    /// All messages of a queue, which stay there.
    pub async fn messages(&self, queue: &str) -> Vec<(BasicProperties, String)> {
        let channel = self.channel().await;
        let mut messages = Vec::new();
        let get = || channel.basic_get(queue.into(), BasicGetOptions::default());
        while let Some(got) = unstuck("a message", get()).await.unwrap() {
            let body = String::from_utf8(got.delivery.data.to_vec()).unwrap();
            messages.push((got.delivery.properties.clone(), body));
        }
        let all = BasicNackOptions { multiple: true, requeue: true };
        if !messages.is_empty() {
            channel.basic_nack(0, all).await.unwrap();
        }
        let back = async {
            while count(&channel, queue).await != messages.len() {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        unstuck("messages that were put back", back).await;
        messages
    }
}

/// How many messages a queue has to give.
async fn count(channel: &Channel, queue: &str) -> usize {
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let queue = channel.queue_declare(queue.into(), options, FieldTable::default());
    usize::try_from(queue.await.unwrap().message_count()).unwrap()
}

impl Engine for Rabbit {
    const TYPE: &'static str = "amqp";
    const KNOWS_IDS: bool = false;

    async fn start() -> Option<Self> {
        let rabbit = Self::plain().await?;
        rabbit.make_queue(QUEUE, FieldTable::default()).await;
        // The broker says that there is a queue some time before that is on disk.
        let on_disk = "mnesia:system_info(is_running) =:= yes andalso mnesia:sync_log().";
        rabbit.control(&["eval", on_disk]).await;
        Some(rabbit)
    }

    fn sink(&self) -> String {
        format!(
            "[sinks.app]\ntype = \"amqp\"\nurl = \"amqp://127.0.0.1:{}\"\nuser = \"relay\"\n\
             password = \"hunter2\"\nrouting_key = \"{QUEUE}\"\n",
            self.port
        )
    }

    fn as_stranger(&self) -> Option<String> {
        Some(self.sink().replace("\"hunter2\"", "\"wrong-hunter2\""))
    }

    fn unwelcome(&self) -> Option<(String, String)> {
        Some((longer_than(MESSAGE_MAX), String::new()))
    }

    async fn freeze(&mut self) {
        self.signal("STOP");
    }

    async fn kill(&mut self) {
        self.broker.take().unwrap().kill();
    }

    async fn revive(&mut self) {
        self.up().await;
    }

    async fn held(&mut self) -> Vec<Held> {
        let messages = self.messages(QUEUE).await.into_iter();
        let held = messages.map(|(properties, body)| Held {
            id: properties.message_id().as_ref().map(ToString::to_string),
            body,
        });
        held.collect()
    }
}
