//! The reading of a task flow: it never panics, and its line stays one short line.

use serde_json::value::RawValue;
use vod_relay::event::Event;
use vod_relay::event::procedure::ProcedureTask;

/// More than a line can have: 16 steps with some texts of at most 80 characters each.
const LINE_CHARS_MAX: usize = 10_000;

/// Reads the input as an event, and as the data of one.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(value) = serde_json::from_str::<&RawValue>(text) else { return };
    let text = value.get();
    read(text.to_owned());
    read(format!(r#"{{"EventType":"ProcedureStateChanged","ProcedureStateChangeEvent":{text}}}"#));
}

fn read(text: String) {
    let event = Event::from_content(text);
    let Some(Ok(task)) = ProcedureTask::of(&event) else { return };
    let line = task.summary().to_string();
    assert!(!line.contains(char::is_control), "{line:?}");
    assert!(line.chars().count() < LINE_CHARS_MAX, "{line}");
    assert_eq!(ProcedureTask::of(&event).and_then(Result::ok), Some(task));
}
