//! The README and the pages beside it say what the program does: tables, commands, configurations
//! and links.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use clap::CommandFactory as _;
use vod_relay::cli::Cli;
use vod_relay::config::Config;
use vod_relay::emulator::FaultKind;
use vod_relay::exit;
use vod_relay::sink;

use crate::page::{Page, code, root};

const EXIT: &str = include_str!("../../src/exit.rs");

#[test]
fn the_exit_codes_are_those_of_the_program_and_of_its_help() {
    let page = Page::at("docs/exit-codes.md");
    let listed = page.rows("code").into_iter();
    let readme: Vec<_> = listed.map(|row| (number(&row[0]), row[1].clone())).collect();
    let meanings = exit::MEANINGS.map(|(code, meaning)| (code, meaning.to_owned()));
    assert_eq!(readme, meanings);
    let help = Cli::command().render_long_help().to_string();
    let (_, listed) = help.split_once("Exit codes:\n").unwrap();
    let helped = listed.lines().map_while(|line| {
        let (code, meaning) = line.trim_start().split_once("  ")?;
        Some((number(code), meaning.to_owned()))
    });
    assert_eq!(readme, helped.collect::<Vec<_>>());
    let constants =
        EXIT.lines().filter_map(|line| line.strip_prefix("pub const ")?.split_once(": u8 = "));
    let constants = constants.map(|(_, code)| number(code.trim_end_matches(';')));
    assert_eq!(meanings.map(|(code, _)| code).to_vec(), constants.collect::<Vec<_>>());
}

#[test]
fn every_command_has_its_exit_codes() {
    let mut described = BTreeSet::new();
    for row in Page::at("docs/exit-codes.md").rows("command") {
        described.extend(code(&row[0]));
        for one in row[1].split(", ").map(number) {
            let is_known = exit::MEANINGS.iter().any(|(code, _)| *code == one);
            assert!(is_known, "{row:?} names a code that there is not");
        }
    }
    let cli = Cli::command();
    let mut commands: BTreeSet<_> =
        cli.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    commands.extend(["vod-relay", "vod-relay --once"].map(str::to_owned));
    assert_eq!(described, commands);
}

#[test]
fn every_sink_has_its_row() {
    let rows = Page::readme().rows("type");
    let described: BTreeSet<_> = rows.iter().flat_map(|row| code(&row[0])).collect();
    let sinks = sink::built().chain(sink::left_out()).map(str::to_owned);
    assert_eq!(described, sinks.collect());
}

#[test]
fn every_subcommand_is_named_and_every_named_one_is_there() {
    let cli = Cli::command();
    let known: BTreeSet<_> = cli.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    let mut named = BTreeSet::new();
    for page in Page::all() {
        let blocks = page.blocks();
        for (_, text) in blocks.iter().filter(|(language, _)| language == "sh") {
            named.extend(text.lines().filter_map(subcommand));
        }
        named.extend(page.prose().flat_map(code).filter_map(|text| subcommand(&text)));
        assert!(named.is_subset(&known), "{}: {named:?}", page.path.display());
    }
    assert_eq!(named, known);
}

#[test]
fn the_emulators_flags_and_faults_are_all_there() {
    let cli = Cli::command();
    let emulate = cli.find_subcommand("emulate").unwrap();
    let flags = emulate.get_arguments().filter(|arg| arg.get_long() != Some("help"));
    let flags: BTreeSet<_> =
        flags.filter_map(|arg| arg.get_long()).map(|long| format!("--{long}")).collect();
    let page = Page::at("docs/emulator.md");
    let rows = page.rows("flag");
    let described: BTreeSet<_> = rows.iter().flat_map(|row| code(&row[0])).collect();
    assert_eq!(described, flags);
    for row in rows.iter().filter(|row| row[0].matches("--").count() == 1) {
        let arg = emulate
            .get_arguments()
            .find(|arg| arg.get_long().is_some_and(|long| row[0] == format!("`--{long}`")));
        let defaults = arg.unwrap().get_default_values();
        let default = defaults.iter().map(|value| value.to_str().unwrap()).collect::<String>();
        let described = row[1].trim_matches('`');
        assert!(default.is_empty() || default == described, "{row:?} has the default {default}");
    }
    let (_, faults) = page.text.split_once("\nFaults: ").unwrap();
    let faults = faults.split_once("\n\n").unwrap().0;
    assert_eq!(code(faults), FaultKind::ALL.map(|kind| kind.name().to_owned()));
}

#[test]
fn every_configuration_is_right() {
    let secrets = tempfile::tempdir().unwrap();
    for (name, secret) in [
        ("vod-secret-key", "secret".to_owned()),
        ("vod-sign-key", "secret".to_owned()),
        ("db-password", "secret".to_owned()),
        ("app-signing-secret", format!("whsec_{}", "secret00".repeat(4))),
    ] {
        let file = secrets.path().join(name);
        fs::write(&file, secret + "\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let variables = |name: &str| match name {
        "CREDENTIALS_DIRECTORY" => secrets.path().to_str().map(str::to_owned),
        _ => Some(name.to_lowercase()),
    };
    let mut count = 0;
    for page in Page::all() {
        let blocks = page.blocks();
        let written = blocks.iter().filter(|(language, _)| language == "sh");
        // What the shell writes into a file.
        let written = written.filter_map(|(_, text)| text.split_once(".toml <<'END'\n"));
        let written = written.map(|(_, rest)| rest.split_once("END\n").unwrap().0);
        let toml = blocks.iter().filter(|(language, _)| language == "toml");
        for text in toml.map(|(_, text)| text.as_str()).chain(written) {
            let name = page.path.display().to_string();
            let needs = |name| {
                ["type = ", "ledger = "].iter().any(|key| text.contains(&format!("{key}\"{name}")))
            };
            if sink::left_out().any(needs) {
                continue;
            }
            let config = Config::parse(&name, text, &variables);
            let config = config.unwrap_or_else(|error| panic!("{error}\n{text}"));
            assert!(config.warnings.is_empty(), "{name}: {:?}", config.warnings);
            count += 1;
        }
    }
    assert!(count > 8, "only {count} configurations were found");
}

#[test]
fn every_link_leads_somewhere() {
    let mut links = 0;
    for page in Page::all() {
        let here = page.path.display();
        for target in page.prose().flat_map(|line| line.split("](").skip(1)) {
            let target = target.split_once(')').unwrap().0;
            links += 1;
            if target.starts_with("https://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = match file {
                "" => page.path.clone(),
                file => page.path.parent().unwrap().join(file),
            };
            assert!(root().join(&file).exists(), "{here}: there is no {target}");
            let leads = anchor.is_empty() || Page::at(file).anchors().contains(anchor);
            assert!(leads, "{here}: there is no heading for {target}");
        }
    }
    assert!(links > 50, "only {links} links were found");
}

#[test]
fn every_page_can_be_reached_from_the_readme() {
    let readme = Page::readme();
    for page in Page::all().into_iter().skip(1) {
        let path = page.path.display().to_string();
        let development = Page::at("docs/development.md");
        let name = page.path.file_name().unwrap().to_str().unwrap();
        let named = readme.text.contains(&format!("]({path}")) || development.text.contains(name);
        assert!(named, "nothing leads to {path}");
    }
}

#[test]
fn the_test_command_is_the_one_that_ci_runs() {
    let readme = Page::readme().text;
    let (_, development) = readme.split_once("## Development\n\n```sh\n").unwrap();
    let command = development.lines().next().unwrap();
    let ci = fs::read_to_string(root().join(".ci/run")).unwrap();
    assert!(command.starts_with("cargo test") && ci.contains(&format!("    {command} 2>&1")));
}

#[test]
fn the_changelog_knows_this_version() {
    let changelog = fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    assert!(changelog.contains(env!("CARGO_PKG_VERSION")), "CHANGELOG.md lacks this version");
}

/// The subcommand in a command line that has the program in it.
fn subcommand(line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    words.find(|word| *word == "vod-relay" || *word == "--release")?;
    let mut rest = words.skip_while(|word| *word == "--");
    let mut word = rest.next()?;
    if word == "--config" {
        word = rest.nth(1)?;
    }
    let is_name = !word.starts_with('-')
        && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    is_name.then(|| word.to_owned())
}

fn number(text: &str) -> u8 {
    text.trim().parse().unwrap_or_else(|_| panic!("{text:?} is no exit code"))
}
