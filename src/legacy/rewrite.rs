//! The way of an object through its table.

use super::is_newer_than_v2;
use super::object::Object;
use super::results;
use super::table::{Row, To, Value, find_v2, find_v3};
use crate::json;

/// How deep names are changed where there is no table; below, all stays as it is.
const DEPTH_MAX: usize = 32;

/// An object in the other format.
pub(super) fn object(rows: &'static [Row], text: &str, to: To) -> Object {
    let mut out = Object::default();
    fill(&mut out, rows, text, to);
    out
}

/// Adds the members of an object in the other format.
pub(super) fn fill(out: &mut Object, rows: &'static [Row], text: &str, to: To) {
    match to {
        To::V2 => fill_v2(out, rows, text, Unknown::Keep),
        To::V3 => fill_v3(out, rows, text, Unknown::Keep),
    }
}

/// What becomes of members that no table has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unknown {
    Keep,
    LeaveOut,
}

fn fill_v3(out: &mut Object, rows: &'static [Row], text: &str, unknown: Unknown) {
    for member in json::members(text) {
        let row = find_v2(rows, &member.key());
        let taken = match row {
            Some(row) => put_v3(out, row, member.value, text),
            None => false,
        };
        if !taken && unknown == Unknown::Keep {
            out.keep(&member);
        }
    }
}

/// Adds the 3.0 form of a member of `beside`; false if the value has none.
fn put_v3(out: &mut Object, row: &'static Row, text: &str, beside: &str) -> bool {
    match &row.value {
        // All of its members are gathered where the first one stands.
        Value::Group(rows) if out.get_mut(row.v3).is_none() => {
            let mut inner = Object::default();
            fill_v3(&mut inner, rows, beside, Unknown::LeaveOut);
            out.put(row.v3, inner.into_text());
            true
        }
        Value::Group(_) => true,
        Value::AiReview if text.starts_with('{') => {
            results::add_review(out, row.v3, &results::review_of(text));
            true
        }
        Value::Reviews(tasks) if text.starts_with('[') => {
            results::add_review(out, row.v3, &results::list(tasks, text, To::V3));
            true
        }
        Value::AiReview | Value::Reviews(_) => false,
        value => convert(value, text, To::V3).map(|value| out.put(row.v3, value)).is_some(),
    }
}

fn fill_v2(out: &mut Object, rows: &'static [Row], text: &str, unknown: Unknown) {
    for member in json::members(text) {
        match find_v3(rows, &member.key()) {
            Some(_) if member.value == "null" => {}
            Some(row) => put_v2(out, row, member.value),
            None if unknown == Unknown::Keep && !is_newer_than_v2(member.raw_key) => {
                out.keep(&member);
            }
            None => {}
        }
    }
}

/// Adds the 2.0 form of a member, if its value has one.
fn put_v2(out: &mut Object, row: &'static Row, text: &str) {
    match &row.value {
        Value::Group(rows) => fill_v2(out, rows, text, Unknown::LeaveOut),
        Value::AiReview => results::put_reviews(out, text),
        _ if row.when_set && says_nothing(text) => {}
        value => {
            if let Some(value) = convert(value, text, To::V2) {
                out.put(row.v2, value);
            }
        }
    }
}

fn says_nothing(text: &str) -> bool {
    text == "\"\"" || (text.starts_with('[') && json::elements(text).next().is_none())
}

/// A value in the other format; `None` if it has no form there.
fn convert(value: &'static Value, text: &str, to: To) -> Option<String> {
    if text == "null" {
        return Some(text.to_owned());
    }
    match (value, to) {
        (Value::Of(rows), to) => Some(each(text, |text| object(rows, text, to).into_text())),
        (Value::Results(tasks), to) => Some(results::list(tasks, text, to)),
        (Value::LetterCase, to) => Some(change_letter_case(text, to, 0)),
        (Value::Wrapped(name), To::V3) | (Value::Unwrapped(name), To::V2) => wrap(name, text),
        (Value::Wrapped(name), To::V2) => {
            let values = |element| value_of(name, element);
            text.starts_with('[').then(|| list_of(json::elements(text).filter_map(values)))
        }
        (Value::Unwrapped(name), To::V3) => {
            // An object with more in it would lose that.
            let only = |element| json::members(element).nth(1).is_none();
            let values = |element| value_of(name, element).filter(|_| only(element));
            let values: Option<Vec<_>> = json::elements(text).map(values).collect();
            text.starts_with('[').then_some(())?;
            Some(list_of(values?.into_iter()))
        }
        (Value::Flag, To::V3) => match text {
            "0" => Some("[]".to_owned()),
            "1" => Some("[{}]".to_owned()),
            _ => None,
        },
        (Value::Flag, To::V2) => {
            let flag = json::elements(text).next().map_or("0", |_| "1");
            text.starts_with('[').then(|| flag.to_owned())
        }
        (Value::Same | Value::Group(_) | Value::AiReview | Value::Reviews(_), _) => {
            Some(text.to_owned())
        }
    }
}

/// An object, or every object of a list, converted; the rest as it is.
pub(super) fn each(text: &str, convert: impl Fn(&str) -> String) -> String {
    match text.as_bytes().first() {
        Some(b'{') => convert(text),
        Some(b'[') => list_of(json::elements(text).map(|element| {
            if element.starts_with('{') { convert(element) } else { element.to_owned() }
        })),
        _ => text.to_owned(),
    }
}

fn wrap(name: &str, text: &str) -> Option<String> {
    let wrapped = |element: &str| format!("{{\"{name}\":{element}}}");
    text.starts_with('[').then(|| list_of(json::elements(text).map(wrapped)))
}

/// The value of an object's member with this name.
pub(super) fn value_of<'a>(name: &str, object: &'a str) -> Option<&'a str> {
    json::members(object).find(|member| member.key() == name).map(|member| member.value)
}

fn list_of<T: AsRef<str>>(elements: impl Iterator<Item = T>) -> String {
    let mut list = String::from("[");
    for element in elements {
        if list.len() > 1 {
            list.push(',');
        }
        list.push_str(element.as_ref());
    }
    list.push(']');
    list
}

/// A value with all names in the manner of a format.
fn change_letter_case(text: &str, to: To, depth: usize) -> String {
    if depth == DEPTH_MAX {
        return text.to_owned();
    }
    match text.as_bytes().first() {
        Some(b'{') => {
            let mut out = Object::default();
            for member in json::members(text) {
                let value = change_letter_case(member.value, to, depth + 1);
                let mut key = member.raw_key.to_owned();
                // Of one byte, if it changes at all.
                if let Some(first) = key.get_mut(..1) {
                    match to {
                        To::V2 => first.make_ascii_lowercase(),
                        To::V3 => first.make_ascii_uppercase(),
                    }
                }
                out.rename(key, value);
            }
            out.into_text()
        }
        Some(b'[') => {
            list_of(json::elements(text).map(|text| change_letter_case(text, to, depth + 1)))
        }
        _ => text.to_owned(),
    }
}
