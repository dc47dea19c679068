//! The process is killed while it writes.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use super::*;

const STATE_DIR: &str = "VOD_RELAY_TEST_CRASH_DIR";

/// What the killed process runs: it acknowledges on its standard output what the store has
/// acknowledged to it.
#[tokio::test]
async fn child_that_writes_until_it_is_killed() {
    let Ok(dir) = std::env::var(STATE_DIR) else { return };
    let store = Arc::new(Store::open(Path::new(&dir)).unwrap());
    let first = store.spool_stats().events * 1_000;
    let mut writers = tokio::task::JoinSet::new();
    for lane in 0..8 {
        let store = store.clone();
        writers.spawn(async move {
            for round in 0.. {
                let n = first + 1_000_000 * lane + round * 4;
                let events = (n..n + 3).map(|n| new(n, &["app"])).collect();
                store.append(sink("main"), events).await.unwrap();
                println!("spooled {n} {} {}", n + 1, n + 2);
                store.record(vec![(id(n), sink("app"))]).await.unwrap();
                println!("settled {n}");
                store.bury(letter(n + 1, "app")).await.unwrap();
                println!("buried {}", n + 1);
            }
        });
    }
    writers.join_all().await;
}

#[tokio::test]
async fn what_was_acknowledged_before_a_kill_is_there_after_it() {
    let dir = dir();
    let [mut spooled, mut settled, mut buried] = [(); 3].map(|()| BTreeSet::new());
    for round in 0..8_usize {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::crash::child_that_writes_until_it_is_killed", "--nocapture"])
            .env(STATE_DIR, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut heard = 0;
        while let Some(Ok(line)) = lines.next() {
            let mut words = line.split(' ');
            let set = match words.next() {
                Some("spooled") => &mut spooled,
                Some("settled") => &mut settled,
                Some("buried") => &mut buried,
                _ => continue,
            };
            // The last line may be cut off in a number; it has no line feed then.
            set.extend(words.filter_map(|word| word.parse::<u64>().ok()));
            heard += 1;
            if heard == 20 + round * 37 {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(heard >= 20 + round * 37);

        let store = open(&dir);
        let in_spool: BTreeSet<_> = load_all(&store).await.iter().map(|event| event.id).collect();
        let letters = store.dead_letters(&LetterFilter::default(), None, usize::MAX).await.unwrap();
        let letters: BTreeSet<_> = letters.iter().map(|buried| buried.letter.id).collect();
        let all: Vec<_> = spooled.iter().map(|n| id(*n)).collect();
        let known = store.settled(&all).await.unwrap();
        for (n, sinks) in spooled.iter().zip(known) {
            assert_ne!(in_spool.contains(&id(*n)), !sinks.is_empty(), "{n}: spooled or settled");
            assert!(!settled.contains(n) || !sinks.is_empty(), "{n} was settled");
            assert!(!buried.contains(n) || letters.contains(&id(*n)), "{n} was buried");
            let dead = letters.contains(&id(*n));
            assert!(!dead || !sinks.is_empty(), "{n}: a dead letter is settled");
        }
        drop(store);
        let database = rusqlite::Connection::open(dir.path().join("vod-relay.db")).unwrap();
        let check: String =
            database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(check, "ok");
    }
}
