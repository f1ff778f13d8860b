//! Key figures as the specification reads them.

use serde::{Serialize, Serializer};

use crate::host::{AgentId, fabric};

/// How one agent did with one genome, over the last five minutes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KpiReport {
    /// The agent.
    pub agent_id: AgentId,
    /// The name that tasks target.
    pub agent_type: String,
    /// The genome that ran.
    pub genome: fabric::Digest,
    /// Seconds that the figures reach back.
    pub window_secs: u64,
    /// Runs that the figures stand on.
    pub runs: usize,
    /// Milliseconds of a run: half took no longer.
    pub latency_ms: f64,
    /// Milliseconds: 95 % took no longer.
    pub latency_p95_ms: f64,
    /// Milliseconds: 99 % took no longer.
    pub latency_p99_ms: f64,
    /// Share of runs that returned an output, from 0.0 to 1.0.
    pub success_rate: f64,
    /// Mean accuracy that layer 3 reported for outputs of the genome, from 0.0 to 1.0. Not a
    /// number where it reported none; `null` in JSON.
    #[serde(serialize_with = "number_or_null")]
    pub accuracy: f64,
    /// Seconds of processor time of a run, in the mean.
    pub cpu_seconds: f64,
    /// Mebibytes that a run held at the most.
    pub memory_peak_mb: f64,
}

fn number_or_null<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    (!value.is_nan()).then_some(value).serialize(serializer)
}

impl From<fabric::KpiReport> for KpiReport {
    fn from(report: fabric::KpiReport) -> Self {
        Self {
            agent_id: report.agent_id,
            agent_type: report.agent_type,
            genome: report.genome,
            window_secs: report.window_secs,
            runs: report.runs,
            latency_ms: report.latency_ms,
            latency_p95_ms: report.latency_p95_ms,
            latency_p99_ms: report.latency_p99_ms,
            success_rate: report.success_rate,
            accuracy: report.accuracy.unwrap_or(f64::NAN),
            cpu_seconds: report.cpu_seconds,
            memory_peak_mb: report.memory_peak_mb,
        }
    }
}
