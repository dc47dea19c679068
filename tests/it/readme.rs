//! The README says what the program does: its tables, commands, configurations and links.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use clap::CommandFactory as _;
use vod_relay::cli::Cli;
use vod_relay::config::Config;
use vod_relay::emulator::FaultKind;
use vod_relay::exit;

const README: &str = include_str!("../../README.md");
const EXIT: &str = include_str!("../../src/exit.rs");
const EXAMPLE: &str = include_str!("../../config.toml.example");

#[test]
fn the_exit_codes_are_those_of_the_program_and_of_its_help() {
    let readme: Vec<_> =
        rows("code").into_iter().map(|row| (number(&row[0]), row[1].clone())).collect();
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
fn every_key_is_one_of_the_example() {
    let known = example_keys();
    let named: Vec<_> = rows("key").iter().flat_map(|row| code(&row[0])).collect();
    assert!(named.len() > 20, "{named:?}");
    for key in named {
        assert!(known.contains(&key), "{key} is not in config.toml.example");
    }
    for row in rows("type") {
        for key in code(&row[4]) {
            assert!(known.contains(&format!("sinks.*.{key}")), "{key} is not in the example");
        }
    }
}

#[test]
fn every_sink_has_its_row() {
    let described: BTreeSet<_> = rows("type").iter().flat_map(|row| code(&row[0])).collect();
    let files = fs::read_dir(root().join("src/sink")).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.is_file());
    let sinks = files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned());
    assert_eq!(described, sinks.collect());
}

#[test]
fn every_subcommand_is_named_and_every_named_one_is_there() {
    let cli = Cli::command();
    let known: BTreeSet<_> = cli.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    let mut named = BTreeSet::new();
    for (_, text) in blocks().into_iter().filter(|(language, _)| language == "sh") {
        named.extend(text.lines().filter_map(subcommand));
    }
    named.extend(prose().flat_map(code).filter_map(|text| subcommand(&text)));
    assert_eq!(named, known);
}

#[test]
fn the_emulators_flags_and_faults_are_all_there() {
    let cli = Cli::command();
    let emulate = cli.find_subcommand("emulate").unwrap();
    let flags = emulate.get_arguments().filter(|arg| arg.get_long() != Some("help"));
    let flags: BTreeSet<_> =
        flags.filter_map(|arg| arg.get_long()).map(|long| format!("--{long}")).collect();
    let described: BTreeSet<_> = rows("flag").iter().flat_map(|row| code(&row[0])).collect();
    assert_eq!(described, flags);
    for row in rows("flag").iter().filter(|row| row[0].matches("--").count() == 1) {
        let arg = emulate
            .get_arguments()
            .find(|arg| arg.get_long().is_some_and(|long| row[0] == format!("`--{long}`")));
        let defaults = arg.unwrap().get_default_values();
        let default = defaults.iter().map(|value| value.to_str().unwrap()).collect::<String>();
        let described = row[1].trim_matches('`');
        assert!(default.is_empty() || default == described, "{row:?} has the default {default}");
    }
    let (_, faults) = README.split_once("\nFaults: ").unwrap();
    let faults = faults.split_once("\n\n").unwrap().0;
    assert_eq!(code(faults), FaultKind::ALL.map(|kind| kind.name().to_owned()));
}

#[test]
fn every_configuration_is_right() {
    let secrets = tempfile::tempdir().unwrap();
    let key = secrets.path().join("vod-secret-key");
    fs::write(&key, "secret\n").unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let signing = secrets.path().join("app-signing-secret");
    fs::write(&signing, format!("whsec_{}\n", "secret00".repeat(4))).unwrap();
    fs::set_permissions(&signing, fs::Permissions::from_mode(0o600)).unwrap();
    let variables = |name: &str| match name {
        "CREDENTIALS_DIRECTORY" => secrets.path().to_str().map(str::to_owned),
        _ => Some(name.to_lowercase()),
    };
    let mut configs: Vec<_> = blocks();
    configs.retain(|(language, _)| language == "toml");
    // What the shell writes into a file.
    for (_, text) in blocks().into_iter().filter(|(language, _)| language == "sh") {
        if let Some((_, rest)) = text.split_once(".toml <<'END'\n") {
            configs.push((String::new(), rest.split_once("END\n").unwrap().0.to_owned()));
        }
    }
    assert!(configs.len() >= 3, "{configs:?}");
    for (_, text) in configs {
        let config = Config::parse("README.md", &text, &variables);
        let config = config.unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    }
}

#[test]
fn every_link_leads_somewhere() {
    let headings = README.lines().filter(|line| line.starts_with('#'));
    let anchors: BTreeSet<_> = headings.map(anchor).collect();
    let mut links = 0;
    for target in prose().flat_map(|line| line.split("](").skip(1)) {
        let target = target.split_once(')').unwrap().0;
        links += 1;
        if let Some(anchor) = target.strip_prefix('#') {
            assert!(anchors.contains(anchor), "there is no heading for #{anchor}");
        } else if !target.starts_with("https://") {
            assert!(root().join(target).exists(), "there is no {target}");
        }
    }
    assert!(links > 10, "only {links} links were found");
}

#[test]
fn the_test_command_is_the_one_that_ci_runs() {
    let (_, development) = README.split_once("## Development\n\n```sh\n").unwrap();
    let command = development.lines().next().unwrap();
    let ci = fs::read_to_string(root().join(".ci/run")).unwrap();
    assert!(command.starts_with("cargo test") && ci.contains(&format!("    {command} 2>&1")));
}

#[test]
fn the_changelog_knows_this_version() {
    let changelog = fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    assert!(changelog.contains(env!("CARGO_PKG_VERSION")), "CHANGELOG.md lacks this version");
}

/// The rows of the table whose first column is called `first`, in cells.
fn rows(first: &str) -> Vec<Vec<String>> {
    let header = format!("| {first} |");
    let table = README.lines().skip_while(|line| !line.starts_with(&header));
    let table = table.take_while(|line| line.starts_with('|')).skip(2);
    let cells = |line: &str| {
        let inner = line.trim_start_matches('|').trim_end_matches('|');
        inner.split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let rows: Vec<_> = table.map(cells).collect();
    assert!(!rows.is_empty(), "there is no table of {first}");
    rows
}

/// What stands in `backquotes`.
fn code(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The fenced blocks, each with its language.
fn blocks() -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut lines = README.lines().map(str::trim_start);
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let text = lines.by_ref().take_while(|line| *line != "```");
            blocks.push((language.to_owned(), text.map(|line| format!("{line}\n")).collect()));
        }
    }
    blocks
}

/// The lines outside of fenced blocks.
fn prose() -> impl Iterator<Item = &'static str> {
    let mut fenced = false;
    README.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
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

/// Every key of the example, those that are commented out too, as `sinks.*.url`.
fn example_keys() -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    let mut section = String::new();
    for line in EXAMPLE.lines() {
        let line = line.strip_prefix('#').unwrap_or(line);
        if let Some(header) = line.strip_prefix('[') {
            let mut parts: Vec<_> = header.trim_end_matches(']').split('.').collect();
            if let Some(name) = parts.get_mut(1) {
                *name = "*";
            }
            section = parts.join(".");
        } else if let Some((key, _)) = line.split_once(" = ")
            && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        {
            keys.insert(format!("{section}.{key}"));
        }
    }
    keys
}

/// The anchor that a heading gets.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
    text.chars().filter(|c| c.is_alphanumeric() || *c == '-').collect()
}

fn number(text: &str) -> u8 {
    text.trim().parse().unwrap_or_else(|_| panic!("{text:?} is no exit code"))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
