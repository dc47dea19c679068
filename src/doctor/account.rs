//! Looks at who the relay is to VOD, and at what VOD has for it.

use tokio_util::sync::CancellationToken;

use super::count;
use super::finding::{Check, Findings};
use super::rights::{Trouble, Verdict};
use super::source::{Examination, Pull};
use crate::event::Handle;
use crate::exit;
use crate::tencent::client::Client;
use crate::tencent::credential::Shortened;
use crate::tencent::error::CallError;
use crate::tencent::{EventConfig, EventsState};

/// A handle that no queue hands out. To refuse it VOD must first find that confirming is allowed.
const MADE_UP_HANDLE: &str = "vod-relay-doctor";

/// Looks at the account.
pub(super) async fn examine(findings: &mut Findings, of: &Examination, client: &Client) {
    let credentials = client.credentials();
    let credential = match credentials.current().await {
        Ok(credential) => credential,
        Err(error) => {
            let (code, mend) = match error.is_transient() {
                true => (exit::UNREACHABLE, "mend the way to the service that gives them, or wait"),
                false => (
                    exit::CREDENTIALS,
                    "give this source [credentials], or put them where it looks",
                ),
            };
            findings.error(Check::Credentials, code, error.to_string(), mend);
            return;
        }
    };
    let temporary = if credential.token.is_some() { "temporary, " } else { "" };
    let place = credentials.origin().unwrap_or_default();
    let whose = format!("{} ({temporary}from {place})", Shortened(&credential.secret_id));
    let handle = [Handle::from(MADE_UP_HANDLE)];
    let (confirmed, config, state) = tokio::join!(
        client.confirm_events(&handle),
        client.describe_event_config(),
        client.describe_events_state(),
    );
    let trouble = Trouble { names_app: of.config.sub_app_id.is_some() };
    let errors = [confirmed.as_ref().err(), config.as_ref().err(), state.as_ref().err()];
    match trouble.with_credentials(errors) {
        Some(Verdict { level, mend, found }) => {
            findings.add(Check::Credentials, level, format!("{whose}: {found}"), mend);
            return;
        }
        None if errors.into_iter().any(Trouble::is_known) => {
            findings.ok(Check::Credentials, format!("{whose}: VOD knows them"));
        }
        None => {
            let mend = "see what keeps the calls below from being answered";
            findings.skipped(Check::Credentials, format!("{whose}: no call tells"), mend);
        }
    }
    of_confirm(findings, &trouble, confirmed);
    of_pull(findings, &trouble, of, client, state.as_ref().ok()).await;
    of_config(findings, &trouble, of, config);
    of_backlog(findings, &trouble, state);
}

fn of_confirm(findings: &mut Findings, trouble: &Trouble, confirmed: Result<(), CallError>) {
    match confirmed {
        Err(error) if !trouble.is_refused_handle(&error) => {
            let Verdict { level, found, mend } = trouble.needed(&error);
            findings.add(Check::ConfirmEvents, level, found, mend);
        }
        Ok(()) | Err(_) => {
            findings.ok(Check::ConfirmEvents, "allowed (tried with a made-up handle)");
        }
    }
}

async fn of_pull(
    findings: &mut Findings,
    trouble: &Trouble,
    of: &Examination,
    client: &Client,
    state: Option<&EventsState>,
) {
    let mend = "vod-relay doctor --pull asks; up to 16 events then come only when their lease ends";
    let waiting = state.and_then(|state| state.count_of_events_to_pull).filter(|n| *n > 0);
    match (of.pull, waiting) {
        (Pull::RelayRuns, _) => {
            let found = "not asked: a relay runs with this state directory, and pulls";
            findings.skipped(Check::PullEvents, found, mend);
            return;
        }
        (Pull::UnlessEventsWait, Some(_)) => {
            let found = "not asked: events wait, and asking would delay them";
            findings.skipped(Check::PullEvents, found, mend);
            return;
        }
        (Pull::Ask, _) | (Pull::UnlessEventsWait, None) => {}
    }
    match client.pull_events(&CancellationToken::new()).await {
        Ok(answer) if answer.pulled.is_empty() => {
            findings.ok(Check::PullEvents, "allowed; nothing was pulled");
        }
        Ok(answer) => {
            let (events, lease) = (count(answer.pulled.len(), "event"), of.queue.lease);
            let lease = humantime::format_duration(lease);
            let found =
                format!("allowed; {events} pulled and not confirmed, which VOD hands out again");
            findings.note(Check::PullEvents, found, format!("nothing: they come within {lease}"));
        }
        Err(error) => {
            let Verdict { level, found, mend } = trouble.needed(&error);
            findings.add(Check::PullEvents, level, found, mend);
        }
    }
}

fn of_config(
    findings: &mut Findings,
    trouble: &Trouble,
    of: &Examination,
    config: Result<EventConfig, CallError>,
) {
    let config = match config {
        Ok(config) => config,
        Err(error) => {
            let Verdict { level, found, mend } = trouble.optional(
                &error,
                "look in the console that the application is set to reliable callback",
            );
            findings.add(Check::Mode, level, found, mend);
            return;
        }
    };
    match config.mode.as_deref() {
        Some("PULL") => findings.ok(Check::Mode, "PULL, reliable callback"),
        Some("PUSH") => findings.error(
            Check::Mode,
            exit::CONFIG,
            "PUSH, normal callback: the queue stays empty",
            "set the application to reliable callback, in the console or with ModifyEventConfig",
        ),
        other => {
            let found = format!("{}, which is not known", other.unwrap_or("none"));
            findings.warning(Check::Mode, found, "set the application to reliable callback");
        }
    }
    let off = config.switched_off();
    if off.is_empty() {
        findings.ok(Check::Switches, "no event is switched off");
        return;
    }
    let names: Vec<_> = off.iter().map(|(event_type, _)| *event_type).collect();
    let wanted = |(event_type, _): &&(&str, &str)| of.wanted.iter().any(|it| it == event_type);
    let missed: Vec<_> = off.iter().filter(wanted).map(|(_, switch)| *switch).collect();
    if missed.is_empty() {
        let mend = "nothing, unless you want them: switch them on in VOD's callback settings";
        findings.note(Check::Switches, format!("off: {}", names.join(", ")), mend);
    } else {
        let found = format!("off: {}, of which a sink asks for some", names.join(", "));
        let mend = format!("switch on, in VOD's callback settings: {}", missed.join(", "));
        findings.warning(Check::Switches, found, mend);
    }
}

fn of_backlog(findings: &mut Findings, trouble: &Trouble, state: Result<EventsState, CallError>) {
    match state {
        Ok(EventsState { count_of_events_to_pull: Some(n) }) => {
            let n = usize::try_from(n).unwrap_or(usize::MAX);
            findings.ok(Check::Backlog, format!("{} to pull", count(n, "event")));
        }
        Ok(EventsState { count_of_events_to_pull: None }) => {
            let mend = "nothing: the relay does not need it";
            findings.note(Check::Backlog, "VOD does not say how many events wait", mend);
        }
        Err(error) => {
            let mend = "nothing: the relay does not need it";
            let Verdict { level, found, mend } = trouble.optional(&error, mend);
            findings.add(Check::Backlog, level, found, mend);
        }
    }
}
