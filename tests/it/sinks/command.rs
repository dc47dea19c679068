use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use vod_relay::format::Format;
use vod_relay::sink::command::Config;
use vod_relay::sink::{Kind, Parcel, Sink};

use super::{deliver, eventually, open, parcel, parcel_of, permanent, transient};

fn sink(command: &[&str]) -> Arc<dyn Sink> {
    let (program, arguments) = command.split_first().unwrap();
    open(Kind::new(Config {
        program: (*program).to_owned(),
        arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
        max_concurrency: 4,
        format: Format::Callback,
        timeout: Duration::from_secs(20),
    }))
}

/// A script, with a directory of its own as `$1`.
fn script(text: &str) -> (TempDir, Arc<dyn Sink>) {
    let dir = tempfile::tempdir().unwrap();
    let sink = sink(&["/bin/sh", "-c", text, "sh", dir.path().to_str().unwrap()]);
    (dir, sink)
}

/// The process id that a script left in a file.
async fn pid_in(file: PathBuf) -> i32 {
    let read = || fs::read_to_string(&file).ok()?.strip_suffix('\n')?.parse().ok();
    eventually("process id", read).await
}

/// Waits until a process is gone: ended, and reaped as well.
async fn gone(pid: i32) {
    let stands = Path::new("/proc").join(pid.to_string());
    eventually("end of the process", || (!stands.exists()).then_some(())).await;
}

#[tokio::test]
async fn the_exit_status_decides() {
    let outcome = |code: &'static str| async move {
        deliver(&*script(&format!("echo no such video >&2; {code}")).1, parcel(1)).await
    };
    assert_eq!(outcome("exit 0").await, Ok(()));
    let reason = permanent(outcome("exit 65").await);
    assert_eq!(reason, "/bin/sh exited with status 65: no such video");
    assert_eq!(transient(outcome("exit 1").await), "/bin/sh exited with status 1: no such video");
    let reason = transient(outcome("kill -KILL $$").await);
    assert_eq!(reason, "/bin/sh was ended by signal 9: no such video");
}

#[tokio::test]
async fn a_program_that_is_not_there_may_be_there_later() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("on-event");
    let sink = sink(&[path.to_str().unwrap()]);
    let reason = transient(deliver(&*sink, parcel(1)).await);
    assert!(reason.starts_with("cannot start /") && reason.contains("No such file"), "{reason}");
    fs::write(&path, "#!/bin/sh\nexit 0\n").unwrap();
    let reason = transient(deliver(&*sink, parcel(1)).await);
    assert!(reason.contains("Permission denied"), "{reason}");
}

#[tokio::test]
async fn the_event_comes_on_stdin_and_its_outline_in_the_environment() {
    let (dir, sink) = script("cat >$1/stdin; env | grep ^VOD_RELAY_ | sort >$1/env");
    let parcel = Parcel { attempt: 3, ..parcel(7) };
    assert_eq!(deliver(&*sink, parcel.clone()).await, Ok(()));
    let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    assert_eq!(read("stdin").as_bytes(), parcel.event.text());
    let expected = format!(
        "VOD_RELAY_ATTEMPT=3\nVOD_RELAY_EVENT_ID={}\nVOD_RELAY_EVENT_TYPE=ProcedureStateChanged\n\
         VOD_RELAY_FILE_ID=\nVOD_RELAY_STATUS=FINISH\nVOD_RELAY_TASK_ID=task-7\n",
        parcel.event.id()
    );
    assert_eq!(read("env"), expected);
}

#[tokio::test]
async fn a_program_need_not_read_its_input() {
    let large = format!(r#"{{"EventType":"A","B":{{"x":"{}"}}}}"#, "x".repeat(1024 * 1024));
    assert_eq!(deliver(&*sink(&["true"]), parcel_of(large)).await, Ok(()));
}

#[tokio::test]
async fn output_without_end_of_line_or_measure_is_read_away() {
    let (_dir, sink) = script("head -c 20000000 /dev/zero | tr '\\0' x; yes | head -n 100000 >&2");
    assert_eq!(deliver(&*sink, parcel(1)).await, Ok(()));
}

#[tokio::test]
async fn a_process_left_in_the_background_does_not_hold_up_the_delivery() {
    let (dir, sink) = script("sleep 60 & echo $! >$1/pid; exit 0");
    assert_eq!(deliver(&*sink, parcel(1)).await, Ok(()));
    let pid = pid_in(dir.path().join("pid")).await;
    // It was left alone, and is ours to end.
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

#[tokio::test]
async fn a_run_that_is_given_up_ends_with_all_its_processes() {
    let (dir, sink) = script("sleep 60 & echo $! >$1/grandchild; echo $$ >$1/child; wait");
    let batch = [parcel(1)];
    let (child, grandchild) = tokio::select! {
        outcome = sink.deliver(&batch) => panic!("ended by itself: {outcome:?}"),
        pids = async {
            let child = pid_in(dir.path().join("child")).await;
            (child, pid_in(dir.path().join("grandchild")).await)
        } => pids,
    };
    gone(grandchild).await;
    gone(child).await;
}

#[tokio::test]
async fn a_run_that_will_not_end_is_killed() {
    let (dir, sink) = script(
        "trap '' TERM; sleep 60 & echo $! >$1/grandchild; echo $$ >$1/child; \
         while :; do sleep 1; done",
    );
    let batch = [parcel(1)];
    let (child, grandchild) = tokio::select! {
        outcome = sink.deliver(&batch) => panic!("ended by itself: {outcome:?}"),
        pids = async {
            let child = pid_in(dir.path().join("child")).await;
            (child, pid_in(dir.path().join("grandchild")).await)
        } => pids,
    };
    gone(grandchild).await;
    gone(child).await;
}

#[test]
fn when_the_relay_stops_nothing_stays_behind() {
    let (dir, sink) = script("trap '' TERM; echo $$ >$1/child; while :; do sleep 1; done");
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stopping = runtime();
    let child = stopping.block_on(async {
        let batch = [parcel(1)];
        tokio::select! {
            outcome = sink.deliver(&batch) => panic!("ended by itself: {outcome:?}"),
            child = pid_in(dir.path().join("child")) => child,
        }
    });
    drop(stopping);
    // Whether somebody reaps it is the next process's business now.
    let stat = format!("/proc/{child}/stat");
    let ended = || match fs::read_to_string(&stat) {
        Ok(stat) => stat.contains(") Z ").then_some(()),
        Err(_) => Some(()),
    };
    runtime().block_on(eventually("end of the process", ended));
}
