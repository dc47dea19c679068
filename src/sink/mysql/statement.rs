//! The statements, and what they are given.

use mysql_async::Value;

use crate::sink::rows::{
    Columns, Field, Row, create_table, id_column, list, quoted_table, with_parameters,
};

/// What names stand in.
const QUOTE: char = '`';

/// The type of the body's column in a table that is made here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyType {
    /// Keeps the text as it is.
    Longtext,
    /// MySQL's own form of JSON; on MariaDB a text that is checked.
    Json,
}

/// What writes rows.
#[derive(Debug)]
pub(super) enum Statement {
    /// Any number of rows at once.
    Insert {
        /// Up to the first row.
        head: String,
        /// What stands for a row.
        row: String,
        /// After the last row.
        tail: String,
        fields: Vec<Field>,
        /// What finds the rows that are there, up to the ids.
        find: String,
    },
    /// A statement of the user's own, for one row.
    Own { text: String, fields: Vec<Field> },
}

impl Statement {
    /// The statement for a table and its columns.
    pub(super) fn insert(table: &str, columns: &Columns) -> Self {
        let (table, id) = (quoted_table(table, QUOTE), id_column(columns, QUOTE));
        Self::Insert {
            head: format!("INSERT INTO {table} ({}) VALUES ", list(columns, QUOTE)),
            row: format!("({})", marks(columns.len())),
            // Not INSERT IGNORE, which takes every error for a duplicate.
            tail: format!(" ON DUPLICATE KEY UPDATE {id} = {id}"),
            fields: columns.iter().map(|(_, field)| *field).collect(),
            find: format!("SELECT {id} FROM {table} WHERE {id} IN "),
        }
    }

    /// A statement of the user's own, with `:id` and so on for what the row holds.
    pub(super) fn own(text: &str) -> Self {
        let mut fields = Vec::new();
        let text = with_parameters(text, |field| {
            fields.push(field);
            "?".to_owned()
        });
        Self::Own { text, fields }
    }

    /// The text for so many rows.
    pub(super) fn text(&self, rows: usize) -> String {
        match self {
            Self::Insert { head, row, tail, .. } => {
                format!("{head}{}{tail}", vec![&**row; rows].join(", "))
            }
            Self::Own { text, .. } => text.clone(),
        }
    }

    /// The values for these rows.
    pub(super) fn values(&self, rows: &[Row<'_>]) -> Vec<Value> {
        let (Self::Insert { fields, .. } | Self::Own { fields, .. }) = self;
        rows.iter().flat_map(|row| fields.iter().map(|field| value(row, *field))).collect()
    }
}

/// So many question marks.
pub(super) fn marks(count: usize) -> String {
    vec!["?"; count].join(", ")
}

fn value(row: &Row<'_>, field: Field) -> Value {
    match (field, row.text(field)) {
        // Without the letters of RFC 3339, which not every server reads. The session is in UTC.
        (Field::Received, Some(time)) => time.replace('T', " ").replace('Z', "").into(),
        (_, text) => text.into(),
    }
}

/// What makes the table.
pub(super) fn create(table: &str, columns: &Columns, body: BodyType) -> String {
    let create = create_table(table, columns, QUOTE, |field| match (field, body) {
        (Field::Id, _) => "VARCHAR(64) NOT NULL",
        (Field::Type, _) => "VARCHAR(255) NOT NULL",
        (Field::TaskId | Field::FileId, _) => "VARCHAR(255)",
        (Field::Received, _) => "DATETIME(3) NOT NULL",
        (Field::Body, BodyType::Longtext) => "LONGTEXT NOT NULL",
        (Field::Body, BodyType::Json) => "JSON NOT NULL",
        (Field::SubAppId, _) => "BIGINT UNSIGNED",
    });
    format!("{create} ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_for_any_number_of_rows() {
        let columns = vec![("i`d".to_owned(), Field::Id), ("Body".to_owned(), Field::Body)];
        let statement = Statement::insert("a.b", &columns);
        assert_eq!(
            statement.text(2),
            "INSERT INTO `a`.`b` (`i``d`, `Body`) VALUES (?, ?), (?, ?) \
             ON DUPLICATE KEY UPDATE `i``d` = `i``d`"
        );
        let own = Statement::own("INSERT INTO t VALUES (:body, :id, :body)");
        assert_eq!(own.text(1), "INSERT INTO t VALUES (?, ?, ?)");
        assert!(create("t", &columns, BodyType::Json).contains("`Body` JSON NOT NULL"));
    }
}
