//! `config.toml.example` and the code say the same.

use std::collections::BTreeSet;

use vod_relay::config::Config;
use vod_relay::sink;

use super::{parse, variables};

const EXAMPLE: &str = include_str!("../../../config.toml.example");

/// What the example shows beside `[sources.main]` and `[sinks.app]`: each table, its type, and the keys
/// that must be given. Types of sinks that are not part of this build are left out.
fn tables() -> Vec<(&'static str, &'static str, &'static str)> {
    let tables = [
        ("[sources.hook]", "callback", ""),
        ("[sinks.archive]", "file", "path = \"/var/lib/vod-relay/events.jsonl\""),
        ("[sinks.script]", "command", "command = [\"/usr/local/bin/on-vod-event\", \"--quiet\"]"),
        ("[sinks.db]", "postgres", "url = \"postgres://vod_relay@db.example.com/vod\""),
        ("[sinks.maria]", "mysql", "url = \"mysql://vod_relay@db.example.com/vod\""),
        ("[sinks.print]", "stdout", ""),
        ("[sinks.stream]", "redis", "url = \"redis://127.0.0.1:6379/0\""),
    ];
    tables.into_iter().filter(|(_, kind, _)| sink::left_out().all(|name| name != *kind)).collect()
}

/// A text without the tables of sinks whose type is not part of this build.
fn of_this_build(toml: &str) -> String {
    let tables = toml.split_inclusive('\n').fold(vec![String::new()], |mut tables, line| {
        if line.starts_with('[') {
            tables.push(String::new());
        }
        tables.last_mut().unwrap().push_str(line);
        tables
    });
    let is_left_out = |table: &String| {
        sink::left_out().any(|name| table.contains(&format!("\ntype = \"{name}\"")))
    };
    tables.into_iter().filter(|table| !is_left_out(table)).collect()
}

/// The example as it stands.
pub(crate) fn active() -> String {
    EXAMPLE.to_owned()
}

/// The example with every key that is commented out, but for the names of files that are not there,
/// for statements, which take the place of tables, and for a ledger that is not part of this build.
pub(crate) fn uncommented() -> String {
    let is_there = |key: &&str| {
        let is_built = cfg!(feature = "redis") || !key.starts_with("ledger =");
        is_built && ["_file =", "_files =", "sql ="].iter().all(|no| !key.contains(no))
    };
    let lines = EXAMPLE.lines().map(|line| commented_out(line).filter(is_there).unwrap_or(line));
    of_this_build(&lines.collect::<Vec<_>>().join("\n"))
}

/// The key or the table that a line holds in reserve; prose has a blank behind its `#`.
fn commented_out(line: &str) -> Option<&str> {
    line.strip_prefix('#').filter(|rest| !rest.is_empty() && !rest.starts_with(' '))
}

/// The lines of every table: `[sinks.app]` with `timeout = "10s"`.
fn entries(toml: &str) -> BTreeSet<(&str, &str)> {
    let mut table = "";
    let mut entries = BTreeSet::new();
    for line in toml.lines() {
        let line = commented_out(line).unwrap_or(line);
        if line.starts_with('[') {
            table = line;
        } else if !line.is_empty() && !line.starts_with('#') {
            entries.insert((table, line));
        }
    }
    entries
}

#[test]
fn the_example_works_as_it_stands() {
    let config = parse(EXAMPLE).unwrap();
    assert_eq!((config.sources.len(), config.sinks.len()), (1, 1));
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

#[test]
fn the_example_works_with_all_of_its_keys() {
    let config = parse(&uncommented()).unwrap();
    assert_eq!(config.sinks.len(), sink::built().count(), "one of each type");
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

#[test]
fn the_example_shows_the_defaults() {
    let providers = "[sources.vm]\n[sources.vm.credentials]\nprovider = \"cvm-role\"\n\
                     [sources.pod]\n[sources.pod.credentials]\nprovider = \"oidc\"\n";
    let table = |(table, kind, keys)| format!("{table}\ntype = \"{kind}\"\n{keys}\n");
    let least = tables().into_iter().map(table).collect::<String>() + providers;
    // The spool of the listener needs a place.
    let variables = |name: &str| match name {
        "STATE_DIRECTORY" => Some("/var/lib/vod-relay".to_owned()),
        name => variables(name),
    };
    let config = Config::parse("config.toml", &format!("{EXAMPLE}\n{least}"), &variables);
    let effective = config.unwrap().effective().to_owned();
    let shown = entries(EXAMPLE);
    let secret = |line: &str| line.contains("********") || line.starts_with("secret_id");
    for (table, line) in entries(&effective).into_iter().filter(|(_, line)| !secret(line)) {
        // What a sink or a source has in common with the first one is shown with that one.
        let first = match table {
            _ if table.starts_with("[sinks.") => "[sinks.app]",
            _ if table.ends_with(".credentials]") => table,
            _ => "[sources.main]",
        };
        let common = shown.contains(&(first, line));
        assert!(common || shown.contains(&(table, line)), "{table} has the default {line}");
    }
}

#[test]
fn the_example_has_every_key() {
    // The list that a mistyped key is answered with is the list of all keys.
    let others = [
        ("[relay]", ""),
        ("[log]", ""),
        ("[admin]", ""),
        ("[sources.main]", ""),
        ("[sources.main.credentials]", ""),
        ("[sources.vm.credentials]", "provider = \"cvm-role\""),
        ("[sources.pod.credentials]", "provider = \"oidc\""),
        ("[sinks.app]", "type = \"webhook\"\nurl = \"https://a.example\""),
    ];
    let of_type = |(table, kind, keys)| (table, format!("type = \"{kind}\"\n{keys}"));
    let others = others.map(|(table, keys)| (table, keys.to_owned()));
    let shown = entries(EXAMPLE);
    for (table, keys) in tables().into_iter().map(of_type).chain(others) {
        let error = parse(&format!("{table}\nqqqqqqqqqq = 1\n{keys}\n")).unwrap_err().to_string();
        let (_, known) = error.split_once("(known here: ").expect(&error);
        let (known, _) = known.split_once(")\n").unwrap();
        for key in known.split(", ").filter(|key| *key != "credentials") {
            // What all sinks, or all sources, have in common is shown with one of them.
            let common = ["format", "sign_key", "sign_key_file", "fallback"];
            let common = [
                &common[..],
                &["timeout", "sources", "events", "when", "max_attempts", "required"],
            ];
            let of_sources = ["sub_app_id", "max_in_flight", "unrouted", "convert"];
            let table = match table {
                "[sources.hook]" if of_sources.contains(&key) => "[sources.main]",
                _ => table,
            };
            let common = table.starts_with("[sinks") && common.concat().contains(&key);
            let line = format!("{key} = ");
            let is_here = |t: &str| t == table || common && t.starts_with("[sinks");
            let found = shown.iter().any(|(t, l)| is_here(t) && l.starts_with(&line));
            assert!(found, "{table} lacks {key}");
        }
    }
}
