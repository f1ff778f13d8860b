//! TLS for the requests of agents.

use std::path::Path;
use std::sync::Arc;

use chimera_layer4_core::grants::Host;
use chimera_layer4_core::{FabricError, FabricResult};
use chimera_layer4_folders::read_regular;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, AlertDescription, ClientConfig, RootCertStore};
use tokio_rustls::{TlsConnector, client::TlsStream};
use wasmtime_wasi_http::Error;

use super::paced::Paced;

/// Many times what the authorities of a whole system take.
const MOST_PEM_BYTES: u64 = 16 << 20;

/// Trusts the authorities that Mozilla trusts, and those in the file `own` besides.
pub(super) fn connector(own: Option<&Path>) -> FabricResult<TlsConnector> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.into() };
    if let Some(file) = own {
        add(&mut roots, file).map_err(|reason| {
            wrong(format!(
                "http_ca_file is {}: {reason}; give a PEM file of certificate authorities",
                file.display()
            ))
        })?;
    }
    // Named, since a process in which two are compiled in has no default.
    let provider = Arc::new(ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(format!("TLS for the requests of agents: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // A ticket of one agent's would tell the server that another one is the same host.
    config.resumption = Resumption::disabled();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn add(roots: &mut RootCertStore, file: &Path) -> Result<(), String> {
    let cannot = |error| format!("it cannot be read: {error}");
    let pem = read_regular(file, MOST_PEM_BYTES).map_err(cannot)?;
    if pem.len() as u64 > MOST_PEM_BYTES {
        let most = MOST_PEM_BYTES >> 20;
        return Err(format!("it is larger than {most} MiB, the most that is read"));
    }
    let mut found = false;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        roots.add(certificate.map_err(in_words)?).map_err(|error| error.to_string())?;
        found = true;
    }
    if found { Ok(()) } else { Err("it holds no certificate".into()) }
}

fn in_words(error: pem::Error) -> String {
    match error {
        pem::Error::Io(error) => format!("it cannot be read: {error}"),
        error => format!("it is not PEM: {error}"),
    }
}

fn wrong(complaint: String) -> FabricError {
    FabricError::Configuration(vec![complaint])
}

/// Speaks TLS to the host that was asked for, by its name.
pub(super) async fn connect(
    connector: &TlsConnector,
    host: &Host,
    stream: Paced,
) -> Result<TlsStream<Paced>, Error> {
    let name = match host {
        Host::Address(address) => ServerName::from(*address),
        Host::Name(name) => {
            ServerName::try_from(name.clone()).map_err(|_| Error::HttpRequestUriInvalid)?
        }
    };
    connector.connect(name, stream).await.map_err(|error| {
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
        match cause {
            Some(rustls::Error::InvalidCertificate(_)) => Error::TlsCertificateError,
            Some(rustls::Error::AlertReceived(alert)) => alert_received(*alert),
            Some(_) => Error::TlsProtocolError,
            None => Error::ConnectionTerminated,
        }
    })
}

fn alert_received(alert: AlertDescription) -> Error {
    let (alert_id, alert_message) = (Some(u8::from(alert)), Some(format!("{alert:?}")));
    Error::TlsAlertReceived { alert_id, alert_message }
}
