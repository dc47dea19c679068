use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use vod_relay::format::Format;
use vod_relay::sink::Kind;
use vod_relay::sink::file::Config;

use super::{deliver, eventually, open, parcel};

fn kind(path: &Path, rotate_size: Option<u64>, rotate_keep: u32) -> Kind {
    let (format, timeout) = (Format::Callback, Duration::from_secs(10));
    Kind::new(Config { path: path.to_owned(), rotate_size, rotate_keep, format, timeout })
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn line(number: u32) -> String {
    String::from_utf8(parcel(number).event.text().to_vec()).unwrap()
}

#[tokio::test]
async fn a_batch_stands_in_the_file_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events.jsonl");
    let sink = open(kind(&path, None, 1));
    let batch: Vec<_> = (0..100).map(parcel).collect();
    assert_eq!(sink.deliver(&batch).await, vec![Ok(()); 100]);
    assert_eq!(deliver(&*sink, parcel(100)).await, Ok(()));
    assert_eq!(lines(&path), (0..=100).map(line).collect::<Vec<_>>());
    assert_eq!(sink.deliver(&[]).await, []);
}

#[tokio::test]
async fn sighup_after_a_log_rotator_opens_a_new_file_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (path, moved) = (dir.path().join("events.jsonl"), dir.path().join("moved"));
    let sink = open(kind(&path, None, 1));
    assert_eq!(deliver(&*sink, parcel(1)).await, Ok(()));
    fs::rename(&path, &moved).unwrap();
    sink.reopen();
    eventually("new file", || path.exists().then_some(())).await;
    assert_eq!(deliver(&*sink, parcel(2)).await, Ok(()));
    assert_eq!((lines(&moved), lines(&path)), (vec![line(1)], vec![line(2)]));
}

#[tokio::test]
async fn a_directory_that_vanishes_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let below = dir.path().join("below");
    fs::create_dir(&below).unwrap();
    let path = below.join("events.jsonl");
    let sink = open(kind(&path, None, 1));
    fs::remove_dir_all(&below).unwrap();
    let reason = super::transient(deliver(&*sink, parcel(1)).await);
    assert!(reason.contains("below does not exist; create it"), "{reason}");
    fs::create_dir(&below).unwrap();
    assert_eq!(deliver(&*sink, parcel(1)).await, Ok(()));
    assert_eq!(lines(&path), [line(1)]);
}

#[tokio::test]
async fn what_cannot_be_opened_says_so_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let error = kind(&dir.path().join("missing/x"), None, 1).open("archive").unwrap_err();
    let error = error.to_string();
    assert!(error.starts_with("sink archive: cannot open /"), "{error}");
    assert!(error.contains("/missing does not exist; create it"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sinks_that_share_a_rotated_file_lose_nothing_and_mix_no_lines() {
    const EACH: u32 = 150;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events.jsonl");
    let writers = (0..4).map(|writer| {
        let sink = open(kind(&path, Some(4096), 1000));
        tokio::spawn(async move {
            for number in writer * EACH..(writer + 1) * EACH {
                assert_eq!(deliver(&*sink, parcel(number)).await, Ok(()));
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let files: Vec<_> =
        fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.len() > 10, "{files:?}");
    assert!(files.iter().all(|file| fs::metadata(file).unwrap().len() <= 4096));
    let found: Vec<_> = files.iter().flat_map(|file| lines(file)).collect();
    let expected: HashSet<_> = (0..4 * EACH).map(line).collect();
    assert_eq!(found.len(), expected.len());
    assert_eq!(found.into_iter().collect::<HashSet<_>>(), expected);
}

#[tokio::test]
async fn a_delivery_that_is_given_up_does_not_come_in_between_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let sink = open(kind(&path, None, 1));
    // Nobody reads yet, so this one is given up while it still waits for a reader.
    let given_up = [parcel(1)];
    let late = tokio::time::timeout(Duration::from_millis(50), sink.deliver(&given_up)).await;
    assert!(late.is_err());
    let reader = Command::new("head")
        .args(["-n", "2"])
        .arg(&path)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    assert_eq!(deliver(&*sink, parcel(2)).await, Ok(()));
    let output = tokio::task::spawn_blocking(move || reader.wait_with_output()).await.unwrap();
    let read = String::from_utf8(output.unwrap().stdout).unwrap();
    assert_eq!(read, format!("{}\n{}\n", line(1), line(2)));
}
