//! Requests to the HTTP API.
//!
//! The server reports each answer, and the families are here: the fabric alone may use
//! prometheus (`deny.toml`).

use std::time::Duration;

use prometheus::{HistogramVec, IntCounterVec, Registry, Result};

use super::families::{counters, histograms};

pub(crate) struct HttpMetrics {
    requests: IntCounterVec,
    duration: HistogramVec,
}

impl HttpMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self> {
        Ok(Self {
            requests: counters(
                registry,
                "layer4_http_requests_total",
                "Requests answered, by route, method and status.",
                &["route", "method", "status"],
            )?,
            duration: histograms(
                registry,
                "layer4_http_request_duration_ms",
                "Milliseconds from a request's head to its answer's, waiting that was asked for \
                 included.",
                &["route"],
            )?,
        })
    }

    /// A request was answered. The route is one of ours, never a path as typed.
    pub(crate) fn answered(&self, route: &str, method: &str, status: u16, took: Duration) {
        self.requests.with_label_values(&[route, method, &status.to_string()]).inc();
        self.duration.with_label_values(&[route]).observe(took.as_secs_f64() * 1000.0);
    }
}
