//! The legacy 2.0 format and the 3.0 one: what is made of JSON is JSON, and goes back.

use serde_json::value::RawValue;
use vod_relay::legacy;

/// Converts the input as an event, and as the data of some.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(value) = serde_json::from_str::<&RawValue>(text) else { return };
    let text = value.get();
    both_ways(text);
    for (event_type, member) in [
        ("ProcedureStateChanged", "ProcedureStateChangeEvent"),
        ("NewFileUpload", "FileUploadEvent"),
        ("FileDeleted", "FileDeleteEvent"),
    ] {
        both_ways(&format!(r#"{{"eventType":"{event_type}","data":{text}}}"#));
        both_ways(&format!(r#"{{"EventType":"{event_type}","{member}":{text}}}"#));
    }
}

fn both_ways(text: &str) {
    if let Ok(current) = legacy::to_v3(text) {
        assert!(legacy::is_legacy(text) && !legacy::is_legacy(&current), "{text}");
        is_json(&legacy::to_v2(&current).expect("it came from there"));
        is_json(&current);
    }
    if let Ok(old) = legacy::to_v2(text) {
        is_json(&old);
        assert!(legacy::is_legacy(&old), "{old}");
        is_json(&legacy::to_v3(&old).expect("it came from there"));
    }
}

fn is_json(text: &str) {
    if let Err(error) = serde_json::from_str::<&RawValue>(text) {
        panic!("{error}: {text}");
    }
}
