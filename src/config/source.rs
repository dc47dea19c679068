//! `[sources.*]`: where events come from.

mod callback;
mod pull;

pub use self::callback::CallbackConfig;
pub use self::pull::PullConfig;
use super::section::Section;

/// Where events come from, and what becomes of them there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceConfig {
    /// The name under `[sources]`.
    pub name: String,
    /// The sub-application whose events these are.
    pub sub_app_id: Option<u64>,
    /// When VOD is told that it may forget an event.
    pub ack: Ack,
    /// The most events held.
    pub max_in_flight: usize,
    /// What becomes of events that no sink takes.
    pub unrouted: Unrouted,
    /// Which events are converted as they come in.
    pub convert: Convert,
    /// What it is and how events come in.
    pub kind: SourceKind,
}

impl SourceConfig {
    /// The queue, if events are pulled from one.
    pub fn pull(&self) -> Option<&PullConfig> {
        match &self.kind {
            SourceKind::Pull(pull) => Some(pull),
            SourceKind::Callback(_) => None,
        }
    }
}

/// The types of sources, each with its own keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceKind {
    /// Events are pulled from a reliable-callback queue.
    Pull(Box<PullConfig>),
    /// Events are posted by VOD as normal callbacks.
    Callback(CallbackConfig),
}

/// When VOD is told that it may forget an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ack {
    /// Once every sink that it is routed to has it.
    Delivered,
    /// Once it is on local disk, synced.
    Spooled,
}

/// What becomes of events that no sink takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unrouted {
    /// They are not confirmed; VOD keeps them.
    Leave,
    /// They are confirmed, and gone.
    Confirm,
}

/// Which events are converted as they come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Convert {
    /// None: they go on in the format that they come in.
    Nothing,
    /// Those of the legacy 2.0 format, into their 3.0 form.
    LegacyToCurrent,
}

/// A type of sources, as `type` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Pull,
    Callback,
}

/// A source as far as it could be read.
pub(super) struct Draft<'a> {
    pub(super) section: Section<'a>,
    /// `None` if there is no such type; then nobody can tell which keys are right.
    pub(super) source_type: Option<Type>,
    pub(super) ack: Ack,
    /// How long events are leased, where they are.
    pub(super) times: Option<pull::Times>,
    /// `None` after a mistake.
    pub(super) config: Option<SourceConfig>,
}

impl<'a> Draft<'a> {
    pub(super) fn read(section: Section<'a>) -> Self {
        let types = [("pull", Type::Pull), ("callback", Type::Callback)];
        let source_type = section.choice("type", &types, "pull");
        let sub_app_id = read_sub_app_id(&section);
        let acks = [("delivered", Ack::Delivered), ("spooled", Ack::Spooled)];
        let default = match source_type {
            Some(Type::Callback) => "spooled",
            Some(Type::Pull) | None => "delivered",
        };
        let ack = section.choice("ack", &acks, default).unwrap_or(Ack::Delivered);
        let max_in_flight = count(section.integer("max_in_flight", 256, 16..=65536));
        let choices = [("leave", Unrouted::Leave), ("confirm", Unrouted::Confirm)];
        let unrouted = section.choice("unrouted", &choices, "leave").unwrap_or(Unrouted::Leave);
        let choices = [("none", Convert::Nothing), ("v3", Convert::LegacyToCurrent)];
        let convert = section.choice("convert", &choices, "none").unwrap_or(Convert::Nothing);
        let (times, kind) = match source_type {
            Some(Type::Pull) => {
                section.foreign(callback::KEYS, "type = \"callback\"");
                let (times, config) = pull::read(&section);
                (Some(times), config.map(|pull| SourceKind::Pull(Box::new(pull))))
            }
            Some(Type::Callback) => {
                section.foreign(pull::KEYS, "type = \"pull\"");
                (None, callback::read(&section).map(SourceKind::Callback))
            }
            None => (None, None),
        };
        let name = section.name().to_owned();
        let config = kind.map(|kind| SourceConfig {
            name,
            sub_app_id,
            ack,
            max_in_flight,
            unrouted,
            convert,
            kind,
        });
        Self { section, source_type, ack, times, config }
    }

    pub(super) fn finish(self) -> Option<SourceConfig> {
        if self.source_type.is_some() {
            self.section.finish();
        }
        self.config
    }
}

fn read_sub_app_id(section: &Section<'_>) -> Option<u64> {
    let right = "the number of the sub-application, for example 1500000001";
    let id = section.optional_integer("sub_app_id", right)?;
    if id == 0 {
        section.mistake("sub_app_id", "0 is out of range", right);
    }
    Some(id)
}

fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
