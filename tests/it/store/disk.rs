//! The disk gets full, and has space again.

use super::*;
use crate::small_disk::SmallDisk;

#[tokio::test]
async fn a_full_disk_takes_nothing_new_but_lets_what_is_stored_be_settled() {
    let Some(disk) = SmallDisk::mount(12 << 20) else { return };
    let store = Store::open(&disk.state_dir()).unwrap();
    let mut spooled = 0;
    let refused = loop {
        assert!(spooled < 12_000, "the disk cannot hold so much");
        match store.append(sink("main"), batch(spooled)).await {
            Ok(_) => spooled += 16,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, StoreError::NoSpace { .. }), "{refused}");
    assert!(spooled > 500, "{spooled}");
    let large = DeadLetter { text: vec![b' '; 1 << 20].into(), ..letter(spooled, "app") };
    let refused = store.bury(large).await.unwrap_err();
    assert!(matches!(refused, StoreError::NoSpace { .. }), "{refused}");
    assert_eq!(store.spool_stats().events, spooled);

    // All of it can be delivered and leave, and then there is room again.
    for n in 0..spooled {
        store.record(vec![(id(n), sink("app"))]).await.unwrap();
    }
    assert_eq!(store.spool_stats().events, 0);
    store.maintain().await.unwrap();
    store.append(sink("main"), batch(0)).await.unwrap();
    store.append(sink("main"), batch(spooled)).await.unwrap();
    assert_eq!(store.spool_stats().events, 16);
}

#[tokio::test]
async fn a_write_that_meets_the_full_disk_fails_whole_and_works_when_there_is_space_again() {
    let Some(disk) = SmallDisk::mount(8 << 20) else { return };
    let store = Store::open(&disk.state_dir()).unwrap();
    store.append(sink("main"), batch(0)).await.unwrap();
    disk.fill_but(1 << 18);
    // The ledger may use the reserve, so this goes on until the last byte is taken.
    let mut recorded = 1_000;
    let refused = loop {
        assert!(recorded < 200_000, "the disk cannot hold so much");
        let some = (recorded..recorded + 100).map(|n| (id(n), sink("app"))).collect();
        match store.record(some).await {
            Ok(()) => recorded += 100,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, StoreError::NoSpace { .. }), "{refused}");
    assert!(refused.to_string().contains("goes on by itself"), "{refused}");
    assert!(recorded > 1_000, "the reserve is not for nothing");
    assert_eq!(settled(&store, recorded - 1).await, ["app"]);
    assert_eq!(settled(&store, recorded).await, [""; 0], "nothing of what failed");
    assert_eq!(settled(&store, recorded + 99).await, [""; 0]);
    assert!(store.append(sink("main"), batch(16)).await.is_err());
    assert_eq!(load_all(&store).await.len(), 16);

    disk.clear();
    store.record(vec![(id(recorded), sink("app"))]).await.unwrap();
    assert_eq!(settled(&store, recorded).await, ["app"]);
    drop(store);
    let store = Store::open(&disk.state_dir()).unwrap();
    assert_eq!(settled(&store, recorded).await, ["app"]);
    assert_eq!(settled(&store, recorded + 1).await, [""; 0]);
    assert_eq!(load_all(&store).await.len(), 16);
}

#[tokio::test]
async fn a_process_that_ends_on_a_full_disk_loses_nothing() {
    let Some(disk) = SmallDisk::mount(8 << 20) else { return };
    let store = Store::open(&disk.state_dir()).unwrap();
    store.append(sink("main"), batch(0)).await.unwrap();
    disk.fill();
    drop(store);
    match Store::open(&disk.state_dir()) {
        Ok(store) => assert_eq!(load_all(&store).await.len(), 16),
        Err(error) => assert!(matches!(error, StoreError::NoSpace { .. }), "{error}"),
    }
    disk.clear();
    let store = Store::open(&disk.state_dir()).unwrap();
    assert_eq!(load_all(&store).await.len(), 16);
}

#[test]
fn a_store_cannot_be_made_on_a_full_disk_and_can_when_there_is_space() {
    let Some(disk) = SmallDisk::mount(1 << 20) else { return };
    disk.fill();
    let error = Store::open(&disk.state_dir()).unwrap_err();
    assert!(matches!(error, StoreError::NoSpace { .. }), "{error:?}");
    disk.clear();
    Store::open(&disk.state_dir()).unwrap();
}

#[test]
fn a_disk_that_can_only_be_read_is_reported() {
    let Some(disk) = SmallDisk::mount(4 << 20) else { return };
    let state = disk.state_dir();
    drop(Store::open(&state).unwrap());
    disk.remount("ro");
    let error = Store::open(&state).unwrap_err();
    assert!(error.to_string().contains("Read-only file system"), "{error}");
    let error = Store::attach(&state).unwrap_err();
    assert!(error.to_string().contains("Read-only file system"), "{error}");
    disk.remount("rw");
}
