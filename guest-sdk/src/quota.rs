//! The limits that the host enforces, for an agent to plan by.

/// What a task or an agent may use at the most.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceQuota {
    /// Share of processor cores: 0.25 is a quarter of one core. Over it the
    /// agent is paused, never ended.
    pub max_cpu_cores: f64,
    /// Mebibytes of memory, the agent's code not counted.
    pub max_memory_mb: u64,
    /// Seconds of wall time for one call.
    pub max_execution_time_secs: u64,
    /// Megabits per second in each direction; `None`: no network at all.
    pub max_network_mbps: Option<f64>,
}

/// What a host grants by default.
impl Default for ResourceQuota {
    fn default() -> Self {
        Self {
            max_cpu_cores: 1.0,
            max_memory_mb: 512,
            max_execution_time_secs: 300,
            max_network_mbps: Some(10.0),
        }
    }
}
