//! TLS of connections that are not HTTP: which authorities to trust, and which certificate to show.

use std::path::PathBuf;
#[cfg(feature = "tls")]
use std::{fs, path::Path, sync::Arc};

#[cfg(feature = "tls")]
use rustls::client::danger::ServerCertVerifier;
#[cfg(feature = "tls")]
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
#[cfg(feature = "tls")]
use rustls::{ClientConfig, crypto::ring};
#[cfg(feature = "tls")]
use rustls_platform_verifier::Verifier;

/// The PEM files that a connection may need.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    /// Certificate authorities to trust besides those of the system.
    pub ca_file: Option<PathBuf>,
    /// A client certificate and its private key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl Files {
    /// Whether none is named.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Why TLS cannot be set up.
#[cfg(feature = "tls")]
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path} holds no {wanted}")]
    Pem {
        /// The file.
        path: String,
        /// What would be right.
        wanted: &'static str,
    },
    /// The TLS stack refuses what it was given.
    #[error("cannot set up TLS: {0}")]
    Refused(#[from] rustls::Error),
}

/// What a client needs to talk TLS, with `ring` as everywhere in this program. The authorities are
/// those of the system and those of the files.
///
/// # Errors
///
/// A file cannot be read or does not hold its part, or the system has no certificate authorities.
#[cfg(feature = "tls")]
pub fn client_config(files: &Files) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let roots = match &files.ca_file {
        Some(path) => certificates(path)?,
        None => Vec::new(),
    };
    let verifier = Verifier::new_with_extra_roots(roots, provider)?;
    client_config_with(Arc::new(verifier), files)
}

/// The same with another judge of certificates, which the authorities of the files do not concern.
///
/// # Errors
///
/// A file cannot be read or does not hold its part.
#[cfg(feature = "tls")]
pub fn client_config_with(
    verifier: Arc<dyn ServerCertVerifier>,
    files: &Files,
) -> Result<Arc<ClientConfig>, TlsError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    Ok(Arc::new(match &files.identity {
        Some((cert_file, key_file)) => {
            builder.with_client_auth_cert(certificates(cert_file)?, private_key(key_file)?)?
        }
        None => builder.with_no_client_auth(),
    }))
}

#[cfg(feature = "tls")]
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = CertificateDer::pem_slice_iter(&read(path)?).collect::<Result<Vec<_>, _>>();
    let found = found.unwrap_or_default();
    if found.is_empty() {
        let wanted = "certificate (a PEM file with BEGIN CERTIFICATE is wanted)";
        return Err(TlsError::Pem { path: path.display().to_string(), wanted });
    }
    Ok(found)
}

#[cfg(feature = "tls")]
fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|_| TlsError::Pem {
        path: path.display().to_string(),
        wanted: "private key (a PEM file without a passphrase is wanted)",
    })
}

#[cfg(feature = "tls")]
fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Read { path: path.display().to_string(), source })
}

#[cfg(test)]
#[cfg(feature = "tls")]
mod tests {
    use super::*;

    fn error(files: &Files) -> String {
        client_config(files).unwrap_err().to_string()
    }

    #[test]
    fn a_file_that_does_not_hold_its_part_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        let trusting = Files { ca_file: Some(path.clone()), identity: None };
        assert!(error(&trusting).starts_with("cannot read /"), "{}", error(&trusting));
        fs::write(&path, "not a certificate").unwrap();
        assert!(error(&trusting).contains("ca.pem holds no certificate"), "{}", error(&trusting));

        let own = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
        fs::write(&path, own.cert.pem()).unwrap();
        client_config(&trusting).unwrap();
        let showing =
            |key: &Path| Files { ca_file: None, identity: Some((path.clone(), key.to_owned())) };
        assert!(error(&showing(&path)).contains("ca.pem holds no private key"));
        let key = dir.path().join("key.pem");
        fs::write(&key, own.signing_key.serialize_pem()).unwrap();
        client_config(&showing(&key)).unwrap();
    }
}
