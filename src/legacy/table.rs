//! How the mapping of the two formats is written down.

/// The format that a text is turned into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum To {
    /// The legacy 2.0 format.
    V2,
    /// The 3.0 format.
    V3,
}

/// A member that both formats have.
///
/// Of several rows with one 2.0 name the first is what it becomes in 3.0.
#[derive(Debug)]
pub(super) struct Row {
    /// Its name in 2.0; empty for a [`Value::Group`].
    pub(super) v2: &'static str,
    /// Its name in 3.0.
    pub(super) v3: &'static str,
    /// What its value is.
    pub(super) value: Value,
    /// 2.0 does not document it, and gets it only if it says something.
    pub(super) when_set: bool,
}

/// A value in both formats.
#[derive(Debug)]
pub(super) enum Value {
    /// It is the same.
    Same,
    /// An object, or a list of objects, with these members.
    Of(&'static [Row]),
    /// 3.0 has an object around these members; in 2.0 they stand beside the others.
    Group(&'static [Row]),
    /// 2.0 has values, 3.0 an object around each of them, in which they have this name.
    Wrapped(&'static str),
    /// 2.0 has an object around each value, in which they have this name; 3.0 has the values.
    Unwrapped(&'static str),
    /// 2.0 has 1 or 0, 3.0 a list that has something in it or nothing.
    Flag,
    /// The results of tasks, which 2.0 tells apart by a member and 3.0 by an object around them.
    Results(&'static [Task]),
    /// 2.0's one finding of unlawful pictures, in 3.0 one of the results of reviews.
    AiReview,
    /// 2.0's results of reviews, in 3.0 together with the former.
    Reviews(&'static [Task]),
    /// What only one of the formats documents: names begin with a small letter in 2.0, with a
    /// capital one in 3.0, down to the bottom.
    LetterCase,
}

/// A kind of task.
#[derive(Debug)]
pub(super) struct Task {
    /// `taskType` in 2.0 and `Type` in 3.0.
    pub(super) kind: &'static str,
    /// The member of 3.0 that holds it.
    pub(super) member: &'static str,
    /// The members of 2.0's entry and of 3.0's member.
    pub(super) rows: &'static [Row],
}

impl Row {
    /// The row as it is, for a member that 2.0 does not document.
    pub(super) const fn when_set(self) -> Self {
        Self { when_set: true, ..self }
    }
}

/// A member of any value.
pub(super) const fn row(v2: &'static str, v3: &'static str, value: Value) -> Row {
    Row { v2, v3, value, when_set: false }
}

/// A member whose value is the same in both formats.
pub(super) const fn same(v2: &'static str, v3: &'static str) -> Row {
    row(v2, v3, Value::Same)
}

/// A member with members of its own.
pub(super) const fn of(v2: &'static str, v3: &'static str, rows: &'static [Row]) -> Row {
    row(v2, v3, Value::Of(rows))
}

/// Members that only 3.0 puts into an object of their own.
pub(super) const fn group(v3: &'static str, rows: &'static [Row]) -> Row {
    row("", v3, Value::Group(rows))
}

/// The row that a member of 2.0 belongs to, which may be a group's.
pub(super) fn find_v2(rows: &'static [Row], name: &str) -> Option<&'static Row> {
    rows.iter().find(|row| match row.value {
        Value::Group(rows) => find_v2(rows, name).is_some(),
        _ => row.v2 == name,
    })
}

/// The row that a member of 3.0 belongs to.
pub(super) fn find_v3(rows: &'static [Row], name: &str) -> Option<&'static Row> {
    rows.iter().find(|row| row.v3 == name)
}
