//! Secrets show nowhere: not in what applies, not in debug output, not in a mistake.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use proptest::prelude::*;
use vod_relay::config::{Config, CredentialsConfig};

use super::{MINIMAL, damaged, example, parse, variables};

/// The secret in all of these tests.
pub(crate) const SENTINEL: &str = "hunter2-never-shown";
/// Secrets by the rules for them.
pub(crate) const SIGN_KEY: &str = "hunter2NeverShown";
pub(crate) const SIGNING_SECRET: &str = "whsec_hunter2NeverShownhunter2NeverShown00";

/// The example with everything in it, with the secrets in the file itself too.
fn texts() -> [String; 2] {
    let text = example::uncommented();
    let parts = text.split_inclusive('}').map(|part| match part.rsplit_once("${") {
        Some((before, name)) if is_secret(name.trim_end_matches('}')) => {
            format!("{before}{SENTINEL}")
        }
        _ => part.to_owned(),
    });
    let inline = parts.collect();
    [text, inline]
}

fn is_secret(variable: &str) -> bool {
    variables(variable).as_deref() == Some(SENTINEL)
}

/// Everything that can be printed of the outcome of a parse.
fn printed(text: &str) -> String {
    match parse(text) {
        Ok(config) => format!("{config:?}\n{}\n{:?}", config.effective(), config.warnings),
        Err(error) => format!("{error:?}\n{error}"),
    }
}

#[test]
fn a_secret_shows_nowhere() {
    let texts = [
        example::active(),
        example::uncommented(),
        example::active().replace("${VOD_SECRET_KEY}", SENTINEL),
        // A mistake right in the secret.
        example::active().replace("${VOD_SECRET_KEY}", &format!(" {SENTINEL}")),
        example::active().replace("${VOD_SECRET_KEY}", &format!("${{{SENTINEL}}}")),
        example::active().replace("${VOD_SECRET_KEY}", &format!("${{{SENTINEL}")),
        example::active().replace("\"${VOD_SECRET_KEY}\"", &format!("[\"{SENTINEL}\"]")),
        example::active().replace("\"${VOD_SECRET_KEY}\"", SENTINEL),
        example::active().replace("${VOD_SECRET_KEY}\"", SENTINEL),
        example::uncommented().replace("token = \"\"", &format!("token = \"{SENTINEL}\"")),
        example::uncommented().replace("${ADMIN_TOKEN}", SENTINEL),
        example::uncommented().replace("Bearer ${APP_TOKEN}", SENTINEL),
        example::uncommented().replace("\"Bearer ${APP_TOKEN}\"", &format!("[\"{SENTINEL}\"]")),
        example::uncommented().replace("${VOD_SIGN_KEY}", SENTINEL),
        example::uncommented().replace("${VOD_SIGN_KEY}", SIGN_KEY),
        example::uncommented().replace("${APP_SIGNING_SECRET}", SENTINEL),
        example::uncommented().replace("${APP_SIGNING_SECRET}", &format!("whsec_{SENTINEL}")),
        example::uncommented().replace("[\"${APP_SIGNING_SECRET}\"]", &format!("{SENTINEL:?}")),
        // A list without its end has all that follows in it.
        example::uncommented().replace("addresses = [", "addresses = [["),
    ];
    for text in texts {
        let printed = printed(&text);
        for secret in [SENTINEL, SIGN_KEY, SIGNING_SECRET] {
            assert!(!printed.contains(secret), "{printed}");
        }
    }
    let command = format!(
        "{}[sinks.program]\ntype = \"command\"\ncommand = [\"run\", \"--token=${{APP_TOKEN}}\", \"$$\"]\n",
        example::active()
    );
    let config = parse(&command).unwrap();
    assert!(
        config.effective().contains("[\"run\", \"--token=${APP_TOKEN}\", \"$$\"]"),
        "{}",
        config.effective()
    );
    assert_eq!(parse(config.effective()).unwrap().sinks, config.sinks);
    let effective = parse(&example::uncommented()).unwrap().effective().to_owned();
    assert!(effective.contains("secret_key = \"********\""), "{effective}");
    assert!(effective.contains("headers = { Authorization = \"********\" }"), "{effective}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_damage_to_the_file_makes_a_secret_show(
        cuts in proptest::collection::vec((0..20_000_usize, 0..3_usize, "[\\[\\]{}=.,\"'#\n0a]{0,3}"), 1..4),
    ) {
        for text in texts() {
            let printed = printed(&damaged(&text, &cuts));
            prop_assert!(!printed.contains(SENTINEL), "{}", printed);
        }
    }
}

/// A colon that is not there makes a user of a password, a quote a word.
#[test]
fn no_letter_left_out_near_a_secret_makes_it_show() {
    for text in texts() {
        let mut places = BTreeSet::new();
        for (at, secret) in text.match_indices(SENTINEL) {
            // Left out of the secret itself, a letter makes another one.
            places.extend((at - 25..at).chain(at + secret.len()..at + secret.len() + 10));
        }
        for (at, _) in text.match_indices("${") {
            let end = at + text[at..].find('}').unwrap();
            if is_secret(&text[at + 2..end]) {
                places.extend(at - 25..end + 10);
            }
        }
        assert!(places.len() > 100, "{places:?}");
        for at in places {
            let mut damaged = text.clone();
            damaged.remove(at);
            let printed = printed(&damaged);
            assert!(!printed.contains(SENTINEL), "without the letter {at}: {printed}");
        }
    }
}

#[test]
fn the_key_may_come_from_a_file_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    fs::write(&file, format!("{SENTINEL}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let text = MINIMAL.replace(
        "[sinks",
        &format!(
            "credentials = {{ secret_id = \"id\", secret_key_file = {file:?}, token = \"\" }}\n[sinks"
        ),
    );
    let config = parse(&text).unwrap();
    let CredentialsConfig::Fixed { secret_id, secret_key, token, files } =
        &super::pull(&config).credentials
    else {
        panic!("{config:?}");
    };
    assert_eq!((secret_id.as_str(), secret_key.expose(), token), ("id", SENTINEL, &None));
    assert_eq!(files.secret_key.as_deref(), Some(file.as_path()));
    assert!(!printed(&text).contains(SENTINEL));
    assert_eq!(parse(config.effective()).unwrap(), config);
}

#[test]
fn a_key_in_a_file_that_others_can_read_is_worth_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    let file = path.display().to_string();
    let keys = "[sources.main.credentials]\nsecret_id = \"id\"\nsecret_key = \"k\"\ntoken = \"\"\n";
    fs::write(&path, format!("{MINIMAL}{keys}")).unwrap();
    for (mode, readers) in [(0o600, None), (0o640, Some("its group")), (0o644, Some("every user"))]
    {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let expected = readers.map(|readers| {
            format!(
                "{file}:6:14: sources.main.credentials.secret_key: is written in a file that \
                 {readers} can read (secret_key_file = \"...\", or chmod 600 {file})"
            )
        });
        assert_eq!(Config::load(&path).unwrap().warnings, Vec::from_iter(expected));
    }
}
