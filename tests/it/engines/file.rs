//! A file that may be locked, in a directory that may be taken away.

use std::fs;
use std::path::PathBuf;

use crate::conformance::{Engine, Held};

pub struct File {
    dir: tempfile::TempDir,
    /// The story's own hand on the file while it is frozen: a lock that writers wait for.
    lock: Option<fs::File>,
}

impl File {
    fn place(&self) -> PathBuf {
        self.dir.path().join("archive")
    }

    fn events(&self) -> PathBuf {
        self.place().join("events.jsonl")
    }

    fn taken_away(&self) -> PathBuf {
        self.dir.path().join("away")
    }
}

impl Engine for File {
    const TYPE: &'static str = "file";
    const KNOWS_IDS: bool = false;
    const MAY_BE_DOWN_AT_START: bool = false;

    async fn start() -> Option<Self> {
        let file = Self { dir: tempfile::tempdir().unwrap(), lock: None };
        fs::create_dir(file.place()).unwrap();
        Some(file)
    }

    fn sink(&self) -> String {
        format!("[sinks.app]\ntype = \"file\"\npath = \"{}\"\n", self.events().display())
    }

    fn as_stranger(&self) -> Option<String> {
        None
    }

    fn unwelcome(&self) -> Option<(String, String)> {
        None
    }

    async fn freeze(&mut self) {
        let file = fs::File::open(self.events()).unwrap();
        file.lock().unwrap();
        self.lock = Some(file);
    }

    async fn kill(&mut self) {
        fs::rename(self.place(), self.taken_away()).unwrap();
        // Who has waited finds the file gone.
        self.lock = None;
    }

    async fn revive(&mut self) {
        fs::rename(self.taken_away(), self.place()).unwrap();
    }

    async fn held(&mut self) -> Vec<Held> {
        let text = fs::read_to_string(self.events()).unwrap_or_default();
        text.lines().map(|line| Held { id: None, body: line.to_owned() }).collect()
    }
}
