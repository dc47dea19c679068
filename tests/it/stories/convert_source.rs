//! `convert = "v3"`: events of the legacy 2.0 format come out in their 3.0 form.

use serde_json::Value;
use vod_relay::event::Event;
use vod_relay::legacy;

use super::callback::{DELIVERED, Hook, source};
use crate::world::{App, World};

const LEGACY: &str =
    include_str!("../../data/events/procedure-state-changed.en-legacy.normal.json");
/// 3.0 has no form for it.
const PORN_CHECK: &str =
    r#"{"version":"4.0","eventType":"PorncheckComplete","data":{"vodTaskId":"t-1","status":0}}"#;

fn sinks(app: &App) -> String {
    let finished = "when = { Status = \"PROCESSING\", \"MetaData.VideoStreamSet\" = \"x\" }";
    app.sink("app", "")
        + &format!("[sinks.never]\ntype = \"file\"\npath = \"never.jsonl\"\n{finished}\n")
}

/// What a sink got must be the 3.0 form of the event, with the id of that form.
fn check(app: &App) {
    let received = app.requests();
    let expected = legacy::to_v3(LEGACY).unwrap();
    assert_eq!(received[0].body, expected.as_bytes());
    assert_eq!(received[0].id, Event::from_content(expected).id().to_string());
    let old: Value = serde_json::from_slice(&received[1].body).unwrap();
    assert_eq!(old["eventType"], "PorncheckComplete");
    assert_eq!(received.len(), 2);
}

#[tokio::test]
async fn posted_ones_do() {
    let world = World::new().await;
    let app = App::new().await;
    let keys = format!("{DELIVERED}convert = \"v3\"\n");
    let hook = Hook::start(&world.raw_config(&(source(&keys) + &sinks(&app)))).await;
    for body in [LEGACY, PORN_CHECK, LEGACY] {
        assert_eq!(hook.post(body.to_owned()).await.status, 200);
    }
    hook.relay.says("passed on in the 2.0 format").await;
    check(&app);
    assert_eq!(hook.relay.stop().await.code, Some(0));
}

#[tokio::test]
async fn pulled_ones_do() {
    let world = World::new().await;
    let app = App::new().await;
    for event in [LEGACY, PORN_CHECK] {
        world.vod.push(None, event).unwrap();
        let ended = world.config("convert = \"v3\"", &sinks(&app)).run(&["--once"]).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
    check(&app);
}
