//! A statement of the user's own, which names what it wants as `:id`, `:body` and so on.

use super::Field;
use crate::config::Section;

/// Reads `sql`, a statement that takes the place of the one for `columns`.
pub(super) fn own_statement(section: &Section<'_>, example: &str) -> Option<String> {
    let statement = match section.has("sql") {
        true => section.required_string("sql", example)?,
        // The key is known all the same.
        false => section.string("sql")?,
    };
    for key in ["table", "columns", "create_table"].into_iter().filter(|key| section.has(key)) {
        section.mistake(key, "has no place beside sql, which names its own", "one of them alone");
    }
    Some(statement)
}

/// The statement with a parameter of the database's own in the place of each `:field`. What stands in
/// quotes stays, and so does a colon that is doubled, which casts.
pub(in crate::sink) fn with_parameters(
    statement: &str,
    mut parameter: impl FnMut(Field) -> String,
) -> String {
    let mut whole = String::with_capacity(statement.len());
    let mut quote = None;
    let mut last = ' ';
    let mut rest = statement;
    while let Some(next) = rest.chars().next() {
        let after = &rest[next.len_utf8()..];
        match quote {
            Some(open) if next == open => quote = None,
            None if matches!(next, '\'' | '"' | '`') => quote = Some(next),
            _ => {}
        }
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        let word = &after[..after.find(|c| !is_part(c)).unwrap_or(after.len())];
        let field = Field::ALL.into_iter().find(|field| field.name() == word);
        match field {
            Some(field) if next == ':' && last != ':' && quote.is_none() => {
                whole.push_str(&parameter(field));
                rest = &after[word.len()..];
            }
            _ => {
                whole.push(next);
                rest = after;
            }
        }
        last = next;
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_become_parameters_and_nothing_else_does() {
        let mut count = 0;
        let mut named = |field: Field| {
            count += 1;
            format!("<{}{count}>", field.name())
        };
        let whole = with_parameters(
            "INSERT INTO \"a:id\" (b) SELECT :id, :body::type, :idle, ':id', `:id`, '动:' || :id,:sub_app_id",
            &mut named,
        );
        assert_eq!(
            whole,
            "INSERT INTO \"a:id\" (b) SELECT <id1>, <body2>::type, :idle, ':id', `:id`, \
             '动:' || <id3>,<sub_app_id4>"
        );
    }
}
