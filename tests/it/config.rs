//! The configuration: what is accepted, what is refused and in which words.

mod example;
mod mistakes;
mod secrets;
mod warnings;

use std::time::Duration;

use proptest::prelude::*;
use vod_relay::config::{
    Ack, Config, ConfigError, CredentialsConfig, Endpoints, LogFormat, PullConfig, SourceKind,
    Unrouted,
};

/// The least that runs.
const MINIMAL: &str = "[sources.main]\n[sinks.app]\ntype = \"stdout\"\n";

fn variables(name: &str) -> Option<String> {
    match name {
        "VOD_SECRET_ID" => Some("AKIDexample".to_owned()),
        "VOD_SECRET_KEY" | "APP_TOKEN" | "ADMIN_TOKEN" | "REDIS_PASSWORD" | "DB_PASSWORD" => {
            Some(secrets::SENTINEL.to_owned())
        }
        "VOD_SIGN_KEY" => Some(secrets::SIGN_KEY.to_owned()),
        "APP_SIGNING_SECRET" => Some(secrets::SIGNING_SECRET.to_owned()),
        // What a variable holds cannot change the structure of the file.
        "HOSTILE" => Some("\"\n[sinks.evil]\ntype = \"stdout\" # ${VOD_SECRET_ID} $$".to_owned()),
        _ => None,
    }
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse("config.toml", text, &variables)
}

/// What the first source, which pulls, is made of.
fn pull(config: &Config) -> &PullConfig {
    let SourceKind::Pull(pull) = &config.sources[0].kind else { panic!("{config:?}") };
    pull
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn the_least_configuration_has_all_defaults() {
    let config = parse(MINIMAL).unwrap();
    assert_eq!(config.relay.shutdown_grace, seconds(25));
    assert_eq!((config.log.format, config.log.level.as_str()), (LogFormat::Text, "info"));
    let source = &config.sources[0];
    assert_eq!(source.name, "main");
    assert_eq!((source.sub_app_id, source.max_in_flight), (None, 256));
    assert_eq!((source.ack, source.unrouted), (Ack::Delivered, Unrouted::Leave));
    let pull = pull(&config);
    assert_eq!(pull.endpoint.as_str(), "https://vod.tencentcloudapi.com/");
    assert_eq!((pull.region.as_deref(), pull.max_pulls), (None, 8));
    assert_eq!(pull.max_requests_per_second, 50);
    assert_eq!(pull.request_timeout, seconds(10));
    assert_eq!((pull.lease, pull.confirm_margin), (seconds(30), seconds(5)));
    let endpoints = Endpoints {
        metadata: "http://metadata.tencentyun.com".parse().unwrap(),
        sts: "https://sts.tencentcloudapi.com".parse().unwrap(),
    };
    assert_eq!(pull.credentials, CredentialsConfig::Chain(endpoints));
    let sink = &config.sinks[0];
    assert_eq!((sink.name.as_str(), sink.sources.as_ref()), ("app", None));
    assert_eq!((sink.rule.events.as_ref(), sink.rule.when.len()), (None, 0));
    assert!(sink.required);
    assert!(config.warnings.is_empty());
    assert_eq!(config.admin, None);
    let admin = parse(&format!("{MINIMAL}[admin]\n")).unwrap().admin.unwrap();
    assert_eq!(admin.listen.to_string(), "127.0.0.1:9187");
    assert_eq!((admin.token, admin.backlog_interval), (None, None));
}

#[test]
fn the_effective_configuration_shows_every_default_in_order() {
    let text = "[sinks.app]\ntype = \"stdout\"\nevents = [\"NewFileUpload\"]\n\
                [sources.b]\n[sources.a]\n\
                credentials = { secret_id = \"${VOD_SECRET_ID}\", secret_key = \"k\" }\n";
    let config = parse(text).unwrap();
    let shown = config.effective();
    let start = "[relay]\nspool_max_size = 1073741824\nshutdown_grace = \"25s\"\n\
                 ledger_name = \"vod_relay_ledger\"\n\n\
                 [log]\nformat = \"text\"\nlevel = \"info\"\n\n\
                 [sources.b]\ntype = \"pull\"\nack = \"delivered\"\nmax_in_flight = 256\n\
                 unrouted = \"leave\"\nconvert = \"none\"\nendpoint = \"https://vod.tencentcloudapi.com\"\n\
                 max_pulls = 8\nmax_requests_per_second = 50\nrequest_timeout = \"10s\"\n\
                 lease = \"30s\"\nconfirm_margin = \"5s\"\n\n[sources.a]\n";
    assert!(shown.starts_with(start), "{shown}");
    let headers: Vec<_> = shown.lines().filter(|line| line.starts_with('[')).collect();
    let order = ["[relay]", "[log]", "[sources.b]", "[sources.a]", "[sources.b.credentials]"];
    assert_eq!(headers[..5], order);
    assert_eq!(headers[5..], ["[sources.a.credentials]", "[sinks.app]"]);
    let chain = "[sources.b.credentials]\nprovider = \"chain\"\n\
                 metadata_endpoint = \"http://metadata.tencentyun.com\"\n\
                 sts_endpoint = \"https://sts.tencentcloudapi.com\"\n";
    assert!(shown.contains(chain), "{shown}");
    assert!(shown.contains("secret_id = \"AKIDexample\"\nsecret_key = \"********\"\n"), "{shown}");
    assert!(shown.contains("events = [\"NewFileUpload\"]\n"), "{shown}");
}

#[test]
fn the_effective_configuration_is_the_same_configuration() {
    let texts = [
        MINIMAL.to_owned(),
        example::active(),
        example::uncommented(),
        "[sources.a]\n[sinks.b]\ntype = \"command\"\ncommand = [\"sh\", \"-c\", \"echo $$HOME\"]\n\
         when = { Price = \"$$5\" }\n"
            .to_owned(),
        "[sources.a]\nlease = \"3s\"\nregion = \"\"\nsub_app_id = \"7\"\n[sinks.b]\n\
         type = \"stdout\"\ntimeout = \"2s\"\nwhen = { \"A.B\" = 0.10, C = [true, \"x\"] }\n\
         sources = [\"a\"]\n"
            .to_owned(),
    ];
    for text in texts {
        // A header is masked as a whole.
        let text = text.replace("Bearer ${APP_TOKEN}", "${APP_TOKEN}");
        let config = parse(&text).unwrap();
        // These two are checked, so that their masks cannot stand for them.
        let again = config
            .effective()
            .replace("sign_key = \"********\"", "sign_key = \"${VOD_SIGN_KEY}\"")
            .replace(
                "signing_secrets = [\"********\"]",
                "signing_secrets = [\"${APP_SIGNING_SECRET}\"]",
            );
        let again = parse(&again).unwrap();
        assert_eq!(again.effective(), config.effective());
        let masked = |name: &str| match name {
            "VOD_SECRET_KEY" | "APP_TOKEN" | "ADMIN_TOKEN" | "REDIS_PASSWORD" | "DB_PASSWORD" => {
                Some("********".to_owned())
            }
            name => variables(name),
        };
        let mut expected = Config::parse("config.toml", &text, &masked).unwrap();
        // Warnings tell of a place in the file.
        expected.warnings.clone_from(&again.warnings);
        assert_eq!(again, expected);
    }
}

#[test]
fn the_margin_shrinks_with_the_lease_of_an_emulator() {
    for (lease, margin) in [("3s", 500), ("1s", 166), ("12s", 2000), ("30s", 5000), ("1h", 5000)] {
        let text = MINIMAL.replace("[sinks", &format!("lease = \"{lease}\"\n[sinks"));
        let config = parse(&format!("{text}timeout = \"500ms\"\n")).unwrap();
        assert_eq!(pull(&config).confirm_margin, Duration::from_millis(margin), "{lease}");
    }
}

#[test]
fn variables_are_replaced_in_values_and_change_no_structure() {
    let text = "[sources.main]\nregion = \"${GONE:-ap-beijing}\"\n\
                sub_app_id = \"${GONE:-1500000001}\"\n[sinks.app]\ntype = \"stdout\"\n\
                when = { Price = \"$$5\", Session = \"${HOSTILE}\" }\n";
    let config = parse(text).unwrap();
    assert_eq!(pull(&config).region.as_deref(), Some("ap-beijing"));
    assert_eq!(config.sources[0].sub_app_id, Some(1_500_000_001));
    let when = &config.sinks[0].rule.when;
    assert_eq!(when[0].1, ["$5"]);
    assert_eq!(when[1].1, [variables("HOSTILE").unwrap()]);
    assert_eq!(config.sinks.len(), 1);
}

#[test]
fn the_router_follows_the_order_of_the_file() {
    let text = "[sources.z]\n[sources.a]\n[sinks.second]\ntype = \"stdout\"\nsources = [\"z\"]\n\
                [sinks.first]\ntype = \"stdout\"\nevents = [\"FileDeleted\"]\n";
    let config = parse(text).unwrap();
    let event = vod_relay::event::Event::from_content(r#"{"EventType":"FileDeleted"}"#.to_owned());
    assert_eq!(config.sources[0].name, "z");
    assert_eq!(config.router().targets("z", &event), [0, 1]);
    assert_eq!(config.router().targets("a", &event), [1]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_parser_panic(text in "(\\PC|[\\[\\]{}=.,\"'#$\\\\\n\r\t -]|sources|sinks){0,80}") {
        let _ = parse(&text).map_err(|error| error.to_string());
    }

    #[test]
    fn no_damage_makes_the_parser_panic(
        cuts in proptest::collection::vec((0..5000_usize, 0..40_usize, "[\\[\\]{}=.,\"'#$\n0a]{0,3}"), 1..4),
    ) {
        let _ = parse(&damaged(&example::uncommented(), &cuts)).map_err(|error| error.to_string());
    }
}

/// The text with a few of its parts replaced.
fn damaged(text: &str, cuts: &[(usize, usize, String)]) -> String {
    let mut text: Vec<char> = text.chars().collect();
    for (at, length, instead) in cuts {
        let start = at % (text.len() + 1);
        let end = text.len().min(start + length);
        text.splice(start..end, instead.chars());
    }
    text.into_iter().collect()
}
