//! `wasi:otel/metrics`: each data point is an observation. Of a histogram these are
//! its count and its sum.

use std::borrow::Cow;

use super::bindings::wasi::otel::metrics::{
    Host, Metric, MetricData, MetricNumber, ResourceMetrics,
};
use super::bindings::wasi::otel::types::KeyValue;
use super::{Otel, View, pairs};
use crate::sandbox::context::recorder::Recorder;

impl Host for View<'_, Otel> {
    fn export(&mut self, metrics: ResourceMetrics) -> wasmtime::Result<Result<(), String>> {
        let all = metrics.scope_metrics.iter().flat_map(|scope| &scope.metrics);
        all.for_each(|metric| record(&mut self.context.recorder, metric));
        Ok(Ok(()))
    }
}

fn record(recorder: &mut Recorder, metric: &Metric) {
    use MetricData as Data;
    let name = prometheus(&metric.name);
    // Made once for all points, of which there may be as many as bytes of the name.
    let (count, sum) = (format!("{name}_count"), format!("{name}_sum"));
    let mut observe = |name: &str, value: f64, attributes: &[KeyValue]| {
        let labels: Vec<_> =
            pairs(attributes).map(|(name, value)| (prometheus(name), value)).collect();
        let labels: Vec<_> = labels.iter().map(|(name, value)| (&**name, &**value)).collect();
        recorder.metric(name, value, &labels);
    };
    match &metric.data {
        Data::F64Gauge(gauge) | Data::U64Gauge(gauge) | Data::S64Gauge(gauge) => {
            gauge
                .data_points
                .iter()
                .for_each(|at| observe(&name, number(at.value), &at.attributes));
        }
        Data::F64Sum(sum) | Data::U64Sum(sum) | Data::S64Sum(sum) => {
            sum.data_points.iter().for_each(|at| observe(&name, number(at.value), &at.attributes));
        }
        Data::F64Histogram(all) | Data::U64Histogram(all) | Data::S64Histogram(all) => {
            for at in &all.data_points {
                observe(&count, at.count as f64, &at.attributes);
                observe(&sum, number(at.sum), &at.attributes);
            }
        }
        Data::F64ExponentialHistogram(all)
        | Data::U64ExponentialHistogram(all)
        | Data::S64ExponentialHistogram(all) => {
            for at in &all.data_points {
                observe(&count, at.count as f64, &at.attributes);
                observe(&sum, number(at.sum), &at.attributes);
            }
        }
    }
}

fn number(number: MetricNumber) -> f64 {
    match number {
        MetricNumber::F64(value) => value,
        MetricNumber::S64(value) => value as f64,
        MetricNumber::U64(value) => value as f64,
    }
}

/// The name in Prometheus' alphabet, as OpenTelemetry's own exporters have it.
fn prometheus(name: &str) -> Cow<'_, str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.chars().all(fits) {
        return Cow::Borrowed(name);
    }
    Cow::Owned(name.chars().map(|c| if fits(c) { c } else { '_' }).collect())
}
