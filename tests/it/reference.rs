//! docs/configuration.md is the reference of every key: it has what the program has.

use std::collections::BTreeSet;
use std::fs;

use toml::Value;
use vod_relay::config::Config;
use vod_relay::sink;

use crate::page::{Page, code, root, rows};

/// What the reference says of a key.
#[derive(Debug)]
struct Key {
    name: String,
    default: String,
    range: String,
    /// The rest of the row.
    text: String,
}

/// One table of a configuration as it is with one type of source or sink, or one provider.
#[derive(Debug)]
struct Table {
    path: &'static str,
    keys: Vec<Key>,
    /// The lines without which it is wrong or of another type, by key.
    given: Vec<(String, String)>,
}

impl Table {
    fn new(path: &'static str, kind: Option<(&str, &str)>, keys: Vec<Key>) -> Self {
        let mut given = Vec::new();
        for key in &keys {
            let value = match key.name.as_str() {
                name if kind.is_some_and(|(key, _)| key == name) => continue,
                _ if key.default != "required" => continue,
                "url" => match kind {
                    Some(("type", "postgres")) => "\"postgres://relay@db.example.com/vod\"",
                    Some(("type", "mysql")) => "\"mysql://relay@db.example.com/vod\"",
                    Some(("type", "redis")) => "\"redis://redis.example.com\"",
                    _ => "\"https://app.example.com\"",
                },
                "path" => "\"/tmp/events.jsonl\"",
                "command" => "[\"/bin/true\"]",
                "secret_id" | "secret_key" => "\"some\"",
                name => panic!("{path}.{name} is required, and there is no example of it here"),
            };
            given.push((key.name.clone(), value.to_owned()));
        }
        given.extend(kind.map(|(key, value)| (key.to_owned(), format!("{value:?}"))));
        Self { path, keys, given }
    }

    /// A configuration that is right, with these keys of the table beside those that must be.
    fn with(&self, keys: &[(&str, &str)]) -> Result<Config, String> {
        let given = self.given.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let given = given.filter(|(key, _)| keys.iter().all(|(other, _)| other != key));
        let lines = given.chain(keys.iter().copied().filter(|(_, value)| !value.is_empty()));
        let lines: String = lines.map(|(key, value)| format!("{key} = {value}\n")).collect();
        let mut text = format!("[{}]\n{lines}", self.path);
        if !self.path.starts_with("sinks") {
            text += "[sinks.print]\ntype = \"stdout\"\n";
        }
        match self.path {
            "sources.main" => {}
            // Without a lease, which the timeout of a sink would have to fit into.
            path if path.starts_with("sinks") => text += "[sources.main]\nack = \"spooled\"\n",
            _ => text += "[sources.main]\n",
        }
        let variables = |name: &str| {
            let is_place = name == "STATE_DIRECTORY" && self.path != "relay";
            is_place.then(|| "/tmp/state".to_owned())
        };
        Config::parse("test", &text, &variables).map_err(|error| error.to_string())
    }

    /// The values that apply in the table.
    fn effective(&self, keys: &[(&str, &str)]) -> toml::Table {
        let config = self.with(keys).unwrap_or_else(|error| panic!("{}: {error}", self.path));
        let mut table: toml::Table = config.effective().parse().unwrap();
        for part in self.path.split('.') {
            table = table.remove(part).map_or_else(toml::Table::new, |value| match value {
                Value::Table(table) => table,
                other => panic!("{other}"),
            });
        }
        table.retain(|_, value| !value.is_table());
        table
    }

    /// Whether a value is refused because of what it is.
    fn refuses(&self, key: &str, value: &str) -> bool {
        let complaint = format!("{}.{key}: ", self.path);
        self.with(&[(key, value)]).is_err_and(|error| error.contains(&complaint))
    }
}

/// All tables in all of their forms.
fn tables() -> Vec<Table> {
    let sections = Page::at("docs/configuration.md").sections();
    let mut tables = Vec::new();
    let mut group = "";
    for (title, text) in &sections {
        let title = title.trim_matches('`');
        let kind = title.strip_prefix("type = \"").and_then(|rest| rest.strip_suffix('"'));
        match (title, kind) {
            ("[relay]", _) => tables.push(Table::new("relay", None, keys(text, None))),
            ("[log]", _) => tables.push(Table::new("log", None, keys(text, None))),
            ("[admin]", _) => tables.push(Table::new("admin", None, keys(text, None))),
            ("[sources.*.credentials]", _) => {
                let provider = rows(text, "key").remove(0);
                for provider in choices(&provider[3]) {
                    let keys = keys(text, Some(&provider));
                    let kind = ("provider", provider.as_str());
                    // The first one is what applies unless it is set.
                    let kind = Some(kind).filter(|_| provider != "config");
                    tables.push(Table::new("sources.main.credentials", kind, keys));
                }
            }
            ("All sources" | "All sinks", _) => group = text,
            (_, Some(kind)) if sink::left_out().any(|name| name == kind) => {}
            (_, Some(kind)) => {
                let mut keys = keys(group, None);
                keys.extend(self::keys(text, None));
                let is_source = matches!(kind, "pull" | "callback");
                let path = if is_source { "sources.main" } else { "sinks.app" };
                let kind = Some(("type", kind)).filter(|(_, kind)| *kind != "pull");
                tables.push(Table::new(path, kind, keys));
            }
            _ => assert!(rows(text, "key").is_empty(), "keys below {title}"),
        }
    }
    tables
}

fn keys(text: &str, provider: Option<&str>) -> Vec<Key> {
    let rows = rows(text, "key").into_iter();
    let rows = rows.filter(|row| {
        provider.is_none_or(|name| row[4] == "all" || code(&row[4]).iter().any(|one| one == name))
    });
    rows.map(|row| Key {
        name: row[0].trim_matches('`').to_owned(),
        default: row[2].trim_matches('`').to_owned(),
        range: row[3].clone(),
        text: row[4..].join(" "),
    })
    .collect()
}

/// The words that a range like "one of `"a"`, `"b"`" allows.
fn choices(range: &str) -> Vec<String> {
    code(range).iter().map(|word| word.trim_matches('"').to_owned()).collect()
}

#[test]
fn every_key_is_there_and_no_other() {
    for table in tables() {
        // The list that a mistyped key is answered with is the list of all keys.
        let error = table.with(&[("qqqqqqqqqq", "1")]).unwrap_err();
        let (_, known) = error.split_once("(known here: ").expect(&error);
        let known: BTreeSet<_> = known.split_once(')').unwrap().0.split(", ").collect();
        let named: Vec<_> = table.keys.iter().map(|key| key.name.as_str()).collect();
        let written: BTreeSet<_> = named.iter().copied().collect();
        assert_eq!(written, known, "{} with {:?}", table.path, table.given);
        assert_eq!(written.len(), named.len(), "{} names a key twice: {named:?}", table.path);
    }
}

#[test]
fn every_type_is_there() {
    for path in ["sources.main", "sinks.app"] {
        let tables = tables();
        let tables: Vec<_> = tables.iter().filter(|table| table.path == path).collect();
        let row = tables[0].keys.iter().find(|key| key.name == "type").unwrap();
        let described = tables.iter().map(|table| {
            let kind = table.given.iter().find(|(key, _)| key == "type");
            kind.map_or("pull".to_owned(), |(_, kind)| kind.trim_matches('"').to_owned())
        });
        // What this build lacks is named all the same.
        let left_out = sink::left_out().filter(|_| path == "sinks.app").map(str::to_owned);
        let described: BTreeSet<_> = described.chain(left_out).collect();
        assert_eq!(described, choices(&row.range).into_iter().collect());
    }
}

#[test]
fn every_default_is_the_one_that_applies() {
    let mut count = 0;
    for table in tables() {
        let applies = table.effective(&[]);
        let is_given = |key: &Key| table.given.iter().any(|(given, _)| *given == key.name);
        let mut defaults = Vec::new();
        for key in &table.keys {
            let (path, name) = (table.path, &key.name);
            match key.default.as_str() {
                "required" if name == "type" => {
                    assert!(table.with(&[(name, "")]).is_err(), "{path}.{name} is not required");
                }
                "required" => {
                    let error = table.with(&[(name, "")]).unwrap_err();
                    assert!(error.contains(&format!("{path}.{name}: is missing")), "{error}");
                }
                _ if is_given(key) => {}
                "none" => assert!(!applies.contains_key(name), "{path}.{name} has a default"),
                default => {
                    assert!(applies.contains_key(name), "{path}.{name} has no default");
                    defaults.push((name.as_str(), default));
                }
            }
        }
        assert_eq!(table.effective(&defaults), applies, "{}", table.path);
        count += defaults.len();
    }
    assert!(count > 40, "{count}");
}

#[test]
fn every_range_is_the_one_that_is_checked() {
    let mut count = 0;
    for table in tables() {
        for Key { name, range, .. } in &table.keys {
            let mut bounds = code(range);
            if range.starts_with("one of ") {
                let error = table.with(&[(name, "\"qqqqqqqqqq\"")]).unwrap_err();
                let words = format!("one of {}", bounds.join(", "));
                assert!(error.contains(&words), "{}.{name}: {words} is not in {error}", table.path);
            } else if range.contains("` to `") || range.starts_with("from ") {
                // The name of a key that bounds another one is no value.
                bounds.retain(|bound| bound.starts_with(|c: char| c == '"' || c.is_ascii_digit()));
                let least = step(&table, name, &bounds[0], -1);
                let most = bounds.get(1).and_then(|most| step(&table, name, most, 1));
                for beyond in [least, most].into_iter().flatten() {
                    assert!(table.refuses(name, &beyond), "{}.{name} takes {beyond}", table.path);
                }
            } else {
                continue;
            }
            count += 1;
        }
    }
    assert!(count > 30, "{count}");
}

/// The value that is a little more, or less, than a bound.
fn step(table: &Table, name: &str, bound: &str, by: i64) -> Option<String> {
    match table.effective(&[(name, bound)]).remove(name).unwrap() {
        Value::Integer(number) => Some((number + by).to_string()),
        Value::String(text) => {
            let millis = humantime::parse_duration(&text).unwrap().as_millis();
            let beyond = i64::try_from(millis).unwrap() + by;
            (beyond >= 0).then(|| format!("\"{beyond}ms\""))
        }
        other => panic!("{name} = {other}"),
    }
}

#[test]
fn what_needs_a_restart_is_what_a_reload_says_so_of() {
    let known = tables();
    let mut listed = BTreeSet::new();
    for table in &known {
        for key in table.keys.iter().filter(|key| key.text.contains("Needs a restart.")) {
            // The message names the source that it is about.
            let table = table.path.replace("sources.main", "sources.{}");
            listed.insert(format!("{table}.{}", key.name));
        }
    }
    let mut told = BTreeSet::new();
    for file in fs::read_dir(root().join("src/relay")).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        let mut parts = text.split(" cannot change").peekable();
        while let Some(part) = parts.next().filter(|_| parts.peek().is_some()) {
            let word = part.rsplit([' ', '"', '`', '\n']).next().unwrap();
            let is_key = |table: &Table| {
                table.keys.iter().any(|key| word.rsplit('.').next() == Some(&key.name))
            };
            if known.iter().any(is_key) {
                told.insert(word.to_owned());
            }
        }
    }
    assert_eq!(listed, told);
}
