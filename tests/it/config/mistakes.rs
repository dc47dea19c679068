//! What is refused, and in which words.

use std::fs;
use std::path::Path;

use vod_relay::config::{Config, ConfigError, check};
use vod_relay::exit;

use super::{MINIMAL, parse};

/// The mistakes in a text, one per line, without the name of the file and without their count.
fn mistakes(text: &str) -> String {
    let Err(ConfigError::Wrong { mistakes, .. }) = parse(text) else { return String::new() };
    mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Writes each line into a table of an otherwise right file and compares the one mistake.
fn each(table: &str, cases: &[(&str, &str)]) {
    let name = table.trim_matches(['[', ']']);
    for (line, mistake) in cases {
        let text = match table {
            "[sinks.app]" => format!("{MINIMAL}{line}\n"),
            "[sources.main]" => MINIMAL.replace("[sinks", &format!("{line}\n[sinks")),
            _ => format!("{MINIMAL}{table}\n{line}\n"),
        };
        let place = text.lines().take_while(|found| found != line).count() + 1;
        let column = line.find("= ").map_or(1, |at| at + 3);
        assert_eq!(mistakes(&text), format!("{place}:{column}: {name}.{mistake}"), "{text}");
    }
}

#[test]
fn in_relay_and_log() {
    each(
        "[relay]",
        &[
            (
                "shutdown_grace = \"2h\"",
                "shutdown_grace: 2h is out of range \
                 (a duration from 0s to 1h, for example \"25s\")",
            ),
            ("state_dir = \"\"", "state_dir: is empty (the name of a file)"),
            (
                "ledger = \"mysql://a:hunter2@b\"",
                "ledger: has a scheme other than redis, rediss or postgres (for example \
                 \"redis://redis.example.com:6379/0\" or \"postgres://relay@db.example.com/vod\")",
            ),
            (
                "ledger_name = \"relay-1\"",
                "ledger_name: has a name that cannot be used (1 to 48 of a-z 0-9 _, not beginning \
                 with a digit)",
            ),
            (
                "spool_max_size = \"4 kB\"",
                "spool_max_size: 3.9 KiB is out of range \
                 (a size of at least 1.0 MiB, for example \"100 MiB\")",
            ),
            (
                "spool_max_age = \"0s\"",
                "spool_max_age: 0s is out of range \
                 (a duration from 1s to 10years, for example \"14days\")",
            ),
        ],
    );
    each(
        "[log]",
        &[
            ("format = \"xml\"", "format: \"xml\" is not known here (one of \"text\", \"json\")"),
            (
                "level = \"info,inof\"",
                "level: \"inof\" is not a level (off, error, warn, info, debug or trace; \
                 by module: \"info,vod_relay::sink=debug\")",
            ),
        ],
    );
}

#[test]
fn a_shared_ledger_needs_its_part_of_the_build() {
    for (scheme, has_it) in
        [("redis", cfg!(feature = "redis")), ("postgres", cfg!(feature = "postgres"))]
    {
        let text = format!("{MINIMAL}[relay]\nledger = \"{scheme}://relay:hunter2@h/1\"\n");
        let needs = format!("relay.ledger: needs {scheme}, which is not part of this build");
        let mistakes = mistakes(&text);
        assert_eq!(mistakes.contains(&needs), !has_it, "{mistakes}");
        assert_eq!(mistakes.is_empty(), has_it, "{mistakes}");
    }
}

#[test]
fn the_address_of_a_shared_ledger_is_never_shown_whole() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ledger");
    fs::write(&file, "redis://relay:hunter2@h/cache\n").unwrap();
    let in_file = format!("ledger_file = {file:?}");
    for (line, problem) in [
        ("ledger = \"redis://:hunter2@h:port\"", "ledger: is not a URL: invalid port number"),
        ("ledger = \"redis:hunter2\"", "ledger: has no host"),
        // Without its colon a password is where a user would be.
        ("ledger = \"redis://hunter2@h\"", "ledger: "),
        (&*in_file, "ledger_file: "),
    ] {
        let mistakes = mistakes(&format!("{MINIMAL}[relay]\n{line}\n"));
        assert!(mistakes.contains(&format!("relay.{problem}")), "{mistakes}");
        assert!(!mistakes.contains("hunter2"), "{mistakes}");
    }
}

#[test]
fn in_admin() {
    let address = "(for example \"127.0.0.1:9187\" or \"[::1]:9187\")";
    let remote = "can be reached from other machines (an address of this machine alone, such as \
                  \"127.0.0.1:9187\"; or give a token or token_file that clients must show; or set \
                  allow_remote = true if a firewall decides who gets there)";
    each(
        "[admin]",
        &[
            (
                "listen = \"localhost:9187\"",
                &format!("listen: \"localhost:9187\" is not an address with a port {address}"),
            ),
            (
                "listen = \"127.0.0.1\"",
                &format!("listen: \"127.0.0.1\" is not an address with a port {address}"),
            ),
            ("listen = \"0.0.0.0:9187\"", &format!("listen: \"0.0.0.0:9187\" {remote}")),
            ("listen = \"[::]:9187\"", &format!("listen: \"[::]:9187\" {remote}")),
            (
                "backlog_interval = \"100ms\"",
                "backlog_interval: 100ms is out of range \
                 (a duration from 1s to 1day, for example \"1m\")",
            ),
        ],
    );
    let with =
        |keys: &str| mistakes(&format!("{MINIMAL}[admin]\nlisten = \"0.0.0.0:1\"\n{keys}\n"));
    assert_eq!(with("token = \"sesame\""), "");
    assert_eq!(with("allow_remote = true"), "");
    assert!(with("token = \"\"").contains(remote), "an empty token is none");
    let unreadable = with("token_file = \"/gone\"");
    assert!(unreadable.starts_with("6:14: admin.token_file: cannot read /gone"), "{unreadable}");
    assert!(!unreadable.contains(remote), "there would be a token: {unreadable}");
}

#[test]
fn in_a_source() {
    let endpoint = "(scheme, host and port: \"https://vod.tencentcloudapi.com\")";
    let sub_app = "(the number of the sub-application, for example 1500000001)";
    each(
        "[sources.main]",
        &[
            (
                "type = \"push\"",
                "type: \"push\" is not known here \
                 (did you mean \"pull\"? one of \"pull\", \"callback\")",
            ),
            (
                "listen = \"127.0.0.1:8080\"",
                "listen: belongs to type = \"callback\" (remove it, or set type = \"callback\")",
            ),
            (
                "ack = \"spooled\"",
                "ack: \"spooled\" needs a state directory (give [relay] a state_dir)",
            ),
            (
                "ack = \"never\"",
                "ack: \"never\" is not known here (one of \"delivered\", \"spooled\")",
            ),
            (
                "endpoint = \"vod.tencentcloudapi.com\"",
                "endpoint: is not a URL: relative URL without a base \
                 (for example \"https://vod.tencentcloudapi.com\")",
            ),
            (
                "endpoint = \"ftp://vod.example\"",
                "endpoint: has a scheme other than https or http \
                 (for example \"https://vod.tencentcloudapi.com\")",
            ),
            (
                "endpoint = \"https://vod.example/v2\"",
                &format!("endpoint: holds a path {endpoint}"),
            ),
            (
                "endpoint = \"https://vod.example?a=b\"",
                &format!("endpoint: holds a query or a fragment {endpoint}"),
            ),
            (
                "endpoint = \"https://me:pass@vod.example\"",
                &format!(
                    "endpoint: holds a user name or a password, which VOD does not take {endpoint}"
                ),
            ),
            (
                "region = \"Guangzhou 3\"",
                "region: \"Guangzhou 3\" is not a region (for example \"ap-guangzhou\")",
            ),
            ("sub_app_id = 0", &format!("sub_app_id: 0 is out of range {sub_app}")),
            ("sub_app_id = 1.5", &format!("sub_app_id: is a number with a fraction {sub_app}")),
            ("max_pulls = 65", "max_pulls: 65 is out of range (a whole number from 1 to 64)"),
            (
                "max_in_flight = 15",
                "max_in_flight: 15 is out of range (a whole number from 16 to 65536)",
            ),
            (
                "max_requests_per_second = 0",
                "max_requests_per_second: 0 is out of range (a whole number from 1 to 100000)",
            ),
            (
                "request_timeout = \"5s\"",
                "request_timeout: 5s is out of range \
                 (a duration from 6s to 5m, for example \"10s\")",
            ),
            (
                "lease = \"10 apples\"",
                "lease: \"10 apples\" is not a duration: unknown time unit \"apples\", supported \
                 units: ns, us/µs, ms, sec, min, hours, days, weeks, months, years (and few \
                 variations) (a duration from 1s to 12h, for example \"30s\")",
            ),
            (
                "confirm_margin = \"30s\"",
                "confirm_margin: 30s leaves nothing of the lease, which is 30s \
                 (for example \"5s\")",
            ),
            (
                "unrouted = \"drop\"",
                "unrouted: \"drop\" is not known here (one of \"leave\", \"confirm\")",
            ),
            (
                "credentials = 1",
                "credentials: is a whole number (a table: [sources.main.credentials])",
            ),
        ],
    );
    assert_eq!(
        mistakes(&MINIMAL.replace("[sinks", "max_pull = 4\n[sinks")),
        "2:1: sources.main.max_pull: is not a known key (did you mean \"max_pulls\"?)"
    );
}

#[test]
fn in_a_source_that_listens() {
    let text = |line: &str| {
        format!(
            "[relay]\nstate_dir = \"/a\"\n[sources.hook]\ntype = \"callback\"\n{line}\n\
             [sinks.app]\ntype = \"stdout\"\n"
        )
    };
    let key = "(1 to 32 letters and digits, as VOD takes them for SignKey)";
    for (line, mistake) in [
        (
            "listen = \"8080\"",
            "listen: \"8080\" is no IP address with a port (for example \"127.0.0.1:8080\")",
        ),
        (
            "path = \"callback\"",
            "path: \"callback\" is no path of a URL (for example \"/vod/callback\")",
        ),
        (
            "path = \"/a?b=c\"",
            "path: \"/a?b=c\" is no path of a URL (for example \"/vod/callback\")",
        ),
        ("sign_key = \"\"", &format!("sign_key: is empty {key}")),
        (
            "sign_key = \"a-b\"",
            &format!("sign_key: holds characters that are neither letters nor digits {key}"),
        ),
        (
            "sign_key = \"000000000011111111112222222222333\"",
            &format!("sign_key: is too long {key}"),
        ),
        (
            "trusted_addresses = [\"vod\"]",
            "trusted_addresses: holds \"vod\", which is no address and no range \
             (for example [\"10.0.0.0/8\", \"192.0.2.7\"])",
        ),
        (
            "max_body_size = \"17 MiB\"",
            "max_body_size: is more than any event has (at most \"16 MiB\")",
        ),
        (
            "max_connections = 1",
            "max_connections: 1 is out of range (a whole number from 16 to 65536)",
        ),
        (
            "reply_timeout = \"0s\"",
            "reply_timeout: 0s is out of range (a duration from 100ms to 1m, for example \"4s\")",
        ),
        (
            "request_timeout = \"2m\"",
            "request_timeout: 2m is out of range \
             (a duration from 100ms to 1m, for example \"5s\")",
        ),
    ] {
        let column = line.find("= ").unwrap() + 3;
        assert_eq!(mistakes(&text(line)), format!("5:{column}: sources.hook.{mistake}"));
    }
    assert_eq!(
        mistakes(&text("endpoint = \"https://vod.example\"\ncredentials = 7")),
        "5:12: sources.hook.endpoint: belongs to type = \"pull\" \
         (remove it, or set type = \"pull\")\n\
         6:15: sources.hook.credentials: belongs to type = \"pull\" \
         (remove it, or set type = \"pull\")"
    );
    assert_eq!(
        mistakes("[sources.hook]\ntype = \"callback\"\n[sinks.app]\ntype = \"stdout\"\n"),
        "1:1: sources.hook.ack: is \"spooled\" unless it is set, which needs a state directory: VOD \
         waits 5 s for an answer and sends an event 3 times at most, so it is kept on disk first \
         (give [relay] a state_dir, or set ack = \"delivered\")"
    );
    let two = "[sources.a]\ntype = \"callback\"\nack = \"delivered\"\n\
               [sources.b]\ntype = \"callback\"\nack = \"delivered\"\n\
               [sinks.app]\ntype = \"stdout\"\n";
    assert_eq!(
        mistakes(two),
        "4:1: sources.b.listen: is 127.0.0.1:8080, where sources.a listens (another port)"
    );
}

#[test]
fn in_credentials() {
    let id = "secret_id = \"id\"\n";
    let blanks = "(printable ASCII without blanks)";
    let cases = [
        (
            "",
            "4:1: K.secret_id: is missing (for example secret_id = \"${VOD_SECRET_ID}\")\n\
             4:1: K.secret_key: is missing (secret_key_file = \"...\" or secret_key = \"...\")"
                .to_owned(),
        ),
        (
            "secret_id = \"\"\nsecret_key = \"\"",
            "5:13: K.secret_id: is empty (for example secret_id = \"${VOD_SECRET_ID}\")\n\
             6:14: K.secret_key: is empty (the key that belongs to secret_id)"
                .to_owned(),
        ),
        (
            "secret_id = \" id\"\nsecret_key = \"k\\n\"",
            format!(
                "5:13: K.secret_id: begins or ends with white space {blanks}\n\
                 6:14: K.secret_key: begins or ends with white space {blanks}"
            ),
        ),
        (
            "secret_id = \"id\"\nsecret_key = \"k\"\ntoken = \"a b\"",
            format!(
                "7:9: K.token: holds a blank, a control character or a letter beyond ASCII {blanks}"
            ),
        ),
        (
            &format!("{id}secret_key_file = \"/gone\""),
            "6:19: K.secret_key_file: cannot read /gone: No such file or directory (os error 2) \
             (a file that this user may read)"
                .to_owned(),
        ),
        (
            &format!("{id}secret_key = \"k\"\nsecret_key_file = \"/gone\""),
            "7:19: K.secret_key_file: stands beside secret_key \
             (either secret_key or secret_key_file)"
                .to_owned(),
        ),
        (
            &format!("{id}secret_key = \"${{GONE}}\""),
            "6:14: K.secret_key: needs the environment variable GONE, which is empty or not set \
             (set GONE, or give a default: ${GONE:-default})"
                .to_owned(),
        ),
        (
            "provider = \"cvm\"\nsecret_id = \"id\"",
            "5:12: K.provider: \"cvm\" is not known here (one of \"config\", \"chain\", \"env\", \
             \"profile\", \"cvm-role\", \"oidc\")"
                .to_owned(),
        ),
        (
            "provider = \"cvm-role\"\nsecret_id = \"id\"\nrole = \"a role\"\n\
             metadata_endpoint = \"http://a/latest\"\nsts_endpoint = \"https://b\"",
            "6:13: K.secret_id: does nothing with this provider (provider = \"config\")\n\
             7:8: K.role: \"a role\" is no name of a role \
             (the name of a CAM role: letters, digits and +=,.@_-)\n\
             8:21: K.metadata_endpoint: holds more than scheme, host and port \
             (as in \"http://metadata.tencentyun.com\")\n\
             9:16: K.sts_endpoint: does nothing with this provider \
             (provider = \"chain\" or provider = \"oidc\")"
                .to_owned(),
        ),
        (
            "provider = \"env\"\nsecret_kye_file = \"k\"",
            "6:1: K.secret_kye_file: is not a known key (known here: provider)".to_owned(),
        ),
        (
            &format!("{id}secret_kye = \"k\""),
            "4:1: K.secret_key: is missing (secret_key_file = \"...\" or secret_key = \"...\")\n\
             6:1: K.secret_kye: is not a known key (did you mean \"secret_key\"?)"
                .to_owned(),
        ),
    ];
    for (keys, expected) in cases {
        let text = format!("{MINIMAL}[sources.main.credentials]\n{keys}\n");
        assert_eq!(mistakes(&text), expected.replace("K.", "sources.main.credentials."));
    }
}

#[test]
fn in_a_sink() {
    each(
        "[sinks.app]",
        &[
            ("events = []", "events: is empty (leave it out to take all types)"),
            ("sources = []", "sources: is empty (leave it out to take from all sources)"),
            ("sources = [\"mian\"]", "sources: names \"mian\", which is no source (there is main)"),
            (
                "timeout = \"26s\"",
                "timeout: 26s and sources.main.confirm_margin (5s) together are longer than \
                 sources.main.lease (30s) (at most \"25s\", or sources.main.ack = \"spooled\")",
            ),
        ],
    );
    assert_eq!(
        mistakes("[sources.main]\n[sinks.app]\n"),
        "2:1: sinks.app.type: is missing (one of \"stdout\", \"file\", \"webhook\", \"command\", \"kafka\", \
         \"nats\", \"amqp\", \"redis\", \"postgres\", \"mysql\", \"mqtt\")"
    );
}

#[test]
fn a_mistyped_type_makes_no_mistakes_of_the_keys_beside_it() {
    let text = "[sources.main]\n[sinks.app]\ntype = \"webhok\"\nurl = \"https://a.example\"\n";
    let found = mistakes(text);
    assert!(found.starts_with("3:8: sinks.app.type: \"webhok\" is not known here"), "{found}");
    assert_eq!(found.lines().count(), 1, "{found}");
}

#[test]
fn between_the_tables() {
    let cases = [
        (
            "",
            "1:1: sources: is missing (for example [sources.main])\n\
             1:1: sinks: is missing (for example [sinks.app])",
        ),
        (
            "[sources]\n[sinks]\n",
            "1:1: sources: is empty (for example [sources.main])\n\
             2:1: sinks: is empty (for example [sinks.app])",
        ),
        (
            "[[sources]]\n[sinks]\napp = 3\n",
            "1:1: sources: is a list (a table: [sources])\n\
             3:7: sinks.app: is a whole number (a table: [sinks.app])",
        ),
        (
            "[sources.\"a b\"]\n[sinks.app]\ntype = \"stdout\"\n",
            "1:1: sources.\"a b\": has a name that cannot be used (1 to 64 of A-Z a-z 0-9 _ -)",
        ),
        (
            "[sources.main]\n[sources.slow]\nlease = \"12s\"\n[sinks.app]\ntype = \"stdout\"\n\
             timeout = \"11s\"\n",
            "6:11: sinks.app.timeout: 11s and sources.slow.confirm_margin (2s) together are \
             longer than sources.slow.lease (12s) \
             (at most \"10s\", or sources.slow.ack = \"spooled\")",
        ),
        // A lease that is wrong itself measures nothing.
        (
            "[sources.main]\nlease = 60\nconfirm_margin = \"40s\"\n[sinks.app]\n\
             type = \"stdout\"\ntimeout = \"50s\"\n",
            "2:9: sources.main.lease: is a whole number \
             (a duration from 1s to 12h, for example \"30s\")",
        ),
        // A source that the sink does not serve sets it no limit.
        (
            "[sources.main]\n[sources.slow]\nlease = \"12s\"\n[sinks.app]\ntype = \"stdout\"\n\
             timeout = \"11s\"\nsources = [\"main\"]\n",
            "",
        ),
        (
            "[source.main]\n[sinks.app]\ntype = \"stdout\"\n",
            "1:1: sources: is missing (for example [sources.main])\n\
             1:2: source: is not a known key (did you mean \"sources\"?)",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(mistakes(text), expected, "{text}");
    }
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_the_file() {
    let text = "[sinks.app]\ntype = \"stdout\"\ntimeout = \"10 apples\"\nurl = \"x\"\n\
                [sources.main]\nmax_pulls = 0\nlease = 30\n[log]\nformat = \"xml\"\n";
    let error = parse(text).unwrap_err().to_string();
    let lines: Vec<_> = error.lines().collect();
    let starts = [
        "config.toml:3:11: sinks.app.timeout: \"10 apples\" is not a duration",
        "config.toml:4:1: sinks.app.url: is not a known key",
        "config.toml:6:13: sources.main.max_pulls: 0 is out of range",
        "config.toml:7:9: sources.main.lease: is a whole number",
        "config.toml:9:10: log.format: \"xml\" is not known here",
        "5 mistakes in config.toml",
    ];
    assert_eq!(lines.len(), starts.len(), "{error}");
    for (line, start) in lines.iter().zip(starts) {
        assert!(line.starts_with(start), "{line}");
    }
    let one = parse(&format!("{MINIMAL}[admn]\n")).unwrap_err().to_string();
    assert!(one.ends_with("(did you mean \"admin\"?)\n1 mistake in config.toml"), "{one}");
}

#[test]
fn broken_toml_is_told_together_with_the_mistakes_in_the_rest() {
    let cases = [
        // What the broken lines may have held is not missed.
        ("[sources.main\n[sinks.app]\n", "1:14: unclosed table, expected `]`"),
        (
            "[sources.main]\nlease = 5s\nmax_pulls = 0\n[sinks.app]\ntype = \"stdout\n",
            "2:9: string values must be quoted, expected literal string\n\
             3:13: sources.main.max_pulls: 0 is out of range (a whole number from 1 to 64)\n\
             5:15: invalid basic string, expected `\"`",
        ),
        (
            "[sources.main]\nlease = \"20s\"\nlease = \"30s\"\n[sinks.app]\ntype = \"stdout\"\n\
             [sources.main]\n",
            "3:1: has the key \"lease\" twice (each key and each table stands once)\n\
             6:10: has the key \"main\" twice (each key and each table stands once)",
        ),
        // The name of a source may stand in the broken part.
        (
            "[sources.main]\n[sources.spare\n[sinks.app]\ntype = \"stdout\"\nsources = [\"other\"]\n",
            "2:15: unclosed table, expected `]`",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(mistakes(text), expected, "{text}");
    }
}

#[test]
fn columns_count_characters_and_a_byte_order_mark_counts_nothing() {
    let text = "\u{feff}[sources.main]\r\nregion = \"转\" # 码\r\n[sinks.app]\r\n\
                when.\"转码\" = []\r\ntype = \"stdout\"\r\n";
    assert_eq!(
        mistakes(text),
        "2:10: sources.main.region: \"转\" is not a region (for example \"ap-guangzhou\")\n\
         4:13: sinks.app.when.\"转码\": has no value to be equal to (for example \
         { Status = \"FINISH\" } or { Status = [\"FINISH\", \"FAIL\"] })"
    );
}

#[test]
fn a_file_that_cannot_be_read_says_how_to_name_another() {
    let error = Config::load(Path::new("/gone/config.toml")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot read /gone/config.toml: No such file or directory (os error 2) \
         (name the file with --config FILE or VOD_RELAY_CONFIG)"
    );
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(Config::load(dir.path()), Err(ConfigError::Unreadable { .. })));
    let path = dir.path().join("latin1.toml");
    fs::write(&path, b"[sources.main]\nregion = \"\xe9\"\n").unwrap();
    assert_eq!(
        Config::load(&path).unwrap_err().to_string(),
        format!(
            "{0}:2:11: is not UTF-8 text (save the file as UTF-8)\n1 mistake in {0}",
            path.display()
        )
    );
    fs::write(&path, "#".repeat(2 * 1024 * 1024)).unwrap();
    let error = Config::load(&path).unwrap_err().to_string();
    assert!(error.contains("it is larger than 1 MiB, which no configuration is"), "{error}");
}

#[test]
fn a_check_prints_what_applies_and_answers_with_the_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    let run = |text: &str| {
        fs::write(&path, text).unwrap();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = check(&path, &mut out, &mut err).unwrap();
        (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    };
    let keys = "credentials = { secret_id = \"id\", secret_key = \"${NONE:-k}\" }\n[sinks";
    let text = MINIMAL.replace("[sinks", keys);
    let (code, out, err) = run(&text);
    assert_eq!((code, out.as_str()), (exit::OK, parse(&text).unwrap().effective()));
    assert_eq!(err, "sources.main: credentials from the configuration\n");
    let (code, out, err) =
        run(&text.replace("[sources.main]", "[sources.main]\nendpoint = \"http://vod.example\""));
    assert_eq!(code, exit::OK);
    assert!(out.contains("endpoint = \"http://vod.example\"\n"), "{out}");
    assert!(err.starts_with("warning: ") && err.lines().count() == 2, "{err}");
    let (code, out, err) = run("");
    assert_eq!((code, out.as_str()), (exit::CONFIG, ""));
    assert!(err.ends_with(&format!("2 mistakes in {}\n", path.display())), "{err}");
}
