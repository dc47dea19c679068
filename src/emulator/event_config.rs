//! How an application gets its events: `DescribeEventConfig` and `ModifyEventConfig`.
//!
//! The settings are kept and told; they do not change what the emulator does.

use serde_json::{Map, Value};

use super::answer::{ApiError, quoted};

/// The switches, each `ON` or `OFF`.
const SWITCHES: [&str; 3] = [
    "UploadMediaCompleteEventSwitch",
    "DeleteMediaCompleteEventSwitch",
    "PersistenceCompleteEventSwitch",
];

/// The settings of one application.
#[derive(Debug, Clone)]
pub(super) struct EventConfig {
    mode: String,
    notification_url: String,
    switches: [String; 3],
}

impl Default for EventConfig {
    /// Reliable callback, so that a relay finds what it needs.
    fn default() -> Self {
        Self {
            mode: "PULL".to_owned(),
            notification_url: String::new(),
            switches: ["OFF"; 3].map(str::to_owned),
        }
    }
}

impl EventConfig {
    /// Takes the parameters of `ModifyEventConfig` over; those that are not given stay.
    pub(super) fn modify(&mut self, params: &Map<String, Value>) -> Result<(), ApiError> {
        let mut next = self.clone();
        one_of(params, "Mode", &["PUSH", "PULL"], &mut next.mode)?;
        if let Some(url) = params.get("NotificationUrl") {
            next.notification_url = text("NotificationUrl", url)?.to_owned();
        }
        for (name, switch) in SWITCHES.iter().zip(&mut next.switches) {
            one_of(params, name, &["ON", "OFF"], switch)?;
        }
        *self = next;
        Ok(())
    }

    /// The members of the answer to `DescribeEventConfig`.
    pub(super) fn members(&self) -> String {
        let mut members = vec![("Mode", &self.mode), ("NotificationUrl", &self.notification_url)];
        members.extend(SWITCHES.into_iter().zip(&self.switches));
        let members: Vec<_> =
            members.iter().map(|(name, value)| format!("\"{name}\":{}", quoted(value))).collect();
        members.join(",")
    }
}

fn one_of(
    params: &Map<String, Value>,
    name: &str,
    choices: &[&str],
    slot: &mut String,
) -> Result<(), ApiError> {
    let Some(value) = params.get(name) else { return Ok(()) };
    let value = text(name, value)?;
    if !choices.contains(&value) {
        let message = format!("the parameter {name} is {value:?}, not {}", choices.join(" or "));
        return Err(ApiError::new("InvalidParameterValue", message));
    }
    value.clone_into(slot);
    Ok(())
}

fn text<'a>(name: &str, value: &'a Value) -> Result<&'a str, ApiError> {
    value.as_str().ok_or_else(|| {
        ApiError::new("InvalidParameter", format!("the parameter {name} is not a string"))
    })
}
