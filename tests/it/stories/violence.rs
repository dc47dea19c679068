//! What an observer from outside sees of a relay that was killed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::world::{STUCK, World};

/// Where the stories of violence keep their state.
pub const STATE_DIR: &str = "state";

/// `[relay]` with a state directory.
pub const RELAY: &str = "[relay]\nstate_dir = \"state\"\n";

/// What a state directory holds, by event id.
#[derive(Debug, Default)]
pub struct Kept {
    pub spooled: BTreeSet<String>,
    pub dead: BTreeSet<String>,
}

impl Kept {
    /// What the state directory of a relay that does not run holds. It is read from a copy, because
    /// SQLite mends what a crash left behind when it looks.
    pub fn of(world: &World) -> Self {
        let copy = tempfile::tempdir().unwrap();
        let Ok(files) = fs::read_dir(world.path(STATE_DIR)) else { return Self::default() };
        for file in files.flatten() {
            fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
        let database = copy.path().join("vod-relay.db");
        if !database.exists() {
            return Self::default();
        }
        Self::read(&database).unwrap()
    }

    /// What the state directory of a relay that runs holds at the moment.
    pub fn while_it_runs(world: &World) -> Self {
        // It may not have come to making it.
        Self::read(&world.path(STATE_DIR).join("vod-relay.db")).unwrap_or_default()
    }

    fn read(database: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.pragma_update(None, "query_only", true)?;
        connection.busy_timeout(STUCK)?;
        let spooled = events_in(&connection, "spool_view")?;
        Ok(Self { spooled, dead: events_in(&connection, "dead_letters_view")? })
    }

    /// Checks that everything that VOD has confirmed is `delivered`, a dead letter, or in the spool.
    pub fn covers_what_is_confirmed(&self, world: &World, delivered: &BTreeSet<String>) {
        for id in world.vod.state().confirmed_ids.iter().map(ToString::to_string) {
            let is_safe =
                [delivered, &self.dead, &self.spooled].into_iter().any(|ids| ids.contains(&id));
            assert!(is_safe, "{id} is confirmed, and nobody has it: {self:?}");
        }
    }
}

fn events_in(connection: &Connection, view: &str) -> rusqlite::Result<BTreeSet<String>> {
    let mut events = connection.prepare(&format!("SELECT event FROM {view}"))?;
    events.query_map([], |row| row.get(0))?.collect()
}

/// The events in a file of JSON Lines and in what was rotated away from it, and how many lines are
/// no events.
pub fn lines_of(file: &Path) -> (Vec<String>, usize) {
    let name = file.file_name().unwrap().to_str().unwrap();
    let (mut ids, mut torn) = (Vec::new(), 0);
    for entry in fs::read_dir(file.parent().unwrap()).unwrap().flatten() {
        if !entry.file_name().to_str().unwrap().starts_with(name) {
            continue;
        }
        // A rotation may just have moved it on; whoever must know looks when all is quiet.
        let Ok(text) = fs::read_to_string(entry.path()) else { continue };
        for line in text.lines() {
            match serde_json::from_str::<serde_json::Value>(line) {
                Ok(_) => ids
                    .push(vod_relay::event::Event::from_content(line.to_owned()).id().to_string()),
                Err(_) => torn += 1,
            }
        }
    }
    (ids, torn)
}
