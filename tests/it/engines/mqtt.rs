//! Mosquitto, and a subscriber that writes down what it gets.
//!
//! Mosquitto acknowledges a message before it is on disk, so what it holds when it is killed cannot
//! be asked of it: what it has handed to a subscriber who is there can.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::longer_than;
use crate::conformance::{Engine, Held};
use crate::servers::{Server, free_port, program};
use crate::world::unstuck;

/// The largest packet that the server takes.
pub const PACKET_MAX: usize = 150_000;

/// What the reader is subscribed to.
const TOPICS: &str = "vod/#";

/// Between two looks at whether the reader has got something.
const LOOK: Duration = Duration::from_millis(100);

/// A server, and the folder that it keeps everything in.
pub struct Mosquitto {
    pub dir: tempfile::TempDir,
    port: u16,
    server: Option<Server>,
    reader: Option<Server>,
    markers: u32,
}

impl Mosquitto {
    /// Starts a server that has these lines for its listener, without a reader.
    pub async fn with(lines: &str) -> Option<Self> {
        find("mosquitto", "mosquitto")?;
        find("mosquitto_sub", "mosquitto-clients")?;
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let passwords = dir.path().join("passwords");
        fs::write(&passwords, "relay:hunter2\nreader:reader\n").unwrap();
        let mut hash = Command::new(find("mosquitto_passwd", "mosquitto")?);
        assert!(hash.arg("-U").arg(&passwords).status().unwrap().success());
        let rights = dir.path().join("rights");
        fs::write(
            &rights,
            format!("user relay\ntopic write {TOPICS}\nuser reader\ntopic {TOPICS}\n"),
        )
        .unwrap();
        let config = format!(
            "listener {port} 127.0.0.1\n{lines}\nuser root\nallow_anonymous false\n\
             password_file {}\nacl_file {}\nlog_dest stderr\nlog_type all\n\
             persistence true\npersistence_location {}/\nautosave_on_changes true\n\
             autosave_interval 1\nmax_packet_size {PACKET_MAX}\n\
             max_inflight_messages 0\nmax_queued_messages 0\n",
            passwords.display(),
            rights.display(),
            dir.path().display()
        );
        fs::write(dir.path().join("mosquitto.conf"), config).unwrap();
        let mut all = Self { dir, port, server: None, reader: None, markers: 0 };
        all.up().await;
        Some(all)
    }

    pub fn signal(&self, name: &str) {
        self.server.as_ref().unwrap().signal(name);
    }

    async fn up(&mut self) {
        let mut command = Command::new(find("mosquitto", "mosquitto").unwrap());
        command.arg("-c").arg(self.dir.path().join("mosquitto.conf"));
        let mut server = Server::spawn(&command, &self.dir.path().join("mosquitto.log"));
        server.listens(self.port).await;
        self.server = Some(server);
    }

    /// A client of the server, as the reader.
    fn client(&self, name: &str) -> Command {
        let mut command = Command::new(find(name, "mosquitto-clients").unwrap());
        command.args(["-h", "127.0.0.1", "-u", "reader", "-P", "reader", "-V", "5", "-q", "1"]);
        command.args(["--quiet", "-p"]).arg(self.port.to_string());
        command
    }

    /// Subscribes, with a session that lasts when the reader goes away.
    pub async fn subscribe(&mut self) {
        let mut command = self.client("mosquitto_sub");
        command.args(["-t", TOPICS, "-i", "reader", "-c", "-x", "3600", "-F", "%j"]);
        command.args(["-D", "connect", "receive-maximum", "65535"]);
        let reader = Server::spawn(&command, &self.read_file());
        self.reader = Some(reader);
        self.server.as_mut().unwrap().says("Sending SUBACK to reader").await;
    }

    /// Ends the reader, whose session stays.
    pub fn leave(&mut self) {
        self.reader.take().unwrap().kill();
    }

    fn read_file(&self) -> PathBuf {
        self.dir.path().join("read.jsonl")
    }

    /// All messages that the reader has got, when it has got all that the server has for it.
    pub async fn messages(&mut self) -> Vec<Value> {
        unstuck("the reader gets nothing", self.all_is_read()).await;
        let text = fs::read_to_string(self.read_file()).unwrap();
        let messages = text.lines().map(|line| serde_json::from_str(line).unwrap());
        messages.filter(|message: &Value| message["topic"] != "vod/marker").collect()
    }

    /// Publishes markers until the reader has got one: messages come in their order.
    async fn all_is_read(&mut self) {
        loop {
            self.markers += 1;
            let marker = format!("marker {}.", self.markers);
            let mut publish = self.client("mosquitto_pub");
            publish.args(["-t", "vod/marker", "-m", &marker]);
            publish.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
            tokio::time::sleep(LOOK).await;
            let text = fs::read_to_string(self.read_file()).unwrap_or_default();
            if text.ends_with('\n') && text.contains(&marker) {
                return;
            }
        }
    }
}

fn find(name: &str, package: &str) -> Option<PathBuf> {
    program(name, &["/usr/sbin"], package)
}

impl Engine for Mosquitto {
    const TYPE: &'static str = "mqtt";
    const KNOWS_IDS: bool = false;

    async fn start() -> Option<Self> {
        let mut all = Self::with("").await?;
        all.subscribe().await;
        Some(all)
    }

    fn sink(&self) -> String {
        format!(
            "[sinks.app]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{}\"\nuser = \"relay\"\n\
             password = \"hunter2\"\n",
            self.port
        )
    }

    fn as_stranger(&self) -> Option<String> {
        Some(self.sink().replace("\"hunter2\"", "\"wrong-hunter2\""))
    }

    fn unwelcome(&self) -> Option<(String, String)> {
        Some((longer_than(PACKET_MAX), String::new()))
    }

    async fn freeze(&mut self) {
        self.signal("STOP");
    }

    async fn kill(&mut self) {
        self.server.take().unwrap().kill();
    }

    async fn revive(&mut self) {
        self.up().await;
    }

    async fn held(&mut self) -> Vec<Held> {
        let messages = self.messages().await.into_iter();
        let held = messages.map(|message| {
            let id = message["properties"]["user-properties"]["id"].as_str();
            let body = message["payload"].as_str().unwrap().to_owned();
            Held { id: id.map(str::to_owned), body }
        });
        held.collect()
    }
}
