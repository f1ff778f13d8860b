//! The limits of an agent in the specification's form.

/// What a task or an agent may use at the most.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceQuota {
    /// Share of processor cores: 0.25 is a quarter of one core.
    pub max_cpu_cores: f64,
    /// Mebibytes of memory, the agent's code not counted.
    pub max_memory_mb: u64,
    /// Seconds of wall time for one call.
    pub max_execution_time_secs: u64,
    /// Megabits per second in each direction; `None`: no network at all. The host may
    /// enforce a fraction, which reads as the next whole number here.
    pub max_network_mbps: Option<u32>,
}

/// What a host grants by default.
impl Default for ResourceQuota {
    fn default() -> Self {
        Self {
            max_cpu_cores: 1.0,
            max_memory_mb: 512,
            max_execution_time_secs: 300,
            max_network_mbps: Some(10),
        }
    }
}
