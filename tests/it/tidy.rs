//! How the source is laid out: small files, no `mod.rs`, imports that only look down.

use std::fs;
use std::path::{Path, PathBuf};

use vod_relay::sink;

/// The most lines of a file before its tests.
const LINES_MAX: usize = 300;

/// What a module may import although it does not stand below it.
const EXCEPTIONS: [(&str, &str, &str); 9] = [
    ("postgres", "tls", "the one constructor of TLS configurations"),
    ("postgres", "http", "one wording of what happens to connections"),
    ("sink", "postgres", "the one way to connect to PostgreSQL"),
    ("sink", "tls", "the one constructor of TLS configurations"),
    ("redis", "tls", "the one constructor of TLS configurations"),
    ("sink", "redis", "the one way to Redis, which the shared ledger goes too"),
    ("sink", "http", "the one constructor of HTTP clients"),
    ("tencent", "http", "the one constructor of HTTP clients"),
    ("source", "config", "what becomes of events that no sink takes is a setting"),
];

/// What every sink may import: its own table of the configuration, which only it can read.
const SECTION: (&str, &str) = ("sink", "crate::config::Section");

/// A file below `src`.
struct Source {
    path: String,
    /// Its top module: `sink` for `src/sink/file.rs`.
    module: String,
    /// What stands before the tests.
    lines: Vec<String>,
}

#[test]
fn files_are_small_and_none_is_called_mod() {
    for source in sources() {
        let (path, lines) = (&source.path, source.lines.len());
        assert!(lines <= LINES_MAX, "{path} has {lines} lines before its tests");
        assert!(!source.path.ends_with("/mod.rs"), "{}: name it after its module", source.path);
    }
}

#[test]
fn every_module_has_its_place_in_the_layers() {
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let layers = layers();
    for module in lib.lines().filter_map(|line| line.strip_prefix("pub mod ")) {
        let module = module.trim_end_matches(';');
        let times = layers.iter().flatten().filter(|placed| *placed == module).count();
        assert_eq!(times, 1, "the list of layers in src/lib.rs names {module} {times} times");
    }
}

#[test]
fn imports_only_look_down() {
    let layers = layers();
    let layer = |module: &str| layers.iter().position(|layer| layer.iter().any(|m| m == module));
    let cli = layers.len() - 1;
    for source in sources().iter().filter(|source| source.module != "lib") {
        let own = if source.module == "main" { cli } else { layer(&source.module).unwrap() };
        for (line, imported) in imports(source) {
            if imported == source.module || (line.contains(SECTION.1) && source.module == SECTION.0)
            {
                continue;
            }
            let other = layer(&imported).unwrap_or_else(|| panic!("{}: {line}", source.path));
            // Words may use each other, and so may what puts everything together. Each of the
            // edges and stages stands for itself.
            let apart = ["tencent", "source"].iter().any(|m| layer(m) == Some(own));
            let looks_down = other < own || (other == own && !apart);
            let excepted = EXCEPTIONS.iter().any(|(m, i, _)| *m == source.module && *i == imported);
            assert!(looks_down || excepted, "{} must not look at {imported}: {line}", source.path);
        }
    }
}

#[test]
fn the_emulator_has_nothing_of_the_client() {
    // What both shared would agree with itself, right or wrong.
    for source in sources().iter().filter(|source| source.module == "emulator") {
        let wrong = imports(source).into_iter().find(|(_, module)| module == "tencent");
        assert!(wrong.is_none(), "{}: {wrong:?}", source.path);
    }
}

#[test]
fn every_sink_opens_with_its_condition_of_delivery() {
    let mut count = 0;
    for name in sink::built().chain(sink::left_out()) {
        let path = root().join(format!("src/sink/{name}.rs"));
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//! # Delivered when\n//!\n//! The "), "{}", path.display());
        count += 1;
    }
    assert!(count >= 4, "only {count} sinks were found");
}

/// The modules of each layer, lowest first, as src/lib.rs lists them.
fn layers() -> Vec<Vec<String>> {
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let doc: Vec<_> = lib.lines().map_while(|line| line.strip_prefix("//!")).collect();
    let doc = doc.join("\n");
    let layers: Vec<Vec<String>> = doc.split("\n * ").skip(1).map(names).collect();
    assert_eq!(layers.len(), 8, "words, edges and so on to the command line: {layers:?}");
    layers
}

/// The names in a text that stand as [`name`], or as [`mod@name`] where a macro has the same one.
fn names(text: &str) -> Vec<String> {
    let names = text.split("[`").skip(1).filter_map(|rest| rest.split_once("`]"));
    names.map(|(name, _)| name.trim_start_matches("mod@").to_owned()).collect()
}

/// The modules that a file names as `crate::module`, each with the line.
fn imports(source: &Source) -> Vec<(&str, String)> {
    let mut imports = Vec::new();
    for line in source.lines.iter().filter(|line| !line.trim_start().starts_with("//")) {
        for prefix in ["crate::", "vod_relay::"] {
            for rest in line.split(prefix).skip(1) {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                let module = &rest[..end.unwrap_or(rest.len())];
                assert!(!module.is_empty(), "{}: one module per line: {line}", source.path);
                imports.push((line.as_str(), module.to_owned()));
            }
        }
    }
    imports
}

fn sources() -> Vec<Source> {
    let mut paths = vec![root().join("src")];
    let mut sources = Vec::new();
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            paths.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(read(&path));
        }
    }
    assert!(sources.len() > 50, "only {} files were found", sources.len());
    sources
}

fn read(path: &Path) -> Source {
    let below = path.strip_prefix(root()).unwrap();
    let module = below.with_extension("");
    let module = module.iter().nth(1).unwrap().to_str().unwrap().to_owned();
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().take_while(|line| *line != "#[cfg(test)]");
    let lines = lines.map(str::to_owned).collect();
    Source { path: below.to_str().unwrap().to_owned(), module, lines }
}

fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}
