//! The rules that span several tables of the configuration.

use super::section::{Section, shown};
use super::source::{Ack, SourceKind, Type};
use super::{sink, source};

/// Reports what is wrong between the tables rather than in one of them. `has_state_dir` says
/// whether there is a place for what must outlast the process.
pub(super) fn check(has_state_dir: bool, sources: &[source::Draft<'_>], sinks: &[sink::Draft<'_>]) {
    let give = "give [relay] a state_dir";
    for source in sources {
        check_name(&source.section);
        if source.ack == Ack::Spooled && !has_state_dir {
            needs_state_dir(source, give);
        }
        let name = source.section.name();
        if !sinks.is_empty() && !sinks.iter().any(|sink| sink.serves(name)) {
            source.section.warn_here(
                "no sink takes its events",
                &format!("add \"{name}\" to the sources of a sink, or remove the source"),
            );
        }
    }
    check_listeners(sources);
    for sink in sinks {
        check_name(&sink.section);
        check_sources(sink, sources);
        check_timeout(sink, sources);
        if sink.max_attempts.is_some() && !has_state_dir {
            sink.section.absence("max_attempts", "needs a state directory for dead letters", give);
        }
    }
}

fn needs_state_dir(source: &source::Draft<'_>, give: &str) {
    match source.source_type {
        Some(Type::Callback) if !source.section.has("ack") => source.section.absence(
            "ack",
            "is \"spooled\" unless it is set, which needs a state directory: VOD waits 5 s for an \
             answer and sends an event 3 times at most, so it is kept on disk first",
            &format!("{give}, or set ack = \"delivered\""),
        ),
        _ => source.section.absence("ack", "\"spooled\" needs a state directory", give),
    }
}

/// No two sources can listen on one address.
fn check_listeners(sources: &[source::Draft<'_>]) {
    let listening = sources.iter().filter_map(|source| {
        let SourceKind::Callback(callback) = &source.config.as_ref()?.kind else { return None };
        Some((&source.section, callback.listen)).filter(|(_, listen)| listen.port() != 0)
    });
    let listening: Vec<_> = listening.collect();
    for (at, (section, listen)) in listening.iter().enumerate() {
        let before = listening.iter().take(at).find(|(_, other)| other == listen);
        if let Some((other, _)) = before {
            let problem = format!("is {listen}, where sources.{} listens", other.name());
            section.mistake("listen", &problem, "another port");
        }
    }
}

/// Names stand in logs, metrics and key paths.
fn check_name(section: &Section<'_>) {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let name = section.name();
    if !(1..=64).contains(&name.len()) || !name.bytes().all(fits) {
        section.mistake_here("has a name that cannot be used", "1 to 64 of A-Z a-z 0-9 _ -");
    }
}

fn check_sources(sink: &sink::Draft<'_>, sources: &[source::Draft<'_>]) {
    let known: Vec<_> = sources.iter().map(|source| source.section.name()).collect();
    for name in sink.sources.iter().flatten() {
        if !known.contains(&name.as_str()) {
            let right = match known.as_slice() {
                [] => "there is no source".to_owned(),
                names => format!("there is {}", names.join(", ")),
            };
            let problem = format!("names {}, which is no source", super::spelling::quoted(name));
            sink.section.absence("sources", &problem, &right);
        }
    }
}

/// A delivery that takes as long as it may must still leave time for the confirm, or its event
/// would always come again. The default is not held against the file, written or not: what is taken
/// late is noted, and only the confirm waits for the redelivery.
fn check_timeout(sink: &sink::Draft<'_>, sources: &[source::Draft<'_>]) {
    let is_changed = sink.section.is_changed("timeout");
    let Some(kind) = sink.kind.as_ref().filter(|_| is_changed) else { return };
    let timeout = kind.timeout();
    for source in sources {
        // A normal callback is no lease: what is under way when its time is over may still end.
        let Some(times) = source.times else { continue };
        let measures = source.ack == Ack::Delivered
            && sink.serves(source.section.name())
            && source.section.is_right("lease")
            && source.section.is_right("confirm_margin");
        let room = times.lease.saturating_sub(times.confirm_margin);
        if !measures || timeout <= room {
            continue;
        }
        let (lease, margin) =
            (source.section.path_of("lease"), source.section.path_of("confirm_margin"));
        let problem = format!(
            "{} and {margin} ({}) together are longer than {lease} ({})",
            shown(timeout),
            shown(times.confirm_margin),
            shown(times.lease),
        );
        let ack = source.section.path_of("ack");
        let right = format!("at most \"{}\", or {ack} = \"spooled\"", shown(room));
        sink.section.absence("timeout", &problem, &right);
    }
}
