//! What an agent in the specification's form says of a task that it did.

use std::time::SystemTime;

use serde_json::Value;

use super::TaskId;

/// The result of one task.
///
/// The host takes [`success`](Self::success), [`output`](Self::output) and
/// [`error`](Self::error). It measures the time and the use itself, and its figures are the
/// ones that the submitter gets, as is the identity of the task: the other fields may
/// hold anything.
#[derive(Clone, Debug, PartialEq)]
pub struct ExecutionResult {
    /// The task's identity. Not read: the host knows which task runs.
    pub task_id: TaskId,
    /// Whether the task is done. With `false` it has failed for good.
    pub success: bool,
    /// The output. Dropped where `success` is `false`.
    pub output: Value,
    /// Not read: the host measures it.
    pub execution_time_ms: u64,
    /// Not read: the host measures it.
    pub resource_usage: ResourceUsage,
    /// Why the task failed. Beside `success: true` it is a line of the log.
    pub error: Option<String>,
    /// Not read: the host's clock decides.
    pub completed_at: SystemTime,
}

/// What an agent believes that a task used. The host does not read it: it measures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResourceUsage {
    /// Seconds of processor time.
    pub cpu_seconds: f64,
    /// Mebibytes of memory at the most.
    pub memory_peak_mb: f64,
    /// Bytes sent.
    pub network_tx_bytes: u64,
    /// Bytes received.
    pub network_rx_bytes: u64,
    /// Reads and writes of files.
    pub disk_io_ops: u64,
    /// Share of a GPU, where there is one.
    pub gpu_utilization: Option<f64>,
}
