//! Every input that fuzzing begins with, and every one that it once found something with.
//!
//! `fuzz/run.sh` looks for new ones; what must hold for them is said once, in `fuzz/invariants`.

use std::fs;
use std::path::{Path, PathBuf};

#[path = "../../fuzz/invariants/answer.rs"]
mod answer;
#[path = "../../fuzz/invariants/config.rs"]
mod config;
#[path = "../../fuzz/invariants/identity.rs"]
mod identity;
#[path = "../../fuzz/invariants/json_walk.rs"]
mod json_walk;
#[path = "../../fuzz/invariants/legacy.rs"]
mod legacy;
#[path = "../../fuzz/invariants/procedure.rs"]
mod procedure;

/// VOD's own samples, which every target but that of the configuration begins with too.
const EVENTS: &str = "tests/data/events";

#[test]
fn answers() {
    replay("answer", Some(EVENTS), answer::check);
}

#[test]
fn configurations() {
    replay("config", None, config::check);
}

#[test]
fn identities() {
    replay("identity", Some(EVENTS), identity::check);
}

#[test]
fn walks_over_json() {
    replay("json_walk", Some(EVENTS), json_walk::check);
}

#[test]
fn legacy_events() {
    replay("legacy", Some(EVENTS), legacy::check);
}

#[test]
fn procedures() {
    replay("procedure", Some(EVENTS), procedure::check);
}

#[test]
fn every_target_is_replayed() {
    let mut targets: Vec<_> = files(Path::new("fuzz/targets"))
        .iter()
        .map(|path| path.file_stem().unwrap().to_owned())
        .collect();
    targets.sort();
    assert_eq!(targets, ["answer", "config", "identity", "json_walk", "legacy", "procedure"]);
}

fn replay(target: &str, more: Option<&str>, check: fn(&[u8])) {
    let seeds = files(&Path::new("fuzz/seeds").join(target));
    assert!(seeds.len() >= 5, "only {} seeds were found for {target}", seeds.len());
    let mut all = seeds;
    all.extend(files(&Path::new("fuzz/regressions").join(target)));
    all.extend(more.into_iter().flat_map(|directory| files(Path::new(directory))));
    for path in all {
        // Shown only if the check fails.
        println!("{}", path.display());
        check(&fs::read(path).unwrap());
    }
}

/// The files of a directory, none if it is not there.
fn files(directory: &Path) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect()
}
