//! A NATS server with a stream in a file, read by a client that speaks NATS' own lines.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::longer_than;
use crate::conformance::{Engine, Held};
use crate::servers::{Server, free_port, program};
use crate::world::unstuck;

/// The most bytes of a message that the server takes.
pub const MAX_PAYLOAD: usize = 256 * 1024;

/// The stream, and what it takes.
pub const STREAM: &str = "VOD";

/// A server, and the folder that it keeps everything in.
pub struct Nats {
    dir: tempfile::TempDir,
    port: u16,
    server: Option<Server>,
}

impl Nats {
    /// Starts a server that has these lines in its configuration, without a stream.
    pub async fn with(lines: &str) -> Option<Self> {
        program("nats-server", &["/usr/sbin"], "nats-server")?;
        let dir = tempfile::tempdir().unwrap();
        let mut nats = Self { dir, port: free_port(), server: None };
        nats.configure(lines);
        nats.up().await;
        Some(nats)
    }

    fn configure(&self, lines: &str) {
        let (port, store) = (self.port, self.dir.path().join("store"));
        let config = format!(
            "listen: \"127.0.0.1:{port}\"\njetstream {{ store_dir: {store:?} }}\n\
             max_payload: {MAX_PAYLOAD}\n{lines}\n"
        );
        fs::write(self.dir.path().join("nats.conf"), config).unwrap();
    }

    /// Puts other lines in force, without a restart.
    pub async fn reload_with(&mut self, lines: &str) {
        self.configure(lines);
        self.signal("HUP");
        self.server.as_mut().unwrap().says("Reloaded server configuration").await;
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn signal(&self, name: &str) {
        self.server.as_ref().unwrap().signal(name);
    }

    async fn up(&mut self) {
        let program = program("nats-server", &["/usr/sbin"], "nats-server").unwrap();
        let mut command = Command::new(program);
        command.arg("-c").arg(self.dir.path().join("nats.conf"));
        let log = self.dir.path().join("nats.log");
        // What an earlier start said does not count.
        let _ = fs::remove_file(&log);
        let mut server = Server::spawn(&command, &log);
        server.says("Server is ready").await;
        server.listens(self.port).await;
        self.server = Some(server);
    }

    /// Makes a stream for these subjects, with more of its settings.
    pub async fn make_stream(&self, subjects: &str, more: Value) {
        let mut config = json!({
            "name": STREAM, "subjects": [subjects], "storage": "file", "retention": "limits",
            "num_replicas": 1, "duplicate_window": 3_600_000_000_000_u64,
        });
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut wire = Wire::open(self.port).await;
        let made = wire.ask(&format!("$JS.API.STREAM.CREATE.{STREAM}"), &config).await;
        assert_eq!(made["error"], Value::Null, "{made}");
    }

    /// All messages of the stream, with their headers.
    pub async fn messages(&self) -> Vec<Message> {
        let mut wire = Wire::open(self.port).await;
        let info = wire.ask(&format!("$JS.API.STREAM.INFO.{STREAM}"), &json!({})).await;
        let state = &info["state"];
        let number = |name: &str| state[name].as_u64().unwrap_or_else(|| panic!("{info}"));
        let mut messages = Vec::new();
        if number("messages") == 0 {
            return messages;
        }
        let get = format!("$JS.API.DIRECT.GET.{STREAM}");
        for seq in number("first_seq")..=number("last_seq") {
            messages.push(wire.request(&get, &json!({ "seq": seq })).await);
        }
        assert_eq!(u64::try_from(messages.len()).unwrap(), number("messages"));
        messages
    }
}

impl Engine for Nats {
    const TYPE: &'static str = "nats";
    const KNOWS_IDS: bool = true;

    async fn start() -> Option<Self> {
        let nats = Self::with(
            "authorization { users [ { user: relay, password: hunter2 }, { user: reader } ] }\n\
             no_auth_user: reader",
        );
        let nats = nats.await?;
        nats.make_stream("vod.>", json!({ "allow_direct": true })).await;
        Some(nats)
    }

    fn sink(&self) -> String {
        format!(
            "[sinks.app]\ntype = \"nats\"\nurl = \"nats://127.0.0.1:{}\"\nuser = \"relay\"\n\
             password = \"hunter2\"\n",
            self.port
        )
    }

    fn as_stranger(&self) -> Option<String> {
        Some(self.sink().replace("\"hunter2\"", "\"wrong-hunter2\""))
    }

    fn unwelcome(&self) -> Option<(String, String)> {
        Some((longer_than(MAX_PAYLOAD), String::new()))
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
        let held = messages.map(|Message { headers, body }| {
            let id = headers.iter().find_map(|line| line.strip_prefix("Nats-Msg-Id: "));
            Held { id: id.map(str::to_owned), body }
        });
        held.collect()
    }
}

/// A message as the server hands it out.
#[derive(Debug)]
pub struct Message {
    /// The lines of its head.
    pub headers: Vec<String>,
    pub body: String,
}

/// A connection that speaks NATS' own lines.
struct Wire(BufReader<TcpStream>);

impl Wire {
    async fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let mut wire = Self(BufReader::new(stream));
        let options = json!({ "verbose": false, "headers": true, "no_responders": true });
        wire.say(&format!("CONNECT {options}\r\nSUB answers 1\r\n")).await;
        wire
    }

    async fn say(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    async fn ask(&mut self, subject: &str, question: &Value) -> Value {
        serde_json::from_str(&self.request(subject, question).await.body).unwrap()
    }

    /// Asks, and waits for the answer.
    async fn request(&mut self, subject: &str, question: &Value) -> Message {
        let question = question.to_string();
        self.say(&format!("PUB {subject} answers {}\r\n{question}\r\n", question.len())).await;
        unstuck(subject, self.answer()).await
    }

    async fn answer(&mut self) -> Message {
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).await.unwrap();
            let words: Vec<_> = line.split_whitespace().collect();
            let (head, all) = match words[..] {
                ["MSG", _, _, all] => ("0", all),
                ["HMSG", _, _, head, all] => (head, all),
                ["PING"] => {
                    self.say("PONG\r\n").await;
                    continue;
                }
                ["INFO", ..] => continue,
                _ => panic!("{line:?}"),
            };
            let (head, all): (usize, usize) = (head.parse().unwrap(), all.parse().unwrap());
            let mut text = vec![0; all + 2];
            self.0.read_exact(&mut text).await.unwrap();
            text.truncate(all);
            let body = String::from_utf8(text.split_off(head)).unwrap();
            let headers = String::from_utf8(text).unwrap().lines().map(str::to_owned).collect();
            return Message { headers, body };
        }
    }
}
