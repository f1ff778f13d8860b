//! What a run really used.

use serde::{Deserialize, Serialize};

/// Use measured by the host's own meters.
///
/// A field that nothing measured is absent. None of these numbers comes from
/// the guest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ResourceUsage {
    /// Seconds of processor time on the threads that ran the guest and its host calls.
    pub cpu_seconds: f64,
    /// The most mebibytes of linear memory and tables held at once.
    pub memory_peak_mb: f64,
    /// Bytes sent on the connections of granted HTTP requests, heads and TLS
    /// included; what lies below TCP's stream is not seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_tx_bytes: Option<u64>,
    /// Bytes received on them, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_rx_bytes: Option<u64>,
    /// Calls that reached a granted folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_io_ops: Option<u64>,
    /// Share of a graphics processor, 0.0 to 1.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_utilization: Option<f64>,
}
