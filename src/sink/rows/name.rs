//! Tables and columns, as a statement has them.

/// What is wrong with the name of a table, which may stand behind the name of what it is in.
pub(super) fn flaw_of_table(name: &str) -> Option<&'static str> {
    let parts: Vec<_> = name.split('.').collect();
    if parts.iter().any(|part| part.is_empty()) {
        Some("has an empty name in it")
    } else if parts.len() > 2 {
        Some("has too many parts")
    } else {
        None
    }
}

/// The name of a table, each part of it in quotes.
pub(in crate::sink) fn quoted_table(name: &str, quote: char) -> String {
    name.split('.').map(|part| quoted(part, quote)).collect::<Vec<_>>().join(".")
}

/// A name in quotes, where it may have any characters and is no keyword.
fn quoted(name: &str, quote: char) -> String {
    format!("{quote}{}{quote}", name.replace(quote, &format!("{quote}{quote}")))
}

/// Names in quotes, for a list of them.
pub(in crate::sink) fn list(names: &super::Columns, quote: char) -> String {
    names.iter().map(|(name, _)| quoted(name, quote)).collect::<Vec<_>>().join(", ")
}

/// The column of the id, in quotes. There is one.
pub(in crate::sink) fn id_column(columns: &super::Columns, quote: char) -> String {
    let id = columns.iter().find(|(_, field)| *field == super::Field::Id);
    id.map(|(name, _)| quoted(name, quote)).unwrap_or_default()
}

/// What makes a table with these columns, unless it is there; `of` tells the type of a column. The
/// first that has the id is the key.
pub(in crate::sink) fn create_table(
    table: &str,
    columns: &super::Columns,
    quote: char,
    of: impl Fn(super::Field) -> &'static str,
) -> String {
    let key = columns.iter().position(|(_, field)| *field == super::Field::Id);
    let columns = columns.iter().enumerate().map(|(at, (name, field))| {
        let key = if Some(at) == key { " PRIMARY KEY" } else { "" };
        format!("{} {}{key}", quoted(name, quote), of(*field))
    });
    let columns = columns.collect::<Vec<_>>().join(", ");
    format!("CREATE TABLE IF NOT EXISTS {} ({columns})", quoted_table(table, quote))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted() {
        assert_eq!(quoted_table("my schema.t\"", '"'), "\"my schema\".\"t\"\"\"");
        assert_eq!(quoted_table("t", '`'), "`t`");
        assert_eq!(quoted("a`b", '`'), "`a``b`");
    }

    #[test]
    fn a_table_has_one_name_or_two() {
        assert_eq!(flaw_of_table("a.b"), None);
        for wrong in ["", "a.", ".b", "a.b.c"] {
            assert!(flaw_of_table(wrong).is_some(), "{wrong}");
        }
    }
}
