//! TLS of a connection, as `sslmode` asks for it.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{self, CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::tls::{Files, TlsError, client_config, client_config_with};

/// How a connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encryption {
    /// Not at all.
    Off,
    /// Encrypted if the server can, whoever it is.
    IfOffered,
    /// Encrypted, whoever the server is.
    Always,
    /// Encrypted, and the server's certificate is trusted and in its name.
    Verified,
}

impl Encryption {
    /// What the client is told; whom to trust is not its business.
    pub(super) fn mode(self) -> SslMode {
        match self {
            Self::Off => SslMode::Disable,
            Self::IfOffered => SslMode::Prefer,
            Self::Always | Self::Verified => SslMode::Require,
        }
    }

    /// What makes the TLS of each connection.
    ///
    /// # Errors
    ///
    /// A file cannot be read or does not hold its part, or there are no authorities to trust.
    pub(super) fn connector(self, files: &Files) -> Result<MakeRustlsConnect, TlsError> {
        let mut config = match self {
            Self::Verified => client_config(files)?,
            Self::Off | Self::IfOffered | Self::Always => {
                let anyone = Anyone(Arc::new(ring::default_provider()));
                client_config_with(Arc::new(anyone), files)?
            }
        };
        // Servers since 17 take part in ALPN.
        Arc::make_mut(&mut config).alpn_protocols = vec![b"postgresql".to_vec()];
        Ok(MakeRustlsConnect::new(Arc::unwrap_or_clone(config)))
    }
}

/// Trusts every server that has the key of its certificate, as `sslmode=require` does wherever
/// PostgreSQL is used. That helps against who only listens.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        crypto::verify_tls12_signature(message, cert, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        crypto::verify_tls13_signature(message, cert, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
