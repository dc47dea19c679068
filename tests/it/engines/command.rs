//! A program that keeps each event in a file, unless it is told to wait, or to die.

use std::fs::{self, File};

use crate::conformance::{Engine, Held};

/// Each run writes a file of its own, and names it at last when it is whole. While the story has the
/// lock of the gate it waits there.
const SCRIPT: &str = r#"
flock --shared gate true || exit 1
[ ! -e down ] || kill -KILL $$
case "$VOD_RELAY_EVENT_TYPE" in Unwelcome) exit 65 ;; esac
cat > "part.$$" && mv "part.$$" "held/$VOD_RELAY_EVENT_ID.$$"
"#;

pub struct Program {
    dir: tempfile::TempDir,
    gate: File,
}

impl Engine for Program {
    const TYPE: &'static str = "command";
    const KNOWS_IDS: bool = false;

    async fn start() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("held")).unwrap();
        fs::write(dir.path().join("keep"), format!("cd '{}'{SCRIPT}", dir.path().display()))
            .unwrap();
        let gate = File::create(dir.path().join("gate")).unwrap();
        Some(Self { dir, gate })
    }

    fn sink(&self) -> String {
        let script = self.dir.path().join("keep");
        format!(
            "[sinks.app]\ntype = \"command\"\ncommand = [\"/bin/sh\", \"{}\"]\n\
             max_concurrency = 8\n",
            script.display()
        )
    }

    fn as_stranger(&self) -> Option<String> {
        None
    }

    fn unwelcome(&self) -> Option<(String, String)> {
        Some((r#"{"EventType":"Unwelcome","UnwelcomeEvent":{}}"#.to_owned(), String::new()))
    }

    async fn freeze(&mut self) {
        self.gate.lock().unwrap();
    }

    async fn kill(&mut self) {
        fs::write(self.dir.path().join("down"), "").unwrap();
        self.gate.unlock().unwrap();
    }

    async fn revive(&mut self) {
        fs::remove_file(self.dir.path().join("down")).unwrap();
    }

    async fn held(&mut self) -> Vec<Held> {
        let files = fs::read_dir(self.dir.path().join("held")).unwrap();
        let held = files.map(|file| {
            let path = file.unwrap().path();
            let id = path.file_stem().unwrap().to_str().unwrap().to_owned();
            Held { id: Some(id), body: fs::read_to_string(path).unwrap() }
        });
        held.collect()
    }
}
