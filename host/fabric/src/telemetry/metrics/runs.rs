//! Agents and their runs.

use std::sync::Arc;

use chimera_layer4_core::{AgentId, Digest, Fault, QuotaKind};
use chimera_layer4_runtime::RunReport;
use prometheus::{Counter, CounterVec, Histogram, HistogramVec, IntCounter, IntCounterVec};
use prometheus::{Opts, Registry, Result};

use super::add;
use super::families::{Beginnings, ByType, counters, histograms};

/// Who ran.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Runner<'a> {
    pub(crate) agent_id: AgentId,
    pub(crate) agent_type: &'a str,
    pub(crate) genome: Digest,
}

pub(super) struct RunMetrics {
    spawned: IntCounterVec,
    restarts: IntCounterVec,
    duration: HistogramVec,
    cpu: CounterVec,
    network: IntCounterVec,
    kills: IntCounterVec,
    dropped: IntCounterVec,
    by_type: ByType<RunHandles>,
}

pub(super) struct RunHandles {
    label: String,
    pub(super) spawned: IntCounter,
    pub(super) restarts: IntCounter,
    duration: Histogram,
    cpu: Counter,
    /// Where a run had a grant, so that a type without one has no series.
    network: IntCounterVec,
    kills: IntCounterVec,
    dropped: IntCounterVec,
}

const TYPE: &[&str] = &["agent_type"];

impl RunMetrics {
    pub(super) fn new(registry: &Registry, beginnings: &mut Beginnings) -> Result<Self> {
        let mut of_type = |name, help| {
            beginnings.counter(name, help)?;
            counters(registry, name, help, TYPE)
        };
        let cpu = Opts::new(
            "layer4_agent_cpu_seconds_total",
            "Seconds of processor time that runs used.",
        );
        let cpu = CounterVec::new(cpu, TYPE)?;
        registry.register(Box::new(cpu.clone()))?;
        Ok(Self {
            spawned: of_type("layer4_agents_spawned_total", "Agents started.")?,
            restarts: of_type("layer4_agent_restarts_total", "Agents restarted.")?,
            duration: histograms(
                registry,
                "layer4_run_duration_ms",
                "Milliseconds of one run of an agent.",
                TYPE,
            )?,
            cpu,
            network: counters(
                registry,
                "layer4_agent_network_bytes_total",
                "Bytes that runs sent and received on granted connections, heads and TLS included.",
                &["agent_type", "direction"],
            )?,
            kills: counters(
                registry,
                "layer4_quota_kills_total",
                "Runs ended for a quota, by the quota.",
                &["agent_type", "quota"],
            )?,
            dropped: counters(
                registry,
                "layer4_guest_dropped_total",
                "What agents reported and the host did not keep, by kind: observations, spans, \
                 bytes of log, observations of a metric or label set too many.",
                &["agent_type", "kind"],
            )?,
            by_type: ByType::default(),
        })
    }

    pub(super) fn of(&self, agent_type: &str) -> Arc<RunHandles> {
        self.by_type.of(agent_type, |label| self.handles(label))
    }

    fn handles(&self, label: &str) -> RunHandles {
        // From zero on, so that the first one shows as an increase.
        for quota in QuotaKind::ALL {
            self.kills.with_label_values(&[label, quota.code()]);
        }
        for kind in ["metrics", "spans", "log_bytes", "series"] {
            self.dropped.with_label_values(&[label, kind]);
        }
        RunHandles {
            label: label.to_owned(),
            spawned: self.spawned.with_label_values(&[label]),
            restarts: self.restarts.with_label_values(&[label]),
            duration: self.duration.with_label_values(&[label]),
            cpu: self.cpu.with_label_values(&[label]),
            network: self.network.clone(),
            kills: self.kills.clone(),
            dropped: self.dropped.clone(),
        }
    }

    pub(super) fn ran(&self, agent_type: &str, report: &RunReport) {
        let of_type = self.of(agent_type);
        of_type.duration.observe(report.wall.as_secs_f64() * 1000.0);
        of_type.cpu.inc_by(report.usage.cpu_seconds);
        of_type.passed("sent", report.usage.network_tx_bytes);
        of_type.passed("received", report.usage.network_rx_bytes);
        if let Err(Fault::OverQuota(breach)) = &report.result {
            let labels = [of_type.label.as_str(), breach.quota.code()];
            of_type.kills.with_label_values(&labels).inc();
        }
        let dropped = report.telemetry.dropped;
        of_type.dropped("metrics", dropped.metrics);
        of_type.dropped("spans", dropped.spans);
        of_type.dropped("log_bytes", dropped.log_bytes);
    }
}

impl RunHandles {
    fn passed(&self, direction: &str, bytes: Option<u64>) {
        if let Some(bytes) = bytes {
            self.network.with_label_values(&[self.label.as_str(), direction]).inc_by(bytes);
        }
    }

    pub(super) fn dropped(&self, kind: &str, count: u64) {
        if count > 0 {
            add(&self.dropped.with_label_values(&[self.label.as_str(), kind]), count);
        }
    }
}
