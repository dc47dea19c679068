//! What is allowed but hardly meant.

use super::parse;

#[test]
fn warnings_have_a_place_and_a_remedy() {
    let cases = [
        (
            "[sources.main]\nendpoint = \"http://vod.example\"\n[sinks.app]\ntype = \"stdout\"\n",
            "config.toml:2:12: sources.main.endpoint: sends signed requests in the clear \
             (https, unless the way to that host is yours alone)",
        ),
        (
            "[sources.hook]\ntype = \"callback\"\nack = \"delivered\"\nlisten = \"0.0.0.0:80\"\n\
             [sinks.app]\ntype = \"stdout\"\n",
            "config.toml:4:10: sources.hook.listen: lets anyone who can connect pass for VOD \
             (set sign_key or trusted_addresses, or listen on 127.0.0.1 behind a proxy)",
        ),
        (
            "[sources.main]\n[sources.spare]\n[sinks.app]\ntype = \"stdout\"\nsources = [\"main\"]\n",
            "config.toml:2:1: sources.spare: no sink takes its events \
             (add \"spare\" to the sources of a sink, or remove the source)",
        ),
        (
            "[sources.main]\n[sinks.app]\ntype = \"stdout\"\nevents = [\"FileUploadEvent\"]\n",
            "config.toml:4:10: sinks.app.events: \"FileUploadEvent\" is not a type that VOD \
             documents (did you mean \"NewFileUpload\"?)",
        ),
        (
            "[sources.main]\n[sinks.app]\ntype = \"stdout\"\nevents = [\"FileDelete\"]\n",
            "config.toml:4:10: sinks.app.events: \"FileDelete\" is not a type that VOD \
             documents (did you mean \"FileDeleted\"?)",
        ),
    ];
    for (text, warning) in cases {
        assert_eq!(parse(text).unwrap().warnings, [warning]);
    }
}

#[test]
fn a_listener_that_asks_who_posts_is_worth_no_warning() {
    for keys in [
        "listen = \"[::1]:80\"",
        "listen = \"0.0.0.0:80\"\nsign_key = \"abc\"",
        "listen = \"[::]:80\"\ntrusted_addresses = [\"2001:db8::/32\"]",
    ] {
        let text = format!(
            "[sources.hook]\ntype = \"callback\"\nack = \"delivered\"\n{keys}\n\
             [sinks.app]\ntype = \"stdout\"\n"
        );
        assert!(parse(&text).unwrap().warnings.is_empty(), "{keys}");
    }
}

#[test]
fn what_may_well_be_meant_is_worth_no_warning() {
    for endpoint in ["http://localhost:9000", "http://127.0.0.1:9000/", "http://[::1]:9000"] {
        let text = format!(
            "[sources.main]\nendpoint = \"{endpoint}\"\n[sinks.app]\ntype = \"stdout\"\n\
             events = [\"NewFileUpload\", \"HologramRendered\"]\n"
        );
        assert!(parse(&text).unwrap().warnings.is_empty(), "{endpoint}");
    }
}
