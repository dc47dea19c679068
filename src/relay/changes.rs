//! How one configuration differs from another.

use std::fmt;

use crate::config::{Admin, Config, Log, Relay};

/// What a reload has changed, in the words of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// The sources.
    pub sources: Tables,
    /// The sinks.
    pub sinks: Tables,
    /// Keys of other tables that have changed.
    pub keys: Vec<&'static str>,
    /// What could not change, one sentence each that says what to do.
    pub left: Vec<String>,
}

/// The tables of one kind, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tables {
    /// Those that are new.
    pub added: Vec<String>,
    /// Those that are there as before, but different.
    pub changed: Vec<String>,
    /// Those that are gone.
    pub removed: Vec<String>,
    /// How many are the same.
    pub unchanged: usize,
}

impl Changes {
    /// What `new` changes of `old`. Nothing is left yet.
    pub(super) fn between(old: &Config, new: &Config) -> Self {
        Self {
            sources: Tables::between(&old.sources, &new.sources, |source| &source.name),
            sinks: Tables::between(&old.sinks, &new.sinks, |sink| &sink.name),
            keys: [
                relay_keys(&old.relay, &new.relay),
                log_keys(&old.log, &new.log),
                admin_keys(old.admin.as_ref(), new.admin.as_ref()),
            ]
            .concat(),
            left: Vec::new(),
        }
    }
}

impl Tables {
    fn between<T: PartialEq>(old: &[T], new: &[T], name: impl Fn(&T) -> &String) -> Self {
        let mut tables = Self::default();
        for one in new {
            match old.iter().find(|other| name(other) == name(one)) {
                None => tables.added.push(name(one).clone()),
                Some(other) if other != one => tables.changed.push(name(one).clone()),
                Some(_) => tables.unchanged += 1,
            }
        }
        let gone = old.iter().filter(|one| !new.iter().any(|other| name(other) == name(one)));
        tables.removed = gone.map(|one| name(one).clone()).collect();
        tables
    }
}

/// The keys of `[relay]` that differ and that a reload can change.
fn relay_keys(old: &Relay, new: &Relay) -> Vec<&'static str> {
    let keys = [
        ("relay.spool_max_size", old.spool_max_size == new.spool_max_size),
        ("relay.spool_max_age", old.spool_max_age == new.spool_max_age),
        ("relay.shutdown_grace", old.shutdown_grace == new.shutdown_grace),
    ];
    different(&keys)
}

fn log_keys(old: &Log, new: &Log) -> Vec<&'static str> {
    different(&[("log.format", old.format == new.format), ("log.level", old.level == new.level)])
}

/// The keys of `[admin]` that differ and that a reload can change: those of a server that stays
/// where it is.
fn admin_keys(old: Option<&Admin>, new: Option<&Admin>) -> Vec<&'static str> {
    let Some((old, new)) = old.zip(new).filter(|(old, new)| old.listen == new.listen) else {
        return Vec::new();
    };
    let keys = [
        ("admin.token", old.token == new.token),
        ("admin.backlog_interval", old.backlog_interval == new.backlog_interval),
    ];
    different(&keys)
}

fn different(keys: &[(&'static str, bool)]) -> Vec<&'static str> {
    keys.iter().filter(|(_, same)| !same).map(|(key, _)| *key).collect()
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sources: {}; sinks: {}", self.sources, self.sinks)?;
        match self.keys.as_slice() {
            [] => Ok(()),
            keys => write!(f, "; changed {}", keys.join(", ")),
        }
    }
}

impl fmt::Display for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named =
            [("added", &self.added), ("changed", &self.changed), ("removed", &self.removed)];
        for (what, names) in named.into_iter().filter(|(_, names)| !names.is_empty()) {
            write!(f, "{what} {}, ", names.join(" and "))?;
        }
        write!(f, "{} unchanged", self.unchanged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(relay: &str, sources: &[(&str, &str)], sinks: &[&str]) -> Config {
        let sources = sources.iter().map(|(name, keys)| format!("[sources.{name}]\n{keys}\n"));
        let sinks = sinks.iter().map(|name| format!("[sinks.{name}]\ntype = \"stdout\"\n"));
        let text = format!("{relay}\n{}{}", sources.collect::<String>(), sinks.collect::<String>());
        Config::parse("test", &text, &|_| None).unwrap()
    }

    #[test]
    fn every_difference_is_named_once() {
        let old = config("", &[("a", ""), ("b", ""), ("c", "")], &["x"]);
        let relay = "[relay]\nshutdown_grace = \"3s\"\nspool_max_age = \"1h\"\nspool_max_size = \
                     \"2 GiB\"\n[log]\nformat = \"json\"\nlevel = \"warn\"";
        let new = config(relay, &[("b", "max_pulls = 2"), ("c", ""), ("d", "")], &["x", "y", "z"]);
        assert_eq!(
            Changes::between(&old, &new).to_string(),
            "sources: added d, changed b, removed a, 1 unchanged; sinks: added y and z, 1 \
             unchanged; changed relay.spool_max_size, relay.spool_max_age, relay.shutdown_grace, \
             log.format, log.level"
        );
        assert_eq!(
            Changes::between(&new, &new).to_string(),
            "sources: 3 unchanged; sinks: 3 unchanged"
        );
    }
}
