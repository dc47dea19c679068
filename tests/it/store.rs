//! The durable store: what is acknowledged stays, whatever happens to the process, the disk and the
//! files.

#![expect(clippy::unwrap_used, reason = "in a test the panic is the report")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tempfile::TempDir;
use vod_relay::event::EventId;
use vod_relay::store::{Appended, DeadLetter, LetterFilter, NewSpooled, SpoolKey, Spooled, Store};

// ---------- It stays ----------

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let dir = dir();
    let store = open(&dir);
    store.record(vec![(id(1), sink("app")), (id(1), sink("archive"))]).await.unwrap();
    let appended = append(&store, &[2, 3], &["app", "archive"]).await;
    let letter = store.bury(letter(4, "app")).await.unwrap();
    assert_eq!(attempts(&store, 5, 3).await, 3);
    drop(store);

    let store = open(&dir);
    let settled = store.settled(&[id(1), id(2), id(4)]).await.unwrap();
    assert_eq!(names(&settled[0]), ["app", "archive"]);
    assert_eq!(names(&settled[1]), [""; 0]);
    assert_eq!(names(&settled[2]), ["app"]);
    let spooled = load_all(&store).await;
    assert_eq!(spooled.iter().map(|event| event.key).collect::<Vec<_>>(), appended);
    assert_eq!(spooled[0].text, text(2));
    assert_eq!((&*spooled[0].source, spooled[0].received), ("main", second(2)));
    assert_eq!(names(&spooled[0].sinks), ["app", "archive"]);
    let stats = store.spool_stats();
    let bytes = (text(2).len() + text(3).len()) as u64;
    assert_eq!((stats.events, stats.bytes, stats.oldest), (2, bytes, Some(second(2))));
    let letters = store.dead_letters(&LetterFilter::default(), None, 10).await.unwrap();
    assert_eq!((letters.len(), letters[0].key), (1, letter));
    assert_eq!(letters[0].letter, self::letter(4, "app"));
    assert_eq!(attempts(&store, 5, 1).await, 4);
}

// ---------- The spool ----------

#[tokio::test]
async fn an_event_leaves_the_spool_with_its_last_sink() {
    let dir = dir();
    let store = open(&dir);
    append(&store, &[1, 2], &["app", "archive"]).await;
    store.record(vec![(id(1), sink("app"))]).await.unwrap();
    let spooled = load_all(&store).await;
    assert_eq!(names(&spooled[0].sinks), ["archive"]);
    assert_eq!(names(&spooled[1].sinks), ["app", "archive"]);
    store.bury(letter(1, "archive")).await.unwrap();
    assert_eq!(load_all(&store).await.len(), 1);
    assert_eq!((store.spool_stats().events, store.spool_stats().oldest), (1, Some(second(2))));
    let pending = store.spool_pending().await.unwrap();
    assert_eq!((pending[&sink("app")], pending[&sink("archive")]), (1, 1));
    store.record(vec![(id(2), sink("app")), (id(2), sink("archive"))]).await.unwrap();
    assert_eq!(store.spool_stats(), vod_relay::store::SpoolStats::default());
}

#[tokio::test]
async fn an_event_is_spooled_once_and_only_for_sinks_that_lack_it() {
    let dir = dir();
    let store = open(&dir);
    store.record(vec![(id(1), sink("app"))]).await.unwrap();
    let spool = |sinks: &[&str]| {
        let events = vec![new(1, sinks), new(1, sinks)];
        store.append(sink("main"), events)
    };
    assert_eq!(spool(&["app"]).await.unwrap(), [Appended::Settled, Appended::Settled]);
    let first = spool(&["app", "archive"]).await.unwrap();
    let Appended::Added { key, sinks } = first[0].clone() else { panic!("{first:?}") };
    assert_eq!(names(&sinks), ["archive"]);
    assert_eq!(first[1], Appended::Known { key, sinks: vec![] });
    let again = spool(&["archive", "late"]).await.unwrap();
    assert_eq!(again[0], Appended::Known { key, sinks: vec![sink("late")] });
    assert_eq!(names(&load_all(&store).await[0].sinks), ["archive", "late"]);
    assert_eq!(store.spool_stats().events, 1);
}

#[tokio::test]
async fn the_spool_is_read_in_pages_and_by_sink() {
    let dir = dir();
    let store = open(&dir);
    let odd = append(&store, &[1, 3, 5], &["app"]).await;
    append(&store, &[2, 4, 6], &["archive"]).await;
    let app = store.load(Some(sink("app")), None, 2, usize::MAX).await.unwrap();
    assert_eq!(app.iter().map(|event| event.id).collect::<Vec<_>>(), [id(1), id(3)]);
    let app = store.load(Some(sink("app")), Some(odd[1]), 2, usize::MAX).await.unwrap();
    assert_eq!(app.iter().map(|event| event.id).collect::<Vec<_>>(), [id(5)]);
    assert_eq!(store.load(Some(sink("other")), None, 9, usize::MAX).await.unwrap(), []);
    assert_eq!(store.load(None, None, 9, 1).await.unwrap().len(), 1, "at least one");
    let two = text(1).len() + text(3).len();
    assert_eq!(store.load(None, None, 9, two).await.unwrap().len(), 2);
}

#[tokio::test]
async fn keys_are_never_used_twice() {
    let dir = dir();
    let mut last = None;
    for round in 0..3 {
        let store = open(&dir);
        let key = append(&store, &[round], &["app"]).await[0];
        assert!(Some(key) > last);
        last = Some(key);
        store.record(vec![(id(round), sink("app"))]).await.unwrap();
        let first = store.bury(letter(round, "app")).await.unwrap();
        assert_eq!(store.drop_letters(vec![first]).await.unwrap(), 1);
        let second = store.bury(letter(round, "app")).await.unwrap();
        assert!(second > first);
    }
}

// ---------- Helpers ----------

fn dir() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn open(dir: &TempDir) -> Store {
    Store::open(dir.path()).unwrap()
}

fn id(n: u64) -> EventId {
    let mut bytes = [0xab; 16];
    bytes[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    bytes[8..].copy_from_slice(&n.to_be_bytes());
    EventId::from(bytes)
}

fn sink(name: &str) -> Arc<str> {
    name.into()
}

fn second(n: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000 + n)
}

/// A text that is no valid UTF-8 and differs in length, since neither may matter.
fn text(n: u64) -> Bytes {
    let mut text = format!("{{\"EventType\":\"T\", \"n\": {n}, \"中文\":1e400}}\0\n").into_bytes();
    text.extend([0xff, 0xfe]);
    text.resize(text.len() + usize::try_from(n % 7).unwrap(), b' ');
    text.into()
}

fn new(n: u64, sinks: &[&str]) -> NewSpooled {
    let sinks = sinks.iter().map(|name| sink(name)).collect();
    NewSpooled { id: id(n), text: text(n), sinks, received: second(n) }
}

fn letter(n: u64, to: &str) -> DeadLetter {
    DeadLetter {
        id: id(n),
        event_type: "ProcedureStateChanged".into(),
        task_id: Some("1-Procedure-2".into()),
        file_id: None,
        source: sink("main"),
        sink: sink(to),
        reason: "410 Gone: \u{4e0d}".into(),
        attempts: 3,
        first_seen: second(n),
        buried: second(n + 60),
        text: text(n),
    }
}

fn names(sinks: &[Arc<str>]) -> Vec<&str> {
    let sorted: BTreeSet<_> = sinks.iter().map(|sink| &**sink).collect();
    assert_eq!(sorted.len(), sinks.len());
    sorted.into_iter().collect()
}

async fn append(store: &Store, events: &[u64], sinks: &[&str]) -> Vec<SpoolKey> {
    let events = events.iter().map(|n| new(*n, sinks)).collect();
    let appended = store.append(sink("main"), events).await.unwrap();
    let key = |appended: &Appended| match appended {
        Appended::Added { key, .. } | Appended::Known { key, .. } => *key,
        Appended::Settled => panic!("settled already"),
    };
    appended.iter().map(key).collect()
}

async fn attempts(store: &Store, event: u64, n: u64) -> u64 {
    store.count_attempts(vec![(id(event), sink("app"), n)]).await.unwrap()[0]
}

async fn load_all(store: &Store) -> Vec<Spooled> {
    let mut all = Vec::new();
    loop {
        let after = all.last().map(|event: &Spooled| event.key);
        let page = store.load(None, after, 7, 10_000).await.unwrap();
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}
