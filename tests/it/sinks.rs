//! What each sink does with a batch, and with everything that can go wrong on its side.

mod command;
mod file;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod rows;
mod webhook;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use vod_relay::event::Event;
use vod_relay::sink::{Kind, Outcome, Parcel, Refusal, Sink};

/// The most time that anything here may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// An event that says so much and no more.
fn parcel(number: u32) -> Parcel {
    let content = format!(
        r#"{{"EventType":"ProcedureStateChanged","ProcedureStateChangeEvent":{{"TaskId":"task-{number}","Status":"FINISH","FileId":null}}}}"#
    );
    parcel_of(content)
}

fn parcel_of(content: String) -> Parcel {
    let event = Arc::new(Event::from_content(content));
    Parcel { event, received: SystemTime::UNIX_EPOCH, sub_app_id: None, attempt: 1 }
}

fn open(kind: Kind) -> Arc<dyn Sink> {
    kind.open("app").unwrap()
}

/// Delivers one event within the deadline.
async fn deliver(sink: &dyn Sink, parcel: Parcel) -> Outcome {
    let batch = [parcel];
    let mut outcomes = tokio::time::timeout(DEADLINE, sink.deliver(&batch)).await.unwrap();
    assert_eq!(outcomes.len(), 1);
    outcomes.remove(0)
}

/// The reason of a failure that another try can mend.
#[track_caller]
fn transient(outcome: Outcome) -> String {
    match outcome {
        Err(Refusal::Transient { reason, .. }) => reason,
        other => panic!("not transient: {other:?}"),
    }
}

/// The reason of a failure that another try cannot mend.
#[track_caller]
fn permanent(outcome: Outcome) -> String {
    match outcome {
        Err(Refusal::Permanent { reason }) => reason,
        other => panic!("not permanent: {other:?}"),
    }
}

/// Waits until something is there, and fails when it does not come.
async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let watch = async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, watch).await.unwrap_or_else(|_| panic!("no {what} in time"))
}
