//! The statements, and what they are given.

use bytes::{BufMut as _, BytesMut};
use tokio_postgres::types::{Format, IsNull, ToSql, Type};
use tokio_postgres::{Client, Error};

use crate::sink::rows::{
    Columns, Field, Row, create_table, id_column, list, quoted_table, with_parameters,
};

/// What names stand in.
const QUOTE: char = '"';

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
        let values: Vec<_> = (1..=columns.len()).map(|number| format!("${number}")).collect();
        let text = format!(
            "INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({}) DO NOTHING",
            quoted_table(table, QUOTE),
            list(columns, QUOTE),
            values.join(", "),
            id_column(columns, QUOTE),
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
    create_table(table, columns, QUOTE, |field| match (field, body) {
        (Field::Id | Field::Type, _) => "text NOT NULL",
        (Field::TaskId | Field::FileId, _) => "text",
        (Field::Received, _) => "timestamptz NOT NULL",
        (Field::Body, BodyType::Json) => "json NOT NULL",
        (Field::Body, BodyType::Jsonb) => "jsonb NOT NULL",
        (Field::SubAppId, _) => "bigint",
    })
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
            "CREATE TABLE IF NOT EXISTS \"t\" (\"i\"\"d\" text NOT NULL PRIMARY KEY, \"Body\" jsonb NOT NULL)"
        );
    }

    #[test]
    fn an_own_statement_uses_what_it_wants() {
        let own = Statement::own("INSERT INTO t VALUES (:body::json, :id, :body)");
        assert_eq!(own.text, "INSERT INTO t VALUES ($1::json, $2, $3)");
        assert_eq!(own.fields, [Field::Body, Field::Id, Field::Body]);
    }
}
