//! What a library for OpenTelemetry tells by `wasi:otel`.

use chimera_agent_sdk::prelude::*;

wit_bindgen::generate!({
    path: "../../../host/runtime/src/sandbox/capabilities/otel/otel.wit",
    world: "chimera:otel/otel",
    generate_all,
});

use wasi::clocks::wall_clock::Datetime;
use wasi::otel::logs::{self, LogRecord};
use wasi::otel::metrics::{
    self, Histogram, HistogramDataPoint, Metric, MetricData, MetricNumber, ResourceMetrics,
    ScopeMetrics, Sum, SumDataPoint, Temporality,
};
use wasi::otel::tracing::{self, SpanContext, SpanData, SpanKind, Status, TraceFlags};
use wasi::otel::types::{InstrumentationScope, KeyValue, Resource};

const NOW: Datetime = Datetime { seconds: 1_700_000_000, nanoseconds: 0 };

fn context(id: u64) -> SpanContext {
    SpanContext {
        trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".into(),
        span_id: format!("{id:016x}"),
        trace_flags: TraceFlags::SAMPLED,
        is_remote: false,
        trace_state: Vec::new(),
    }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "keeper".into(),
        version: None,
        schema_url: None,
        attributes: Vec::new(),
    }
}

fn attributes(pairs: &[(&str, &str)]) -> Vec<KeyValue> {
    let one = |&(key, value): &(&str, &str)| KeyValue { key: key.into(), value: value.into() };
    pairs.iter().map(one).collect()
}

fn end(id: u64, parent: Option<u64>, name: &str, status: Status) {
    tracing::on_end(&SpanData {
        span_context: context(id),
        parent_span_id: parent.map(|id| format!("{id:016x}")).unwrap_or_default(),
        span_kind: SpanKind::Internal,
        name: name.into(),
        start_time: NOW,
        end_time: NOW,
        attributes: attributes(&[("db.system", r#""sq\"lite""#), ("rows", "3")]),
        events: Vec::new(),
        links: Vec::new(),
        status,
        instrumentation_scope: scope(),
        dropped_attributes: 0,
        dropped_events: 0,
        dropped_links: 0,
    });
}

/// Begins so many spans and ends none.
pub(crate) fn begin(count: u64) {
    (1..=count).for_each(|id| tracing::on_start(&context(id)));
}

/// Ends the first span of an earlier call.
pub(crate) fn end_first() {
    end(1, None, "of another run", Status::Unset);
}

/// A span with two in it that overlap, and the context that they are to go on from.
pub(crate) fn trace() -> Value {
    let outer = tracing::outer_span_context();
    begin(3);
    end(2, Some(1), "SELECT", Status::Ok);
    end(3, Some(1), "INSERT", Status::Error("locked".into()));
    end(1, None, "GET /users", Status::Unset);
    json!([outer.trace_id, outer.span_id])
}

pub(crate) fn measure() -> Result<(), metrics::Error> {
    let attributes = attributes(&[("http.route", r#""/users""#)]);
    let point = SumDataPoint {
        attributes: attributes.clone(),
        value: MetricNumber::U64(7),
        exemplars: Vec::new(),
    };
    let sum = Sum {
        data_points: vec![point],
        start_time: NOW,
        time: NOW,
        temporality: Temporality::Cumulative,
        is_monotonic: true,
    };
    let point = HistogramDataPoint {
        attributes,
        count: 2,
        bounds: vec![1.0],
        bucket_counts: vec![1, 1],
        min: None,
        max: None,
        sum: MetricNumber::F64(2.5),
        exemplars: Vec::new(),
    };
    let histogram = Histogram {
        data_points: vec![point],
        start_time: NOW,
        time: NOW,
        temporality: Temporality::Delta,
    };
    let metric = |name: &str, data| Metric {
        name: name.into(),
        description: String::new(),
        unit: "1".into(),
        data,
    };
    let metrics = vec![
        metric("http.requests", MetricData::U64Sum(sum)),
        metric("http.duration", MetricData::F64Histogram(histogram)),
    ];
    metrics::export(&ResourceMetrics {
        resource: Resource { attributes: Vec::new(), schema_url: None },
        scope_metrics: vec![ScopeMetrics { scope: scope(), metrics }],
    })
}

pub(crate) fn log(message: &str) {
    logs::on_emit(&LogRecord {
        timestamp: Some(NOW),
        observed_timestamp: None,
        severity_text: Some("WARN".into()),
        severity_number: Some(13),
        body: Some(json!(message).to_string()),
        attributes: Some(attributes(&[("user", r#""ada""#)])),
        event_name: None,
        resource: None,
        instrumentation_scope: Some(scope()),
        trace_id: None,
        span_id: None,
        trace_flags: None,
    });
}
