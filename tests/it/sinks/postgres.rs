//! What the PostgreSQL sink makes of a table, a statement and a server's certificate.

use std::fs;

use super::rows::{event, id, relay, told};
use crate::conformance::Engine as _;
use crate::engines::postgres::{PASSWORD, Postgres};
use crate::world::World;

#[tokio::test]
async fn a_row_holds_what_its_columns_say() {
    let Some(server) = Postgres::start().await else { return };
    let password = format!("password = \"{PASSWORD}\"\n");
    let (a, b) = (event("task-1", ""), event("task-2", r#","Name":"a"#).replace("\"a", "\"a\""));

    // The default columns.
    let world = World::new().await;
    let ended = relay(&world, &server.sink(), &[&a]).once().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let columns = "SELECT id, type, task_id, file_id, body, received <= now(), \
                   received > now() - interval '1 hour' FROM vod_events";
    let [row] = &server.query(columns).await.unwrap()[..] else { panic!("one row") };
    let file = "5285890784246869930";
    assert_eq!(*row, [&id(&a), "ProcedureStateChanged", "task-1", file, &a, "t", "t"]);

    // Columns of one's own, of types of one's own, in a schema with a difficult name.
    server
        .query(
            r#"CREATE SCHEMA "My App"; CREATE TABLE "My App"."E""v" ("The Id" text UNIQUE, file
               bigint, app bigint, at timestamp, doc jsonb, raw text)"#,
        )
        .await
        .unwrap();
    let keys = "table = 'My App.E\"v'\n[sinks.app.columns]\n'The Id' = 'id'\nfile = 'file_id'\n\
                app = 'sub_app_id'\nat = 'received'\ndoc = 'body'\nraw = 'body'\n";
    let world = World::new().await;
    let ended = relay(&world, &server.sink_with(&[&password, keys].concat()), &[&a]).once().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let columns =
        r#"SELECT "The Id", file + 1, app, doc ->> 'EventType', raw FROM "My App"."E""v""#;
    let [row] = &server.query(columns).await.unwrap()[..] else { panic!("one row") };
    let file = "5285890784246869931";
    assert_eq!(*row, [&id(&a), file, "1500000001", "ProcedureStateChanged", &a]);

    // A statement of one's own.
    server
        .query("CREATE TABLE tasks (task text PRIMARY KEY, events int, last json)")
        .await
        .unwrap();
    let keys = "sql = \"\"\"INSERT INTO tasks VALUES (:task_id, 1, :body) ON CONFLICT (task) DO UPDATE SET \
                events = tasks.events + 1\"\"\"\n";
    let world = World::new().await;
    let sink = server.sink_with(&[&password, keys].concat());
    let own = relay(&world, &sink, &[&a, &b, &event("task-1", r#","More":1"#)]);
    let doctor = own.run(&["doctor"]).await;
    assert!(doctor.stdout.contains("the statement can be run"), "{doctor:?}");
    let ended = own.once().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let rows = server.query("SELECT task, events FROM tasks ORDER BY task").await.unwrap();
    assert_eq!(rows, [["task-1", "2"], ["task-2", "1"]]);
}

#[tokio::test]
async fn what_a_table_lacks_is_told() {
    let Some(server) = Postgres::start().await else { return };
    let world = World::new().await;
    fs::write(world.path("password"), format!("{PASSWORD}\n")).unwrap();
    let sink = server.sink_with("password_file = \"password\"");
    told(&world, &sink, "relation \"vod_events\" does not exist", "create_table = true").await;
    server.query("CREATE TABLE vod_events (id text, body json)").await.unwrap();
    let no_column = "column \"type\" of relation \"vod_events\" does not exist";
    told(&world, &sink, no_column, "mend columns").await;
    let sink = format!("{sink}[sinks.app.columns]\nid = 'id'\nbody = 'body'\n");
    told(&world, &sink, "no unique or exclusion constraint", "unique index").await;
    server.query("ALTER TABLE vod_events ADD PRIMARY KEY (id)").await.unwrap();
    server.query("CREATE USER guest PASSWORD 'open sesame'").await.unwrap();
    let guest = sink.replace("relay@", "guest@");
    told(&world, &guest, "permission denied for table vod_events", "grant").await;
    server.query("ALTER SYSTEM SET default_transaction_read_only = on").await.unwrap();
    server.query("SELECT pg_reload_conf()").await.unwrap();
    let read_only = relay(&world, &sink, &[&event("task-1", "")]).once().await;
    assert_eq!(read_only.code, Some(75), "{read_only:?}");
    assert!(read_only.stderr.contains("lead to the primary server"), "{read_only:?}");
}

#[tokio::test]
async fn a_column_that_nobody_fills_costs_no_event() {
    let Some(server) = Postgres::start().await else { return };
    let (sink, event) = (server.sink(), event("task-1", ""));
    let table = "CREATE TABLE vod_events (id text PRIMARY KEY, type text, task_id text, file_id text, \
                 body json, received timestamptz, tenant text NOT NULL)";
    server.query(table).await.unwrap();
    let ended = relay(&World::new().await, &sink, &[&event]).once().await;
    assert_eq!(ended.code, Some(75), "{ended:?}");
    assert!(ended.stderr.contains("give the table's other columns a default"), "{ended:?}");
    server.query("ALTER TABLE vod_events ALTER tenant SET DEFAULT 'us'").await.unwrap();
    let ended = relay(&World::new().await, &sink, &[&event]).once().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(
        server.query("SELECT tenant, body FROM vod_events").await.unwrap(),
        [["us", &event]]
    );
}

#[tokio::test]
async fn rows_that_are_refused_cost_only_themselves() {
    let Some(server) = Postgres::start().await else { return };
    let world = World::new().await;
    let escaped = event("task-0", r#","Name":"\u0000""#);
    let good: Vec<_> = (1..=30).map(|n| event(&format!("task-{n}"), "")).collect();
    let mut all: Vec<_> = good.iter().map(String::as_str).collect();
    all.insert(15, &escaped);
    // What jsonb cannot hold json can.
    let sink = server.sink();
    let ended = relay(&world, &sink, &[&escaped]).once().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(server.query("SELECT body FROM vod_events").await.unwrap(), [[&*escaped]]);

    let world = World::new().await;
    let jsonb = format!("{sink}table = \"documents\"\nbody_type = \"jsonb\"\n");
    let relay_to_jsonb = relay(&world, &jsonb, &all);
    let ended = relay_to_jsonb.once().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(world.vod.counts().confirmed, 31, "{ended:?}");
    let count = "SELECT count(*), count(*) FILTER (WHERE pg_typeof(body) = 'jsonb'::regtype)";
    let rows = server.query(&format!("{count} FROM documents")).await.unwrap();
    assert_eq!(rows, [["30", "30"]]);
    let letters = relay_to_jsonb.run(&["dead-letters", "list"]).await;
    assert_eq!(letters.stdout.matches("vod_").count(), 1, "{letters:?}");
    assert!(letters.stdout.contains(&id(&escaped)), "{letters:?}");
    assert!(letters.stdout.contains("22P05"), "{letters:?}");

    // A constraint that is only looked at when all is to be committed does not say whose row it is.
    let world = World::new().await;
    server
        .query(
            "CREATE TABLE known (task text PRIMARY KEY); INSERT INTO known SELECT 'task-' || n FROM \
             generate_series(1, 30) n; CREATE TABLE checked (id text PRIMARY KEY, task text \
             REFERENCES known DEFERRABLE INITIALLY DEFERRED)",
        )
        .await
        .unwrap();
    let checked = server.sink_with(&format!(
        "password = \"{PASSWORD}\"\ntable = \"checked\"\ncolumns = {{ id = \"id\", task = \"task_id\" }}"
    ));
    let ended = relay(&world, &checked, &all).once().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(server.query("SELECT count(*) FROM checked").await.unwrap(), [["30"]]);

    // Another unique column does not swallow an event.
    let world = World::new().await;
    server.query("CREATE TABLE files (id text PRIMARY KEY, file text UNIQUE)").await.unwrap();
    let files =
        checked.replace("checked", "files").replace("task = \"task_id\"", "file = \"file_id\"");
    let relay_to_files = relay(&world, &files, &[&good[0], &good[1]]);
    let ended = relay_to_files.once().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let letters = relay_to_files.run(&["dead-letters", "list"]).await;
    assert_eq!(letters.stdout.matches("23505").count(), 1, "{letters:?}");
}

#[tokio::test]
async fn a_commit_is_on_disk_and_has_an_end_of_its_own() {
    let Some(server) = Postgres::with(&["synchronous_commit=off"], &[]).await else { return };
    // A trigger tells how a commit was asked for.
    server
        .query(
            "CREATE TABLE vod_events (id text PRIMARY KEY, type text); \
             CREATE TABLE asked (word text); \
             CREATE FUNCTION ask() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO asked \
             VALUES (current_setting('synchronous_commit') || current_setting('statement_timeout')); \
             RETURN NEW; END $$; \
             CREATE TRIGGER ask BEFORE INSERT ON vod_events FOR EACH ROW EXECUTE FUNCTION ask()",
        )
        .await
        .unwrap();
    let world = World::new().await;
    let sink = server.sink_with(&format!(
        "password = \"{PASSWORD}\"\ncolumns = {{ id = \"id\", type = \"type\" }}\ntimeout = \"3s\""
    ));
    let ended = relay(&world, &sink, &[&event("task-1", "")]).once().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(server.query("SELECT word FROM asked").await.unwrap(), [["on3s"]]);
}

#[tokio::test]
async fn who_waits_for_a_lock_leaves_nothing_behind() {
    let Some(server) = Postgres::start().await else { return };
    server.query("CREATE TABLE vod_events (id text PRIMARY KEY, body json)").await.unwrap();
    let (locking, _) = server.connect().await.unwrap();
    locking.batch_execute("BEGIN; LOCK TABLE vod_events").await.unwrap();
    let world = World::new().await;
    let sink = server.sink_with(&format!(
        "password = \"{PASSWORD}\"\ncolumns = {{ id = \"id\", body = \"body\" }}\ntimeout = \"1s\""
    ));
    world.push(20);
    let relay = world.config("", &sink).start();
    relay.says("not delivered").await;
    // One waits at the most, for the try that is under way.
    let waiting = "SELECT count(*) <= 4 FROM pg_stat_activity WHERE application_name = 'vod-relay'";
    assert_eq!(server.query(waiting).await.unwrap(), [["t"]]);
    locking.batch_execute("COMMIT").await.unwrap();
    world.until_confirmed(20).await;
    let ended = relay.stop().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(server.query("SELECT count(*) FROM vod_events").await.unwrap(), [["20"]]);
}

#[tokio::test]
async fn tls_trusts_whom_it_is_told_to_trust() {
    let ca = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (cert, key) = (ca.cert.pem(), ca.signing_key.serialize_pem());
    let files = [("server.crt", &*cert), ("server.key", &*key)];
    let Some(server) = Postgres::with(&["ssl=on"], &files).await else { return };
    let world = World::new().await;
    fs::write(world.path("ca.pem"), &cert).unwrap();
    fs::write(world.path("other.pem"), other.cert.pem()).unwrap();
    server.query("CREATE TABLE seen (id text PRIMARY KEY, tls text)").await.unwrap();
    let sql = "INSERT INTO seen SELECT :id, ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid() \
               ON CONFLICT (id) DO UPDATE SET tls = excluded.tls";
    let keys = format!("password = \"{PASSWORD}\"\nsql = \"{sql}\"\n");
    let sink = |parameters: &str, more: &str| {
        server
            .sink_with(&[&keys, more].concat())
            .replace("/postgres\"", &format!("/postgres{parameters}\""))
    };
    let text = event("task-1", "");
    for (parameters, more, wanted) in [
        ("?sslmode=verify-full", "ca_file = 'ca.pem'", Ok("true")),
        ("", "ca_file = 'ca.pem'", Ok("true")),
        ("?sslmode=require", "", Ok("true")),
        ("", "", Ok("true")),
        ("?sslmode=disable", "", Ok("false")),
        ("?sslmode=require", "ca_file = 'other.pem'", Err("certificate not trusted")),
        ("?sslmode=verify-full", "", Err("certificate not trusted")),
    ] {
        server.query("DELETE FROM seen").await.unwrap();
        let world_of_one = World::new().await;
        for name in ["ca.pem", "other.pem"] {
            fs::copy(world.path(name), world_of_one.path(name)).unwrap();
        }
        let relay = relay(&world_of_one, &sink(parameters, more), &[&text]);
        let ended = relay.once().await;
        let rows = server.query("SELECT tls FROM seen").await.unwrap();
        match wanted {
            Ok(tls) => assert_eq!(rows, [[tls]], "{parameters} {more}: {ended:?}"),
            Err(problem) => {
                assert!(rows.is_empty() && ended.stderr.contains(problem), "{more}: {ended:?}");
                let doctor = relay.run(&["doctor"]).await;
                assert_eq!(doctor.code, Some(69), "{doctor:?}");
                assert!(doctor.stdout.contains(problem), "{doctor:?}");
            }
        }
    }
}
