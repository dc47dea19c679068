//! Files that are not what was written: a clear error, or everything that was acknowledged.

use std::fs;
use std::os::unix::fs::FileExt as _;

use super::*;

/// A store with some of everything, more than one page of each.
async fn filled() -> (TempDir, Vec<SpoolKey>) {
    let dir = dir();
    let store = open(&dir);
    let numbers: Vec<_> = (0..300).collect();
    let keys = append(&store, &numbers, &["app", "archive"]).await;
    store.record((1_000..1_400).map(|n| (id(n), sink("app"))).collect()).await.unwrap();
    for n in 2_000..2_040 {
        store.bury(letter(n, "app")).await.unwrap();
    }
    (dir, keys)
}

/// Like [`filled`], after a kill: the database has a log.
async fn killed() -> TempDir {
    let (dir, _) = filled().await;
    let store = open(&dir);
    for n in 3_000..3_020 {
        append(&store, &[n], &["app"]).await;
    }
    let copy = self::dir();
    for name in ["vod-relay.db", "vod-relay.db-wal"] {
        fs::copy(dir.path().join(name), copy.path().join(name)).unwrap();
    }
    copy
}

fn database(dir: &TempDir) -> std::path::PathBuf {
    dir.path().join("vod-relay.db")
}

fn log(dir: &TempDir) -> std::path::PathBuf {
    dir.path().join("vod-relay.db-wal")
}

/// Opens what is damaged: the message. Nothing may have been changed by that.
fn damage(dir: &TempDir) -> String {
    let before = fs::read(database(dir)).ok();
    let error = Store::open(dir.path()).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
    assert_eq!(before, fs::read(database(dir)).ok());
    let message = error.to_string();
    assert!(message.contains("vod-relay.db is damaged"), "{message}");
    assert!(message.contains(".recover") && message.contains("move"), "{message}");
    message
}

#[tokio::test]
async fn files_that_are_no_store_are_reported() {
    let cases: [(&[u8], &str); 4] = [
        (b"", "it is empty"),
        (b"events, one per line\n", "it is not an SQLite database"),
        (b"SQLite format 3\0", "it ends within its header"),
        (&[0; 8192], "it is not an SQLite database"),
    ];
    for (content, reason) in cases {
        let dir = dir();
        fs::write(database(&dir), content).unwrap();
        assert!(damage(&dir).contains(reason));
        assert!(matches!(Store::attach(dir.path()), Err(StoreError::Damaged { .. })));
    }
}

#[test]
fn the_database_of_another_program_is_left_alone() {
    let dir = dir();
    let other = rusqlite::Connection::open(database(&dir)).unwrap();
    other.execute_batch("CREATE TABLE theirs (x)").unwrap();
    drop(other);
    assert!(damage(&dir).contains("another program"));
}

#[tokio::test]
async fn a_database_that_is_cut_off_is_reported() {
    let (dir, _) = filled().await;
    let whole = fs::read(database(&dir)).unwrap();
    for length in [50, 100, 4096, 8192, whole.len() / 2, whole.len() - 4096, whole.len() - 1] {
        fs::write(database(&dir), &whole[..length]).unwrap();
        damage(&dir);
    }
}

#[tokio::test]
async fn a_log_without_its_database_is_reported() {
    let dir = killed().await;
    fs::remove_file(database(&dir)).unwrap();
    assert!(damage(&dir).contains("log is there"));
}

#[tokio::test]
async fn a_log_that_is_damaged_before_its_end_is_reported() {
    let dir = killed().await;
    assert_eq!(load_all(&open(&copy(&dir))).await.len(), 320);
    let length = fs::metadata(log(&dir)).unwrap().len();
    for at in [0, 9, 17, 25, 40, 60, 2_000, 4_200, length / 2] {
        let dir = copy(&dir);
        flip(&log(&dir), at);
        let attached = Store::attach(dir.path());
        assert!(matches!(attached, Err(StoreError::Damaged { .. })), "{at}");
        let message = damage(&dir);
        assert!(message.contains("write-ahead log"), "{at}: {message}");
    }
}

#[tokio::test]
async fn the_torn_end_of_a_log_is_what_a_crash_leaves() {
    let dir = killed().await;
    let length = fs::metadata(log(&dir)).unwrap().len();
    // A frame of a transaction that was not acknowledged, half written.
    let torn = copy(&dir);
    let file = fs::OpenOptions::new().write(true).open(log(&torn)).unwrap();
    file.write_all_at(&[7; 3_000], length).unwrap();
    assert_eq!(load_all(&open(&torn)).await.len(), 320);
    // The last transaction's last frame: it may not have been acknowledged.
    let torn = copy(&dir);
    flip(&log(&torn), length - 100);
    assert!(load_all(&open(&torn)).await.len() >= 319);
}

#[tokio::test]
async fn flipped_bytes_are_reported_or_do_no_harm() {
    let (dir, keys) = filled().await;
    let whole = fs::read(database(&dir)).unwrap();
    let mut dice = fastrand::Rng::with_seed(7);
    let [mut reported, mut recognised, mut harmless] = [0, 0, 0];
    for _ in 0..150 {
        let mut flipped = whole.clone();
        for _ in 0..dice.usize(1..4) {
            let at = dice.usize(..flipped.len());
            flipped[at] ^= 1 << dice.u8(..8);
        }
        fs::write(database(&dir), &flipped).unwrap();
        let store = match Store::open(dir.path()) {
            Ok(store) => store,
            Err(error) => {
                assert!(
                    matches!(error, StoreError::Damaged { .. } | StoreError::Newer { .. }),
                    "{error:?}"
                );
                reported += 1;
                continue;
            }
        };
        let Ok(spooled) = store.load(None, None, usize::MAX, usize::MAX).await else {
            reported += 1;
            continue;
        };
        // Every entry is there, in order, for all its sinks, and as it was or known to be altered.
        assert_eq!(spooled.iter().map(|event| event.key).collect::<Vec<_>>(), keys);
        for (n, event) in (0..).zip(&spooled) {
            assert_eq!(names(&event.sinks), ["app", "archive"]);
            assert!(!event.intact || (event.id, &event.text) == (id(n), &text(n)));
        }
        let letters = store.dead_letters(&LetterFilter::default(), None, usize::MAX).await;
        let Ok(letters) = letters else {
            reported += 1;
            continue;
        };
        assert_eq!(letters.len(), 40);
        for (n, buried) in (2_000..).zip(&letters) {
            let as_it_was = (buried.letter.id, &buried.letter.text) == (id(n), &text(n));
            assert!(!buried.intact || as_it_was);
        }
        let altered = |event: &Spooled| !event.intact;
        if spooled.iter().any(altered) || letters.iter().any(|buried| !buried.intact) {
            recognised += 1;
        } else {
            harmless += 1;
        }
    }
    eprintln!("{reported} reported, {recognised} recognised when read, {harmless} without harm");
    assert!(reported > 0 && recognised > 0);
}

#[tokio::test]
async fn a_schema_that_was_changed_is_reported() {
    let (dir, _) = filled().await;
    let database = rusqlite::Connection::open(database(&dir)).unwrap();
    database.execute_batch("DROP INDEX spool_pending_by_sink").unwrap();
    drop(database);
    assert!(damage(&dir).contains("index spool_pending_by_sink"));
}

fn flip(path: &Path, at: u64) {
    let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
}

fn copy(dir: &TempDir) -> TempDir {
    let copy = self::dir();
    for name in ["vod-relay.db", "vod-relay.db-wal"] {
        fs::copy(dir.path().join(name), copy.path().join(name)).unwrap();
    }
    copy
}
