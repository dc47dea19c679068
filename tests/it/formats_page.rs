//! docs/formats.md shows one event in every shape: each is what the program makes of it.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use vod_relay::config::Config;
use vod_relay::event::Event;
use vod_relay::format::{Format, Input, Rendered};
use vod_relay::legacy;
use vod_relay::sign_key::SignKey;

const PAGE: &str = include_str!("../../docs/formats.md");

/// When the event of the page was received.
const RECEIVED_MS: u64 = 1_795_161_600_123;

/// The block of code that is marked with a word behind its language.
fn block(mark: &str) -> &'static str {
    let mut blocks = PAGE.split("\n```").filter_map(|block| block.split_once('\n'));
    let found = blocks.find(|(info, _)| info.split_once(' ').is_some_and(|(_, word)| word == mark));
    found.unwrap_or_else(|| panic!("there is no {mark}")).1
}

fn value(mark: &str) -> Value {
    serde_json::from_str(block(mark)).unwrap()
}

fn render(format: &Format, now: SystemTime) -> Rendered {
    let event = Event::from_content(block("normal").to_owned());
    let received = SystemTime::UNIX_EPOCH + Duration::from_millis(RECEIVED_MS);
    let input = Input { event: &event, received, sub_app_id: Some(1_500_000_001), now };
    format.render(input).unwrap()
}

fn rendered(format: &Format) -> Value {
    serde_json::from_slice(&render(format, SystemTime::UNIX_EPOCH).body).unwrap()
}

#[test]
fn the_pulled_and_the_posted_event_are_one() {
    let (event, _) = Event::from_event_set(block("pulled")).unwrap();
    assert_eq!(event.id(), Event::from_content(block("normal").to_owned()).id());
    let text: Value = serde_json::from_slice(event.text()).unwrap();
    assert_eq!(text, value("normal"));
    assert!(PAGE.contains(&format!("redelivery and replay: `{}`", event.id())));
}

#[test]
fn the_legacy_form_is_what_is_made_of_the_event() {
    let sent = rendered(&Format::CallbackV2 { fallback: false });
    assert_eq!(sent, value("legacy"));
    let back: Value = serde_json::from_str(&legacy::to_v3(block("legacy")).unwrap()).unwrap();
    let mut expected = value("normal");
    let flow = expected["ProcedureStateChangeEvent"].as_object_mut().unwrap();
    flow.remove("FileName").unwrap();
    let output = &mut flow["MediaProcessResultSet"][0]["TranscodeTask"]["Output"];
    output.as_object_mut().unwrap().remove("Definition").unwrap();
    assert_eq!(back, expected);
}

#[test]
fn the_signature_is_the_one_that_is_made() {
    let shown = value("signed");
    let expires = SystemTime::UNIX_EPOCH + Duration::from_secs(shown["T"].as_u64().unwrap());
    let format = Format::SignedCallback(SignKey::new("Kd8fJ2mQ".to_owned().into()).unwrap());
    let sent = render(&format, expires - Duration::from_secs(600));
    let sent: Value = serde_json::from_slice(&sent.body).unwrap();
    assert_eq!((&sent["Sign"], &sent["T"]), (&shown["Sign"], &shown["T"]));
}

#[test]
fn cloudevents_look_as_they_are_sent() {
    let mut sent = rendered(&Format::CloudEvents);
    assert_eq!(sent["data"], value("normal"));
    sent["data"] = json!({ "...": "as above" });
    assert_eq!(sent, value("cloudevents"));

    let sent = render(&Format::CloudEventsBinary, SystemTime::UNIX_EPOCH);
    let body: Value = serde_json::from_slice(&sent.body).unwrap();
    assert_eq!(body, value("normal"));
    let mut lines = vec![format!("content-type: {}", sent.content_type)];
    lines.extend(sent.headers.iter().map(|(name, value)| format!("{name}: {value}")));
    lines.sort();
    let mut shown: Vec<_> = block("cloudevents-binary").lines().map(str::to_owned).collect();
    shown.sort();
    assert_eq!(lines, shown);
}

#[test]
fn the_configurations_are_right() {
    let dedented: String = PAGE.lines().map(|line| line.trim_start().to_owned() + "\n").collect();
    let configs: Vec<_> = dedented.split("```toml\n").skip(1).collect();
    assert!(configs.len() >= 3, "{configs:?}");
    for rest in configs {
        let text = rest.split_once("```").unwrap().0;
        let config = Config::parse("formats.md", text, &|_| None);
        let config = config.unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    }
}
