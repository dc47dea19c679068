//! The statements, and what they are given.

use bytes::{BufMut as _, BytesMut};
use tokio_postgres::types::{Format, IsNull, ToSql, Type};
use tokio_postgres::{Client, Error};

use crate::sink::rows::{Columns, Field, Row, with_parameters};

/// The type of the body's column in a table that is made here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyType {
    /// Keeps the text as it is.
    Json,
    /// Can be indexed; keeps what the text means, and not its order, white space and numbers as
    /// they were written.
    Jsonb,
}

/// A statement that writes a row.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) text: String,
    /// What its parameters are, from `$1` on.
    fields: Vec<Field>,
}

impl Statement {
    /// The statement for a table and its columns. The id must have a unique index; a conflict
    /// with any other is an error, so that no event is dropped for it.
    pub(super) fn insert(table: &str, columns: &Columns) -> Self {
        let names: Vec<_> = columns.iter().map(|(name, _)| quoted(name)).collect();
        let values: Vec<_> = (1..=columns.len()).map(|number| format!("${number}")).collect();
        let id = columns.iter().find(|(_, field)| *field == Field::Id);
        let text = format!(
            "INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({}) DO NOTHING",
            quoted_table(table),
            names.join(", "),
            values.join(", "),
            id.map(|(name, _)| quoted(name)).unwrap_or_default(),
        );
        Self { text, fields: columns.iter().map(|(_, field)| *field).collect() }
    }

    /// A statement of the user's own, with `:id` and so on for what the row holds.
    pub(super) fn own(text: &str) -> Self {
        let mut fields = Vec::new();
        let text = with_parameters(text, |field| {
            fields.push(field);
            format!("${}", fields.len())
        });
        Self { text, fields }
    }

    /// Writes a row.
    pub(super) async fn execute(&self, client: &Client, row: &Row<'_>) -> Result<u64, Error> {
        let texts = self.fields.iter().map(|field| Literal(row.text(*field)));
        self.execute_with(client, &self.text, texts.collect()).await
    }

    /// Looks whether it could write a row: the server plans it, checks names and rights, and does
    /// nothing.
    pub(super) async fn explain(&self, client: &Client) -> Result<u64, Error> {
        let nothing = self.fields.iter().map(|_| Literal(None)).collect();
        self.execute_with(client, &format!("EXPLAIN {}", self.text), nothing).await
    }

    async fn execute_with(
        &self,
        client: &Client,
        text: &str,
        literals: Vec<Literal<'_>>,
    ) -> Result<u64, Error> {
        // The server works out the types, from where the parameters stand.
        let values: Vec<_> = literals
            .iter()
            .map(|literal| (literal as &(dyn ToSql + Sync), Type::UNKNOWN))
            .collect();
        client.execute_typed(text, &values).await
    }
}

/// What makes the table.
pub(super) fn create(table: &str, columns: &Columns, body: BodyType) -> String {
    let mut has_key = false;
    let columns = columns.iter().map(|(name, field)| {
        let of = match (field, body) {
            (Field::Id, _) if !has_key => {
                has_key = true;
                "text PRIMARY KEY"
            }
            (Field::Id | Field::Type, _) => "text NOT NULL",
            (Field::TaskId | Field::FileId, _) => "text",
            (Field::Received, _) => "timestamptz NOT NULL",
            (Field::Body, BodyType::Json) => "json NOT NULL",
            (Field::Body, BodyType::Jsonb) => "jsonb NOT NULL",
            (Field::SubAppId, _) => "bigint",
        };
        format!("{} {of}", quoted(name))
    });
    let columns = columns.collect::<Vec<_>>().join(", ");
    format!("CREATE TABLE IF NOT EXISTS {} ({columns})", quoted_table(table))
}

/// What is wrong with the name of a table.
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

fn quoted_table(name: &str) -> String {
    name.split('.').map(quoted).collect::<Vec<_>>().join(".")
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as it would stand in quotes in a statement: the server takes it for whatever type is
/// wanted in its place.
#[derive(Debug)]
struct Literal<'a>(Option<&'a str>);

impl ToSql for Literal<'_> {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self.0 {
            Some(text) => {
                out.put_slice(text.as_bytes());
                Ok(IsNull::No)
            }
            None => Ok(IsNull::Yes),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    tokio_postgres::types::to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted() {
        let columns = vec![("i\"d".to_owned(), Field::Id), ("Body".to_owned(), Field::Body)];
        assert_eq!(
            Statement::insert("my schema.t\"", &columns).text,
            "INSERT INTO \"my schema\".\"t\"\"\" (\"i\"\"d\", \"Body\") VALUES ($1, $2) \
             ON CONFLICT (\"i\"\"d\") DO NOTHING"
        );
        assert_eq!(
            create("t", &columns, BodyType::Jsonb),
            "CREATE TABLE IF NOT EXISTS \"t\" (\"i\"\"d\" text PRIMARY KEY, \"Body\" jsonb NOT NULL)"
        );
        assert_eq!(flaw_of_table("a.b"), None);
        for wrong in ["", "a.", ".b", "a.b.c"] {
            assert!(flaw_of_table(wrong).is_some(), "{wrong}");
        }
    }

    #[test]
    fn an_own_statement_uses_what_it_wants() {
        let own = Statement::own("INSERT INTO t VALUES (:body::json, :id, :body)");
        assert_eq!(own.text, "INSERT INTO t VALUES ($1::json, $2, $3)");
        assert_eq!(own.fields, [Field::Body, Field::Id, Field::Body]);
    }
}
