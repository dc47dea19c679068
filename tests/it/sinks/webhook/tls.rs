use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::ExtendedKeyUsagePurpose;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;
use vod_relay::sink::webhook::Config;
use vod_relay::sink::{Kind, Sink};

use super::server::{Answer, Server};
use super::{config, deliver, open, parcel, transient};
use crate::authority::Authority;

/// A server with a certificate for this name that asks, or does not ask, for the client's.
async fn server(ours: &Authority, name: &str, asks: bool) -> Server {
    let (certificate, key) = ours.issue(name, ExtendedKeyUsagePurpose::ServerAuth);
    let mut roots = RootCertStore::empty();
    roots.add(ours.issuer.der().clone()).unwrap();
    let builder = match asks {
        true => ServerConfig::builder().with_client_cert_verifier(
            WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap(),
        ),
        false => ServerConfig::builder().with_no_client_auth(),
    };
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let tls = builder.with_single_cert(vec![certificate.der().clone()], key).unwrap();
    let script = vec![Answer::status("200 OK"); 9];
    Server::start_with(script, Some(TlsAcceptor::from(Arc::new(tls)))).await
}

fn sink(server: &Server, ca_file: &Path, identity: Option<(PathBuf, PathBuf)>) -> Arc<dyn Sink> {
    let ca_file = Some(ca_file.to_owned());
    open(Kind::new(Config { ca_file, identity, ..config(&server.url("/")) }))
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_when_it_is_configured() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let server = server(&ours, "127.0.0.1", false).await;
    assert_eq!(deliver(&*sink(&server, &ours.ca_file(), None), parcel(1)).await, Ok(()));
    let reason = transient(deliver(&*sink(&server, &theirs.ca_file(), None), parcel(1)).await);
    assert!(reason.contains("certificate not trusted: "), "{reason}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_trusted() {
    let ours = Authority::new();
    let server = server(&ours, "app.example.com", false).await;
    let reason = transient(deliver(&*sink(&server, &ours.ca_file(), None), parcel(1)).await);
    assert!(reason.contains("certificate not trusted: "), "{reason}");
    assert!(reason.contains("app.example.com"), "{reason}");
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_a_server_that_asks() {
    let ours = Authority::new();
    let server = server(&ours, "127.0.0.1", true).await;
    let identity = ours.client_files();
    let sink = |identity| sink(&server, &ours.ca_file(), identity);
    assert_eq!(deliver(&*sink(Some(identity)), parcel(1)).await, Ok(()));
    let reason = transient(deliver(&*sink(None), parcel(1)).await);
    assert!(
        reason.ends_with("the server ended the TLS handshake: CertificateRequired"),
        "{reason}"
    );
}

#[tokio::test]
async fn renewed_certificates_are_read_on_sighup() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let server = server(&ours, "127.0.0.1", false).await;
    let sink = sink(&server, &theirs.ca_file(), None);
    transient(deliver(&*sink, parcel(1)).await);
    fs::write(theirs.ca_file(), "in the middle of being written").unwrap();
    sink.reopen();
    transient(deliver(&*sink, parcel(1)).await);
    fs::copy(ours.ca_file(), theirs.ca_file()).unwrap();
    sink.reopen();
    assert_eq!(deliver(&*sink, parcel(1)).await, Ok(()));
}

#[tokio::test]
async fn certificates_that_cannot_be_used_are_told_at_the_start() {
    let ours = Authority::new();
    let missing = ours.ca_file().with_file_name("missing.pem");
    let base = || config("https://app.example.com/");
    let (cert, key) = ours.client_files();
    for (config, expected) in [
        (Config { ca_file: Some(missing.clone()), ..base() }, "missing.pem: No such file"),
        (Config { ca_file: Some(key.clone()), ..base() }, "relay.key holds no certificate"),
        (Config { identity: Some((cert.clone(), cert)), ..base() }, "no client certificate with"),
    ] {
        let error = Kind::new(config).open("app").unwrap_err().to_string();
        assert!(error.starts_with("sink app: ") && error.contains(expected), "{error}");
    }
}
