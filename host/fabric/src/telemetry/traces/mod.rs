//! Traces: the only user of OpenTelemetry.
//!
//! A submitter's trace (W3C Trace Context) is carried in the task's metadata,
//! under the names of its headers, so it survives the queue, a retry and a
//! restart with the task itself. With a collector (`otlp_endpoint`, or one of
//! OpenTelemetry's `variables`), each request and each run is a span of that trace, the guest is
//! handed the run's, and spans that the guest opened are exported as the run's children. Without it
//! the submitter's trace is handed on as it came.

mod export;
mod run;
mod variables;

use std::collections::BTreeMap;
use std::time::Duration;

use chimera_layer4_core::{FabricConfig, FabricError, FabricResult};
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{
    SpanBuilder, SpanKind, Status, TraceContextExt, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

pub(crate) use self::run::RunTrace;
use self::variables::Variables;

/// The metadata that carries a trace, and the header it comes in.
const TRACEPARENT: &str = "traceparent";

/// Begins spans, if there is a collector.
pub struct Traces {
    collected: Option<Collected>,
}

struct Collected {
    provider: SdkTracerProvider,
    /// Of what the host saw itself.
    host: SdkTracer,
    /// Of what guests say of their work, so that a reader can tell.
    guest: SdkTracer,
}

impl Traces {
    /// # Errors
    /// `Configuration` when the collector's address is none.
    pub(crate) fn new(config: &FabricConfig) -> FabricResult<Self> {
        let variables = Variables(&config.telemetry.otel_variables);
        let refused = variables.refused();
        if !refused.is_empty() {
            return Err(FabricError::Configuration(refused));
        }
        let Some(otlp) = variables.otlp(config.telemetry.otlp_endpoint.as_deref()) else {
            return Ok(Self { collected: None });
        };
        for reason in variables.wrong_values() {
            tracing::warn!(reason, "a variable of OpenTelemetry's has a value that is not allowed");
        }
        let provider = export::to(&otlp)?;
        let (host, guest) = (provider.tracer("chimera"), provider.tracer("chimera:agent"));
        Ok(Self { collected: Some(Collected { provider, host, guest }) })
    }

    /// Begins the span of a request, inside the one that its headers name:
    /// `traceparent` and `tracestate`.
    pub(crate) fn request(
        &self,
        headers: &BTreeMap<String, String>,
        method: &'static str,
        route: &str,
    ) -> Trace {
        let parent = extract(&Reader(headers));
        let Some(Collected { host, .. }) = &self.collected else { return Trace(parent) };
        let span = SpanBuilder::from_name(format!("{method} {route}"))
            .with_kind(SpanKind::Server)
            .with_attributes([
                KeyValue::new("http.request.method", method),
                KeyValue::new("http.route", route.to_owned()),
            ]);
        let span = host.build_with_context(span, &parent);
        Trace(parent.with_span(span))
    }

    /// Sends what was not sent yet. Blocks, for `limit` at the most.
    pub(crate) fn end(&self, limit: Duration) {
        let Some(Collected { provider, .. }) = &self.collected else { return };
        if let Err(error) = provider.shutdown_with_timeout(limit) {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

/// The variables of OpenTelemetry's that are set and have no effect, each with the
/// reason. A host that sends traces logs values that are not allowed itself.
pub fn without_effect(config: &FabricConfig) -> Vec<String> {
    let variables = Variables(&config.telemetry.otel_variables);
    let mut reasons = variables.without_effect();
    if variables.otlp(config.telemetry.otlp_endpoint.as_deref()).is_none() {
        if !variables.ends_all() {
            reasons.extend(variables.wrong_values());
        }
        reasons.extend(variables.without_traces(&reasons));
    }
    reasons
}

/// Where in a trace something happens.
#[derive(Clone)]
pub struct Trace(Context);

impl Trace {
    /// Writes it into a task's metadata, unless the submitter named one there.
    pub fn carry(&self, metadata: &mut BTreeMap<String, String>) {
        if !metadata.contains_key(TRACEPARENT) {
            propagator().inject_context(&self.0, &mut Writer(metadata));
        }
    }

    /// Ends the span of a request with its answer's status.
    pub fn answered(&self, status: u16) {
        let span = self.0.span();
        span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
        // The client's mistakes are not the server's failures.
        if status >= 500 {
            span.set_status(Status::error(""));
        }
        span.end();
    }
}

/// The trace that a task's metadata names, as 32 hexadecimal digits.
pub(crate) fn trace_id(metadata: &BTreeMap<String, String>) -> Option<String> {
    metadata.contains_key(TRACEPARENT).then(|| extract(&Reader(metadata)))?.id()
}

trait Identified {
    fn id(&self) -> Option<String>;
}

impl Identified for Context {
    fn id(&self) -> Option<String> {
        let span = self.span();
        let context = span.span_context();
        context.is_valid().then(|| context.trace_id().to_string())
    }
}

fn propagator() -> TraceContextPropagator {
    TraceContextPropagator::new()
}

/// What is not well formed counts as absent, as the recommendation says.
fn extract(carrier: &dyn Extractor) -> Context {
    if !carrier.get(TRACEPARENT).is_some_and(is_whole) {
        return Context::new();
    }
    propagator().extract_with_context(&Context::new(), carrier)
}

/// The library takes ids that are too short, or have a sign, and reads them as
/// other ids.
fn is_whole(traceparent: &str) -> bool {
    let parts = || traceparent.trim().split('-').take(4);
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    parts().map(str::len).eq([2, 32, 16, 2]) && parts().flat_map(str::bytes).all(is_digit)
}

struct Reader<'a>(&'a BTreeMap<String, String>);

impl Extractor for Reader<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}

struct Writer<'a>(&'a mut BTreeMap<String, String>);

impl Injector for Writer<'_> {
    fn set(&mut self, key: &str, value: String) {
        // An empty `tracestate` says nothing.
        if !value.is_empty() {
            self.0.insert(key.to_owned(), value);
        }
    }
}

#[cfg(test)]
mod tests;
