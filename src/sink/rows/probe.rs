//! What a look at a database that cannot be written to leads to.

use crate::sink::Probed;

pub(in crate::sink) const MEND_SERVER: &str =
    "start the server, or mend url, ca_file or the firewall";
pub(in crate::sink) const MEND_FILES: &str =
    "name files in ca_file, client_cert_file and client_key_file that can be used";
pub(in crate::sink) const MEND_USER: &str =
    "mend url, user and password_file, or the rights of the user";

pub(in crate::sink) fn failing(found: String, mend: &str, code: u8) -> Probed {
    Probed::Failing { found, mend: mend.to_owned(), code }
}
