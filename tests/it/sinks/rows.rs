//! What the stories of the databases share.

use vod_relay::event::Event;

use crate::world::{Relay, World};

/// An event of this task, with more in it.
pub fn event(task: &str, more: &str) -> String {
    format!(
        r#"{{"EventType":"ProcedureStateChanged","ProcedureStateChangeEvent":{{"TaskId":"{task}","FileId":"5285890784246869930"{more}}}}}"#
    )
}

pub fn id(text: &str) -> String {
    Event::from_content(text.to_owned()).id().to_string()
}

/// The relay with this sink, and a source of a sub-application with these events in its queue.
pub fn relay(world: &World, sink: &str, events: &[&str]) -> Relay {
    for text in events {
        world.vod.push(Some(1_500_000_001), text).unwrap();
    }
    let keys = "sub_app_id = 1500000001\nlease = \"6s\"\nconfirm_margin = \"1s\"\n";
    world.config(keys, &format!("{sink}\n[relay]\nstate_dir = \"state\"\n"))
}

/// The doctor and the log tell what keeps another event from a table, and what to do.
pub async fn told(world: &World, sink: &str, problem: &str, remedy: &str) {
    let task = format!("task-{}", world.vod.counts().pushed);
    let relay = relay(world, sink, &[&event(&task, "")]);
    let doctor = relay.run(&["doctor"]).await;
    assert_eq!(doctor.code, Some(78), "{doctor:?}");
    let doctor_says = doctor.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(doctor_says.contains(problem) && doctor_says.contains(remedy), "{doctor:?}");
    let ended = relay.once().await;
    assert_eq!(ended.code, Some(75), "{ended:?}");
    assert!(ended.stderr.contains(problem) && ended.stderr.contains(remedy), "{ended:?}");
    assert_eq!(world.vod.counts().confirmed, 0, "{ended:?}");
}
