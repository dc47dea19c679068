//! Looks whether rows could be written.

use super::Config;
use super::table::{code, remedy};
use crate::exit;
use crate::postgres::{Failure, Lent, cause};
use crate::sink::Probed;
use crate::sink::rows::{MEND_FILES, MEND_SERVER, MEND_USER, Target, failing};

/// Connects as a delivery would, and has the server plan the statement without running it.
pub(super) async fn probe(config: &Config) -> Probed {
    let pool = match config.pool() {
        Ok(pool) => pool,
        Err(error) => return failing(error.to_string(), MEND_FILES, exit::CONFIG),
    };
    let client = match pool.get().await {
        Ok(client) => client,
        Err(Failure::Unreachable(found)) => return failing(found, MEND_SERVER, exit::UNREACHABLE),
        Err(Failure::Refused(found)) => return failing(found, MEND_USER, exit::CONFIG),
    };
    let server = format!("{} ({})", config.server.server(), config.server.protection());
    match tokio::time::timeout(config.rows.timeout, look(config, client)).await {
        Ok(Ok(found)) => Probed::Fine { found: format!("{server}: {found}") },
        Ok(Err((found, mend))) => failing(format!("{server}: {found}"), mend, exit::CONFIG),
        Err(_) => failing(format!("{server}: no answer"), MEND_SERVER, exit::UNREACHABLE),
    }
}

async fn look(config: &Config, client: Lent<'_>) -> Result<String, (String, &'static str)> {
    let told = |error| (cause(&error), remedy(code(&error)).unwrap_or(MEND_USER));
    let read_only = client.query_typed_one("SHOW transaction_read_only", &[]).await;
    let read_only: String = read_only.and_then(|row| row.try_get(0)).map_err(told)?;
    if read_only == "on" {
        return Err(("takes no writes now".to_owned(), "have url lead to the primary server"));
    }
    let explained = config.statement().explain(&client).await;
    let found = match (&config.rows.target, explained) {
        (Target::Table { name, create: Some(_), .. }, Err(error)) if code(&error) == "42P01" => {
            format!("table {name} is not there, and will be made for the first event")
        }
        (_, Err(error)) => return Err(told(error)),
        (Target::Table { name, .. }, Ok(_)) => format!("table {name} takes rows"),
        (Target::Statement(_), Ok(_)) => "the statement can be run".to_owned(),
    };
    client.keep();
    Ok(found)
}
