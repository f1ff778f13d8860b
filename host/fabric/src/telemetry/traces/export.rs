//! OTLP over HTTP, to the collector that the operator names.
//!
//! The library itself reads the variables for samplers, headers, compression and
//! most limits; `variables` has the rest.

use std::fmt::Display;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use chimera_layer4_core::config::without_userinfo;
use chimera_layer4_core::{FabricError, FabricResult};
use chimera_layer4_folders::read_regular;
use opentelemetry::{Key, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider};
use tracing::subscriber::NoSubscriber;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use super::variables::Otlp;

/// A collector answers with a few bytes.
const ANSWER_BYTES: u64 = 64 << 10;
/// A file of certificates or of a key: many times what the authorities of a whole
/// system take.
const MOST_PEM_BYTES: u64 = 16 << 20;

/// Sends spans there, in batches, on a thread of its own. What the library says of
/// values that it does not take is not heard: `variables` names all of them.
pub(super) fn to(otlp: &Otlp) -> FabricResult<SdkTracerProvider> {
    tracing::subscriber::with_default(NoSubscriber::default(), || build(otlp))
}

fn build(otlp: &Otlp) -> FabricResult<SdkTracerProvider> {
    let wrong = |message: String| FabricError::Configuration(vec![message]);
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Client::new(otlp).map_err(wrong)?)
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(otlp.timeout)
        .with_endpoint(&otlp.endpoint)
        .build();
    let exporter = exporter.map_err(|error| {
        let shown = without_userinfo(&otlp.endpoint);
        // The library may repeat the address.
        let reason = without_userinfo(&error.to_string());
        wrong(format!("the endpoint for traces is {shown:?}: {reason}"))
    })?;
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(otlp.queued)
        .with_max_export_batch_size(otlp.batch)
        .with_scheduled_delay(otlp.between)
        .build();
    let batches = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
    let mut provider = SdkTracerProvider::builder()
        .with_span_processor(batches)
        .with_resource(ourselves(Resource::builder().build()));
    if let Some(most) = otlp.attributes {
        provider = provider.with_max_attributes_per_span(most);
    }
    Ok(provider.build())
}

/// How a collector is known, and the host by it.
fn tls(otlp: &Otlp) -> Result<TlsConfig, String> {
    let mut config = TlsConfig::builder();
    if let Some(path) = &otlp.authorities {
        config = config.root_certs(RootCerts::new_with_certs(&certificates(path)?));
    }
    if let Some((certificate, key)) = &otlp.client {
        let pem = read(key)?;
        let key = PrivateKey::from_pem(&pem).map_err(|error| not_pem(key, &error))?;
        let client = ClientCert::new_with_certs(&certificates(certificate)?, key);
        config = config.client_cert(Some(client));
    }
    Ok(config.build())
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, String> {
    let pem = read(path)?;
    let items = parse_pem(&pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(Ok(certificate)),
        Ok(_) => None,
        Err(error) => Some(Err(not_pem(path, &error))),
    });
    let found: Vec<_> = items.collect::<Result<_, _>>()?;
    if found.is_empty() { Err(not_pem(path, &"it has no certificate")) } else { Ok(found) }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let named = |error: &dyn Display| {
        format!("{}, which a variable of OpenTelemetry names: {error}", path.display())
    };
    let pem = read_regular(path, MOST_PEM_BYTES).map_err(|error| named(&error))?;
    if pem.len() as u64 > MOST_PEM_BYTES {
        let most = MOST_PEM_BYTES >> 20;
        return Err(named(&format!("it is larger than {most} MiB, the most that is read")));
    }
    Ok(pem)
}

fn not_pem(path: &Path, reason: &dyn Display) -> String {
    format!(
        "{}, which a variable of OpenTelemetry names, is no PEM file as is wanted: {reason}",
        path.display()
    )
}

/// The sender: as the operator's variables describe it, else the program's name.
fn ourselves(said: Resource) -> Resource {
    let service = said.get(&Key::from_static_str("service.name"));
    let named = service.is_some_and(|name| !name.as_str().starts_with("unknown_service"));
    let mut ours = vec![KeyValue::new("service.version", env!("CARGO_PKG_VERSION"))];
    if !named {
        ours.push(KeyValue::new("service.name", "chimera_layer4"));
    }
    let said = said.iter().filter(|(key, _)| named || key.as_str() != "service.name");
    let said = said.map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    // What comes later wins.
    Resource::builder_empty().with_attributes(ours).with_attributes(said).build()
}

/// The HTTP client that the program has anyway. It blocks, which the batch's
/// thread may.
#[derive(Debug)]
struct Client {
    agent: ureq::Agent,
    /// As it may be printed.
    endpoint: String,
    /// Whether the last batch was refused: only the first refusal of a streak is logged.
    fails: AtomicBool,
}

/// A batch that the collector did not get, or did not take.
#[derive(Debug, thiserror::Error)]
#[error("{endpoint}: {reason}")]
struct NotSent {
    endpoint: String,
    reason: String,
}

impl Client {
    fn new(otlp: &Otlp) -> Result<Self, String> {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .tls_config(tls(otlp)?)
            .timeout_global(Some(otlp.timeout));
        let endpoint = without_userinfo(&otlp.endpoint);
        Ok(Self { agent: config.build().into(), endpoint, fails: AtomicBool::new(false) })
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ureq::Error> {
        let (head, body) = request.into_parts();
        let answer = self.agent.run(Request::from_parts(head, body.to_vec()))?;
        let (head, mut body) = answer.into_parts();
        let body = body.with_config().limit(ANSWER_BYTES).read_to_vec()?;
        Ok(Response::from_parts(head, body.into()))
    }

    /// The library says that a batch was not sent, and neither where to nor why.
    fn tell(&self, reason: String) -> NotSent {
        // It may repeat the address.
        let reason = without_userinfo(&reason);
        let not_sent = NotSent { endpoint: self.endpoint.clone(), reason };
        if !self.fails.swap(true, Ordering::Relaxed) {
            tracing::warn!(error = %not_sent, "traces are not sent; spans are lost until they are");
        }
        not_sent
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = self.send(request).map_err(|error| self.tell(error.to_string()))?;
        if answer.status().is_success() {
            self.fails.store(false, Ordering::Relaxed);
        } else {
            // The library makes an error of the status itself.
            drop(self.tell(format!("it answered {}", answer.status())));
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::super::variables::Variables;
    use super::*;

    fn otlp(endpoint: &str) -> Otlp {
        Variables(&[]).otlp(Some(endpoint)).unwrap()
    }

    async fn sent(client: &Client, endpoint: &str) -> Result<u16, String> {
        let request = Request::post(endpoint).body(Bytes::new()).unwrap();
        let answer = client.send_bytes(request).await.map_err(|error| error.to_string())?;
        Ok(answer.status().as_u16())
    }

    #[tokio::test]
    async fn a_batch_that_is_not_sent_says_where_to_and_why() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let endpoint = format!("http://me:hush@{free}");
        let client = Client::new(&otlp(&endpoint)).unwrap();
        let said = sent(&client, &endpoint).await.unwrap_err();
        assert!(said.starts_with(&format!("http://(secret)@{free}/v1/traces: ")), "{said}");
        assert!(said.contains("refused") && !said.contains("hush"), "{said}");
        assert!(client.fails.load(Ordering::Relaxed));
    }

    #[tokio::test]
    async fn after_a_streak_the_next_failure_is_logged_again() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for status in ["404 Not Found", "200 OK"] {
                let (mut stream, _) = listener.accept().unwrap();
                let _ = stream.read(&mut [0; 4096]).unwrap();
                let close = "content-length: 0\r\nconnection: close";
                write!(stream, "HTTP/1.1 {status}\r\n{close}\r\n\r\n").unwrap();
            }
        });
        let client = Client::new(&otlp(&endpoint)).unwrap();
        assert_eq!(sent(&client, &endpoint).await, Ok(404));
        assert!(client.fails.load(Ordering::Relaxed));
        assert_eq!(sent(&client, &endpoint).await, Ok(200));
        assert!(!client.fails.load(Ordering::Relaxed));
    }

    #[test]
    fn an_endpoint_that_is_no_address_is_refused_without_its_password() {
        let error = to(&otlp("http://me:hush@th{re/")).unwrap_err().to_string();
        assert!(error.contains("(secret)@th{re") && !error.contains("hush"), "{error}");
    }

    #[test]
    fn certificates_are_read_at_the_start_or_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let refused = |otlp: &Otlp| to(otlp).unwrap_err().to_string();
        let plain = otlp("https://localhost:4318");
        let absent = Otlp { authorities: Some("/gone.pem".into()), ..plain.clone() };
        assert!(refused(&absent).contains("/gone.pem, which a variable of OpenTelemetry names"));
        let empty = Otlp { authorities: Some(file("ca.pem", "no certificate")), ..plain.clone() };
        assert!(refused(&empty).contains("it has no certificate"), "{}", refused(&empty));
        let body = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
        let known = Otlp { authorities: Some(file("good.pem", body)), ..plain.clone() };
        assert!(tls(&known).is_ok());
        let keyless =
            Otlp { client: Some((file("own.pem", body), file("key.pem", "none"))), ..plain };
        assert!(refused(&keyless).contains("key.pem"), "{}", refused(&keyless));
    }
}
