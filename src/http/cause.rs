//! Why a request failed, in words.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use rustls::InvalidMessage;

use super::CONNECT_TIMEOUT;

/// What is at the bottom of a failed request, in the words of the one who must mend it. `limit` is
/// the time that the whole request was given.
pub fn cause(error: &reqwest::Error, limit: Duration) -> String {
    if error.is_timeout() {
        let (what, limit) = match error.is_connect() {
            true => ("no connection", CONNECT_TIMEOUT),
            false => ("no answer", limit),
        };
        return format!("{what} within {}", humantime::format_duration(limit));
    }
    root_cause(error)
}

/// What is at the bottom of a failed connection, in the same words. Times that ran out are not known
/// here.
pub fn root_cause(error: &(dyn StdError + 'static)) -> String {
    let mut bottom = error;
    loop {
        let io = bottom.downcast_ref::<io::Error>();
        if let Some(tls) = bottom.downcast_ref::<rustls::Error>() {
            return tls_cause(tls);
        }
        // An I/O error does not count what it wraps among its sources.
        if let Some(wrapped) = io.and_then(io::Error::get_ref) {
            bottom = wrapped;
        } else if let Some(source) = bottom.source() {
            bottom = source;
        } else {
            return io.map_or_else(|| bottom.to_string(), io_cause);
        }
    }
}

fn io_cause(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "connection reset by the server".to_owned(),
        _ => error.to_string(),
    }
}

fn tls_cause(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(why) => format!("certificate not trusted: {why}"),
        rustls::Error::AlertReceived(alert) => {
            format!("the server ended the TLS handshake: {alert:?}")
        }
        // What came is not even the beginning of a record.
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "TLS: the server does not talk it at this port".to_owned()
        }
        other => format!("TLS: {other}"),
    }
}
