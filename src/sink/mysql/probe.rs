//! Looks whether rows could be written.

use mysql_async::prelude::Queryable as _;
use mysql_async::{Error, Row};

use super::Config;
use super::connection::{Failure, Lent, cause};
use super::table::{NO_TABLE, code, remedy};
use crate::exit;
use crate::sink::Probed;
use crate::sink::rows::{
    MEND_FILES, MEND_SERVER, MEND_USER, Target, failing, id_column, quoted_table,
};

/// Connects as a delivery would, and has the server prepare the statement without running it, which
/// checks names and rights.
pub(super) async fn probe(config: &Config) -> Probed {
    let pool = match config.pool() {
        Ok(pool) => pool,
        Err(problem) => return failing(problem, MEND_FILES, exit::CONFIG),
    };
    let lent = match pool.get().await {
        Ok(lent) => lent,
        Err(Failure::Unreachable(found)) => return failing(found, MEND_SERVER, exit::UNREACHABLE),
        Err(Failure::Refused(found)) => return failing(found, MEND_USER, exit::CONFIG),
    };
    let server = format!("{} ({})", config.server.shown(), config.server.protection());
    match tokio::time::timeout(config.rows.timeout, look(config, lent)).await {
        Ok(Ok(Seen { found, doubt: None })) => Probed::Fine { found: format!("{server}: {found}") },
        Ok(Ok(Seen { found, doubt: Some(mend) })) => {
            Probed::Doubtful { found: format!("{server}: {found}"), mend: mend.to_owned() }
        }
        Ok(Err(error)) => {
            let mend = remedy(code(&error)).unwrap_or(MEND_USER);
            failing(format!("{server}: {}", cause(&error)), mend, exit::CONFIG)
        }
        Err(_) => failing(format!("{server}: no answer"), MEND_SERVER, exit::UNREACHABLE),
    }
}

/// What was seen, and what to do about it if it speaks against deliveries.
struct Seen {
    found: String,
    doubt: Option<&'static str>,
}

async fn look(config: &Config, mut lent: Lent<'_>) -> Result<Seen, Error> {
    let conn = lent.conn()?;
    let prepared = conn.prep(config.statement().text(1)).await;
    let (name, columns) = match (&config.rows.target, prepared) {
        (Target::Table { name, create: Some(_), .. }, Err(error)) if code(&error) == NO_TABLE => {
            let found = format!("table {name} is not there, and will be made for the first event");
            return Ok(Seen { found, doubt: None });
        }
        (_, Err(error)) => return Err(error),
        (Target::Statement(_), Ok(_)) => {
            return Ok(Seen { found: "the statement can be run".to_owned(), doubt: None });
        }
        (Target::Table { name, columns, .. }, Ok(_)) => (name, columns),
    };
    let keys = format!("SHOW INDEX FROM {} WHERE Non_unique = 0", quoted_table(name, '`'));
    let keys: Vec<Row> = conn.query(keys).await?;
    let id = id_column(columns, '`').trim_matches('`').replace("``", "`");
    let is_key = keys.iter().any(|key| key.get::<String, _>("Column_name").as_ref() == Some(&id));
    lent.keep();
    Ok(match is_key {
        true => Seen { found: format!("table {name} takes rows"), doubt: None },
        false => Seen {
            found: format!("table {name} has no unique key on {id}: a redelivery is a second row"),
            doubt: Some("give the column of the id a unique key, or the table a primary key"),
        },
    })
}
