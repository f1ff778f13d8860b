//! Quotas, and their change while agents run.

use crate::host::fabric;
use crate::host::{AgentId, AllocationTarget};

/// The limits on one agent or one task. All are enforced by the host.
///
/// The default is the setting's: one core, 512 MiB, 300 s, 10 Mbit/s.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceQuota {
    /// Share of processor cores, 0.001 to 1024; 0.25 is a quarter of one core. Over it the
    /// guest is paused, not ended.
    pub max_cpu_cores: f64,
    /// Mebibytes, 1 to 4096.
    pub max_memory_mb: u64,
    /// Seconds of wall time for one call, 1 to 604,800 (a week).
    pub max_execution_time_secs: u64,
    /// Megabits per second in each direction, 1 to 1,000,000; `None`: no network. A limit
    /// below one megabit is possible in [`fabric::ResourceQuota`] alone.
    pub max_network_mbps: Option<u32>,
}

impl Default for ResourceQuota {
    fn default() -> Self {
        fabric::ResourceQuota::default().into()
    }
}

impl From<ResourceQuota> for fabric::ResourceQuota {
    fn from(quota: ResourceQuota) -> Self {
        Self {
            max_cpu_cores: quota.max_cpu_cores,
            max_memory_mb: quota.max_memory_mb,
            max_execution_time_secs: quota.max_execution_time_secs,
            max_network_mbps: quota.max_network_mbps.map(f64::from),
        }
    }
}

impl From<fabric::ResourceQuota> for ResourceQuota {
    /// Part of a megabit counts as a whole one.
    fn from(quota: fabric::ResourceQuota) -> Self {
        Self {
            max_cpu_cores: quota.max_cpu_cores,
            max_memory_mb: quota.max_memory_mb,
            max_execution_time_secs: quota.max_execution_time_secs,
            // A float that is too large becomes the largest whole number.
            max_network_mbps: quota.max_network_mbps.map(|rate| rate.ceil() as u32),
        }
    }
}

/// A quota for agents that run already, in place of the one that they have.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceAllocation {
    /// Whose quota it is from now on.
    pub target: AllocationTarget,
    /// The whole new quota.
    pub resource_quota: ResourceQuota,
}

impl ResourceAllocation {
    /// For one agent, as long as it lives.
    #[must_use]
    pub fn for_agent(agent_id: AgentId, resource_quota: ResourceQuota) -> Self {
        Self { target: AllocationTarget::Agent(agent_id), resource_quota }
    }
}

impl From<ResourceAllocation> for fabric::ResourceAllocation {
    fn from(allocation: ResourceAllocation) -> Self {
        Self { target: allocation.target, resource_quota: allocation.resource_quota.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_goes_there_and_back_and_part_of_a_megabit_is_one() {
        let quota = ResourceQuota::default();
        assert_eq!(quota.max_network_mbps, Some(10));
        let inside = fabric::ResourceQuota::from(quota.clone());
        assert_eq!(inside, fabric::ResourceQuota::default());
        assert_eq!(ResourceQuota::from(inside.clone()), quota);
        for (rate, megabits) in [(0.001, 1), (1.0, 1), (1.5, 2), (f64::MAX, u32::MAX)] {
            let inside = fabric::ResourceQuota { max_network_mbps: Some(rate), ..inside.clone() };
            assert_eq!(ResourceQuota::from(inside).max_network_mbps, Some(megabits), "{rate}");
        }
        let none = fabric::ResourceQuota { max_network_mbps: None, ..inside };
        assert_eq!(ResourceQuota::from(none).max_network_mbps, None);
    }
}
