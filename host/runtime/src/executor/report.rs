//! What one run did and cost.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chimera_layer4_core::quota::MEBIBYTE;
use chimera_layer4_core::{ExecutionResult, Fault, JsonText, ResourceUsage, RunTelemetry, TaskId};

use crate::sandbox::limits::bandwidth::Traffic;
use crate::sandbox::limits::hosted::Hosted;

/// How a run ended, what it used and what the agent said meanwhile.
#[derive(Clone, Debug)]
pub struct RunReport {
    /// The agent's output, or why there is none.
    pub result: Result<JsonText, Fault>,
    /// What was measured.
    pub usage: ResourceUsage,
    /// From the start of the run to its end.
    pub wall: Duration,
    /// From the submission until an instance was free.
    pub waited: Duration,
    /// Making and initialising an instance, where the run needed a new one.
    pub new_instance: Option<Duration>,
    /// Why the instance's retirement after this run failed, if it did. The
    /// task's own result stands.
    pub shutdown_fault: Option<Fault>,
    /// What the agent reported.
    pub telemetry: RunTelemetry,
    /// What the telemetry is charged to the agent, until the report is dropped.
    pub(super) _held: Option<Arc<Hosted>>,
}

impl RunReport {
    /// The result that the submitter of the task gets, as of now.
    #[must_use]
    pub fn into_result(self, task_id: TaskId) -> ExecutionResult {
        let (output, fault) = match self.result {
            Ok(output) => (output, None),
            Err(fault) => (JsonText::default(), Some(fault)),
        };
        ExecutionResult {
            task_id,
            success: fault.is_none(),
            output,
            // The last millisecond counts whole: a run that took time took some.
            execution_time_ms: u64::try_from(self.wall.as_nanos().div_ceil(1_000_000))
                .unwrap_or(u64::MAX),
            resource_usage: self.usage,
            error: fault.as_ref().map(ToString::to_string),
            fault,
            completed_at: SystemTime::now(),
        }
    }

    /// A run that no guest took part in.
    #[must_use]
    pub fn unstarted(fault: Fault) -> Self {
        Self {
            result: Err(fault),
            usage: ResourceUsage::default(),
            wall: Duration::ZERO,
            waited: Duration::ZERO,
            new_instance: None,
            shutdown_fault: None,
            telemetry: RunTelemetry::default(),
            _held: None,
        }
    }
}

pub(super) fn usage(cpu: Duration, memory_peak: u64, traffic: Option<&Traffic>) -> ResourceUsage {
    let for_traffic = traffic.map(Traffic::cpu).unwrap_or_default();
    ResourceUsage {
        cpu_seconds: (cpu + for_traffic).as_secs_f64(),
        memory_peak_mb: memory_peak as f64 / MEBIBYTE as f64,
        network_tx_bytes: traffic.map(Traffic::sent),
        network_rx_bytes: traffic.map(Traffic::received),
        ..ResourceUsage::default()
    }
}
