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

    /// The same for a connection that is with TLS or not. Who names a file wants it, so without it that
    /// is a mistake, answered with what asks for TLS.
    pub fn tls_files_if(&self, is_on: bool, asked_for_by: &str) -> tls::Files {
        let files = self.tls_files();
        if !is_on {
            let problem = format!("goes with {asked_for_by} alone");
            let right = format!("{asked_for_by}, or leave it out");
            for key in ["ca_file", "client_cert_file", "client_key_file"] {
                if self.has(key) {
                    self.mistake(key, &problem, &right);
                }
            }
        }
        files
    }
}
