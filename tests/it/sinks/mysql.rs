//! What the MySQL sink makes of a table, a statement and a server's certificate.

use std::fs;

use mysql_async::prelude::Queryable as _;

use super::rows::{event, id, relay, told};
use crate::conformance::Engine as _;
use crate::engines::mysql::{Mysql, PASSWORD};
use crate::world::{World, unstuck};

#[tokio::test]
async fn a_row_holds_what_its_columns_say() {
    let Some(server) = Mysql::start().await else { return };
    let password = format!("password = \"{PASSWORD}\"\n");
    let (a, b) = (event("task-1", r#","Name":"动画 🎬""#), event("task-2", ""));

    // The default columns.
    let world = World::new().await;
    let ended = relay(&world, &server.sink(), &[&a]).once().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let columns = "SELECT id, type, task_id, file_id, body, received BETWEEN \
                   utc_timestamp() - INTERVAL 1 HOUR AND utc_timestamp() + INTERVAL 1 SECOND \
                   FROM vod_events";
    let [row] = &server.query(columns).await.unwrap()[..] else { panic!("one row") };
    let file = "5285890784246869930";
    assert_eq!(*row, [&id(&a), "ProcedureStateChanged", "task-1", file, &a, "1"]);

    // Columns of one's own, of types of one's own, in another database.
    server
        .query(
            "CREATE DATABASE `My App`;\nGRANT ALL ON `My App`.* TO relay@'127.0.0.1';\n\
             CREATE TABLE `My App`.`E\"v` (`The Id` varchar(50) UNIQUE, file bigint, app bigint, at \
             timestamp, doc json, raw longtext CHARACTER SET utf8mb4)",
        )
        .await
        .unwrap();
    let keys = "table = 'My App.E\"v'\n[sinks.app.columns]\n'The Id' = 'id'\nfile = 'file_id'\n\
                app = 'sub_app_id'\nat = 'received'\ndoc = 'body'\nraw = 'body'\n";
    let world = World::new().await;
    let ended = relay(&world, &server.sink_with(&[&password, keys].concat()), &[&a]).once().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let columns = "SELECT `The Id`, file + 1, app, json_value(doc, '$.EventType'), raw \
                   FROM `My App`.`E\"v`";
    let [row] = &server.query(columns).await.unwrap()[..] else { panic!("one row") };
    let file = "5285890784246869931";
    assert_eq!(*row, [&id(&a), file, "1500000001", "ProcedureStateChanged", &a]);

    // A statement of one's own.
    server
        .query("CREATE TABLE tasks (task varchar(50) PRIMARY KEY, events int, last json)")
        .await
        .unwrap();
    let keys = "sql = \"\"\"INSERT INTO tasks VALUES (:task_id, 1, :body) ON DUPLICATE KEY UPDATE \
                events = events + 1\"\"\"\n";
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
    let Some(server) = Mysql::start().await else { return };
    let world = World::new().await;
    fs::write(world.path("password"), format!("{PASSWORD}\n")).unwrap();
    let sink = server.sink_with("password_file = \"password\"");
    told(&world, &sink, "Table 'vod.vod_events' doesn't exist", "create_table = true").await;
    server.query("CREATE TABLE vod_events (id varchar(50), body text)").await.unwrap();
    told(&world, &sink, "Unknown column 'type'", "mend columns").await;
    let columns = "columns = { id = 'id', body = 'body' }\n";
    server
        .query("CREATE USER guest@'127.0.0.1' IDENTIFIED BY 'open sesame';\nGRANT SELECT ON vod.* TO guest@'127.0.0.1'")
        .await
        .unwrap();
    let guest = format!("{}{columns}", sink.replace("relay@", "guest@"));
    told(&world, &guest, "INSERT", "grant the user").await;
    let doctor = relay(&world, &format!("{sink}{columns}"), &[]).run(&["doctor"]).await;
    assert!(doctor.stdout.contains("no unique key on id"), "{doctor:?}");
}

#[tokio::test]
async fn rows_that_are_refused_cost_only_themselves() {
    let Some(server) = Mysql::start().await else { return };
    let good: Vec<_> = (1..=30).map(|n| event(&format!("task-{n}"), "")).collect();
    let long = event("a-task-with-a-name-that-is-too-long", "");
    let mut all: Vec<_> = good.iter().map(String::as_str).collect();
    all.insert(15, &long);
    let password = format!("password = \"{PASSWORD}\"\n");
    // Whatever the server's mode, nothing is cut.
    server.query("SET GLOBAL sql_mode = ''").await.unwrap();
    server
        .query("CREATE TABLE vod_events (id varchar(50) PRIMARY KEY, task varchar(10))")
        .await
        .unwrap();
    let columns = "columns = { id = 'id', task = 'task_id' }\n";
    let own =
        "sql = 'INSERT INTO vod_events VALUES (:id, :task_id) ON DUPLICATE KEY UPDATE id = id'\n";
    for keys in [columns, own] {
        server.query("DELETE FROM vod_events").await.unwrap();
        let world = World::new().await;
        let relay = relay(&world, &server.sink_with(&[&password, keys].concat()), &all);
        let ended = relay.once().await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(world.vod.counts().confirmed, 31, "{ended:?}");
        assert_eq!(server.query("SELECT count(*) FROM vod_events").await.unwrap(), [["30"]]);
        let letters = relay.run(&["dead-letters", "list"]).await;
        assert_eq!(letters.stdout.matches("vod_").count(), 1, "{letters:?}");
        assert!(letters.stdout.contains(&id(&long)), "{letters:?}");
        assert!(letters.stdout.contains("Data too long"), "{letters:?}");
    }

    // Another unique column does not swallow an event.
    let world = World::new().await;
    server
        .query("CREATE TABLE files (id varchar(50) PRIMARY KEY, file varchar(50) UNIQUE)")
        .await
        .unwrap();
    let keys = "table = 'files'\ncolumns = { id = 'id', file = 'file_id' }\n";
    let relay =
        relay(&world, &server.sink_with(&[&password, keys].concat()), &[&good[0], &good[1]]);
    let ended = relay.once().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let letters = relay.run(&["dead-letters", "list"]).await;
    assert_eq!(letters.stdout.matches("another unique key").count(), 1, "{letters:?}");
    let rows = server.query("SELECT id FROM files").await.unwrap();
    assert!(rows.len() == 1 && !letters.stdout.contains(&rows[0][0]), "{letters:?}");
}

#[tokio::test]
async fn who_waits_for_a_lock_leaves_nothing_behind() {
    let Some(server) = Mysql::start().await else { return };
    server
        .query("CREATE TABLE vod_events (id varchar(50) PRIMARY KEY, body longtext CHARACTER SET utf8mb4)")
        .await
        .unwrap();
    let mut locking = server.connect().await.unwrap();
    locking.query_drop("LOCK TABLES vod_events WRITE").await.unwrap();
    let world = World::new().await;
    let keys = format!(
        "password = \"{PASSWORD}\"\ncolumns = {{ id = 'id', body = 'body' }}\ntimeout = \"1s\""
    );
    world.push(20);
    let relay = world.config("", &server.sink_with(&keys)).start();
    relay.says("not delivered").await;
    locking.query_drop("UNLOCK TABLES").await.unwrap();
    world.until_confirmed(20).await;
    let ended = relay.stop().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(server.query("SELECT count(*) FROM vod_events").await.unwrap(), [["20"]]);
    // A session that its relay has given up ends with the wait that it was in.
    let left = "SELECT count(*) FROM information_schema.processlist WHERE user = 'relay'";
    let gone = async { while server.query(left).await.unwrap() != [["0"]] {} };
    unstuck("sessions stay behind", gone).await;
}

#[tokio::test]
async fn tls_trusts_whom_it_is_told_to_trust() {
    let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (cert, key) = (own.cert.pem(), own.signing_key.serialize_pem());
    let options = ["--ssl-cert=DIR/server.crt", "--ssl-key=DIR/server.key"];
    let files = [("server.crt", &*cert), ("server.key", &*key)];
    let Some(server) = Mysql::with(&options, &files).await else { return };
    server.query("CREATE TABLE seen (id varchar(50) PRIMARY KEY, tls varchar(20))").await.unwrap();
    let sql = "INSERT INTO seen SELECT :id, if(variable_value = '', 'no', 'yes') FROM \
               information_schema.session_status WHERE variable_name = 'SSL_CIPHER'";
    let keys = format!("password = \"{PASSWORD}\"\nsql = \"{sql}\"\n");
    let text = event("task-1", "");
    for (parameters, more, wanted) in [
        ("?ssl-mode=VERIFY_IDENTITY", "ca_file = 'ca.pem'", Ok("yes")),
        ("", "ca_file = 'ca.pem'", Ok("yes")),
        ("?ssl-mode=required", "", Ok("yes")),
        ("", "", Ok("no")),
        ("?ssl-mode=required", "ca_file = 'other.pem'", Err("certificate not trusted")),
        ("?ssl-mode=verify_identity", "", Err("certificate not trusted")),
    ] {
        server.query("DELETE FROM seen").await.unwrap();
        let world = World::new().await;
        fs::write(world.path("ca.pem"), &cert).unwrap();
        fs::write(world.path("other.pem"), other.cert.pem()).unwrap();
        let sink = server.sink_with(&[&keys, more].concat());
        let sink = sink.replace("/vod\"", &format!("/vod{parameters}\""));
        let relay = relay(&world, &sink, &[&text]);
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
