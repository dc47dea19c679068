//! What each action of the VOD API does.

use axum::http::StatusCode;
use serde_json::Value;

use super::action::Action;
use super::answer::{self, ApiError};
use super::control::Control;
use super::faults::FaultKind;
use super::model::CONFIRM_MAX;
use super::request::{Call, Request};
use super::wire::{Cut, Scissors};

/// An answer, before it becomes one of HTTP.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) request_id: String,
    pub(super) body: String,
}

/// What an action came to.
#[derive(Debug)]
struct Done {
    /// The members of the answer.
    members: String,
    /// Whether events were leased or confirmed.
    moved_events: bool,
}

/// Answers a request to the VOD API, with the faults that the dice give.
pub(super) async fn answer(control: &Control, scissors: &Scissors, request: Request<'_>) -> Reply {
    let action = request.action();
    control.tally().call(action, request.caller(control).as_ref());
    let fault = control.throw(action);
    let request_id = request_id();
    if let Some(reply) = fault.and_then(|fault| instead(control, scissors, fault, &request_id)) {
        return reply;
    }
    let done = match request.check(control) {
        Ok(call) => perform(control, &call).await,
        Err(error) => Err(error),
    };
    let (body, moved_events) = match done {
        Ok(done) => (answer::response(&done.members, &request_id), done.moved_events),
        Err(error) => {
            control.tally().error(error.code);
            (error.body(&request_id), false)
        }
    };
    if let Some(fault) = fault {
        afterwards(control, scissors, fault, body.len(), moved_events).await;
    }
    Reply { status: StatusCode::OK, request_id, body }
}

/// The answer of a fault that takes the place of the action.
fn instead(
    control: &Control,
    scissors: &Scissors,
    fault: FaultKind,
    request_id: &str,
) -> Option<Reply> {
    let error = |code, message: &str| {
        control.tally().error(code);
        (StatusCode::OK, ApiError::new(code, message).body(request_id))
    };
    let (status, body) = match fault {
        FaultKind::Http500 => {
            (StatusCode::INTERNAL_SERVER_ERROR, "<html>500 Internal Server Error</html>".to_owned())
        }
        FaultKind::Reset => {
            scissors.cut(Cut::Reset);
            (StatusCode::OK, String::new())
        }
        FaultKind::Garbage => (StatusCode::OK, "<html>welcome to the gateway</html>".to_owned()),
        FaultKind::Throttle => {
            error("RequestLimitExceeded", "the requests exceed the limit of 100 in a second")
        }
        FaultKind::InternalError => error("InternalError", "service internal error"),
        FaultKind::Refuse => error("UnauthorizedOperation", "the request is not authorized by CAM"),
        FaultKind::Truncate | FaultKind::Stall | FaultKind::LostPull | FaultKind::LostConfirm => {
            return None;
        }
    };
    control.tally().fault(fault);
    Some(Reply { status, request_id: request_id.to_owned(), body })
}

/// A fault that lets the action happen and spoils its answer.
async fn afterwards(
    control: &Control,
    scissors: &Scissors,
    fault: FaultKind,
    body_length: usize,
    moved_events: bool,
) {
    match fault {
        FaultKind::Truncate => scissors.cut(Cut::AfterBody(body_length / 2)),
        FaultKind::Stall => {
            control.tally().fault(fault);
            tokio::select! {
                () = tokio::time::sleep(control.options().stall) => {}
                () = control.stopping().cancelled() => {}
            }
            return;
        }
        FaultKind::LostPull | FaultKind::LostConfirm if moved_events => scissors.cut(Cut::Close),
        FaultKind::LostPull
        | FaultKind::LostConfirm
        | FaultKind::Http500
        | FaultKind::Reset
        | FaultKind::Garbage
        | FaultKind::Throttle
        | FaultKind::InternalError
        | FaultKind::Refuse => return,
    }
    control.tally().fault(fault);
}

async fn perform(control: &Control, call: &Call) -> Result<Done, ApiError> {
    let members = match call.action {
        Action::PullEvents => {
            let deliveries = control.pull(call.app).await;
            if deliveries.is_empty() {
                answer::no_events(control.options().empty)?
            } else {
                let members = answer::event_set(&deliveries);
                return Ok(Done { members, moved_events: true });
            }
        }
        Action::ConfirmEvents => {
            confirm(control, call)?;
            return Ok(Done { members: String::new(), moved_events: true });
        }
        Action::DescribeEventsState => {
            let count = control.model().ready(call.app, crate::time::now());
            format!("\"CountOfEventsToPull\":{count}")
        }
        Action::DescribeEventConfig => control.event_config(call.app).members(),
        Action::ModifyEventConfig => {
            control.modify_event_config(call.app, &call.params)?;
            String::new()
        }
    };
    Ok(Done { members, moved_events: false })
}

fn confirm(control: &Control, call: &Call) -> Result<(), ApiError> {
    let handles = handles(call)?;
    let bad_handle = control.options().bad_handle;
    let outcome = control.model().confirm(call.app, &handles, crate::time::now(), bad_handle);
    outcome.map_err(|bad| {
        control.tally().refused_confirm();
        let message = format!(
            "the EventHandles {bad:?} are unknown, confirmed already, or were pulled more than \
             {:?} ago",
            control.options().visibility
        );
        ApiError::new("InvalidParameterValue", message)
    })
}

fn handles(call: &Call) -> Result<Vec<&str>, ApiError> {
    let value = call.params.get("EventHandles").ok_or_else(|| {
        ApiError::new("MissingParameter", "the request has no parameter EventHandles")
    })?;
    let handles: Option<Vec<&str>> =
        value.as_array().and_then(|list| list.iter().map(Value::as_str).collect());
    let handles = handles.ok_or_else(|| {
        ApiError::new("InvalidParameter", "the parameter EventHandles is not an array of strings")
    })?;
    if handles.is_empty() || handles.len() > CONFIRM_MAX {
        let message = format!("there are {} EventHandles, not 1 to {CONFIRM_MAX}", handles.len());
        return Err(ApiError::new("InvalidParameterValue", message));
    }
    Ok(handles)
}

/// An id in the form of a UUID.
pub(super) fn request_id() -> String {
    let (a, b) = (fastrand::u64(..), fastrand::u64(..));
    format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        a >> 32,
        (a >> 16) & 0xffff,
        a & 0xfff,
        b >> 52,
        b & 0xffff_ffff_ffff
    )
}
