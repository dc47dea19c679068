//! A PostgreSQL server with one user.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tokio::task::JoinHandle;
use tokio_postgres::{Client, Error, NoTls, SimpleQueryMessage};

use super::held_in;
use crate::conformance::{Engine, Held};
use crate::servers::{Server, free_port, program, without_rights};
use crate::world::unstuck;

/// Who runs the server where the tests are root's: Debian's package makes the user.
const RUNNER: &str = "postgres";

/// The password of the server's one user, `relay`.
pub const PASSWORD: &str = "open sesame";

/// Has every transaction that adds rows wait for a lock when it commits, and takes that lock.
const HOLD_COMMITS: &str = "
    SELECT pg_advisory_lock(1);
    CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END';
    CREATE CONSTRAINT TRIGGER hold AFTER INSERT ON vod_events DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION hold();";

pub struct Postgres {
    server: Option<Server>,
    /// What has the lock while the server is frozen.
    holder: Option<Client>,
    program: PathBuf,
    options: Vec<String>,
    port: u16,
    dir: tempfile::TempDir,
}

impl Postgres {
    /// Starts a server with settings of its own, such as `ssl=on`, and these files in its folder.
    pub async fn with(options: &[&str], files: &[(&str, &str)]) -> Option<Self> {
        let places = places();
        let places: Vec<_> = places.iter().map(|place| place.to_str().unwrap()).collect();
        let initdb = program("initdb", &places, "postgresql")?;
        let program = program("postgres", &places, "postgresql")?;
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("password"), PASSWORD).unwrap();
        let mut init = Command::new(initdb);
        init.arg("--pgdata").arg(dir.path().join("data"));
        init.arg("--pwfile").arg(dir.path().join("password"));
        init.args(["--username=relay", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"]);
        init.args(["--no-sync", "--no-instructions"]);
        let made = without_rights(&init, RUNNER, dir.path()).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        for (name, text) in files {
            let path = dir.path().join("data").join(name);
            fs::write(&path, text).unwrap();
            let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            fs::set_permissions(&path, private).unwrap();
        }
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        let mut engine =
            Self { server: None, holder: None, program, options, port: free_port(), dir };
        engine.revive().await;
        Some(engine)
    }

    /// A URL of the server, with these parameters, without the password.
    pub fn url(&self, parameters: &str) -> String {
        format!("postgres://relay@127.0.0.1:{}/postgres{parameters}", self.port)
    }

    /// The lines of a sink with these keys.
    pub fn sink_with(&self, keys: &str) -> String {
        let url = self.url("");
        format!("[sinks.app]\ntype = \"postgres\"\nurl = \"{url}\"\n{keys}\n")
    }

    /// A connection of the story's own, and the task that drives it.
    pub async fn connect(&self) -> Result<(Client, JoinHandle<()>), Error> {
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(self.port).user("relay").password(PASSWORD);
        let (client, connection) = config.dbname("postgres").connect(NoTls).await?;
        let driving = async { connection.await.unwrap_or_default() };
        Ok((client, tokio::spawn(driving)))
    }

    /// Runs statements, and gives the rows of the last as texts.
    pub async fn query(&self, sql: &str) -> Result<Vec<Vec<String>>, Error> {
        let (client, driving) = self.connect().await?;
        let answer = client.simple_query(sql).await;
        drop(client);
        // In good order.
        let _ = driving.await;
        let mut rows = Vec::new();
        for message in answer? {
            if let SimpleQueryMessage::Row(row) = message {
                let texts = (0..row.len()).map(|at| row.get(at).unwrap_or("NULL").to_owned());
                rows.push(texts.collect());
            }
        }
        Ok(rows)
    }
}

/// Where Debian has the server's programs: the newest version first.
fn places() -> Vec<PathBuf> {
    let versions = fs::read_dir(Path::new("/usr/lib/postgresql"));
    let versions = versions.into_iter().flatten().map(|version| version.unwrap().path());
    let mut places: Vec<_> = versions.map(|version| version.join("bin")).collect();
    places.sort();
    places.reverse();
    places
}

impl Engine for Postgres {
    const TYPE: &'static str = "postgres";
    const KNOWS_IDS: bool = true;

    async fn start() -> Option<Self> {
        Self::with(&[], &[]).await
    }

    fn sink(&self) -> String {
        self.sink_with(&format!("password = \"{PASSWORD}\"\ncreate_table = true"))
    }

    fn as_stranger(&self) -> Option<String> {
        Some(self.sink_with("password = \"wrong-hunter2\""))
    }

    fn unwelcome(&self) -> Option<(String, String)> {
        // A name with a character that no text of PostgreSQL can have.
        let text = r#"{"EventType":"ProcedureStateChanged","ProcedureStateChangeEvent":{"TaskId":"a\u0000b"}}"#;
        Some((text.to_owned(), String::new()))
    }

    async fn freeze(&mut self) {
        let (client, _) = self.connect().await.unwrap();
        client.batch_execute(HOLD_COMMITS).await.unwrap();
        self.holder = Some(client);
    }

    async fn kill(&mut self) {
        self.server.take().unwrap().kill();
        self.holder = None;
    }

    async fn revive(&mut self) {
        let mut command = Command::new(&self.program);
        command.arg("-D").arg(self.dir.path().join("data"));
        command.arg("-p").arg(self.port.to_string());
        command.arg("-k").arg(self.dir.path());
        command.args(["-c", "listen_addresses=127.0.0.1"]);
        for option in &self.options {
            command.args(["-c", option]);
        }
        let command = without_rights(&command, RUNNER, self.dir.path());
        let log = self.dir.path().join("log");
        let ready = async {
            loop {
                // What is left of the last one may still be on its way out, and in this one's way.
                if self.server.as_mut().is_none_or(Server::has_ended) {
                    self.server = Some(Server::spawn(&command, &log));
                }
                if self.query("SELECT").await.is_ok() {
                    return;
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        unstuck("PostgreSQL does not come up", ready).await;
    }

    async fn held(&mut self) -> Vec<Held> {
        match self.query("SELECT id, body FROM vod_events").await {
            Ok(rows) => rows.into_iter().map(held_in).collect(),
            // The relay has not made it yet.
            Err(error) if error.code().is_some_and(|code| code.code() == "42P01") => Vec::new(),
            Err(error) => panic!("{error:?}"),
        }
    }
}
