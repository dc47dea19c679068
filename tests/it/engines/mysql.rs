//! A MariaDB server with one database and one user.

use std::fs;
use std::process::Command;

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Error, OptsBuilder, Row, from_value};

use super::{held_in, longer_than};
use crate::conformance::{Engine, Held};
use crate::servers::{Server, free_port, program, without_rights};
use crate::world::unstuck;

/// Who runs the server where the tests are root's: Debian's package makes the user.
const RUNNER: &str = "mysql";

/// The password of the database's one user, `relay`.
pub const PASSWORD: &str = "open sesame";

/// The largest packet that the server takes.
const PACKET_MAX: usize = 256 * 1024;

pub struct Mysql {
    server: Option<Server>,
    /// What keeps others from committing while the server is frozen.
    holder: Option<Conn>,
    options: Vec<String>,
    port: u16,
    dir: tempfile::TempDir,
}

impl Mysql {
    /// Starts a server with options of its own, in which `DIR` is its folder, and these files in it.
    pub async fn with(options: &[&str], files: &[(&str, &str)]) -> Option<Self> {
        let install = program("mariadb-install-db", &[], "mariadb-server")?;
        program("mariadbd", &["/usr/sbin"], "mariadb-server")?;
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        let folder = dir.path().to_str().unwrap().to_owned();
        let options = options.iter().map(|option| option.replace("DIR", &folder)).collect();
        let mut engine = Self { server: None, holder: None, options, port: free_port(), dir };
        let mut init = Command::new(install);
        init.args(engine.arguments())
            .args(["--skip-test-db", "--auth-root-authentication-method=normal"]);
        let made = without_rights(&init, RUNNER, engine.dir.path()).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        let users = format!(
            "CREATE DATABASE vod; CREATE USER relay@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';\n\
             GRANT ALL ON vod.* TO relay@'127.0.0.1';\n"
        );
        fs::write(engine.dir.path().join("users.sql"), users.replace("; ", ";\n")).unwrap();
        engine.options.push(format!("--init-file={folder}/users.sql"));
        engine.revive().await;
        engine.options.pop();
        Some(engine)
    }

    fn arguments(&self) -> Vec<String> {
        let dir = self.dir.path().display();
        [
            "--no-defaults".to_owned(),
            format!("--datadir={dir}/data"),
            format!("--tmpdir={dir}"),
            "--innodb-buffer-pool-size=16M".to_owned(),
            "--innodb-log-file-size=8M".to_owned(),
        ]
        .to_vec()
    }

    /// A URL of the server, with these parameters, without the password.
    pub fn url(&self, parameters: &str) -> String {
        format!("mysql://relay@127.0.0.1:{}/vod{parameters}", self.port)
    }

    /// The lines of a sink with these keys.
    pub fn sink_with(&self, keys: &str) -> String {
        format!("[sinks.app]\ntype = \"mysql\"\nurl = \"{}\"\n{keys}\n", self.url(""))
    }

    /// A connection of the server's root.
    pub async fn connect(&self) -> Result<Conn, Error> {
        let socket = self.dir.path().join("socket").to_str().unwrap().to_owned();
        let opts = OptsBuilder::default().socket(Some(socket)).user(Some("root"));
        Conn::new(opts.db_name(Some("vod"))).await
    }

    /// Runs statements as the server's root, and gives the rows of the last as texts.
    pub async fn query(&self, sql: &str) -> Result<Vec<Vec<String>>, Error> {
        let mut conn = self.connect().await?;
        let mut rows = Vec::new();
        for statement in sql.split(";\n") {
            rows = conn.query::<Row, _>(statement).await?;
        }
        conn.disconnect().await?;
        let texts = |row: Row| {
            row.unwrap().into_iter().map(|value| {
                from_value::<Option<String>>(value).unwrap_or_else(|| "NULL".to_owned())
            })
        };
        Ok(rows.into_iter().map(|row| texts(row).collect()).collect())
    }
}

impl Engine for Mysql {
    const TYPE: &'static str = "mysql";
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
        Some((longer_than(PACKET_MAX), String::new()))
    }

    async fn freeze(&mut self) {
        let mut conn = self.connect().await.unwrap();
        for stage in ["START", "BLOCK_COMMIT"] {
            conn.query_drop(format!("BACKUP STAGE {stage}")).await.unwrap();
        }
        self.holder = Some(conn);
    }

    async fn kill(&mut self) {
        self.server.take().unwrap().kill();
        self.holder = None;
    }

    async fn revive(&mut self) {
        let mut command = Command::new("mariadbd");
        command.args(self.arguments());
        command.arg(format!("--socket={}", self.dir.path().join("socket").display()));
        command.arg(format!("--port={}", self.port));
        command.arg(format!("--max-allowed-packet={PACKET_MAX}"));
        command.args(["--bind-address=127.0.0.1", "--skip-name-resolve"]);
        command.args(&self.options);
        let command = without_rights(&command, RUNNER, self.dir.path());
        let mut server = Server::spawn(&command, &self.dir.path().join("log"));
        let ready = async {
            while self.query("SELECT 1").await.is_err() {
                server.still_runs();
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        unstuck("MariaDB does not come up", ready).await;
        self.server = Some(server);
    }

    async fn held(&mut self) -> Vec<Held> {
        match self.query("SELECT id, body FROM vod_events").await {
            Ok(rows) => rows.into_iter().map(held_in).collect(),
            // The relay has not made it yet.
            Err(Error::Server(answer)) if answer.code == 1146 => Vec::new(),
            Err(error) => panic!("{error:?}"),
        }
    }
}
