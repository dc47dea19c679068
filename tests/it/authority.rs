//! A certificate authority of one's own.

use std::fs;
use std::path::PathBuf;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use tempfile::TempDir;

/// A certificate authority, with its certificate and those it made in a directory.
pub struct Authority {
    dir: TempDir,
    pub issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Self {
        vod_relay::http::install_crypto();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "an authority of one's own");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { dir, issuer }
    }

    pub fn ca_file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    pub fn issue(&self, name: &str, purpose: ExtendedKeyUsagePurpose) -> (Certificate, KeyPair) {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        // One that was named as its authority would seem to have signed itself.
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages.push(purpose);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate, key)
    }

    /// A certificate and its key, as two files.
    pub fn files(&self, name: &str, purpose: ExtendedKeyUsagePurpose) -> (PathBuf, PathBuf) {
        let (certificate, key) = self.issue(name, purpose);
        let [pem, key_file] =
            ["pem", "key"].map(|kind| self.dir.path().join(format!("{name}.{kind}")));
        fs::write(&pem, certificate.pem()).unwrap();
        fs::write(&key_file, key.serialize_pem()).unwrap();
        (pem, key_file)
    }

    /// A client certificate, as two files.
    pub fn client_files(&self) -> (PathBuf, PathBuf) {
        self.files("relay", ExtendedKeyUsagePurpose::ClientAuth)
    }
}
