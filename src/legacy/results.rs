//! The results of a task flow's tasks.
//!
//! 2.0 has `{"taskType":"Transcode","status":...}`, 3.0 has
//! `{"Type":"Transcode","TranscodeTask":{"Status":...}}`.

use std::borrow::Cow;

use super::is_newer_than_v2;
use super::object::Object;
use super::procedure::{ANY_TASK, REVIEWS};
use super::rewrite::{each, fill, object, value_of};
use super::table::{Row, Task, To, group, of, same};
use crate::json::{self, Member};

/// 2.0's `aiReview` and what is a `PornTask` in 3.0.
///
/// 3.0 has labels, which are not the risk types; those stay. A `PornTask` of VOD has a `Status`
/// and no `riskType`.
const AI_REVIEW: &[Row] = &[
    same("riskType", RISK_TYPE),
    group("Input", &[same("definition", "Definition")]),
    group("Output", &[of("imgInfo", "SegmentSet", &[same("url", "Url")])]),
];

/// The member by which an `aiReview` is known again.
const RISK_TYPE: &str = "riskType";

/// A list of results in the other format.
pub(super) fn list(tasks: &'static [Task], text: &str, to: To) -> String {
    each(text, |entry| match to {
        To::V2 => to_v2(tasks, entry),
        To::V3 => to_v3(tasks, entry),
    })
}

fn to_v3(tasks: &'static [Task], entry: &str) -> String {
    let kind = json::members(entry)
        .enumerate()
        .find(|(_, member)| member.key() == "taskType" && member.value.starts_with('"'));
    // Without a kind it has no member to stand in, and with an odd one it would not be found there.
    let Some((index, kind)) = kind.filter(|(_, kind)| is_newer_than_v2(&member_of(kind.value)))
    else {
        return entry.to_owned();
    };
    let task = json::scalar(kind.value).and_then(|name| tasks.iter().find(|t| t.kind == name));
    let (member, rows) = match task {
        Some(task) => (Cow::Borrowed(task.member), task.rows),
        None => (Cow::Owned(member_of(kind.value)), ANY_TASK),
    };
    let work = object(rows, &json::without_member(entry, index), To::V3);
    let mut out = Object::default();
    out.put("Type", kind.value.to_owned());
    out.rename(member.into_owned(), work.into_text());
    out.into_text()
}

/// The member of a kind that is in no table: VOD calls that of `Porn.Asr` `PornAsrTask`, and that
/// of `OcrWordsRecognition` `OcrWordsTask`. Given with its quotes, without them the member's name.
fn member_of(kind: &str) -> String {
    let inside = kind.get(1..kind.len().saturating_sub(1)).unwrap_or_default();
    let name = inside.replace('.', "");
    format!("{}Task", name.strip_suffix("Recognition").unwrap_or(&name))
}

fn to_v2(tasks: &'static [Task], entry: &str) -> String {
    let kind = value_of("Type", entry).filter(|kind| json::scalar(kind).is_some());
    let named = kind.and_then(json::scalar);
    let of_kind = tasks.iter().find(|task| named.as_deref() == Some(task.kind));
    let works = || json::members(entry).filter(is_work);
    let work = of_kind
        .and_then(|task| works().find(|work| work.key() == task.member))
        .or_else(|| works().next());
    let task = match &work {
        Some(work) => tasks.iter().find(|task| work.key() == task.member),
        None => of_kind,
    };
    let kind = match (kind, &work, task) {
        (Some(kind), _, _) => kind.to_owned(),
        (None, _, Some(task)) => format!("\"{}\"", task.kind),
        (None, Some(work), None) => {
            format!("\"{}\"", work.raw_key.strip_suffix("Task").unwrap_or(work.raw_key))
        }
        // It is a 2.0 entry without a kind, which found no place in 3.0.
        (None, None, None) => return entry.to_owned(),
    };
    let mut out = Object::default();
    out.put("taskType", kind);
    if let Some(work) = &work {
        fill(&mut out, task.map_or(ANY_TASK, |task| task.rows), work.value, To::V2);
    }
    for member in json::members(entry).filter(|member| !is_newer_than_v2(member.raw_key)) {
        out.keep(&member);
    }
    out.into_text()
}

/// Whether a member holds the task of a 3.0 result.
fn is_work(member: &Member<'_>) -> bool {
    is_newer_than_v2(member.raw_key) && member.value.starts_with('{')
}

/// 3.0's results of reviews that stand for 2.0's `aiReview`.
pub(super) fn review_of(ai_review: &str) -> String {
    let mut work = object(AI_REVIEW, ai_review, To::V3);
    if work.get_mut(RISK_TYPE).is_none() {
        work.put(RISK_TYPE, "null".to_owned());
    }
    format!("[{{\"Type\":\"Porn\",\"PornTask\":{}}}]", work.into_text())
}

/// The `aiReview` that a 3.0 result of a review stands for, if it does.
fn ai_review_of(entry: &str) -> Option<String> {
    let work = value_of("PornTask", entry)?;
    value_of(RISK_TYPE, work)?;
    value_of("Status", work).is_none().then(|| object(AI_REVIEW, work, To::V2).into_text())
}

/// Adds results to 3.0's list of reviews, which 2.0 has in two places.
pub(super) fn add_review(out: &mut Object, name: &str, list: &str) {
    let Some(present) = out.get_mut(name) else { return out.put(name, list.to_owned()) };
    let is_empty = |list: &str| list == "[]";
    // Nothing in the list would tell that 2.0 had an empty one.
    let one_is_empty = is_empty(present) || is_empty(list);
    if is_empty(present) {
        *present = list.to_owned();
    } else if !is_empty(list) {
        present.pop();
        present.push(',');
        present.push_str(list.strip_prefix('[').unwrap_or(list));
    }
    if one_is_empty {
        out.put("contentReviewList", "[]".to_owned());
    }
}

/// Adds 2.0's `aiReview` and its list of reviews.
pub(super) fn put_reviews(out: &mut Object, text: &str) {
    let mut ai_review = None;
    let mut others = Vec::new();
    for entry in json::elements(text) {
        match ai_review_of(entry) {
            Some(review) if ai_review.is_none() => ai_review = Some(review),
            _ => others.push(entry),
        }
    }
    let is_only = ai_review.is_some() && others.is_empty();
    if let Some(ai_review) = ai_review {
        out.put("aiReview", ai_review);
    }
    if !is_only {
        let rest = if text.starts_with('[') {
            Cow::Owned(format!("[{}]", others.join(",")))
        } else {
            Cow::Borrowed(text)
        };
        out.put("contentReviewList", list(REVIEWS, &rest, To::V2));
    }
}
