//! `vod-relay doctor`: each trouble has its finding, its way out and its exit code.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use vod_relay::emulator::{Account, Action, ClockSkew, FaultKind, Faults, Options, sample};
use vod_relay::secret::Secret;
use vod_relay::tencent::credential::Credential;
use vod_relay::tencent::tc3;
use vod_relay::time;

use crate::small_disk::SmallDisk;
use crate::world::{App, Closed, Ended, Relay, World, source_of};

const STDOUT: &str = "[sinks.out]\ntype = \"stdout\"\n";
const STATE: &str = "[relay]\nstate_dir = \"state\"\n";

/// What the doctor found.
#[derive(Debug)]
struct Diagnosis {
    ended: Ended,
    findings: Vec<Value>,
}

impl Diagnosis {
    /// Runs the doctor both ways: table and JSON must tell the same.
    async fn of(relay: &Relay) -> Self {
        Self::with(relay, &[]).await
    }

    async fn with(relay: &Relay, args: &[&str]) -> Self {
        let ended = relay.run(&[&["doctor", "--format", "json"], args].concat()).await;
        let findings: Vec<Value> =
            ended.stdout.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
        for finding in &findings {
            let members: Vec<_> = finding.as_object().unwrap().keys().collect();
            assert_eq!(members, ["check", "exit_code", "found", "level", "mend", "subject"]);
            assert_eq!(finding["level"] == "ok", finding["mend"].is_null(), "{finding}");
            assert_eq!(finding["level"] == "error", finding["exit_code"] != 0, "{finding}");
        }
        Self { ended, findings }
    }

    /// The findings of a check, as `level: found`.
    fn found(&self, check: &str) -> Vec<String> {
        let of_check = self.findings.iter().filter(|finding| finding["check"] == check);
        let told = |finding: &Value| {
            let text = |name: &str| finding[name].as_str().unwrap().to_owned();
            format!("{}: {}", text("level"), text("found"))
        };
        of_check.map(told).collect()
    }

    /// The only finding of a check tells this, and the program ends with this code.
    #[track_caller]
    fn tells(&self, check: &str, start: &str, words: &str, code: i32) -> &Self {
        let found = self.found(check);
        assert_eq!(found.len(), 1, "{check}: {self:?}");
        assert!(found[0].starts_with(start) && found[0].contains(words), "{found:?}");
        assert_eq!(self.ended.code, Some(code), "{self:?}");
        self
    }

    fn levels(&self) -> Vec<String> {
        let pair = |finding: &Value| {
            let (check, level) = (finding["check"].as_str(), finding["level"].as_str());
            format!("{} {}", check.unwrap(), level.unwrap())
        };
        self.findings.iter().map(pair).collect()
    }
}

/// A key that only its owner can read, so that there is nothing to warn of.
fn private_config(world: &World, text: &str) -> Relay {
    let relay = world.raw_config(text);
    fs::set_permissions(world.path("config.toml"), fs::Permissions::from_mode(0o600)).unwrap();
    relay
}

fn main_source(world: &World) -> String {
    source_of(&world.url, "main", &Account::default(), "")
}

#[tokio::test]
async fn all_is_well_and_nothing_was_touched() {
    let world = World::new().await;
    let app = App::new().await;
    fs::create_dir(world.path("state")).unwrap();
    let sinks = [
        app.sink("app", ""),
        "[sinks.archive]\ntype = \"file\"\npath = \"events.jsonl\"\n".to_owned(),
        "[sinks.run]\ntype = \"command\"\ncommand = [\"/bin/sh\", \"-c\", \"touch ran\"]\n"
            .to_owned(),
        STDOUT.to_owned(),
    ];
    let relay = private_config(&world, &[STATE, &main_source(&world), &sinks.concat()].concat());
    let diagnosis = Diagnosis::of(&relay).await;
    assert_eq!(
        diagnosis.levels(),
        [
            "config ok",
            "state_dir ok",
            "store ok",
            "dns ok",
            "connection ok",
            "clock ok",
            "credentials ok",
            "confirm_events ok",
            "pull_events ok",
            "mode ok",
            "switches note",
            "backlog ok",
            "sink ok",
            "sink ok",
            "sink ok",
            "sink ok",
        ],
        "{diagnosis:?}"
    );
    assert_eq!(diagnosis.ended.code, Some(0));
    let table = relay.run(&["doctor"]).await;
    assert_eq!(table.code, Some(0), "{table:?}");
    assert_eq!(table.stderr, "", "{table:?}");
    assert!(!table.stdout.contains('\x1b') && table.stdout.contains("nothing is wrong"));
    for finding in &diagnosis.findings {
        // The times that answers took differ from run to run.
        let found = finding["found"].as_str().unwrap().split(" in ").next().unwrap();
        let found = found.split(" takes ").next().unwrap().split(';').next().unwrap();
        assert!(table.stdout.contains(found), "{found}: {table:?}");
    }
    assert!(!format!("{diagnosis:?}{table:?}").contains("emulator-secret"), "{table:?}");
    assert!(app.requests().is_empty(), "no request to the application");
    for made in ["events.jsonl", "ran"] {
        assert!(!world.path(made).exists(), "{made}");
    }
    assert_eq!(fs::read_dir(world.path("state")).unwrap().count(), 0);
}

#[tokio::test]
async fn events_that_wait_stay_where_they_are_unless_asked() {
    let world = World::new().await;
    world.push(3);
    let relay = world.config("", STDOUT);
    let diagnosis = Diagnosis::of(&relay).await;
    diagnosis.tells("pull_events", "skipped: not asked", "events wait", 0);
    diagnosis.tells("backlog", "ok: ", "3 events to pull", 0);
    let state = world.vod.state();
    assert_eq!((state.counts.handed_out, state.counts.confirmed), (0, 0));
    let diagnosis = Diagnosis::with(&relay, &["--pull"]).await;
    diagnosis.tells("pull_events", "note: allowed; 3 events pulled", "hands out again", 0);
    let state = world.vod.state();
    assert_eq!((state.counts.leased, state.counts.confirmed), (3, 0));
}

#[tokio::test]
async fn a_wrong_key() {
    let world = World::new().await;
    let account = Account { secret_key: "wrong-and-secret".to_owned(), ..Account::default() };
    let source = source_of(&world.url, "main", &account, "");
    let diagnosis = Diagnosis::of(&world.raw_config(&[&source, STDOUT].concat())).await;
    diagnosis.tells("credentials", "error: AKIDemul...", "AuthFailure.SignatureFailure", 77);
    diagnosis.tells("credentials", "error: ", "from the configuration", 77);
    assert!(diagnosis.found("pull_events").is_empty(), "{diagnosis:?}");
    assert!(!format!("{diagnosis:?}").contains("wrong-and-secret"), "{diagnosis:?}");
}

#[tokio::test]
async fn no_credentials_at_all() {
    let world = World::new().await;
    let text = format!("[sources.main]\nendpoint = \"{}\"\n{STDOUT}", world.url);
    let diagnosis = Diagnosis::of(&world.raw_config(&text)).await;
    diagnosis.tells("credentials", "error: no credentials found", "TENCENTCLOUD_SECRET_ID", 77);
    let relay = world
        .raw_config(&text)
        .env("TENCENTCLOUD_SECRET_ID", "AKIDemulator")
        .env("TENCENTCLOUD_SECRET_KEY", "emulator-secret");
    let diagnosis = Diagnosis::of(&relay).await;
    diagnosis.tells("credentials", "ok: ", "the environment variables", 0);
}

#[tokio::test]
async fn a_service_for_credentials_that_is_down() {
    let (world, closed) = (World::new().await, Closed::new());
    let down = closed.url.trim_end_matches("/vod");
    let keys = format!("provider = \"cvm-role\"\nmetadata_endpoint = \"{down}\"");
    let source = format!(
        "[sources.main]\nendpoint = \"{}\"\n[sources.main.credentials]\n{keys}\n",
        world.url
    );
    let relay = world.raw_config(&[&source, STDOUT].concat());
    let diagnosis = Diagnosis::of(&relay).await;
    diagnosis.tells("credentials", "error: ", "cannot be reached", 69);
    assert_eq!(relay.once().await.code, Some(69), "as the relay itself says it");
}

#[tokio::test]
async fn rights_that_are_missing() {
    let needed = [(Action::ConfirmEvents, "confirm_events"), (Action::PullEvents, "pull_events")];
    let optional =
        [(Action::DescribeEventConfig, "mode"), (Action::DescribeEventsState, "backlog")];
    let denying = async |action| {
        let hold = Duration::from_millis(50);
        let world = World::with(Options { denied: vec![action], hold, ..Options::default() }).await;
        Diagnosis::of(&world.config("", STDOUT)).await
    };
    for (action, check) in needed {
        let diagnosis = denying(action).await;
        diagnosis.tells(check, "error: ", "UnauthorizedOperation", 77);
        diagnosis.tells("credentials", "ok: ", "VOD knows them", 77);
        let mend = diagnosis.findings.iter().find(|finding| finding["check"] == check).unwrap();
        let mend = mend["mend"].as_str().unwrap();
        assert!(mend.contains(&format!("vod:{}", action.name())), "{mend}");
        assert!(mend.contains("sub_app_id"), "{mend}");
    }
    for (action, check) in optional {
        denying(action).await.tells(check, "note: ", "UnauthorizedOperation", 0);
    }
}

#[tokio::test]
async fn an_endpoint_that_is_not_there() {
    let world = World::new().await;
    let closed = Closed::new();
    let endpoint = closed.url.trim_end_matches("/vod");
    let source = |url: &str, name: &str| source_of(url, name, &Account::default(), "");
    let text = [
        &source(endpoint, "closed"),
        &source("https://vod.tencentcloudapi.invalid", "unknown"),
        &source(&world.url, "good"),
        STDOUT,
    ];
    let diagnosis = Diagnosis::of(&world.raw_config(&text.concat())).await;
    assert_eq!(diagnosis.ended.code, Some(69), "{diagnosis:?}");
    let connections = diagnosis.found("connection");
    assert!(connections[0].contains("connection refused"), "{connections:?}");
    assert!(connections[1].starts_with("ok: "), "the good one: {connections:?}");
    let names = diagnosis.found("dns");
    assert!(names[1].starts_with("error: vod.tencentcloudapi.invalid"), "{names:?}");
    diagnosis.tells("mode", "ok: ", "PULL", 69);
}

#[tokio::test]
async fn a_proxy_on_the_way_is_told_without_its_password() {
    let world = World::new().await;
    // The emulator takes the requests that are meant for a proxy.
    let proxy = world.url.replace("http://", "http://me:hunter2@");
    let source = source_of("http://vod.example.com", "main", &Account::default(), "");
    let sink = "[sinks.app]\ntype = \"webhook\"\nurl = \"http://app.example.com/vod\"\n";
    let relay = world.raw_config(&[&source, sink].concat()).env("HTTP_PROXY", &proxy);
    let diagnosis = Diagnosis::of(&relay).await;
    let through = format!("through the proxy {}", world.url);
    diagnosis.tells("dns", "ok: left to the proxy", &world.url, 0);
    diagnosis.tells("connection", "ok: http://vod.example.com/", &through, 0);
    diagnosis.tells("credentials", "ok: ", "VOD knows them", 0);
    diagnosis.tells("sink", "ok: http://app.example.com/vod", &through, 0);
    assert!(!format!("{diagnosis:?}").contains("hunter2"), "{diagnosis:?}");
}

/// A server with a certificate of its own making before this address: where, and the certificate.
async fn tls_before(world: &World) -> (String, PathBuf) {
    vod_relay::http::install_crypto();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let file = world.path("ca.pem");
    fs::write(&file, certificate.pem()).unwrap();
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![certificate.der().clone()], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let behind = world.url.trim_start_matches("http://").to_owned();
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let (acceptor, behind) = (acceptor.clone(), behind.clone());
            tokio::spawn(async move {
                let Ok(mut client) = acceptor.accept(client).await else { return };
                let mut server = TcpStream::connect(behind).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (url, file)
}

#[tokio::test]
async fn a_certificate_that_is_trusted_or_not() {
    let world = World::new().await;
    let (url, ca_file) = tls_before(&world).await;
    let source = source_of(&url, "main", &Account::default(), "");
    let sink = format!("[sinks.app]\ntype = \"webhook\"\nurl = \"{url}/vod\"\n");
    let relay = world.raw_config(&[source, sink].concat());
    let diagnosis = Diagnosis::of(&relay).await;
    diagnosis.tells("connection", "error: ", "certificate not trusted", 69);
    diagnosis.tells("sink", "error: ", "certificate not trusted", 69);
    let relay = relay.env("SSL_CERT_FILE", ca_file.to_str().unwrap());
    let diagnosis = Diagnosis::of(&relay).await;
    diagnosis.tells("connection", "ok: ", "certificate of CN=rcgen self signed cert", 0);
    diagnosis.tells("sink", "ok: ", "takes connections", 0);
}

#[tokio::test]
async fn a_clock_that_is_off() {
    let hold = Duration::from_millis(50);
    for (clock_skew, start, words, code) in [
        (ClockSkew::Ahead(Duration::from_secs(600)), "error: ", "s behind VOD's", 1),
        (ClockSkew::Behind(Duration::from_secs(600)), "error: ", "s ahead of VOD's", 1),
        (ClockSkew::Ahead(Duration::from_secs(180)), "warning: ", "s behind VOD's", 0),
    ] {
        let world = World::with(Options { clock_skew, hold, ..Options::default() }).await;
        let diagnosis = Diagnosis::of(&world.config("", STDOUT)).await;
        diagnosis.tells("clock", start, words, code);
        diagnosis.tells("credentials", "ok: ", "VOD knows them", code);
    }
}

/// Changes how the application gets its events, as the console does.
async fn modify(world: &World, body: &'static str) {
    let Account { secret_id, secret_key, .. } = Account::default();
    let credential = Credential::new(secret_id, Secret::from(secret_key), None).unwrap();
    let request = tc3::Request {
        host: world.url.trim_start_matches("http://"),
        service: "vod",
        action: "ModifyEventConfig",
        version: "2018-07-17",
        region: None,
        language: None,
        body: body.as_bytes(),
    };
    let signed = tc3::sign(&request, &credential, time::wall_clock());
    let client =
        vod_relay::http::client(vod_relay::http::Settings::to(&world.url.parse().unwrap()));
    let post = client.unwrap().post(&world.url).body(body);
    let post =
        signed.headers.into_iter().fold(post, |post, (name, value)| post.header(name, value));
    let answer = post.send().await.unwrap().text().await.unwrap();
    assert!(!answer.contains("Error"), "{answer}");
}

#[tokio::test]
async fn an_application_that_is_set_up_wrongly() {
    let world = World::new().await;
    let relay = world.config("", &[STDOUT, "events = [\"NewFileUpload\"]\n"].concat());
    let diagnosis = Diagnosis::of(&relay).await;
    diagnosis.tells("switches", "warning: off: ", "NewFileUpload, FileDeleted", 0);
    let on = r#"{"UploadMediaCompleteEventSwitch":"ON","DeleteMediaCompleteEventSwitch":"ON",
        "PersistenceCompleteEventSwitch":"ON","Mode":"PUSH"}"#;
    modify(&world, on).await;
    let diagnosis = Diagnosis::of(&relay).await;
    diagnosis.tells("switches", "ok: ", "", 78);
    diagnosis.tells("mode", "error: ", "PUSH", 78);
}

#[tokio::test]
async fn vod_in_trouble() {
    let world = World::with(Options {
        faults: Faults::always(FaultKind::InternalError),
        ..Options::default()
    });
    let diagnosis = Diagnosis::of(&world.await.config("", STDOUT)).await;
    diagnosis.tells("credentials", "skipped: ", "no call tells", 0);
    diagnosis.tells("confirm_events", "warning: ", "InternalError", 0);
    let world =
        World::with(Options { faults: Faults::always(FaultKind::Reset), ..Options::default() });
    let diagnosis = Diagnosis::of(&world.await.config("", STDOUT)).await;
    diagnosis.tells("connection", "error: ", "connection", 69);
}

#[tokio::test]
async fn sinks_that_would_fail() {
    let world = World::new().await;
    let closed = Closed::new();
    let file = "[sinks.file]\ntype = \"file\"\npath = \"missing/events.jsonl\"\n";
    let command = "[sinks.command]\ntype = \"command\"\ncommand = [\"./no-such-program\"]\n";
    let webhook = format!("[sinks.webhook]\ntype = \"webhook\"\nurl = \"{}\"\n", closed.url);
    for (sink, words, code) in [
        (webhook.as_str(), "connection refused", 69),
        (file, "its directory does not exist", 78),
        (command, "no such file", 78),
    ] {
        Diagnosis::of(&world.config("", sink)).await.tells("sink", "error: ", words, code);
    }
    let all = [&webhook, file, command].concat();
    let diagnosis = Diagnosis::of(&world.config("", &all)).await;
    assert_eq!(diagnosis.ended.code, Some(78), "the worst of them");
    assert_eq!(diagnosis.found("sink").len(), 3);
}

#[tokio::test]
async fn a_state_directory_that_cannot_be_used() {
    let world = World::new().await;
    let relay = world.config("", &[STATE, STDOUT].concat());
    let diagnosis = Diagnosis::of(&relay).await;
    diagnosis.tells("state_dir", "ok: is not there yet", "first start", 0);
    assert!(!world.path("state").exists());
    let diagnosis = Diagnosis::of(&relay.moved("\"state\"", "\"gone/state\"")).await;
    diagnosis.tells("state_dir", "error: is not there", "gone", 78);
    fs::write(world.path("state"), "").unwrap();
    let diagnosis = Diagnosis::of(&relay.moved("\"gone/state\"", "\"state\"")).await;
    diagnosis.tells("state_dir", "error: ", "Not a directory", 78);
}

#[tokio::test]
async fn a_disk_without_room_is_told_before_anything_is_on_it() {
    let Some(disk) = SmallDisk::mount(8 << 20) else { return };
    let world = World::new().await;
    let state = format!("[relay]\nstate_dir = {:?}\n", disk.state_dir());
    let diagnosis = Diagnosis::of(&world.config("", &[&state, STDOUT].concat())).await;
    diagnosis.tells("state_dir", "warning: is not there yet, ", "free; it is made", 0);
    assert!(!disk.state_dir().exists());
}

#[tokio::test]
async fn a_damaged_store_is_told_and_left_alone() {
    let world = World::new().await;
    let relay = world.config("", &[STATE, STDOUT].concat());
    world.push(1);
    assert_eq!(relay.once().await.code, Some(0));
    let diagnosis = Diagnosis::of(&relay).await;
    diagnosis.tells("store", "ok: sound", "schema version", 0);
    let database = world.path("state/vod-relay.db");
    let mut bytes = fs::read(&database).unwrap();
    bytes[4096..8192].fill(0x5a);
    fs::write(&database, &bytes).unwrap();
    let diagnosis = Diagnosis::of(&relay).await;
    diagnosis.tells("store", "error: ", "is damaged", 1);
    assert!(fs::read(&database).unwrap() == bytes, "the files are as they were");
}

#[tokio::test]
async fn dead_letters_are_told() {
    let world = World::new().await;
    let app = App::answering(|_| crate::world::Answer::Status(422)).await;
    let relay = world.config("", &[STATE, &app.sink("app", "")].concat());
    world.push(2);
    assert_eq!(relay.once().await.code, Some(0));
    let diagnosis = Diagnosis::of(&relay).await;
    diagnosis.tells("dead_letters", "note: ", "2 events refused for good", 0);
}

#[tokio::test]
async fn a_relay_that_runs_is_not_disturbed() {
    let world = World::new().await;
    let app = App::new().await;
    let relay = world.config("", &[STATE, &app.sink("app", "")].concat());
    let running = relay.start();
    running.says("VOD answers").await;
    world.push(1);
    world.until_confirmed(1).await;
    let diagnosis = Diagnosis::of(&relay).await;
    diagnosis.tells("pull_events", "skipped: not asked", "a relay runs", 0);
    diagnosis.tells("state_dir", "ok: ", "a relay runs with it (pid ", 0);
    diagnosis.tells("store", "ok: sound", "", 0);
    world.push(1);
    world.until_confirmed(2).await;
    let ended = running.stop().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(app.requests().len(), 2);
}

#[tokio::test]
async fn what_a_store_holds_in_its_log_is_still_there_after_a_look() {
    let world = World::new().await;
    let app = App::new().await;
    let relay = world.config("", &[STATE, &app.sink("app", "")].concat());
    let running = relay.start();
    running.says("VOD answers").await;
    let ids = world.push(1);
    world.until_confirmed(1).await;
    // It leaves its log behind.
    running.signal("KILL");
    running.end().await;
    Diagnosis::of(&relay).await.tells("store", "ok: sound", "", 0);
    // The same event again: the ledger knows it.
    world.vod.push(None, &sample(0)).unwrap();
    let ended = relay.once().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(app.requests().len(), 1, "{ids:?}");
}

#[tokio::test]
async fn a_configuration_that_is_wrong_is_told_as_check_tells_it() {
    let world = World::new().await;
    let relay = world.config("max_pulls = 0", "[sinks.app]\ntype = \"webhook\"\n");
    let checked = relay.run(&["check"]).await;
    let told = relay.run(&["doctor"]).await;
    assert_eq!(
        (told.code, &told.stdout, &told.stderr),
        (Some(78), &checked.stdout, &checked.stderr)
    );
    let diagnosis = Diagnosis::of(&relay).await;
    assert_eq!(diagnosis.ended.code, Some(78));
    assert_eq!(diagnosis.found("config").len(), 2, "{diagnosis:?}");
}

#[tokio::test]
async fn a_key_that_everybody_can_read() {
    let world = World::new().await;
    let key = world.path("key");
    fs::write(&key, "emulator-secret\n").unwrap();
    let text = format!(
        "[sources.main]\nendpoint = \"{}\"\n[sources.main.credentials]\n\
         secret_id = \"AKIDemulator\"\nsecret_key_file = {key:?}\n{STDOUT}",
        world.url
    );
    for (mode, levels) in [(0o644, &["config warning", "config ok"][..]), (0o640, &["config ok"])] {
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        let diagnosis = Diagnosis::of(&world.raw_config(&text)).await;
        assert!(
            diagnosis
                .levels()
                .starts_with(&levels.iter().map(ToString::to_string).collect::<Vec<_>>()),
            "{diagnosis:?}"
        );
        assert_eq!(diagnosis.ended.code, Some(0), "{diagnosis:?}");
    }
}

/// A source that VOD posts to, and the admin server.
fn listening(hook: &str, admin: &str, keys: &str) -> String {
    format!(
        "[sources.hook]\ntype = \"callback\"\nlisten = \"{hook}\"\nack = \"delivered\"\n{keys}\n\
         [admin]\nlisten = \"{admin}\"\n{STDOUT}"
    )
}

#[tokio::test]
async fn an_address_to_listen_on_is_free_or_served_by_a_relay_or_taken_by_another() {
    let world = World::new().await;
    // Of all loopback addresses ones that nobody else uses.
    let config = |keys: &str| {
        private_config(&world, &listening("127.77.6.1:18080", "127.77.6.1:18081", keys))
    };
    let relay = config("");
    let diagnosis = Diagnosis::of(&relay).await;
    let free = ["ok: 127.77.6.1:18081 is free", "ok: 127.77.6.1:18080 is free"];
    assert_eq!(diagnosis.found("listen"), free);
    assert_eq!(diagnosis.ended.code, Some(0), "{diagnosis:?}");
    let running = relay.start();
    running.says(" for normal callbacks").await;
    let served = free.map(|found| found.replace("is free", "is served by a vod-relay that runs"));
    let diagnosis = Diagnosis::of(&relay).await;
    assert_eq!(diagnosis.found("listen"), served);
    // Also where it does not talk to everybody.
    config("trusted_addresses = [\"192.0.2.7\"]");
    running.reload().await;
    assert_eq!(Diagnosis::of(&relay).await.found("listen"), served);
    assert_eq!(running.stop().await.code, Some(0));
    // Whoever is there now is no relay: VOD's emulator.
    let taken = world.url.trim_start_matches("http://");
    let relay = private_config(&world, &listening("127.0.0.1:0", taken, ""));
    let diagnosis = Diagnosis::of(&relay).await;
    let found = diagnosis.found("listen");
    assert!(found[0].starts_with(&format!("error: cannot listen on {taken}: ")), "{found:?}");
    assert_eq!(found[1], "ok: 127.0.0.1: a free port is picked");
    assert_eq!(diagnosis.ended.code, Some(1), "{diagnosis:?}");
}

#[tokio::test]
async fn who_can_pass_for_vod_and_when_an_event_is_taken() {
    let world = World::new().await;
    for (hook, keys, start, words) in [
        ("127.0.0.1:0", "", "note: ", "anyone on this machine"),
        ("0.0.0.0:0", "", "warning: ", "anyone who can connect"),
        ("0.0.0.0:0", "sign_key = \"abc\"", "ok: ", "must be signed"),
        ("0.0.0.0:0", "trusted_addresses = [\"10.0.0.0/8\"]", "ok: ", "1 address range"),
    ] {
        let relay = private_config(&world, &listening(hook, "127.0.0.1:0", keys));
        let diagnosis = Diagnosis::of(&relay).await;
        diagnosis.tells("callers", start, words, 0);
        diagnosis.tells("ack", "note: ", "every sink has it", 0);
    }
    let text = listening("127.0.0.1:0", "127.0.0.1:0", "").replace("\"delivered\"", "\"spooled\"");
    let diagnosis = Diagnosis::of(&private_config(&world, &[STATE, &text].concat())).await;
    diagnosis.tells("ack", "ok: ", "on local disk", 0);
}
