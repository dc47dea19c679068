//! Certificates of one's own, for stories of TLS.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};
use rustls::pki_types::CertificateDer;
use tempfile::TempDir;

/// A certificate authority, with its certificate and those it made in a directory.
pub struct Authority {
    dir: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Self {
        vod_relay::http::install_crypto();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        // OpenSSL takes a certificate for self-signed whose issuer has its own name.
        params.distinguished_name.push(DnType::CommonName, "An authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { dir, issuer }
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn ca_file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    pub fn certificate(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    pub fn issue(
        &self,
        name: &str,
        purpose: ExtendedKeyUsagePurpose,
    ) -> (CertificateDer<'static>, KeyPair) {
        let (certificate, key, _) = self.issue_files(name, purpose);
        (certificate, key)
    }

    /// The same, and where the two are as PEM files.
    fn issue_files(
        &self,
        name: &str,
        purpose: ExtendedKeyUsagePurpose,
    ) -> (CertificateDer<'static>, KeyPair, (PathBuf, PathBuf)) {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages.push(purpose);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let is_client = params.extended_key_usages == [ExtendedKeyUsagePurpose::ClientAuth];
        let kind = if is_client { "client" } else { "server" };
        let files = [format!("{kind}.pem"), format!("{kind}.key")];
        let [cert_file, key_file] = files.map(|name| self.dir.path().join(name));
        fs::write(&cert_file, certificate.pem()).unwrap();
        fs::write(&key_file, key.serialize_pem()).unwrap();
        (certificate.der().clone(), key, (cert_file, key_file))
    }

    /// A client certificate and its key, as two files.
    pub fn client_files(&self) -> (PathBuf, PathBuf) {
        self.issue_files("relay", ExtendedKeyUsagePurpose::ClientAuth).2
    }
}
