//! HTTPS: which authorities are trusted, and for which names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chimera_layer4::fabric::{Fabric, FabricError};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::server::Server;
use super::{granted, run};
use crate::harness::{fabric, guest, settings_with};

/// An authority of the test's own: its certificate in a file, and a server
/// whose certificate for `localhost` it signed.
async fn authority(folder: &Path) -> (PathBuf, Server) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &issuer).unwrap();

    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    let file = folder.join("authority.pem");
    std::fs::write(&file, issuer.pem()).unwrap();
    (file, Server::with(Some(TlsAcceptor::from(Arc::new(config)))).await)
}

async fn host(http_ca_file: Option<PathBuf>, port: u16) -> Fabric {
    let fabric = fabric(settings_with(|c| c.capabilities.http_ca_file = http_ca_file)).await;
    let origins = [format!("https://localhost:{port}"), format!("https://127.0.0.1:{port}")];
    let origins: Vec<_> = origins.iter().map(String::as_str).collect();
    fabric.agents().spawn(&guest("courier"), granted("courier", &origins)).await.unwrap();
    fabric
}

fn order(host: &str, port: u16) -> Value {
    json!({ "scheme": "https", "to": format!("{host}:{port}"), "path": "/bytes/50000" })
}

#[tokio::test]
async fn a_server_is_who_a_trusted_authority_says_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (file, server) = authority(folder.path()).await;
    let trusting = host(Some(file), server.port()).await;
    let report = run(&trusting, order("localhost", server.port())).await;
    assert_eq!(report.result.unwrap().to_value()["bytes"], 50_000);
    let (received, sent) = server.bytes();
    let (tx, rx) = (report.usage.network_tx_bytes.unwrap(), report.usage.network_rx_bytes.unwrap());
    // A handshake and its certificates on top, and some 20 bytes of each record.
    assert!(tx > received + 200 && tx < received + 4000, "{tx} for {received}");
    assert!(rx > sent + 500 && rx < sent + 8000, "{rx} for {sent}");

    let misnamed = run(&trusting, order("127.0.0.1", server.port())).await;
    assert_eq!(misnamed.result.unwrap().to_value()["error"], "TlsCertificateError");
    let strict = host(None, server.port()).await;
    let unknown = run(&strict, order("localhost", server.port())).await;
    assert_eq!(unknown.result.unwrap().to_value()["error"], "TlsCertificateError");
    assert_eq!(server.bytes(), (received, sent), "no request was sent");
}

#[tokio::test]
async fn authorities_that_cannot_be_read_are_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.pem");
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "no certificate").unwrap();
    for (file, words) in [(missing, "it cannot be read: "), (empty, "it holds no certificate")] {
        let shown = file.display().to_string();
        let config = settings_with(|c| c.capabilities.http_ca_file = Some(file));
        let error = Fabric::new(config).err().unwrap();
        let FabricError::Configuration(complaints) = error else { panic!("{error}") };
        assert!(complaints[0].starts_with(&format!("http_ca_file is {shown}: ")), "{complaints:?}");
        assert!(complaints[0].contains(words), "{complaints:?}");
    }
}
