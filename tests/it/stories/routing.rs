//! Which events go where, and what becomes of those that go nowhere.

use vod_relay::emulator::{Account, Options, sample};
use vod_relay::event::Event;

use crate::world::{App, World, sorted, source_of};

#[tokio::test]
async fn each_sink_gets_the_events_that_it_takes() {
    let world = World::new().await;
    world.push(64);
    let (uploads, finished, all) = (App::new().await, App::new().await, App::new().await);
    let sinks = [
        uploads.sink("uploads", "events = [\"NewFileUpload\", \"PullComplete\"]"),
        finished.sink(
            "finished",
            "events = [\"ProcedureStateChanged\"]\nwhen = { Status = \"FINISH\" }",
        ),
        all.sink("all", ""),
    ];
    let ended = world.config("", &sinks.concat()).once().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let is_upload = |event: &Event| ["NewFileUpload", "PullComplete"].contains(&event.event_type());
    let is_finished = |event: &Event| {
        event.event_type() == "ProcedureStateChanged"
            && event.fields().status.as_deref() == Some("FINISH")
    };
    assert_eq!(uploads.distinct_ids(), sample_ids(is_upload));
    assert_eq!(finished.distinct_ids(), sample_ids(is_finished));
    assert_eq!(all.distinct_ids(), sample_ids(|_| true));
    assert_eq!(world.vod.state().counts.confirmed, 64);
}

#[tokio::test]
async fn a_sink_takes_from_the_sources_that_it_names() {
    let world =
        World::with(Options { hold: std::time::Duration::from_millis(50), ..Options::default() });
    let world = world.await;
    let ids: Vec<_> =
        (0..20).map(|n| world.vod.push(Some(n % 2 + 1), &sample(n)).unwrap()).collect();
    let (first, both) = (App::new().await, App::new().await);
    let source = |name: &str, app: u64| {
        source_of(&world.url, name, &Account::default(), &format!("sub_app_id = {app}"))
    };
    let text = [
        source("first", 1),
        source("second", 2),
        first.sink("first", "sources = [\"first\"]"),
        both.sink("both", ""),
    ];
    let ended = world.raw_config(&text.concat()).once().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(first.distinct_ids(), sorted(ids.iter().step_by(2)));
    assert_eq!(both.distinct_ids(), sorted(&ids));
}

#[tokio::test]
async fn events_that_no_sink_takes_are_left_and_told_once_per_type() {
    let world = World::new().await;
    world.push(64);
    let app = App::new().await;
    let sink = app.sink("app", "events = [\"ProcedureStateChanged\"]");
    let ended = world.config("", &sink).once().await;
    assert_eq!(ended.code, Some(75), "{ended:?}");
    let taken = sample_ids(|event| event.event_type() == "ProcedureStateChanged");
    assert_eq!(sorted(&world.vod.state().confirmed_ids), taken);
    for left in ["NewFileUpload", "PullComplete", "FileDeleted"] {
        let warned = ended.stderr.lines().filter(|line| line.contains(left)).count();
        assert_eq!(warned, 1, "{left}: {ended:?}");
    }
}

#[tokio::test]
async fn events_that_no_sink_takes_are_confirmed_on_request() {
    let world = World::new().await;
    world.push(64);
    let app = App::new().await;
    let sink = app.sink("app", "events = [\"FileDeleted\"]");
    let ended = world.config("unrouted = \"confirm\"", &sink).once().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(app.distinct_ids(), sample_ids(|event| event.event_type() == "FileDeleted"));
    assert_eq!(world.vod.state().counts.confirmed, 64);
}

/// The ids of those of the first 64 samples.
fn sample_ids(wanted: impl Fn(&Event) -> bool) -> Vec<String> {
    let events = (0..64).map(|n| Event::from_content(sample(n)));
    let ids = sorted(events.filter(wanted).map(|event| event.id()));
    assert!(!ids.is_empty());
    ids
}
