//! OTLP over HTTP, to the collector that the operator names.
//!
//! All else that OpenTelemetry's specification has a variable for (sampler,
//! headers, batches, timeouts) is read by its library, as it says there.

use std::time::Duration;

use async_trait::async_trait;
use chimera_layer4_core::{Layer4Error, Layer4Result};
use opentelemetry::{Key, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;

/// Where OTLP over HTTP takes traces, under the endpoint.
const PATH: &str = "v1/traces";
/// For one batch; what the specification says.
const PATIENCE: Duration = Duration::from_secs(10);
/// A collector answers with a few bytes.
const ANSWER_BYTES: u64 = 64 << 10;

/// Sends spans there, in batches, on a thread of its own.
pub(super) fn to(endpoint: &str) -> Layer4Result<SdkTracerProvider> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Client::new())
        .with_endpoint(format!("{}/{PATH}", endpoint.trim_end_matches('/')))
        .build();
    let exporter = exporter.map_err(|error| {
        let words = format!("otlp_endpoint is {endpoint:?}: {error}");
        Layer4Error::Configuration(vec![words])
    })?;
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(ourselves(Resource::builder().build()))
        .build())
}

/// Who sends: what the operator said of it, else the program's name.
fn ourselves(said: Resource) -> Resource {
    let service = said.get(&Key::from_static_str("service.name"));
    let named = service.is_some_and(|name| !name.as_str().starts_with("unknown_service"));
    let mut ours = vec![KeyValue::new("service.version", env!("CARGO_PKG_VERSION"))];
    if !named {
        ours.push(KeyValue::new("service.name", env!("CARGO_PKG_NAME")));
    }
    let said = said.iter().filter(|(key, _)| named || key.as_str() != "service.name");
    let said = said.map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    // What comes later wins.
    Resource::builder_empty().with_attributes(ours).with_attributes(said).build()
}

/// The HTTP client that the program has anyway. It blocks, which the batch's
/// thread may.
#[derive(Debug)]
struct Client(ureq::Agent);

impl Client {
    fn new() -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(PATIENCE));
        Self(config.build().into())
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let answer = self.0.run(Request::from_parts(head, body.to_vec()))?;
        let (head, mut body) = answer.into_parts();
        let body = body.with_config().limit(ANSWER_BYTES).read_to_vec()?;
        Ok(Response::from_parts(head, body.into()))
    }
}
