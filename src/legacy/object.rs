//! An object of JSON under construction.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::json::Member;

/// The members of an object, in order, each name once.
///
/// Where a member that is in the tables and one that is not end up with the same name, the one in
/// the tables counts; of two alike the first one.
#[derive(Debug, Default)]
pub(super) struct Object {
    members: Vec<Written>,
    places: HashMap<String, usize>,
}

#[derive(Debug)]
struct Written {
    raw_key: String,
    value: String,
    in_tables: bool,
}

impl Object {
    /// Adds a member that is in the tables. The name needs no escapes; the value is JSON.
    pub(super) fn put(&mut self, name: &str, value: String) {
        self.add(name.to_owned(), name, value, true);
    }

    /// Adds a member that is not in the tables, as it is.
    pub(super) fn keep(&mut self, member: &Member<'_>) {
        let key = member.key().into_owned();
        self.add(key, member.raw_key, member.value.to_owned(), false);
    }

    /// Adds a member under another name, given as it is written between its quotes.
    pub(super) fn rename(&mut self, raw_key: String, value: String) {
        self.add(raw_key.clone(), &raw_key, value, false);
    }

    /// The value of a member of the tables that has been added.
    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut String> {
        let member = self.members.get_mut(*self.places.get(name)?)?;
        member.in_tables.then_some(&mut member.value)
    }

    fn add(&mut self, key: String, raw_key: &str, value: String, in_tables: bool) {
        let written = Written { raw_key: raw_key.to_owned(), value, in_tables };
        match self.places.entry(key) {
            Entry::Vacant(place) => {
                place.insert(self.members.len());
                self.members.push(written);
            }
            Entry::Occupied(place) => {
                if let Some(present) = self.members.get_mut(*place.get())
                    && in_tables
                    && !present.in_tables
                {
                    *present = written;
                }
            }
        }
    }

    /// The object as text.
    pub(super) fn into_text(self) -> String {
        let size = |member: &Written| member.raw_key.len() + member.value.len() + 4;
        let mut text = String::with_capacity(self.members.iter().map(size).sum::<usize>() + 2);
        text.push('{');
        for (index, member) in self.members.iter().enumerate() {
            text.push_str(if index == 0 { "\"" } else { ",\"" });
            text.push_str(&member.raw_key);
            text.push_str("\":");
            text.push_str(&member.value);
        }
        text.push('}');
        text
    }
}
