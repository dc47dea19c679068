//! The ledger and the spool against a simple model, over random operations and restarts.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const SINKS: [&str; 3] = ["app", "archive", "late"];

#[derive(Debug, Clone)]
enum Step {
    Append(Vec<(u64, Vec<usize>)>),
    Record(Vec<(u64, usize)>),
    Bury(u64, usize),
    Replay(usize),
    Drop(usize),
    Count(u64, usize, u64),
    Maintain,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let event = || 0..24_u64;
    let sinks = proptest::sample::subsequence(vec![0, 1, 2], 0..=3);
    prop_oneof![
        4 => proptest::collection::vec((event(), sinks), 0..6).prop_map(Step::Append),
        4 => proptest::collection::vec((event(), 0..3_usize), 0..6).prop_map(Step::Record),
        2 => (event(), 0..3_usize).prop_map(|(event, sink)| Step::Bury(event, sink)),
        1 => (0..8_usize).prop_map(Step::Replay),
        1 => (0..8_usize).prop_map(Step::Drop),
        2 => (event(), 0..3_usize, 1..5_u64).prop_map(|(event, sink, n)| Step::Count(event, sink, n)),
        1 => Just(Step::Maintain),
        2 => Just(Step::Reopen),
    ]
}

/// What the store should hold.
#[derive(Debug, Default)]
struct Model {
    settled: BTreeSet<(u64, usize)>,
    spool: Vec<(u64, BTreeSet<usize>)>,
    letters: Vec<(u64, usize)>,
    attempts: BTreeMap<(u64, usize), u64>,
}

impl Model {
    fn append(&mut self, event: u64, sinks: &[usize]) -> &'static str {
        let lacking = sinks.iter().filter(|sink| !self.settled.contains(&(event, **sink)));
        let lacking: BTreeSet<_> = lacking.copied().collect();
        match self.spool.iter_mut().find(|(known, _)| *known == event) {
            Some((_, pending)) => {
                pending.extend(lacking);
                "known"
            }
            None if lacking.is_empty() => "settled",
            None => {
                self.spool.push((event, lacking));
                "added"
            }
        }
    }

    fn settle(&mut self, event: u64, sink: usize) {
        self.settled.insert((event, sink));
        self.attempts.remove(&(event, sink));
        for (_, pending) in self.spool.iter_mut().filter(|(spooled, _)| *spooled == event) {
            pending.remove(&sink);
        }
        self.spool.retain(|(_, pending)| !pending.is_empty());
    }
}

async fn apply(model: &mut Model, store: &mut Store, dir: &TempDir, step: Step) {
    match step {
        Step::Append(events) => {
            let batch = events.iter().map(|(event, sinks)| {
                new(*event, &sinks.iter().map(|at| SINKS[*at]).collect::<Vec<_>>())
            });
            let found = store.append(sink("main"), batch.collect()).await.unwrap();
            let found = found.iter().map(|appended| match appended {
                Appended::Added { .. } => "added",
                Appended::Known { .. } => "known",
                Appended::Settled => "settled",
            });
            let expected = events.iter().map(|(event, sinks)| model.append(*event, sinks));
            assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        }
        Step::Record(pairs) => {
            let all = pairs.iter().map(|(event, at)| (id(*event), sink(SINKS[*at])));
            store.record(all.collect()).await.unwrap();
            pairs.iter().for_each(|(event, at)| model.settle(*event, *at));
        }
        Step::Bury(event, at) => {
            store.bury(letter(event, SINKS[at])).await.unwrap();
            model.settle(event, at);
            if !model.letters.contains(&(event, at)) {
                model.letters.push((event, at));
            }
        }
        Step::Replay(nth) | Step::Drop(nth) => {
            let letters = store.dead_letters(&LetterFilter::default(), None, 100).await.unwrap();
            let Some(buried) = letters.get(nth) else { return };
            let (event, at) = model.letters.remove(nth);
            let keys = vec![buried.key];
            if matches!(step, Step::Replay(_)) {
                assert_eq!(store.replayed(keys).await.unwrap(), 1);
                model.settle(event, at);
            } else {
                assert_eq!(store.drop_letters(keys).await.unwrap(), 1);
            }
        }
        Step::Count(event, at, n) => {
            let tried = vec![(id(event), sink(SINKS[at]), n)];
            let total = model.attempts.entry((event, at)).or_default();
            *total += n;
            assert_eq!(store.count_attempts(tried).await.unwrap(), [*total]);
        }
        Step::Maintain => store.maintain().await.unwrap(),
        Step::Reopen => {
            // Two owners cannot be, so the old one has to go first.
            let elsewhere = self::dir();
            drop(std::mem::replace(store, Store::open(elsewhere.path()).unwrap()));
            *store = open(dir);
        }
    }
}

async fn compare(model: &Model, store: &Store) {
    let spooled = load_all(store).await;
    let found = spooled.iter().map(|event| (event.id, names(&event.sinks)));
    let expected = model.spool.iter().map(|(event, pending)| {
        (id(*event), pending.iter().map(|at| SINKS[*at]).collect::<Vec<_>>())
    });
    assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    assert!(spooled.iter().all(|event| event.intact));
    assert!(spooled.iter().zip(&model.spool).all(|(found, (event, _))| found.text == text(*event)));
    let stats = store.spool_stats();
    let bytes: usize = spooled.iter().map(|event| event.text.len()).sum();
    assert_eq!((stats.events, stats.bytes), (spooled.len() as u64, bytes as u64));
    assert_eq!(stats.oldest, spooled.first().map(|event| event.received));
    for event in 0..24 {
        let expected = (0..3).filter(|at| model.settled.contains(&(event, *at)));
        let expected: Vec<_> = expected.map(|at| SINKS[at]).collect();
        assert_eq!(settled(store, event).await, expected);
    }
    let letters = store.dead_letters(&LetterFilter::default(), None, 100).await.unwrap();
    let found = letters.iter().map(|buried| (buried.letter.id, buried.letter.sink.to_string()));
    let expected = model.letters.iter().map(|(event, at)| (id(*event), SINKS[*at].to_owned()));
    assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    let total = store.dead_letter_total().await.unwrap();
    let bytes: usize = letters.iter().map(|buried| buried.letter.text.len()).sum();
    assert_eq!((total.entries, total.bytes), (letters.len() as u64, bytes as u64));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_does_what_the_model_does(steps in proptest::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let dir = dir();
            let (mut model, mut store) = (Model::default(), open(&dir));
            for step in steps {
                apply(&mut model, &mut store, &dir, step).await;
                compare(&model, &store).await;
            }
        });
    }
}
