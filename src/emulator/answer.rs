//! Answers in the vendor's shape.

use super::model::Delivery;
use super::options::Empty;

/// An error of the API. VOD answers it with HTTP 200.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError {
    /// The code, such as `AuthFailure.SignatureFailure`.
    pub(super) code: &'static str,
    /// What is wrong, for people.
    pub(super) message: String,
}

impl ApiError {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// There is nothing to pull.
    pub(super) fn no_event() -> Self {
        Self::new("ResourceNotFound", "no event")
    }

    /// The answer's body.
    pub(super) fn body(&self, request_id: &str) -> String {
        let (code, message) = (quoted(self.code), quoted(&self.message));
        let error = format!("{{\"Code\":{code},\"Message\":{message}}}");
        response(&format!("\"Error\":{error}"), request_id)
    }
}

/// The body of a success with these members, which may be none.
pub(super) fn response(members: &str, request_id: &str) -> String {
    let comma = if members.is_empty() { "" } else { "," };
    format!("{{\"Response\":{{{members}{comma}\"RequestId\":\"{request_id}\"}}}}")
}

/// The members of a pull's answer with these events.
pub(super) fn event_set(deliveries: &[Delivery]) -> String {
    let bytes = deliveries.iter().map(|delivery| delivery.content.text().len() + 64).sum();
    let mut set = String::with_capacity(bytes);
    set.push_str("\"EventSet\":[");
    for (index, delivery) in deliveries.iter().enumerate() {
        if index > 0 {
            set.push(',');
        }
        delivery.content.write_with(&delivery.handle, &mut set);
    }
    set.push(']');
    set
}

/// The members of a pull's answer without events.
pub(super) fn no_events(form: Empty) -> Result<String, ApiError> {
    match form {
        Empty::Error => Err(ApiError::no_event()),
        Empty::Null => Ok("\"EventSet\":null".to_owned()),
        Empty::Absent => Ok(String::new()),
        Empty::List => Ok("\"EventSet\":[]".to_owned()),
    }
}

/// A text as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
