//! The durable store: what is acknowledged stays, whatever happens to the process, the disk and the
//! files.

#![expect(clippy::unwrap_used, reason = "in a test the panic is the report")]

mod backup;
mod crash;
mod damage;
mod disk;
mod model;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tempfile::TempDir;
use vod_relay::event::EventId;
use vod_relay::store::{
    Appended, DeadLetter, LetterFilter, Limits, NewSpooled, SpoolKey, Spooled, Store, StoreError,
};

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

// ---------- One sync for many ----------

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_share_few_transactions() {
    let dir = dir();
    let store = Arc::new(open(&dir));
    let before = store.commits();
    let mut callers = tokio::task::JoinSet::new();
    for n in 0..1_000 {
        let store = store.clone();
        callers.spawn(async move { store.record(vec![(id(n), sink("app"))]).await });
    }
    for done in callers.join_all().await {
        done.unwrap();
    }
    let commits = store.commits() - before;
    eprintln!("1000 callers shared {commits} transactions");
    assert!((1..=200).contains(&commits), "{commits}");
    assert_eq!(settled(&store, 999).await, ["app"]);
}

#[tokio::test]
async fn what_still_waits_when_the_store_is_dropped_is_written() {
    let dir = dir();
    let store = open(&dir);
    for n in 0..100 {
        // Each is given up as soon as it is in the queue.
        let record = store.record(vec![(id(n), sink("app"))]);
        let _ = tokio::time::timeout(Duration::ZERO, record).await;
    }
    drop(store);
    let log = dir.path().join("vod-relay.db-wal");
    assert!(!log.exists(), "the file is complete without its log");
    assert_eq!(settled(&open(&dir), 99).await, ["app"]);
}

#[tokio::test]
async fn the_log_is_checked_in_and_does_not_grow_without_bound() {
    let dir = dir();
    let store = open(&dir);
    for round in 0..400 {
        let events = (0..16).map(|n| large(round * 16 + n)).collect();
        store.append(sink("main"), events).await.unwrap();
        let settled = (0..16).map(|n| (id(round * 16 + n), sink("app"))).collect();
        store.record(settled).await.unwrap();
    }
    let log = dir.path().join("vod-relay.db-wal").metadata().unwrap().len();
    assert!(log < 16 << 20, "{log}");
    let database = dir.path().join("vod-relay.db").metadata().unwrap().len();
    assert!(database < 16 << 20, "{database}");
}

// ---------- Ledger ----------

#[tokio::test]
async fn the_ledger_forgets_by_age_and_by_number() {
    let dir = dir();
    let store = open(&dir);
    for n in 0..4 {
        let some = (n * 1_000..(n + 1) * 1_000).map(|n| (id(n), sink("app"))).collect();
        store.record(some).await.unwrap();
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    attempts(&store, 9_000, 1).await;
    assert_eq!(store.prune(UNIX_EPOCH, u64::MAX).await.unwrap(), 0);
    assert_eq!(store.prune(UNIX_EPOCH, 1_500).await.unwrap(), 2_500);
    assert_eq!(settled(&store, 1_999).await, [""; 0], "the oldest first");
    assert_eq!(settled(&store, 3_000).await, ["app"]);
    store.maintain().await.unwrap();
    assert_eq!(settled(&store, 3_999).await, ["app"]);
    let later = vod_relay::time::wall_clock() + Duration::from_secs(1);
    assert_eq!(store.prune(later, u64::MAX).await.unwrap(), 1_501);
    assert_eq!(settled(&store, 3_999).await, [""; 0]);
    assert_eq!(attempts(&store, 9_000, 1).await, 1);
}

#[tokio::test]
async fn upkeep_gives_space_back() {
    let dir = dir();
    let store = open(&dir);
    for round in 0..300 {
        let events = (0..16).map(|n| large(round * 16 + n)).collect();
        store.append(sink("main"), events).await.unwrap();
    }
    store.record((0..4_800).map(|n| (id(n), sink("app"))).collect()).await.unwrap();
    store.maintain().await.unwrap();
    drop(store);
    let database = dir.path().join("vod-relay.db").metadata().unwrap().len();
    assert!(database < 12 << 20, "{database}");
}

#[tokio::test]
async fn attempts_are_forgotten_with_their_event() {
    let dir = dir();
    let store = open(&dir);
    let both = vec![(id(1), sink("app"), 2), (id(1), sink("archive"), 1), (id(1), sink("app"), 1)];
    assert_eq!(store.count_attempts(both).await.unwrap(), [2, 1, 3]);
    store.record(vec![(id(1), sink("app"))]).await.unwrap();
    assert_eq!(attempts(&store, 1, 1).await, 1);
    store.bury(letter(1, "app")).await.unwrap();
    assert_eq!(attempts(&store, 1, 1).await, 1);
}

// ---------- Dead letters ----------

#[tokio::test]
async fn dead_letters_are_found_by_sink_type_id_and_time() {
    let dir = dir();
    let store = open(&dir);
    for n in 0..10 {
        let mut letter = letter(n, if n % 2 == 0 { "app" } else { "archive" });
        if n >= 5 {
            letter.event_type = "FileDeleted".into();
        }
        store.bury(letter).await.unwrap();
    }
    let find = async |filter: LetterFilter| {
        let found = store.dead_letters(&filter, None, 100).await.unwrap();
        let number = |id: EventId| (0..10).find(|n| self::id(*n) == id).unwrap();
        found.into_iter().map(|buried| number(buried.letter.id)).collect::<Vec<_>>()
    };
    let all = LetterFilter::default;
    assert_eq!(find(all()).await, (0..10).collect::<Vec<_>>());
    assert_eq!(find(LetterFilter { sink: Some("app".into()), ..all() }).await, [0, 2, 4, 6, 8]);
    let deleted = || Some("FileDeleted".to_owned());
    assert_eq!(find(LetterFilter { event_type: deleted(), ..all() }).await, [5, 6, 7, 8, 9]);
    assert_eq!(find(LetterFilter { id: Some(id(3)), ..all() }).await, [3]);
    assert_eq!(find(LetterFilter { since: Some(second(68)), ..all() }).await, [8, 9]);
    assert_eq!(find(LetterFilter { until: Some(second(62)), ..all() }).await, [0, 1]);
    let both = LetterFilter { sink: Some("archive".into()), event_type: deleted(), ..all() };
    assert_eq!(find(both.clone()).await, [5, 7, 9]);
    let first = store.dead_letters(&both, None, 2).await.unwrap();
    let rest = store.dead_letters(&both, Some(first[1].key), 2).await.unwrap();
    assert_eq!((first.len(), rest.len(), rest[0].letter.id), (2, 1, id(9)));
    assert!(find(LetterFilter { sink: Some("' OR 1".into()), ..all() }).await.is_empty());
}

#[tokio::test]
async fn burying_again_replaces_the_letter() {
    let dir = dir();
    let store = open(&dir);
    let key = store.bury(letter(1, "app")).await.unwrap();
    let mut again = letter(1, "app");
    again.reason = "\u{4e0d}".repeat(3_000);
    again.first_seen = second(500);
    again.buried = second(600);
    again.attempts = 9;
    assert_eq!(store.bury(again).await.unwrap(), key);
    let letters = store.dead_letters(&LetterFilter::default(), None, 10).await.unwrap();
    let found = &letters[0].letter;
    assert_eq!((letters.len(), found.attempts, found.buried), (1, 9, second(600)));
    assert_eq!(found.first_seen, second(1), "the earlier one");
    assert!((4_000..=4_096).contains(&found.reason.len()));
}

#[tokio::test]
async fn a_replayed_letter_is_gone_and_its_event_is_delivered() {
    let dir = dir();
    let store = open(&dir);
    let one = store.bury(letter(1, "app")).await.unwrap();
    let two = store.bury(letter(2, "app")).await.unwrap();
    assert_eq!(store.replayed(vec![one, one]).await.unwrap(), 1);
    assert_eq!(store.drop_letters(vec![two, one]).await.unwrap(), 1);
    assert_eq!(store.dead_letter_total().await.unwrap().entries, 0);
    assert_eq!(settled(&store, 1).await, ["app"]);
    assert_eq!(settled(&store, 2).await, ["app"], "dropping does not bring it back");
    drop(store);
    let database = rusqlite::Connection::open(dir.path().join("vod-relay.db")).unwrap();
    let mut outcomes = database.prepare("SELECT outcome FROM ledger_view ORDER BY 1").unwrap();
    let outcomes = outcomes.query_map([], |row| row.get::<_, String>(0)).unwrap();
    assert_eq!(outcomes.map(Result::unwrap).collect::<Vec<_>>(), ["dead", "delivered"]);
}

#[tokio::test]
async fn there_are_only_so_many_dead_letters() {
    let dir = dir();
    let limits = Limits { dead_letters_max: 2, dead_letter_bytes_max: 1 << 20 };
    let store = Store::open_with(dir.path(), limits).unwrap();
    let first = store.bury(letter(1, "app")).await.unwrap();
    store.bury(letter(2, "app")).await.unwrap();
    let error = store.bury(letter(3, "app")).await.unwrap_err();
    assert!(matches!(error, StoreError::LettersFull { entries: 2, .. }), "{error:?}");
    assert_eq!(settled(&store, 3).await, [""; 0], "so it must not be confirmed");
    store.bury(letter(2, "app")).await.unwrap();
    store.drop_letters(vec![first]).await.unwrap();
    store.bury(letter(3, "app")).await.unwrap();
    drop(store);
    let limits = Limits { dead_letters_max: 9, dead_letter_bytes_max: 100 };
    let store = Store::open_with(dir.path(), limits).unwrap();
    assert!(store.bury(letter(4, "app")).await.is_err());
}

// ---------- Owners and versions ----------

#[tokio::test]
async fn a_state_directory_has_one_owner() {
    let dir = dir();
    let store = open(&dir);
    let error = Store::open(dir.path()).unwrap_err();
    let pid = std::process::id();
    assert!(matches!(error, StoreError::Owned { pid: Some(found), .. } if found == pid));
    let message = error.to_string();
    assert!(message.contains(&format!("(pid {pid})")), "{message}");
    assert!(message.contains(dir.path().to_str().unwrap()), "{message}");
    drop(store);
    open(&dir);
}

#[tokio::test]
async fn others_may_attach_while_the_owner_writes() {
    let dir = dir();
    let error = Store::attach(dir.path()).unwrap_err();
    assert!(matches!(error, StoreError::Missing { .. }), "{error:?}");
    let owner = open(&dir);
    let attached = Store::attach(dir.path()).unwrap();
    let mut keys = Vec::new();
    for n in 0..50 {
        keys.push(owner.bury(letter(n, "app")).await.unwrap());
    }
    let busy = async {
        for n in 100..300 {
            owner.record(vec![(id(n), sink("app"))]).await.unwrap();
        }
    };
    let tidy = async {
        for key in keys {
            assert_eq!(attached.replayed(vec![key]).await.unwrap(), 1);
        }
    };
    tokio::join!(busy, tidy);
    assert_eq!(owner.dead_letter_total().await.unwrap().entries, 0);
    drop(attached);
    assert_eq!(settled(&owner, 299).await, ["app"]);
    drop(owner);
    Store::attach(dir.path()).unwrap();
}

#[test]
fn a_newer_schema_is_left_alone() {
    let dir = dir();
    drop(open(&dir));
    set_version(&dir, 99);
    for error in [Store::open(dir.path()).unwrap_err(), Store::attach(dir.path()).unwrap_err()] {
        assert!(matches!(error, StoreError::Newer { found: 99, known: 1, .. }), "{error:?}");
    }
    set_version(&dir, 0);
    let error = Store::open(dir.path()).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
}

#[test]
fn a_directory_that_cannot_be_used_is_reported() {
    let dir = dir();
    let error = Store::open(&dir.path().join("no/such")).unwrap_err();
    assert!(matches!(error, StoreError::Unusable { .. }), "{error:?}");
    assert!(error.to_string().contains("no/such"), "{error}");
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(matches!(Store::open(&file), Err(StoreError::Unusable { .. })));
    drop(Store::open(&dir.path().join("new")).unwrap());
}

#[test]
fn a_start_that_was_cut_short_is_begun_again() {
    let dir = dir();
    std::fs::write(dir.path().join("vod-relay.db.new"), "half").unwrap();
    std::fs::write(dir.path().join("vod-relay.db.new-journal"), "half").unwrap();
    open(&dir);
    assert!(!dir.path().join("vod-relay.db.new").exists());
}

#[tokio::test]
async fn the_views_show_it_in_words() {
    let dir = dir();
    let store = open(&dir);
    append(&store, &[1], &["app"]).await;
    let path = dir.path().join("vod-relay.db");
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let database = rusqlite::Connection::open_with_flags(path, flags).unwrap();
    let row = database.query_row("SELECT * FROM spool_view", [], |row| {
        Ok([row.get::<_, String>("event")?, row.get("waits_for")?, row.get("received")?])
    });
    assert_eq!(row.unwrap(), [id(1).to_string(), "app".into(), "2023-11-14T22:13:21.000Z".into()]);
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

async fn settled(store: &Store, event: u64) -> Vec<String> {
    let found = store.settled(&[id(event)]).await.unwrap();
    names(&found[0]).into_iter().map(str::to_owned).collect()
}

/// An event of the size that VOD sends.
fn large(n: u64) -> NewSpooled {
    let text = format!("{{\"n\":{n},\"x\":\"{}\"}}", "x".repeat(3_000));
    NewSpooled { text: text.into(), ..new(n, &["app"]) }
}

/// The events of one answer.
fn batch(first: u64) -> Vec<NewSpooled> {
    (first..first + 16).map(large).collect()
}

fn set_version(dir: &TempDir, version: i64) {
    let database = rusqlite::Connection::open(dir.path().join("vod-relay.db")).unwrap();
    database.pragma_update(None, "user_version", version).unwrap();
}
