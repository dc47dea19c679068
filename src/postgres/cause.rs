//! Why the server, or the way to it, failed, in words.

use std::error::Error as StdError;

use tokio_postgres::Error;

use crate::http;

/// The most characters of a server's message that are shown: it may quote what it was given.
const MESSAGE_MAX: usize = 200;

/// What is at the bottom of a failure: the server's message with its SQLSTATE, or what happened to
/// the connection. The server's details stay out: they quote rows.
pub fn cause(error: &Error) -> String {
    if let Some(answer) = error.as_db_error() {
        let mut message = answer.message().to_owned();
        if let Some((end, _)) = message.char_indices().nth(MESSAGE_MAX) {
            message.truncate(end);
            message.push_str("...");
        }
        return format!("{message} (SQLSTATE {})", answer.code().code());
    }
    match error.source() {
        Some(source) => http::root_cause(source),
        None if error.is_closed() => "the server closed the connection".to_owned(),
        None => error.to_string(),
    }
}
