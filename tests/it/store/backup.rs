//! The backup that docs/state.md tells of: a copy made while the store is in use.

use std::fs;

use rusqlite::{Connection, OpenFlags};
use vod_relay::store::LetterFilter;

use super::{append, dir, id, letter, load_all, names, open, sink};

#[tokio::test]
async fn a_copy_that_is_made_while_the_store_is_in_use_is_a_store() {
    let (used, restored) = (dir(), dir());
    let store = open(&used);
    store.record(vec![(id(1), sink("app"))]).await.unwrap();
    let spooled = append(&store, &[2, 3], &["app"]).await;
    let key = store.bury(letter(4, "app")).await.unwrap();

    let copy = used.path().join("copy.db");
    let read_only = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let reader = Connection::open_with_flags(used.path().join("vod-relay.db"), read_only).unwrap();
    reader.execute("VACUUM INTO ?", [copy.to_str()]).unwrap();
    drop(reader);
    // The store in use has not noticed.
    let after = append(&store, &[5], &["app"]).await;
    assert_eq!(load_all(&store).await.len(), 3);
    drop(store);

    fs::rename(&copy, restored.path().join("vod-relay.db")).unwrap();
    let store = open(&restored);
    let settled = store.settled(&[id(1), id(4), id(5)]).await.unwrap();
    assert_eq!(names(&settled[0]), ["app"]);
    assert_eq!(names(&settled[1]), ["app"]);
    assert_eq!(names(&settled[2]), [""; 0]);
    let loaded: Vec<_> = load_all(&store).await.iter().map(|event| event.key).collect();
    assert_eq!(loaded, spooled);
    assert!(!loaded.contains(&after[0]));
    let letters = store.dead_letters(&LetterFilter::default(), None, 10).await.unwrap();
    assert_eq!(letters.iter().map(|letter| letter.key).collect::<Vec<_>>(), [key]);
}
