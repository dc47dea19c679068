//! A Redis server of one's own, which writes what it takes to disk before it says so.

use std::process::Command;

use serde_json::Value;

use super::longer_than;
use crate::conformance::{Engine, Held};
use crate::servers::{Server, free_port, program};
use crate::world::{eventually, unstuck};

const PASSWORD: &str = "hunter2";

/// The most bytes of a field that the server takes.
const BULK_MAX: usize = 1 << 20;

pub struct Redis {
    pub port: u16,
    dir: tempfile::TempDir,
    server: Option<Server>,
}

impl Redis {
    /// Starts it, empty, with these arguments besides; `None` where it is not installed.
    pub async fn with(arguments: &[&str]) -> Option<Self> {
        program("redis-server", &[], "redis-server")?;
        let mut redis = Self { port: free_port(), dir: tempfile::tempdir().unwrap(), server: None };
        redis.run(arguments).await;
        Some(redis)
    }

    async fn run(&mut self, arguments: &[&str]) {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &self.port.to_string()]);
        command.args(["--appendonly", "yes", "--appendfsync", "always", "--save", ""]);
        command.args(["--proto-max-bulk-len", &BULK_MAX.to_string(), "--requirepass", PASSWORD]);
        command.args(arguments).arg("--dir").arg(self.dir.path());
        let mut server = Server::spawn(&command, &self.dir.path().join("log"));
        server.listens(self.port).await;
        self.server = Some(server);
        // It takes connections before it has read what it had.
        unstuck("redis does not answer", async {
            while self.cli(&["PING"]) != "PONG" {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        })
        .await;
    }

    pub fn url(&self) -> String {
        format!("redis://:{PASSWORD}@127.0.0.1:{}", self.port)
    }

    /// What redis-cli prints.
    pub fn cli(&self, arguments: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .args(["-p", &self.port.to_string()])
            .args(arguments)
            .env("REDISCLI_AUTH", PASSWORD)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// The entries of a stream, each as its fields.
    pub fn entries(&self, stream: &str) -> Vec<serde_json::Map<String, Value>> {
        let text = self.cli(&["--json", "XRANGE", stream, "-", "+"]);
        let entries: Vec<(String, Vec<String>)> = serde_json::from_str(&text).expect(&text);
        let fields = |(_, fields): (String, Vec<String>)| {
            let pairs = fields.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone().into()));
            pairs.collect()
        };
        entries.into_iter().map(fields).collect()
    }

    /// The ids of the connections whose last command is this one.
    pub fn connections_after(&self, command: &str) -> Vec<String> {
        let list = self.cli(&["CLIENT", "LIST"]);
        let command = format!(" cmd={command} ");
        let connections = list.lines().filter(|line| line.contains(&command));
        let ids = connections.filter_map(|line| line.strip_prefix("id=")?.split(' ').next());
        ids.map(str::to_owned).collect()
    }

    /// Whether as many replicas follow it.
    pub async fn is_followed_by(&self, replicas: usize) {
        let line = format!("connected_slaves:{replicas}");
        eventually("a replica follows", || {
            let replication = self.cli(&["INFO", "replication"]);
            let online = replication.matches("state=online").count();
            (replication.contains(&line) && online == replicas).then_some(())
        })
        .await;
    }

    /// Ends it as SIGKILL does.
    pub fn die(&mut self) {
        self.server.take().expect("it runs").kill();
    }

    /// Starts it again with what it has kept.
    pub async fn rise(&mut self) {
        self.run(&[]).await;
    }
}

impl Engine for Redis {
    const TYPE: &'static str = "redis";
    const KNOWS_IDS: bool = false;

    async fn start() -> Option<Self> {
        Self::with(&[]).await
    }

    fn sink(&self) -> String {
        format!("[sinks.app]\ntype = \"redis\"\nurl = \"{}\"\n", self.url())
    }

    fn as_stranger(&self) -> Option<String> {
        Some(self.sink().replace(PASSWORD, "wrong-hunter2"))
    }

    fn unwelcome(&self) -> Option<(String, String)> {
        Some((longer_than(BULK_MAX), String::new()))
    }

    async fn freeze(&mut self) {
        self.server.as_ref().unwrap().signal("STOP");
    }

    async fn kill(&mut self) {
        self.die();
    }

    async fn revive(&mut self) {
        self.rise().await;
    }

    async fn held(&mut self) -> Vec<Held> {
        let text = |fields: &serde_json::Map<_, Value>, name| {
            fields.get(name).and_then(Value::as_str).unwrap().to_owned()
        };
        let entries = self.entries("vod:events");
        let held = entries
            .iter()
            .map(|fields| Held { id: Some(text(fields, "id")), body: text(fields, "body") });
        held.collect()
    }
}
