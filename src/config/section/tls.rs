//! The getter for the files of a TLS connection.

use super::Section;
use crate::tls;

impl Section<'_> {
    /// `ca_file`, and `client_cert_file` with `client_key_file`.
    pub fn tls_files(&self) -> tls::Files {
        let ca_file = self.path("ca_file");
        let cert_file = self.path("client_cert_file");
        let key_file = self.path("client_key_file");
        for (key, other) in
            [("client_cert_file", "client_key_file"), ("client_key_file", "client_cert_file")]
        {
            if self.has(key) && !self.has(other) {
                self.mistake(key, &format!("stands without {other}"), "both or neither");
            }
        }
        tls::Files { ca_file, identity: cert_file.zip(key_file) }
    }
}
